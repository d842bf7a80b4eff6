//! What a run depends on: a run that is given again under its name goes on only if all of it is the same.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

use super::data::Sources;
use crate::{Error, Result};

/// How many differences are told; who has changed more knows it.
const TOLD: usize = 4;

/// Everything that decides what a run learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// What is configured: the network, its loss, how it is trained, and what other parts it has to fit.
    pub configuration: Value,
    /// What tells the items that are learnt from from others.
    pub training: String,
    /// The same of those that are never learnt from.
    pub validation: String,
    /// What tells frozen weights from others, by what a person calls them.
    pub frozen: BTreeMap<String, String>,
}

impl Description {
    /// A run on `sources`.
    pub fn new(configuration: Value, sources: &Sources, frozen: BTreeMap<String, String>) -> Self {
        Self {
            configuration,
            training: sources.training.content(),
            validation: sources.validation.content(),
            frozen,
        }
    }

    /// The same run with the networks of another configuration, and what that says of all parts.
    pub(super) fn with_network(&self, configuration: &Value) -> Self {
        let mut run = self.clone();
        if let (Value::Object(own), Value::Object(other)) = (&mut run.configuration, configuration)
        {
            for (key, table) in other {
                match (own.get_mut(key), table.get("network")) {
                    (Some(Value::Object(part)), Some(network)) => {
                        part.insert("network".into(), network.clone());
                    }
                    _ => {
                        own.insert(key.clone(), table.clone());
                    }
                }
            }
        }
        run
    }

    /// Reads a description back from `place`, which holds what a run has made.
    pub(super) fn parse(value: Value, place: &Path) -> Result<Self> {
        serde_json::from_value(value).map_err(|_| {
            Error::format(
                format!(
                    "{} was made by another version of this program",
                    place.display()
                ),
                "go on with that version, or give another folder with -o",
            )
        })
    }

    /// Refuses to go on with `place`, which holds what a run has made that `earlier` describes, if that is another.
    pub(super) fn check(&self, earlier: &Self, place: &Path) -> Result<()> {
        let differences = self.differences(earlier);
        if differences.is_empty() {
            return Ok(());
        }
        let mut told = differences[..differences.len().min(TOLD)].join(", ");
        if differences.len() > TOLD {
            told += ", and more";
        }
        Err(Error::input(
            format!("{} belongs to another run: {told}", place.display()),
            "give what that run was begun with, or another folder with -o",
        ))
    }

    /// What differs from `earlier`, each in words.
    fn differences(&self, earlier: &Self) -> Vec<String> {
        let mut found = Vec::new();
        compare("", &earlier.configuration, &self.configuration, &mut found);
        if self.training != earlier.training {
            found.push("the training pairs are others".into());
        }
        if self.validation != earlier.validation {
            found.push("the validation pairs are others".into());
        }
        for name in union(self.frozen.keys(), earlier.frozen.keys()) {
            if self.frozen.get(name) != earlier.frozen.get(name) {
                found.push(format!("the weights of {name} are others"));
            }
        }
        found
    }
}

/// All of two lists of keys, each once.
fn union<'a>(
    a: impl Iterator<Item = &'a String>,
    b: impl Iterator<Item = &'a String>,
) -> std::collections::BTreeSet<&'a String> {
    a.chain(b).collect()
}

/// Notes where two configurations differ. What is null in one and missing in the other is left out in both.
fn compare(path: &str, was: &Value, is: &Value, found: &mut Vec<String>) {
    if let (Value::Object(before), Value::Object(now)) = (was, is) {
        for key in union(before.keys(), now.keys()) {
            let path = match path {
                "" => key.clone(),
                path => format!("{path}.{key}"),
            };
            let [was, is] = [before, now].map(|table| table.get(key).unwrap_or(&Value::Null));
            compare(&path, was, is, found);
        }
    } else if !same(was, is) {
        found.push(format!("{path} was {} and is {}", words(was), words(is)));
    }
}

/// Whether two values are one: a number may lose its last digit when it is read back.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Number(a), Value::Number(b)) if a.is_f64() || b.is_f64() => {
            let [a, b] = [a, b].map(|number| number.as_f64().unwrap_or(f64::NAN));
            (a - b).abs() <= 2.0 * f64::EPSILON * a.abs()
        }
        (a, b) => a == b,
    }
}

/// A value as a person wrote it.
fn words(value: &Value) -> String {
    match value {
        Value::Null => "left out".into(),
        Value::Number(number) => match number.as_f64() {
            // A number of 32 bits has more digits as one of 64.
            Some(x) if number.is_f64() && f64::from(x as f32) == x => (x as f32).to_string(),
            _ => number.to_string(),
        },
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(words).collect();
            format!("[{}]", values.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn description() -> Description {
        Description {
            configuration: json!({
                "frames": 128,
                "vae": {"loss": {"kl": 0.001}, "run": {"clip": null, "betas": [0.9f32, 0.99f32]}},
            }),
            training: "a".into(),
            validation: "b".into(),
            frozen: BTreeMap::from([("vae".into(), "c".into())]),
        }
    }

    #[test]
    fn every_difference_is_named() {
        type Change = fn(&mut Description);
        let changes: [(&str, Change); 7] = [
            ("frames was 128 and is 256", |d| {
                d.configuration["frames"] = json!(256)
            }),
            ("vae.loss.kl was 0.001 and is 0.002", |d| {
                d.configuration["vae"]["loss"]["kl"] = json!(0.002);
            }),
            ("vae.run.clip was left out and is 0.1", |d| {
                d.configuration["vae"]["run"]["clip"] = json!(0.1f32);
            }),
            ("vae.run.betas was [0.9, 0.99] and is [0.8, 0.99]", |d| {
                d.configuration["vae"]["run"]["betas"][0] = json!(0.8f32);
            }),
            ("the training pairs are others", |d| d.training.push('x')),
            ("the validation pairs are others", |d| {
                d.validation.push('x')
            }),
            ("the weights of vae are others", |d| d.frozen.clear()),
        ];
        for (expected, change) in changes {
            let mut changed = description();
            change(&mut changed);
            let error = changed.check(&description(), Path::new("x")).unwrap_err();
            assert!(error.message().ends_with(expected), "{error}");
        }
        let mut many = description();
        changes.iter().for_each(|(_, change)| change(&mut many));
        let error = many.check(&description(), Path::new("x")).unwrap_err();
        assert!(error.message().ends_with(", and more"), "{error}");
    }

    #[test]
    fn a_description_that_was_read_back_is_the_same() {
        let mut written = description();
        written.configuration["vae"]["loss"]["kl"] = json!(0.01f32);
        // What a configuration of today leaves out, another may not have known.
        written.configuration["later"] = Value::Null;
        let text = serde_json::to_string(&written).unwrap();
        let read = Description::parse(serde_json::from_str(&text).unwrap(), Path::new("x"));
        written
            .configuration
            .as_object_mut()
            .unwrap()
            .remove("later");
        assert!(written.check(&read.unwrap(), Path::new("x")).is_ok());
        let error = Description::parse(json!({"steps": 12}), Path::new("x")).unwrap_err();
        assert!(error.message().contains("another version"), "{error}");
    }
}
