#![no_main]

use art2mus::image;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(picture) = image::decode(bytes) {
        let _ = image::preprocess(&picture, 32);
    }
});
