#![no_main]

use art2mus::{systems::art_to_mus::Networks, weights::Manifest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::parse(bytes) {
        let _ = Networks::from_manifest(&manifest);
    }
});
