//! How many words two texts share.

use std::collections::HashMap;

/// ROUGE-1: the harmonic mean of the shares of each text's words that the other one has, from 0 to 1; 0 if a text has no
/// words.
///
/// Words are runs of ASCII letters and numbers, in lower case, and are not brought to their stems; a word that is there
/// several times counts as often as it is in both. Lin, "ROUGE: A package for automatic evaluation of summaries", 2004.
///
/// ```
/// use art2mus::metrics::rouge::rouge_1;
///
/// assert_eq!(rouge_1("A calm lake", "a calm, blue lake"), 6.0 / 7.0);
/// ```
pub fn rouge_1(candidate: &str, reference: &str) -> f64 {
    let [candidate, reference] = [candidate, reference].map(counts);
    let total = |words: &HashMap<String, usize>| words.values().sum::<usize>() as f64;
    let shared = candidate.iter().map(|(word, count)| {
        let other = reference.get(word).copied().unwrap_or(0);
        other.min(*count)
    });
    let shared = shared.sum::<usize>() as f64;
    let words = total(&candidate) + total(&reference);
    if words > 0.0 {
        2.0 * shared / words
    } else {
        0.0
    }
}

/// How often each word is there.
fn counts(text: &str) -> HashMap<String, usize> {
    let lower = text.to_lowercase();
    let mut counts = HashMap::new();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    for word in words.filter(|word| !word.is_empty()) {
        *counts.entry(word.to_string()).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_words_count_as_often_as_both_have_them() {
        assert_eq!(rouge_1("the cat the cat", "the cat"), 2.0 / 3.0);
        assert_eq!(rouge_1("It's slow-paced.", "its slow paced"), 4.0 / 7.0);
        assert_eq!(rouge_1("Calm", "loud"), 0.0);
        assert_eq!((rouge_1("", "calm"), rouge_1("", "...")), (0.0, 0.0));
        assert_eq!(rouge_1("calm music", "calm music"), 1.0);
    }
}
