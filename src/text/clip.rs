//! CLIP's tokenizer: byte pairs of lower-case words, each of which ends in `</w>`.
//!
//! Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021. The vocabulary follows
//! from its merges: 256 bytes, the same at the end of a word, one id for each merge, and both marks.
//!
//! As `CLIPTokenizerFast` reads texts: canonical composition (NFC), lower case, blanks of any kind between words.
//! OpenCLIP's own code also mends wrongly decoded texts and HTML entities first; here these are words like others.

use serde_json::Value;
use std::collections::HashMap;
use unicode_normalization::UnicodeNormalization;

use super::{
    bpe::{CONTRACTIONS, Kind, Merges, kind, letters},
    tokenizer::{CHARACTERS_EACH, truncate},
};
use crate::{Error, Result, weights::Bundle};

/// The role of the merges among a bundle's assets: a line for each, of two parts with a blank between them.
pub const CLIP_MERGES: &str = "clip-merges";
/// What the last part of a word ends in.
pub(super) const WORD_END: &str = "</w>";
/// Ids of bytes inside and at the end of words.
pub(super) const BYTES: usize = 512;
/// The start of a text, and its end.
pub(super) const MARKS: [&str; 2] = ["<|startoftext|>", "<|endoftext|>"];
const HINT: &str = "use the vocabulary that belongs to the checkpoint";

/// The tokenizer.
#[derive(Debug, Clone)]
pub struct ClipTokenizer {
    /// The id of each byte inside of a word.
    bytes: Vec<u32>,
    merges: Merges,
    start: u32,
    context: usize,
}

impl ClipTokenizer {
    /// From merges as [`merges_of`] gives them, for a network of `context` positions.
    pub fn new(merges: &str, context: usize) -> Result<Self> {
        let mut ids = HashMap::new();
        let letters: Vec<char> = letters().collect();
        let mut bytes = vec![0; letters.len()];
        for (id, byte) in (0..).zip(byte_order()) {
            let letter = letters[usize::from(byte)];
            bytes[usize::from(byte)] = id;
            ids.insert(letter.to_string(), id);
            ids.insert(format!("{letter}{WORD_END}"), id + BYTES as u32 / 2);
        }
        let mut all = Merges::default();
        let mut next = BYTES as u32;
        for (rank, line) in merges.lines().enumerate() {
            let wrong = || Error::format(format!("CLIP's merge {line:?} cannot be used"), HINT);
            let (left, right) = line.split_once(' ').ok_or_else(wrong)?;
            let id = |part: &str| ids.get(part).copied().ok_or_else(wrong);
            all.insert([id(left)?, id(right)?], rank, next);
            ids.insert(format!("{left}{right}"), next);
            next += 1;
        }
        Ok(Self {
            bytes,
            merges: all,
            start: next,
            context,
        })
    }

    /// That of a bundle, for a network of `context` positions and a table of `vocabulary` ids.
    pub async fn of_bundle(bundle: &Bundle, context: usize, vocabulary: usize) -> Result<Self> {
        let merges = bundle.asset(CLIP_MERGES).await?;
        let merges = String::from_utf8(merges)
            .map_err(|_| Error::format("CLIP's merges are no text", HINT))?;
        let tokenizer = Self::new(&merges, context)?;
        if tokenizer.vocabulary() == vocabulary {
            return Ok(tokenizer);
        }
        Err(Error::format(
            format!(
                "CLIP's merges make {} ids where the network has {vocabulary}",
                tokenizer.vocabulary()
            ),
            HINT,
        ))
    }

    /// How many ids there are.
    fn vocabulary(&self) -> usize {
        self.start as usize + MARKS.len()
    }

    /// The ids of `text` between both marks, at most as many as the network has positions. Longer texts lose their end,
    /// never their end mark.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let text: String = text.chars().take(CHARACTERS_EACH * self.context).collect();
        let text = normalised(&text);
        let mut ids = vec![self.start];
        each_word(&text, |word| {
            let bytes = word.bytes().map(|byte| self.bytes[usize::from(byte)]);
            let mut parts: Vec<u32> = bytes.collect();
            if let Some(last) = parts.last_mut() {
                *last += BYTES as u32 / 2;
            }
            ids.extend(self.merges.apply(parts));
        });
        ids.push(self.start + 1);
        truncate(ids, self.context)
    }
}

