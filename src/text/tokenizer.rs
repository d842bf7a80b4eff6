//! Texts to ids, as the `tokenizer.json` of a checkpoint describes it.
//!
//! Only what CLAP and T5 use is here: the crate `tokenizers`, which the tests compare this with, would add two thirds to
//! the CPU's module for browsers.
//! Marks such as `</s>` that a person writes are words like others.

use serde_json::Value;

use super::{bpe::ByteLevelBpe, unigram::Unigram};
use crate::{
    Error, Result,
    weights::{AssetEntry, Bundle},
};

/// The role of CLAP's tokenizer among a bundle's assets.
pub const CLAP_TOKENIZER: &str = "tokenizer";
/// The role of T5's tokenizer.
pub const T5_TOKENIZER: &str = "tokenizer_2";
/// T5's `model_max_length`.
const T5_MAX_TOKENS: usize = 128;
/// CLAP's `model_max_length`.
const CLAP_MAX_TOKENS: usize = 512;
const T5_PAD: u32 = 0;
/// Characters that are read for each id that counts: merging takes the square of a word's length.
pub(super) const CHARACTERS_EACH: usize = 16;

/// A tokenizer of CLAP or T5.
#[derive(Debug, Clone)]
pub struct TextTokenizer {
    model: Model,
    longest: usize,
}

#[derive(Debug, Clone)]
enum Model {
    Clap(ByteLevelBpe),
    T5(Unigram),
}

impl TextTokenizer {
    /// CLAP's: `<s> .. </s>`.
    pub fn clap(json: &[u8]) -> Result<Self> {
        Ok(Self {
            model: Model::Clap(parse(json, ByteLevelBpe::new)?),
            longest: CLAP_MAX_TOKENS,
        })
    }

    /// T5's: `.. </s>`.
    pub fn t5(json: &[u8]) -> Result<Self> {
        Ok(Self {
            model: Model::T5(parse(json, Unigram::new)?),
            longest: T5_MAX_TOKENS,
        })
    }

    /// The ids of `text` with its marks. Longer texts lose their end, never their end mark.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let end = text.char_indices().nth(CHARACTERS_EACH * self.longest);
        let text = &text[..end.map_or(text.len(), |(at, _)| at)];
        let ids = match &self.model {
            Model::Clap(model) => model.encode(text),
            Model::T5(model) => model.encode(text),
        };
        truncate(ids, self.longest)
    }
}

/// Reads a `tokenizer.json`. `build` gives none where it is of another kind than the network's.
fn parse<T>(json: &[u8], build: impl FnOnce(&Value) -> Option<T>) -> Result<T> {
    let hint = "use the tokenizer that belongs to the checkpoint";
    let value = serde_json::from_slice(json)
        .map_err(|e| Error::format(format!("a tokenizer.json cannot be read ({e})"), hint))?;
    build(&value).ok_or_else(|| Error::format("a tokenizer.json is of an unknown kind", hint))
}

/// At most `length` ids, the last of which stays the last.
pub(super) fn truncate(mut ids: Vec<u32>, length: usize) -> Vec<u32> {
    if let Some(&end) = ids.last()
        && ids.len() > length
    {
        ids.truncate(length.saturating_sub(1));
        ids.push(end);
    }
    ids
}

/// The tokenizers of a checkpoint, CLAP's and T5's.
#[derive(Debug, Clone)]
pub struct Tokenizers {
    pub(super) clap: TextTokenizer,
    pub(super) t5: TextTokenizer,
}

impl Tokenizers {
    /// From the two `tokenizer.json`, CLAP's and T5's.
    pub fn new([clap, t5]: [&[u8]; 2]) -> Result<Self> {
        Ok(Self {
            clap: TextTokenizer::clap(clap)?,
            t5: TextTokenizer::t5(t5)?,
        })
    }

    /// Those of a bundle that has text networks.
    pub async fn of_bundle(bundle: &Bundle) -> Result<Self> {
        let clap = bundle.asset(CLAP_TOKENIZER).await?;
        let t5 = bundle.asset(T5_TOKENIZER).await?;
        Self::new([&clap, &t5])
    }

    /// Whether it is a file that [`Tokenizers::of_bundle`] reads.
    pub fn reads(asset: &AssetEntry) -> bool {
        [CLAP_TOKENIZER, T5_TOKENIZER].contains(&asset.role.as_str())
    }

    /// T5's ids of `text`, cut or padded to `length`, and which of them count.
    pub(super) fn t5_ids(&self, text: &str, length: usize) -> (Vec<u32>, Vec<bool>) {
        let mut ids = truncate(self.t5.encode(text), length);
        let mut mask = vec![true; ids.len()];
        ids.resize(length, T5_PAD);
        mask.resize(length, false);
        (ids, mask)
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    const PARTS: [&str; 2] = ["tokenizer", "tokenizer_2"];

    fn json(part: &str) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audioldm2-tiny");
        std::fs::read(folder.join(part).join("tokenizer.json")).unwrap()
    }

    fn ours(part: &str) -> TextTokenizer {
        let read = if part == PARTS[0] {
            TextTokenizer::clap
        } else {
            TextTokenizer::t5
        };
        read(&json(part)).unwrap()
    }

    /// That of Hugging Face.
    fn theirs(part: &str) -> tokenizers::Tokenizer {
        tokenizers::Tokenizer::from_bytes(json(part)).unwrap()
    }

    #[test]
    fn texts_have_the_ids_of_the_reference() {
        for part in PARTS {
            let (ours, theirs) = (ours(part), theirs(part));
            for text in [
                "",
                " ",
                "Music representing the content of this artwork",
                "  It's   1905:\tthey'll\n\nplay, we'd sing 'tis -- (don't!)  ",
                "Größe, naïve café, Ångström, \u{e9} and e\u{301}, ﬁne ½ Ⅳ ™ … “quoted”",
                "музыка 音楽 🎻🎶 👩\u{200d}🎨 \u{3000}\u{a0}_▁a▁▁b",
            ] {
                let expected = theirs.encode(text, true).unwrap();
                assert_eq!(ours.encode(text), expected.get_ids(), "{part}: {text:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn all_texts_have_the_ids_of_the_reference(text in "[ -;=-~\u{a0}-\u{17f}\u{300}-\u{45f}\u{2000}-\u{206f}\u{3040}-\u{30ff}\n ]{0,40}") {
            for part in PARTS {
                let expected = theirs(part).encode(text.as_str(), true).unwrap();
                prop_assert_eq!(ours(part).encode(&text), expected.get_ids());
            }
        }
    }

    #[test]
    fn long_texts_lose_their_end_and_keep_its_mark() {
        for (part, longest, end) in [(PARTS[0], CLAP_MAX_TOKENS, 2), (PARTS[1], T5_MAX_TOKENS, 1)] {
            let ids = ours(part).encode(&"music ".repeat(2000));
            assert_eq!((ids.len(), ids.last()), (longest, Some(&end)));
            assert_eq!(ours(part).encode(&"音".repeat(100_000)).last(), Some(&end));
        }
    }

    #[test]
    fn other_files_are_refused() {
        for part in PARTS {
            let other = PARTS[usize::from(part == PARTS[0])];
            let read = if part == PARTS[0] {
                TextTokenizer::clap
            } else {
                TextTokenizer::t5
            };
            for bytes in [b"{".to_vec(), b"{}".to_vec(), json(other)] {
                assert!(read(&bytes).is_err());
            }
        }
    }
}
