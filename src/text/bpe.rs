//! CLAP's tokenizer, which is RoBERTa's, and what it shares with CLIP's: byte pairs are merged in the order in which that
//! was learnt.
//!
//! Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016; on bytes as in GPT-2.

use serde_json::Value;
use std::collections::HashMap;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// Endings that are words of their own, in the order in which they are looked for.
pub(super) const CONTRACTIONS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

/// The tokenizer.
#[derive(Debug, Clone)]
pub(super) struct ByteLevelBpe {
    /// The id of each byte; none where the vocabulary lacks it.
    bytes: Vec<Option<u32>>,
    merges: Merges,
    start: u32,
    end: u32,
}

impl ByteLevelBpe {
    /// From a `tokenizer.json`; none where that is of another kind.
    pub fn new(json: &Value) -> Option<Self> {
        let (model, split, marks) = (
            &json["model"],
            &json["pre_tokenizer"],
            &json["post_processor"],
        );
        let known = json["normalizer"].is_null()
            && model["type"] == "BPE"
            && split["type"] == "ByteLevel"
            && split["add_prefix_space"] == false
            && split["use_regex"] != false
            && marks["type"] == "RobertaProcessing";
        if !known {
            return None;
        }
        let vocabulary = model["vocab"].as_object()?;
        let id = |token: &str| u32::try_from(vocabulary.get(token)?.as_u64()?).ok();
        let mut merges = Merges::default();
        for (rank, merge) in model["merges"].as_array()?.iter().enumerate() {
            // Older files have both in one text.
            let (left, right) = match merge.as_str() {
                Some(both) => both.split_once(' ')?,
                None => (merge[0].as_str()?, merge[1].as_str()?),
            };
            let merged = id(&format!("{left}{right}"))?;
            merges.insert([id(left)?, id(right)?], rank, merged);
        }
        let mark = |name: &str| u32::try_from(marks[name][1].as_u64()?).ok();
        Some(Self {
            bytes: letters().map(|letter| id(&letter.to_string())).collect(),
            merges,
            start: mark("cls")?,
            end: mark("sep")?,
        })
    }

    /// The ids of `text` between both marks.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = vec![self.start];
        for word in words(text) {
            let bytes = word.bytes();
            let parts = bytes.filter_map(|byte| self.bytes[usize::from(byte)]);
            ids.extend(self.merges.apply(parts.collect()));
        }
        ids.push(self.end);
        ids
    }
}

/// What neighbours become.
#[derive(Debug, Clone, Default)]
pub(super) struct Merges(
    /// Of two neighbours: how early they are merged, and into what.
    HashMap<(u32, u32), (usize, u32)>,
);

impl Merges {
    /// Notes that two neighbours become `merged`; smaller ranks come first.
    pub fn insert(&mut self, [left, right]: [u32; 2], rank: usize, merged: u32) {
        self.0.insert((left, right), (rank, merged));
    }

    /// Merges the parts of a word: each time the neighbours that come first in the list, the left ones of several.
    pub fn apply(&self, mut parts: Vec<u32>) -> Vec<u32> {
        let first = |parts: &[u32]| {
            let pairs = parts.windows(2).enumerate();
            let known = pairs.filter_map(|(at, pair)| {
                let (rank, merged) = self.0.get(&(pair[0], pair[1]))?;
                Some((*rank, at, *merged))
            });
            known.min()
        };
        while let Some((_, at, merged)) = first(&parts) {
            parts[at] = merged;
            parts.remove(at + 1);
        }
        parts
    }
}

/// The letter that stands for each byte: printable ones for themselves, others for those behind Latin-1.
pub(super) fn letters() -> impl Iterator<Item = char> {
    let mut next = 0x100;
    (0..=0xff_u8).map(move |byte| match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae.. => char::from(byte),
        _ => {
            next += 1;
            char::from_u32(next - 1).unwrap_or_default()
        }
    })
}

/// What the words of a text consist of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Letter,
    Number,
    Space,
    Other,
}

pub(super) fn kind(c: char) -> Kind {
    match c.general_category_group() {
        _ if c.is_whitespace() => Kind::Space,
        GeneralCategoryGroup::Letter => Kind::Letter,
        GeneralCategoryGroup::Number => Kind::Number,
        _ => Kind::Other,
    }
}

/// The parts that GPT-2 splits a text into:
/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
fn words(mut text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    while !text.is_empty() {
        let (word, rest) = text.split_at(word_length(text));
        words.push(word);
        text = rest;
    }
    words
}

/// Bytes of the first word.
fn word_length(text: &str) -> usize {
    let contraction = CONTRACTIONS.iter().find(|end| text.starts_with(**end));
    if let Some(contraction) = contraction {
        return contraction.len();
    }
    let run = |text: &str, wanted: Kind| {
        let end = text.char_indices().find(|(_, c)| kind(*c) != wanted);
        end.map_or(text.len(), |(at, _)| at)
    };
    // One blank belongs to the word behind it.
    let blank = usize::from(text.starts_with(' '));
    match text[blank..].chars().next().map(kind) {
        Some(of @ (Kind::Letter | Kind::Number | Kind::Other)) => blank + run(&text[blank..], of),
        _ => {
            let spaces = run(text, Kind::Space);
            let last = text[..spaces].chars().next_back().map_or(0, char::len_utf8);
            // The last one belongs to the word behind them.
            if spaces < text.len() && spaces > last {
                spaces - last
            } else {
                spaces
            }
        }
    }
}
