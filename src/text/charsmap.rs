//! How SentencePiece writes characters before it splits a text: one way for all that mean the same (NFKC, mostly).
//!
//! The table is a double array (Aoe 1989) as Darts-clone lays it out: units of 32 bits that find a byte string's place in a
//! list of replacements, each ended by a zero.

use base64::{Engine, prelude::BASE64_STANDARD};
use unicode_segmentation::UnicodeSegmentation;

/// A grapheme with fewer bytes is looked up as a whole first.
const SHORT: usize = 6;

/// The table.
#[derive(Debug, Clone)]
pub(super) struct Charsmap {
    units: Vec<u32>,
    replacements: String,
}

impl Charsmap {
    /// From base64: the bytes of the units as a 32-bit number, the units, the replacements. None where it is cut.
    pub fn new(text: &str) -> Option<Self> {
        let bytes = BASE64_STANDARD.decode(text).ok()?;
        let (length, rest) = bytes.split_first_chunk()?;
        let (units, replacements) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let (units, []) = units.as_chunks() else {
            return None;
        };
        Some(Self {
            units: units.iter().map(|unit| u32::from_le_bytes(*unit)).collect(),
            replacements: String::from_utf8(replacements.to_vec()).ok()?,
        })
    }

    /// The text as the tokenizer wants it.
    pub fn normalise(&self, text: &str) -> String {
        let mut written = String::with_capacity(text.len());
        for grapheme in text.graphemes(true) {
            let whole = (grapheme.len() < SHORT).then(|| self.replacement(grapheme));
            if let Some(replacement) = whole.flatten() {
                written.push_str(replacement);
                continue;
            }
            for c in grapheme.chars() {
                match self.replacement(c.encode_utf8(&mut [0; 4])) {
                    Some(replacement) => written.push_str(replacement),
                    None => written.push(c),
                }
            }
        }
        written
    }

    /// What replaces the shortest known beginning of `part`, which stands for all of it.
    fn replacement(&self, part: &str) -> Option<&str> {
        let offset = |unit: u32| (unit >> 10) << ((unit & (1 << 9)) >> 6);
        let mut place = offset(*self.units.first()?);
        for byte in part.bytes() {
            place ^= u32::from(byte);
            let unit = *self.units.get(place as usize)?;
            // The byte that leads here, and the bit that values have.
            if byte == 0 || unit & (1 << 31 | 0xff) != u32::from(byte) {
                return None;
            }
            place ^= offset(unit);
            if unit >> 8 & 1 == 1 {
                let value = *self.units.get(place as usize)? & !(1 << 31);
                let found = self.replacements.get(value as usize..)?;
                return found.split('\0').next();
            }
        }
        None
    }
}