/// A text as it is read: composed, in lower case.
pub(super) fn normalised(text: &str) -> String {
    text.nfc().collect::<String>().to_lowercase()
}

/// Calls `read` with each word of a normalised text.
pub(super) fn each_word<'a>(text: &'a str, mut read: impl FnMut(&'a str)) {
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, behind) = rest.split_at(word_length(rest));
        read(word);
        rest = behind.trim_start();
    }
}

/// Bytes in the order of their ids: printable ones first.
fn byte_order() -> impl Iterator<Item = u8> {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..);
    let first = (0..=0xff_u8).filter(printable);
    first.chain((0..=0xff_u8).filter(move |byte| !printable(byte)))
}

/// Bytes of the first of the parts `'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+` of a text that does not begin
/// with a blank.
fn word_length(text: &str) -> usize {
    let contraction = CONTRACTIONS.iter().find(|end| text.starts_with(**end));
    if let Some(contraction) = contraction {
        return contraction.len();
    }
    let mut characters = text.char_indices();
    let Some((_, first)) = characters.next() else {
        return 0;
    };
    let end = match kind(first) {
        Kind::Number => characters.next(),
        of => characters.find(|(_, c)| kind(*c) != of),
    };
    end.map_or(text.len(), |(at, _)| at)
}

/// The merges of a vocabulary's file for a table of `vocabulary` ids: OpenAI's `bpe_simple_vocab_16e6.txt`, which holds more
/// of them, the `merges.txt` of transformers, or a `tokenizer.json`.
pub fn merges_of(file: &[u8], vocabulary: usize) -> Result<String> {
    let unusable = |what: &str| Error::format(format!("CLIP's vocabulary {what}"), HINT);
    let count = vocabulary
        .checked_sub(BYTES + MARKS.len())
        .ok_or_else(|| unusable("has more bytes than the network has ids"))?;
    let text = std::str::from_utf8(file).map_err(|_| unusable("is no text"))?;
    let json = text.trim_start().starts_with('{');
    let merges = if json {
        let value = serde_json::from_str(text)
            .map_err(|e| unusable(&format!("is a tokenizer.json that cannot be read ({e})")))?;
        merges_of_json(&value).ok_or_else(|| unusable("is a tokenizer.json of another kind"))?
    } else {
        let lines = text.lines().map(str::trim_end);
        let behind = lines.skip_while(|line| line.contains("#version"));
        behind
            .filter(|line| !line.is_empty())
            .map(str::to_string)
            .collect()
    };
    if merges.len() < count || (json && merges.len() > count) {
        return Err(unusable(&format!(
            "has {} merges where the network needs {count}",
            merges.len()
        )));
    }
    let merges = merges[..count].join("\n");
    ClipTokenizer::new(&merges, 1)?;
    Ok(merges)
}

