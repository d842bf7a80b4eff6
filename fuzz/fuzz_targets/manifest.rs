#![no_main]

use art2mus::{systems::check, weights::Manifest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::parse(bytes) {
        let _ = check(&manifest);
    }
});
