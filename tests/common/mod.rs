//! What the integration tests share.
#![allow(dead_code, reason = "each test binary uses a part")]

use art2mus::tensors::HostTensor;
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A file under `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// The program that this package builds.
pub fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_art2mus"))
}

/// Runs the program; standard error as text.
pub fn run(arguments: &[&str]) -> (Output, String) {
    let output = program().args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, error)
}

/// Copies a folder with everything in it.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Converts the small checkpoints; `encoder` is a flag and a fixture.
pub fn convert(encoder: &[&str; 2], aligner: &str, bundle: &Path, more: &[&str]) {
    let output = program()
        .arg("convert")
        .arg("--audioldm2")
        .arg(fixture("audioldm2-tiny"))
        .arg(encoder[0])
        .arg(fixture(encoder[1]))
        .arg("--aligner")
        .arg(fixture(aligner))
        .arg("-o")
        .arg(bundle)
        .args(more)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
}

/// The sample rate and the samples of a WAV file of 32-bit floats or 16-bit integers.
pub fn read_wav(path: &Path) -> (u32, Vec<f32>) {
    let mut reader = hound::WavReader::open(path).unwrap();
    let samples = match reader.spec().sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().map(Result::unwrap).collect(),
        hound::SampleFormat::Int => {
            let integers = reader.samples::<i16>().map(Result::unwrap);
            integers.map(|sample| f32::from(sample) / 32767.0).collect()
        }
    };
    (reader.spec().sample_rate, samples)
}

/// A safetensors fixture.
pub struct Fixture {
    tensors: std::collections::BTreeMap<String, HostTensor>,
    metadata: std::collections::HashMap<String, String>,
}

impl Fixture {
    pub fn open(name: &str) -> Self {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file
            .iter()
            .map(|(name, view)| {
                let values = view
                    .data()
                    .chunks_exact(4)
                    .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
                    .collect();
                let shape = view.shape().to_vec();
                (name.to_string(), HostTensor { shape, values })
            })
            .collect();
        Self {
            tensors,
            metadata: header.metadata().clone().unwrap_or_default(),
        }
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub fn tensor(&self, name: &str) -> HostTensor {
        self.tensors
            .get(name)
            .unwrap_or_else(|| panic!("the fixture has no {name}"))
            .clone()
    }

    pub fn settings(&self) -> serde_json::Value {
        serde_json::from_str(&self.metadata["settings"]).unwrap()
    }
}

/// Says that a test was skipped, and counts it in the file that `ART2MUS_SKIPPED` names.
pub fn skipped(reason: &str) {
    eprintln!("skipped: {reason}");
    if let Some(path) = std::env::var_os("ART2MUS_SKIPPED") {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path);
        writeln!(file.unwrap(), "{reason}").unwrap();
    }
}

/// `|a - b| / |a|`.
pub fn relative_error(expected: &[f32], found: &[f32]) -> f64 {
    assert_eq!(expected.len(), found.len());
    let square = |x: f32| f64::from(x).powi(2);
    let difference: f64 = expected.iter().zip(found).map(|(a, b)| square(a - b)).sum();
    let norm: f64 = expected.iter().map(|&a| square(a)).sum();
    (difference / norm).sqrt()
}
