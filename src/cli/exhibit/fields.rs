//! Reading a JSON object field by field, as `web/src/common/fields.ts` does; here every fault is kept, not only the first.

use serde_json::{Map, Value};
use std::{cell::RefCell, fmt, ops::RangeInclusive};

use super::address::{self, Target};

/// One fault: where, what and what to do.
#[derive(Debug)]
pub(super) struct Fault {
    /// The field's path, such as `pictures[1].region`; empty for the file as a whole.
    pub key: String,
    /// Continues the sentence that begins with the key.
    what: String,
    advice: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gap = if self.key.is_empty() { "" } else { " " };
        write!(f, "{}{gap}{}: {}.", self.key, self.what, self.advice)
    }
}

/// The faults that were found so far.
#[derive(Debug, Default)]
pub(super) struct Faults(RefCell<Vec<Fault>>);

impl Faults {
    pub fn add(&self, key: &str, what: impl Into<String>, advice: impl Into<String>) {
        self.0.borrow_mut().push(Fault {
            key: key.into(),
            what: what.into(),
            advice: advice.into(),
        });
    }

    pub fn into_vec(self) -> Vec<Fault> {
        self.0.into_inner()
    }
}

/// One object. Every field that is read is known; `end` refuses all others.
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    path: String,
    known: RefCell<Vec<&'static str>>,
    faults: &'a Faults,
}

impl<'a> Fields<'a> {
    /// `path` names the object in sentences; it is empty for the whole file.
    pub fn new(value: &'a Value, path: &str, faults: &'a Faults) -> Option<Self> {
        let Value::Object(object) = value else {
            faults.add(path, "must be an object", "write it in braces");
            return None;
        };
        Some(Self {
            object,
            path: path.into(),
            known: RefCell::default(),
            faults,
        })
    }

