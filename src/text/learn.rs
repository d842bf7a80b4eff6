//! Learns CLIP's merges from texts, for a small vocabulary.
//!
//! Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016: again and again the neighbours that
//! are found most often become one part.

use std::collections::HashMap;

use super::{
    bpe::letters,
    clip::{BYTES, MARKS, WORD_END, each_word, normalised},
};
use crate::{Error, Result};

/// The merges, a line each, of a vocabulary of `vocabulary` ids that suits `texts`. Of neighbours that are found equally often
/// those come first that are first in the alphabet.
///
/// Fails where the texts have not so many neighbours, or where there are fewer ids than bytes.
pub fn learn_merges(
    texts: impl IntoIterator<Item = impl AsRef<str>>,
    vocabulary: usize,
) -> Result<String> {
    let fixed = BYTES + MARKS.len();
    let Some(count) = vocabulary.checked_sub(fixed) else {
        return Err(Error::input(
            format!("a vocabulary cannot have {vocabulary} ids"),
            format!("give it {fixed} or more"),
        ));
    };
    let letters: Vec<char> = letters().collect();
    let mut found: HashMap<Vec<String>, usize> = HashMap::new();
    for text in texts {
        let text = normalised(text.as_ref());
        each_word(&text, |word| {
            let bytes = word
                .bytes()
                .map(|byte| letters[usize::from(byte)].to_string());
            let mut parts: Vec<String> = bytes.collect();
            if let Some(last) = parts.last_mut() {
                last.push_str(WORD_END);
            }
            *found.entry(parts).or_default() += 1;
        });
    }
    let mut words: Vec<(Vec<String>, usize)> = found.into_iter().collect();
    let mut merges = Vec::with_capacity(count);
    while merges.len() < count {
        let mut pairs: HashMap<(&str, &str), usize> = HashMap::new();
        for (parts, times) in &words {
            for pair in parts.windows(2) {
                *pairs.entry((&pair[0], &pair[1])).or_default() += times;
            }
        }
        let best = pairs
            .into_iter()
            .min_by(|(a, often_a), (b, often_b)| often_b.cmp(often_a).then_with(|| a.cmp(b)));
        let Some(((left, right), _)) = best else {
            return Err(Error::input(
                format!(
                    "the comments have words for {} ids only",
                    fixed + merges.len()
                ),
                format!("set the vocabulary to at most {}", fixed + merges.len()),
            ));
        };
        let (left, right) = (left.to_string(), right.to_string());
        for (parts, _) in &mut words {
            let mut at = 0;
            while at + 1 < parts.len() {
                if parts[at] == left && parts[at + 1] == right {
                    let behind = parts.remove(at + 1);
                    parts[at].push_str(&behind);
                }
                at += 1;
            }
        }
        merges.push(format!("{left} {right}"));
    }
    Ok(merges.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::ClipTokenizer;

    #[test]
    fn words_that_are_often_said_become_one_id() {
        let texts = [
            "a bright lake, a bright sky",
            "Bright and busy.",
            "the lake",
        ];
        let merges = learn_merges(texts, 524).unwrap();
        assert_eq!(merges.lines().count(), 10);
        assert_eq!(merges, learn_merges(texts, 524).unwrap());
        let tokenizer = ClipTokenizer::new(&merges, 16).unwrap();
        // Start, word, end.
        assert_eq!(tokenizer.encode("BRIGHT").len(), 3);
        assert_eq!(tokenizer.encode("bright lake").len(), 4);
        assert!(tokenizer.encode("sky").len() > 3);
        let error = learn_merges(["ab"], 600).unwrap_err();
        assert!(error.hint().contains("at most 515"), "{error}");
        assert!(learn_merges(["ab"], 100).is_err());
    }
}
