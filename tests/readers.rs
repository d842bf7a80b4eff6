//! Readers of bundles: whatever the bytes are, they end in a result or an error.
#![cfg(all(feature = "native", not(target_family = "wasm")))]

use art2mus::{
    systems::check,
    weights::{Bundle, Location, Manifest},
};
use proptest::prelude::*;
use std::{collections::HashMap, fs, path::Path, sync::OnceLock};

fn bundle_folder() -> &'static Path {
    static PLACE: OnceLock<std::path::PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bundle-v1"))
}

fn files() -> HashMap<String, Vec<u8>> {
    let entries = fs::read_dir(bundle_folder()).unwrap();
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    };
    entries.map(|entry| read(entry.unwrap())).collect()
}

/// A bundle of format version 1, written before there was a second version.
#[test]
fn a_bundle_of_version_1_is_read() {
    let bundle = pollster::block_on(Bundle::open(Location::Memory(files()))).unwrap();
    let manifest = bundle.manifest();
    assert_eq!(manifest.system, "art-to-mus");
    let names: Vec<&str> = manifest.stages.iter().map(|s| s.name.as_str()).collect();
    assert!(
        names.contains(&"condition") && names.contains(&"training"),
        "{names:?}"
    );
    let condition = manifest.stage("condition").unwrap();
    assert!(condition.constants.is_some());
    check(manifest).unwrap();
    for stage in &manifest.stages {
        let weights = pollster::block_on(bundle.load(&stage.name, &mut |_| ())).unwrap();
        for tensor in &stage.tensors {
            let (shape, values) = weights.tensor(&tensor.name).unwrap();
            assert_eq!(shape.iter().product::<usize>(), values.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// One byte of the manifest is another: it is refused, or read without a panic.
    #[test]
    fn a_changed_manifest_does_not_panic(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut manifest = files().remove("manifest.json").unwrap();
        let place = place.index(manifest.len());
        manifest[place] = byte;
        if let Ok(manifest) = Manifest::parse(&manifest) {
            let _ = check(&manifest);
        }
    }

    /// One byte of a shard is another: its hash is wrong, and the stage is refused.
    #[test]
    fn a_changed_shard_is_refused(place in any::<prop::sample::Index>(), change in 1u8..) {
        let mut files = files();
        let shard = files.get_mut("000.bin").unwrap();
        let place = place.index(shard.len());
        shard[place] ^= change;
        let bundle = pollster::block_on(Bundle::open(Location::Memory(files))).unwrap();
        let first = bundle.manifest().stages[0].name.clone();
        let error = pollster::block_on(bundle.load(&first, &mut |_| ())).unwrap_err();
        prop_assert!(error.to_string().contains("SHA-256"), "{}", error);
    }
}