    pub fn path(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.into(),
            path => format!("{path}.{key}"),
        }
    }

    pub fn has(&self, key: &str) -> bool {
        self.object.contains_key(key)
    }

    fn take(&self, key: &'static str) -> Option<&'a Value> {
        self.known.borrow_mut().push(key);
        self.object.get(key)
    }

    fn bad<T>(&self, key: &str, what: String, advice: impl Into<String>) -> Option<T> {
        self.faults.add(&self.path(key), what, advice);
        None
    }

    pub fn number(&self, key: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        self.number_that(key, range, "a number", |_| true)
    }

    pub fn whole(&self, key: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        self.number_that(key, range, "a whole number", |number| number.fract() == 0.0)
    }

    fn number_that(
        &self,
        key: &'static str,
        range: RangeInclusive<f64>,
        kind: &str,
        suits: fn(f64) -> bool,
    ) -> Option<f64> {
        let value = self.take(key)?;
        match value.as_f64() {
            Some(number) if range.contains(&number) && suits(number) => Some(number),
            _ => {
                let (least, most) = range.into_inner();
                let what = format!("must be {kind} from {least} to {most}, not {value}");
                self.bad(key, what, "write one in that range, without quotes")
            }
        }
    }

    /// True or false; `null` counts as left out.
    pub fn flag(&self, key: &'static str) {
        if let Some(value) = self.take(key).filter(|value| !value.is_null())
            && !value.is_boolean()
        {
            let what = format!("must be true or false, not {value}");
            self.bad::<()>(key, what, "write one of them, without quotes");
        }
    }

    /// One of `choices`; `null` counts as left out.
    pub fn choice(&self, key: &'static str, choices: &[&str]) {
        let value = self.take(key).filter(|value| !value.is_null());
        if let Some(value) = value
            && !value.as_str().is_some_and(|text| choices.contains(&text))
        {
            let what = format!("must be one of {}, not {value}", choices.join(", "));
            self.bad::<()>(key, what, "correct it or leave it out");
        }
    }

    pub fn text(&self, key: &'static str) -> Option<&'a str> {
        let value = self.take(key)?;
        let text = value.as_str().filter(|text| is_filled(text));
        text.or_else(|| {
            let what = "must be a text that is not empty".into();
            self.bad(key, what, "write it in quotes, or leave the field out")
        })
    }

    /// An address: as it is written, and where it leads.
    pub fn address(&self, key: &'static str) -> Option<(&'a str, Target)> {
        let text = self.text(key)?;
        match address::parse(text) {
            Some(target) => Some((text, target)),
            None => self.bad(
                key,
                format!("is not an address: {text}"),
                "name a file beside exhibit.json, or write a full address",
            ),
        }
    }

    /// A text for all languages, or an object with one for each. Without `languages` nobody knows which are wanted.
    pub fn words(&self, key: &'static str, languages: Option<&[String]>) {
        let (Some(value), Some(languages)) = (self.take(key), languages) else {
            return;
        };
        let filled = |value: &Value| value.as_str().is_some_and(is_filled);
        if filled(value) {
            return;
        }
        let Value::Object(words) = value else {
            let what =
                "must be a text that is not empty, or an object with one for each language".into();
            self.bad::<()>(key, what, "write it in quotes");
            return;
        };
        for language in languages {
            if !words.get(language).is_some_and(filled) {
                let advice =
                    format!("add it as {language:?}, or take the language out of languages");
                self.bad::<()>(
                    key,
                    format!("has no text for the language {language}"),
                    advice,
                );
            }
        }
        for other in words.keys().filter(|other| !languages.contains(other)) {
            let advice = "add the language to languages, or take its text out";
            self.bad::<()>(
                key,
                format!("has a text for the language {other}, which is not in languages"),
                advice,
            );
        }
    }

    /// The entries of a list that is not empty.
    pub fn list(&self, key: &'static str) -> Option<&'a [Value]> {
        let list = self.take(key)?.as_array().filter(|list| !list.is_empty());
        list.map(Vec::as_slice).or_else(|| {
            let what = "must be a list with at least one entry".into();
            self.bad(key, what, "write the entries in square brackets")
        })
    }

    /// Codes of languages, English where the field is left out.
    pub fn languages(&self, key: &'static str) -> Option<Vec<String>> {
        if !self.has(key) {
            return Some(vec!["en".into()]);
        }
        let codes = self.list(key)?.iter();
        let codes: Option<Vec<_>> = codes
            .map(|code| Some(code.as_str().filter(|code| is_language(code))?.to_string()))
            .collect();
        codes.or_else(|| {
            let what = "must be codes such as \"en\" or \"pt-BR\"".into();
            self.bad(key, what, "correct the codes")
        })
    }

    /// An object within this one.
    pub fn object(&self, key: &'static str) -> Option<Fields<'a>> {
        let value = self.take(key)?;
        Fields::new(value, &self.path(key), self.faults)
    }

    pub fn required(&self, key: &'static str) {
        if !self.has(key) {
            self.bad::<()>(key, "is missing".into(), "add it");
        }
    }

    /// All fields were read: what is left has a wrong name.
    pub fn end(&self) {
        let mut known = self.known.borrow().clone();
        known.sort_unstable();
        for key in self.object.keys() {
            if !known.contains(&key.as_str()) {
                let advice = format!(
                    "correct its name, or leave it out; there are {}",
                    known.join(", ")
                );
                self.bad::<()>(key, "is not known".into(), advice);
            }
        }
    }
}

/// Whether there is something beside what JavaScript counts as blank.
fn is_filled(text: &str) -> bool {
    let blank = |c: char| (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}';
    !text.chars().all(blank)
}

/// Whether `code` is of the form `xx` or `xxx`, with parts such as `-BR` behind it.
fn is_language(code: &str) -> bool {
    let mut parts = code.split('-');
    let first = parts.next().unwrap_or_default();
    let is_first = matches!(first.len(), 2 | 3) && first.bytes().all(|b| b.is_ascii_lowercase());
    is_first
        && parts.all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}
