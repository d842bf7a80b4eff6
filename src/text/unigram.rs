//! T5's tokenizer: of all ways to put a word together from known parts the most probable one.
//!
//! Kudo, "Subword Regularization", 2018, as SentencePiece does it.

use serde_json::Value;
use std::collections::HashMap;

use super::charsmap::Charsmap;

/// Begins a word.
const BEGIN: char = '\u{2581}';
/// What an unknown character costs beside the rarest known part.
const UNKNOWN_COST: f64 = 10.0;

/// The tokenizer.
#[derive(Debug, Clone)]
pub(super) struct Unigram {
    charsmap: Option<Charsmap>,
    /// Ids of parts, with the logarithms of how frequent they are.
    parts: HashMap<String, (u32, f64)>,
    /// Bytes of the longest part.
    longest: usize,
    unknown: u32,
    unknown_score: f64,
    end: u32,
}

impl Unigram {
    /// From a `tokenizer.json`; none where that is of another kind.
    pub fn new(json: &Value) -> Option<Self> {
        let (model, split, marks) = (
            &json["model"],
            &json["pre_tokenizer"],
            &json["post_processor"],
        );
        let [spaces, begin] = split["pretokenizers"].as_array()?.as_slice() else {
            return None;
        };
        let known = model["type"] == "Unigram"
            && model["byte_fallback"] != true
            && spaces["type"] == "WhitespaceSplit"
            && begin["type"] == "Metaspace"
            && begin["replacement"].as_str()?.chars().eq([BEGIN])
            && begin["add_prefix_space"] != false
            && marks["type"] == "TemplateProcessing";
        if !known {
            return None;
        }
        let normalizer = &json["normalizer"];
        let charsmap = match normalizer["type"].as_str() {
            Some("Precompiled") => {
                Some(Charsmap::new(normalizer["precompiled_charsmap"].as_str()?)?)
            }
            None if normalizer.is_null() => None,
            _ => return None,
        };
        let mut parts = HashMap::new();
        let (mut longest, mut least) = (0, f64::INFINITY);
        for (id, entry) in model["vocab"].as_array()?.iter().enumerate() {
            let (part, score) = (entry[0].as_str()?, entry[1].as_f64()?);
            longest = longest.max(part.len());
            least = least.min(score);
            parts.insert(part.to_string(), (u32::try_from(id).ok()?, score));
        }
        let id = |value: &Value| u32::try_from(value.as_u64()?).ok();
        Some(Self {
            charsmap,
            parts,
            longest,
            unknown: id(&model["unk_id"])?,
            unknown_score: least - UNKNOWN_COST,
            end: id(&marks["special_tokens"]["</s>"]["ids"][0])?,
        })
    }

    /// The ids of `text` and the end mark.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let written = match &self.charsmap {
            Some(charsmap) => charsmap.normalise(text),
            None => text.to_string(),
        };
        let mut ids = Vec::new();
        for word in written.split_whitespace() {
            let begun = match word.starts_with(BEGIN) {
                true => word.to_string(),
                false => format!("{BEGIN}{word}"),
            };
            // A part begins a word wherever its mark is written.
            let mut starts: Vec<usize> = begun.match_indices(BEGIN).map(|(at, _)| at).collect();
            starts.push(begun.len());
            for range in starts.windows(2) {
                self.encode_word(&begun[range[0]..range[1]], &mut ids);
            }
        }
        ids.push(self.end);
        ids
    }

    /// Viterbi's algorithm; of equal ways the one that was found first. Unknown neighbours become one id.
    fn encode_word(&self, word: &str, ids: &mut Vec<u32>) {
        // For each byte that a part can end at: its score, where the part begins, and its id.
        let mut best: Vec<Option<(f64, usize, u32)>> = vec![None; word.len() + 1];
        best[0] = Some((0.0, 0, self.unknown));
        for (start, c) in word.char_indices() {
            let Some((so_far, ..)) = best[start] else {
                continue;
            };
            let mut offer = |end: usize, score: f64, id: u32| {
                let score = so_far + score;
                if best[end].is_none_or(|(other, ..)| score > other) {
                    best[end] = Some((score, start, id));
                }
            };
            let rest = &word[start..];
            let mut alone = false;
            let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
            for length in ends.take_while(|length| *length <= self.longest) {
                if let Some(&(id, score)) = self.parts.get(&rest[..length]) {
                    offer(start + length, score, id);
                    alone |= length == c.len_utf8();
                }
            }
            if !alone {
                offer(start + c.len_utf8(), self.unknown_score, self.unknown);
            }
        }
        let mut found = Vec::new();
        let mut end = word.len();
        while let Some((_, start, id)) = best[end].filter(|_| end > 0) {
            if id != self.unknown || found.last() != Some(&id) {
                found.push(id);
            }
            end = start;
        }
        ids.extend(found.iter().rev());
    }
}