/// The merges of a `tokenizer.json`, whose ids must be in the order that follows from them.
fn merges_of_json(json: &Value) -> Option<Vec<String>> {
    let model = &json["model"];
    if model["type"] != "BPE" || model["end_of_word_suffix"] != WORD_END {
        return None;
    }
    let id = |token: &str| model["vocab"][token].as_u64();
    let mut merges = Vec::new();
    for (rank, merge) in (0..).zip(model["merges"].as_array()?) {
        // Older files have both in one text.
        let (left, right) = match merge.as_str() {
            Some(both) => both.split_once(' ')?,
            None => (merge[0].as_str()?, merge[1].as_str()?),
        };
        if id(&format!("{left}{right}"))? != BYTES as u64 + rank {
            return None;
        }
        merges.push(format!("{left} {right}"));
    }
    let letters: Vec<char> = letters().collect();
    let bytes = (0..).zip(byte_order()).all(|(at, byte)| {
        let letter = letters[usize::from(byte)];
        let ends = id(&format!("{letter}{WORD_END}")) == Some(at + BYTES as u64 / 2);
        id(&letter.to_string()) == Some(at) && ends
    });
    let first = BYTES as u64 + merges.len() as u64;
    let marks = (first..).zip(MARKS).all(|(at, mark)| id(mark) == Some(at));
    (bytes && marks).then_some(merges)
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    const VOCABULARY: usize = 640;
    const CONTEXT: usize = 77;

    fn json() -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/art2music-tiny");
        std::fs::read(folder.join("open_clip/tokenizer.json")).unwrap()
    }

    fn ours() -> ClipTokenizer {
        ClipTokenizer::new(&merges_of(&json(), VOCABULARY).unwrap(), CONTEXT).unwrap()
    }

    /// That of Hugging Face.
    fn theirs() -> tokenizers::Tokenizer {
        tokenizers::Tokenizer::from_bytes(json()).unwrap()
    }

    #[test]
    fn texts_have_the_ids_of_the_reference() {
        let (ours, theirs) = (ours(), theirs());
        assert_eq!(ours.vocabulary(), VOCABULARY);
        for text in [
            "",
            "  ",
            "The painting makes me feel calm, and a little SAD.",
            "It's   1905:\tthey'll\n\nplay, we'd sing 'tis -- (don't!)  ",
            "Größe, naïve café, Ångström, \u{e9} and e\u{301}, ﬁne ½ Ⅳ ™ … “quoted”",
            "музыка 音楽 🎻🎶 👩\u{200d}🎨 \u{3000}\u{a0}a b",
        ] {
            let expected = theirs.encode(text, true).unwrap();
            assert_eq!(ours.encode(text), expected.get_ids(), "{text:?}");
        }
    }

    proptest! {
        // Without capital sigma, whose lower case depends on its place in Python, and here.
        #[test]
        fn all_texts_have_the_ids_of_the_reference(text in "[ -;=-~\u{a0}-\u{17f}\u{300}-\u{3a2}\u{3a4}-\u{45f}\u{2000}-\u{206f}\u{3040}-\u{30ff}\n ]{0,12}") {
            let expected = theirs().encode(text.as_str(), true).unwrap();
            prop_assert_eq!(ours().encode(&text), expected.get_ids());
        }
    }

    #[test]
    fn long_texts_lose_their_end_and_keep_its_mark() {
        let ids = ours().encode(&"music ".repeat(2000));
        assert_eq!(
            (ids.len(), ids.last()),
            (CONTEXT, Some(&(VOCABULARY as u32 - 1)))
        );
        assert_eq!(ours().encode(&"音".repeat(100_000)).len(), CONTEXT);
    }

    #[test]
    fn all_forms_of_a_vocabulary_give_the_same_merges() {
        let merges = merges_of(&json(), VOCABULARY).unwrap();
        let published = format!("#version: 0.2\n{merges}\n");
        assert_eq!(merges_of(published.as_bytes(), VOCABULARY).unwrap(), merges);
        // OpenAI's file names itself in its first line, and has more merges than are used.
        let longer = format!("\"bpe.txt#version: 0.2\n{merges}\na b\n");
        assert_eq!(merges_of(longer.as_bytes(), VOCABULARY).unwrap(), merges);
    }

    #[test]
    fn other_files_are_refused() {
        let merges = merges_of(&json(), VOCABULARY).unwrap();
        let refused = |file: &[u8], vocabulary| {
            let error = merges_of(file, vocabulary).unwrap_err();
            error.to_string()
        };
        assert!(refused(merges.as_bytes(), VOCABULARY + 1).contains("has 126 merges"));
        assert!(refused(&json(), VOCABULARY - 1).contains("has 126 merges"));
        assert!(refused(b"", 100).contains("more bytes"));
        assert!(refused(b"\xff\xfe", VOCABULARY).contains("no text"));
        assert!(refused(b"{", VOCABULARY).contains("cannot be read"));
        assert!(refused(b"{}", VOCABULARY).contains("another kind"));
        let unknown = format!("zz zz\n{merges}");
        assert!(refused(unknown.as_bytes(), VOCABULARY).contains("\"zz zz\""));
    }
}
