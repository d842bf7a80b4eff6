//! Names of people, for splits that no artist stands on both sides of.

use std::collections::BTreeSet;

/// Words that do not name anybody.
const EMPTY: [&str; 16] = [
    "after",
    "and",
    "artist",
    "attributed",
    "by",
    "circle",
    "copy",
    "follower",
    "master",
    "of",
    "possibly",
    "school",
    "style",
    "the",
    "to",
    "workshop",
];

/// The words of a name: lower case, without accents, punctuation and what only qualifies it.
pub fn words(name: &str) -> BTreeSet<String> {
    let plain: String = name.chars().map(plain).collect();
    let words = plain.split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|word| word.len() > 1 && !EMPTY.contains(word));
    words.map(str::to_string).collect()
}

/// A letter in lower case, without the accents of Latin letters.
fn plain(letter: char) -> char {
    let lower = letter.to_lowercase().next().unwrap_or(letter);
    match lower {
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'ď' => 'd',
        'è'..='ë' | 'ē' | 'ę' | 'ě' => 'e',
        'ì'..='ï' | 'ī' => 'i',
        'ł' => 'l',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => 'o',
        'ř' => 'r',
        'ś' | 'š' | 'ş' => 's',
        'ť' => 't',
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        other => other,
    }
}

/// Who each of several names is: equal for names of which one has all words of the other (at least two),
/// as "Fanny Hensel" and "Hensel, Fanny (Mendelssohn)". Empty where a name has no words.
pub fn identities(names: &[String]) -> Vec<String> {
    let all: BTreeSet<BTreeSet<String>> = names.iter().map(|name| words(name)).collect();
    let mut short: Vec<&BTreeSet<String>> = all.iter().filter(|words| words.len() > 1).collect();
    // The shortest first, so that all longer forms come down to it.
    short.sort_by_key(|words| words.len());
    let join = |words: &BTreeSet<String>| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        words.join(" ")
    };
    let identity = |name: &String| {
        let own = words(name);
        let form = short.iter().find(|form| form.is_subset(&own));
        join(form.copied().unwrap_or(&own))
    };
    names.iter().map(identity).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_name_are_one_person() {
        let names = [
            "Fanny (Mendelssohn) Hensel",
            "Hensel, Fanny",
            "Felix Mendelssohn",
            "Attributed to Antonín Dvořák",
            "Antonin Dvorak",
            "Unidentified artist",
            "",
        ];
        let found = identities(&names.map(String::from));
        assert_eq!(found[0], found[1]);
        assert_eq!(found[0], "fanny hensel");
        assert_eq!(found[2], "felix mendelssohn");
        assert_eq!(found[3], found[4]);
        assert_eq!(found[5], "unidentified");
        assert_eq!(found[6], "");
    }
}
