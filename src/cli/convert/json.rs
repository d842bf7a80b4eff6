//! Configurations of checkpoints as JSON: read as Python wrote them, every key applied, refused or listed.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::{cell::RefCell, path::Path};

use super::known_keys::Keys;
use crate::{Error, Result, checkpoint::placeholder};

/// Reads configurations, and remembers the keys that nothing reads.
#[derive(Debug, Default)]
pub(in crate::cli) struct ConfigReader {
    unread: RefCell<Vec<String>>,
}

impl ConfigReader {
    /// Reads the configuration `path`.
    pub fn read<T: DeserializeOwned>(&self, path: &Path, keys: &Keys) -> Result<T> {
        self.apply(&path.display().to_string(), object(path)?, keys)
    }

    /// Makes a configuration of `given`, a table of `place`.
    pub fn apply<T: DeserializeOwned>(
        &self,
        place: &str,
        given: Map<String, Value>,
        keys: &Keys,
    ) -> Result<T> {
        let table = |json: &str| -> Result<Map<String, Value>> {
            serde_json::from_str(json)
                .map_err(|e| Error::internal(format!("a table of known keys is wrong ({e})")))
        };
        let assumed = table(keys.assumed)?;
        let mut whole = table(keys.defaults)?;
        whole.extend(given.clone());
        let mut ignored = Vec::new();
        let note = |path: serde_ignored::Path<'_>| ignored.push(path.to_string());
        let config = serde_ignored::deserialize(Value::Object(whole), note).map_err(|e| {
            Error::format(
                format!("{place} cannot be used ({e})"),
                "use the config.json that belongs to the checkpoint",
            )
        })?;
        for key in ignored {
            // Defaults that our networks have no key for are what they do.
            let Some(value) = given.get(&key) else {
                continue;
            };
            match assumed.get(&key).and_then(Value::as_array) {
                Some(meant) if meant.iter().any(|meant| same(meant, value)) => {}
                Some(meant) => {
                    let meant: Vec<String> = meant.iter().map(Value::to_string).collect();
                    return Err(Error::unsupported(
                        format!(
                            "{place} asks for {key} {value}, and only {} is known here",
                            meant.join(" or ")
                        ),
                        "use a checkpoint without it",
                    ));
                }
                None if keys.is_harmless(&key) => {}
                None => self.unread.borrow_mut().push(format!("{key} of {place}")),
            }
        }
        Ok(config)
    }

    /// The keys that nothing has read, each with its place.
    pub fn unread(&self) -> Vec<String> {
        self.unread.borrow().clone()
    }
}

/// Equal values; 1 is 1.0, and a list is what all its items are.
fn same(meant: &Value, value: &Value) -> bool {
    let number = || {
        meant
            .as_f64()
            .is_some_and(|meant| value.as_f64() == Some(meant))
    };
    let list = || {
        value
            .as_array()
            .is_some_and(|items| items.iter().all(|item| item == meant))
    };
    meant == value || number() || list()
}

/// The JSON object in the file `path`.
pub(super) fn object(path: &Path) -> Result<Map<String, Value>> {
    let bytes = std::fs::read(path).map_err(|e| Error::file("read", path, e))?;
    if let Some(error) = placeholder(&bytes, path) {
        return Err(error);
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    serde_json::from_slice(&without_infinities(text)).map_err(|e| {
        Error::format(
            format!("{} is no JSON object ({e})", path.display()),
            "use the config.json that belongs to the checkpoint",
        )
    })
}

/// Python writes `NaN`, `Infinity` and `-Infinity`, which JSON has no words for; here they are `null`, which no key
/// that is read accepts.
fn without_infinities(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let mut at = 0;
    let mut quoted = false;
    while at < json.len() {
        let rest = &json[at..];
        let word = [&b"-Infinity"[..], b"Infinity", b"NaN"];
        match word.iter().find(|word| !quoted && rest.starts_with(word)) {
            Some(word) => {
                out.extend(b"null");
                at += word.len();
            }
            None => {
                // What a backslash escapes ends no string.
                let length = if quoted && rest[0] == b'\\' { 2 } else { 1 };
                quoted ^= rest[0] == b'"';
                out.extend(&rest[..length.min(rest.len())]);
                at += length;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_json_has_not_are_null_outside_of_strings() {
        let json =
            br#"{"a": [NaN, Infinity], "NaN": "-Infinity \" NaN", "b": -Infinity, "c": "\\"}"#;
        let expected = r#"{"a": [null, null], "NaN": "-Infinity \" NaN", "b": null, "c": "\\"}"#;
        assert_eq!(
            String::from_utf8(without_infinities(json)).unwrap(),
            expected
        );
    }
}
