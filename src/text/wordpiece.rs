//! BERT's tokenizer: words, and parts of words.
//!
//! Schuster and Nakajima, "Japanese and Korean voice search", 2012, in the form of Devlin et al., 2019.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::{Error, Result};

/// The start of a text, its end, and what has no id.
const MARKS: [&str; 3] = ["[CLS]", "[SEP]", "[UNK]"];
/// What a part that does not begin a word begins with.
const INNER: &str = "##";
/// Longer words have no id.
const MAX_WORD: usize = 100;
/// Ranges of characters that are words of their own.
const IDEOGRAPHS: [(char, char); 8] = [
    ('\u{4e00}', '\u{9fff}'),
    ('\u{3400}', '\u{4dbf}'),
    ('\u{20000}', '\u{2a6df}'),
    ('\u{2a700}', '\u{2b73f}'),
    ('\u{2b740}', '\u{2b81f}'),
    ('\u{2b820}', '\u{2ceaf}'),
    ('\u{f900}', '\u{faff}'),
    ('\u{2f800}', '\u{2fa1f}'),
];

/// The tokenizer.
#[derive(Debug, Clone)]
pub struct WordPiece {
    ids: HashMap<String, u32>,
    /// Ids of [`MARKS`].
    marks: [u32; 3],
    lower_case: bool,
}

impl WordPiece {
    /// From `vocabulary`, the lines of a `vocab.txt`; `lower_case` for models that know no capitals and no accents.
    pub fn new(vocabulary: &str, lower_case: bool) -> Result<Self> {
        let ids: HashMap<String, u32> = (0..)
            .zip(vocabulary.lines())
            .map(|(id, token)| (token.trim_end().to_string(), id))
            .collect();
        let mark = |mark: &str| {
            ids.get(mark).copied().ok_or_else(|| {
                Error::format(
                    format!("BERT's vocabulary has no {mark}"),
                    "use the vocab.txt that belongs to the checkpoint",
                )
            })
        };
        let [start, end, unknown] = MARKS;
        Ok(Self {
            marks: [mark(start)?, mark(end)?, mark(unknown)?],
            ids,
            lower_case,
        })
    }

    /// The ids of `text` between both marks, at most `longest`. Longer texts lose their end, never their end mark.
    pub fn encode(&self, text: &str, longest: usize) -> Vec<u32> {
        let [start, end, _] = self.marks;
        let mut ids = vec![start];
        for word in self.words(text) {
            self.pieces(&word, &mut ids);
        }
        ids.truncate(longest.saturating_sub(1));
        ids.push(end);
        ids
    }

    /// The words of a text, and its punctuation.
    fn words(&self, text: &str) -> Vec<String> {
        let clean = text.chars().filter_map(|c| match c {
            '\t' | '\n' | '\r' => Some(' '),
            '\0' | '\u{fffd}' => None,
            c if c.general_category_group() == GeneralCategoryGroup::Other => None,
            c if c.is_whitespace() => Some(' '),
            c => Some(c),
        });
        let mut text: String = clean.collect();
        if self.lower_case {
            let accents = |c: &char| c.general_category() == GeneralCategory::NonspacingMark;
            let plain = text.nfd().filter(|c| !accents(c));
            text = plain.flat_map(char::to_lowercase).collect();
        }
        let mut words = vec![String::new()];
        for c in text.chars() {
            let alone = is_punctuation(c)
                || IDEOGRAPHS
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&c));
            if alone {
                words.extend([c.to_string(), String::new()]);
            } else if c == ' ' {
                words.push(String::new());
            } else if let Some(word) = words.last_mut() {
                word.push(c);
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    /// Adds the longest parts of a word that have ids, from its beginning on; one that cannot be made of them is unknown.
    fn pieces(&self, word: &str, ids: &mut Vec<u32>) {
        let before = ids.len();
        let mut rest = word;
        let fits = word.chars().count() <= MAX_WORD;
        while fits && !rest.is_empty() {
            let inner = if rest.len() < word.len() { INNER } else { "" };
            let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
            let ends: Vec<usize> = ends.collect();
            let longest = ends.iter().rev().find_map(|end| {
                let id = self.ids.get(&format!("{inner}{}", &rest[..*end]))?;
                Some((*id, *end))
            });
            let Some((id, end)) = longest else { break };
            ids.push(id);
            rest = &rest[end..];
        }
        if !rest.is_empty() {
            ids.truncate(before);
            ids.push(self.marks[2]);
        }
    }
}

/// All that is no letter and no number of ASCII counts, too.
fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() || c.general_category_group() == GeneralCategoryGroup::Punctuation
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tokenizers::Tokenizer;

    const VOCABULARY: &str = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/bert-tiny/vocab.txt"
    ));

    #[test]
    fn ids_are_those_of_the_crate_tokenizers() {
        let ids = (0..).zip(VOCABULARY.lines());
        let ids = ids.map(|(id, token): (u32, _)| (token.to_string(), json!(id)));
        let vocabulary: serde_json::Map<String, serde_json::Value> = ids.collect();
        for lower_case in [true, false] {
            let file = json!({
                "version": "1.0",
                "normalizer": {
                    "type": "BertNormalizer",
                    "clean_text": true,
                    "handle_chinese_chars": true,
                    "strip_accents": null,
                    "lowercase": lower_case,
                },
                "pre_tokenizer": {"type": "BertPreTokenizer"},
                "model": {
                    "type": "WordPiece",
                    "unk_token": "[UNK]",
                    "continuing_subword_prefix": "##",
                    "max_input_chars_per_word": 100,
                    "vocab": vocabulary,
                },
            });
            let theirs = Tokenizer::from_bytes(file.to_string()).unwrap();
            let ours = WordPiece::new(VOCABULARY, lower_case).unwrap();
            for text in [
                "A calm, quiet lake with blue water.",
                "quietly playing the PIANO's music\tslower",
                "unknowne exxy  (dark/light) caf\u{e9} l\u{e0}ke Pl\u{e4}yer",
                "\u{6f22}a\u{5b57} \u{1f600} \u{201c}the\u{201d} \u{0}\u{ad}calm\u{a0}lake",
                "",
            ] {
                let expected = theirs.encode(text, false).unwrap().get_ids().to_vec();
                let found = ours.encode(text, 1000);
                assert_eq!(found[1..found.len() - 1], expected, "{text:?} {lower_case}");
            }
        }
    }

    #[test]
    fn long_texts_keep_their_end_mark() {
        let tokenizer = WordPiece::new(VOCABULARY, true).unwrap();
        assert_eq!(tokenizer.encode("a calm lake a calm lake", 4), [2, 5, 6, 3]);
        assert_eq!(tokenizer.encode(&"a".repeat(101), 9), [2, 1, 3]);
        assert!(WordPiece::new("a\nb\n", true).is_err());
    }
}
