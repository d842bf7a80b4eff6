#![no_main]

use art2mus::{
    checkpoint::Checkpoint,
    tensors::{Init, TensorSource},
};
use libfuzzer_sys::fuzz_target;

// The first byte chooses the format, as a file's name would.
fuzz_target!(|bytes: &[u8]| {
    let Some((format, bytes)) = bytes.split_first() else {
        return;
    };
    let suffix = [".safetensors", ".pth", ".bin"][usize::from(*format) % 3];
    let file = tempfile::Builder::new().suffix(suffix).tempfile();
    let Ok(file) = file else { return };
    if std::fs::write(file.path(), bytes).is_err() {
        return;
    }
    if let Ok(checkpoint) = Checkpoint::open(file.path()) {
        let names: Vec<String> = checkpoint.names().map(str::to_string).collect();
        for name in names {
            if let Some(shape) = checkpoint.shape(&name) {
                let _ = checkpoint.read(&name, &shape, Init::Constant(0.0));
            }
        }
    }
});
