//! The manifests that the page's tests read too, and their verdicts.

use std::{collections::BTreeMap, fs, path::Path};

use super::{fields::Faults, manifest, time};

#[test]
fn verdicts_are_those_of_the_page() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/exhibits");
    let verdicts = fs::read(folder.join("verdicts.json")).unwrap();
    let verdicts: BTreeMap<String, Vec<String>> = serde_json::from_slice(&verdicts).unwrap();
    let files = fs::read_dir(&folder).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let names = names.filter(|name| name != "verdicts.json");
    let names: Vec<String> = names.collect();
    assert_eq!(names.len(), verdicts.len());
    for name in names {
        let faults = Faults::default();
        let json = fs::read(folder.join(&name)).unwrap();
        let manifest = manifest::parse(&json, &faults);
        let faults = faults.into_vec();
        let mut keys: Vec<&String> = faults.iter().map(|fault| &fault.key).collect();
        let mut expected: Vec<&String> = verdicts[&name].iter().collect();
        keys.sort();
        expected.sort();
        assert_eq!(keys, expected, "{name}: {faults:?}");
        assert!(!keys.is_empty() || !manifest.pictures.is_empty(), "{name}");
    }
}

#[test]
fn times_leave_out_what_is_zero() {
    for (seconds, expected) in [
        (90.0, "1 min 30 s"),
        (3600.0, "1 h"),
        (3725.4, "1 h 2 min 5 s"),
    ] {
        assert_eq!(time(seconds), expected);
    }
}
