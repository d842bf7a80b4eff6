//! Safetensors files, whole and in parts, with headers written by hand.

use art2mus::{
    checkpoint::{Checkpoint, names},
    tensors::{Init, TensorSource},
};
use std::{fs, path::Path};

/// A file with `header` and `data` behind it, which need not be aligned.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), data].concat()
}

fn open(path: &Path) -> Result<Checkpoint, String> {
    Checkpoint::open(path).map_err(|e| e.to_string())
}

fn read(checkpoint: &Checkpoint, name: &str) -> Result<Vec<f32>, String> {
    let shape = checkpoint.shape(name).unwrap();
    let values = checkpoint.read(name, &shape, Init::Constant(0.0));
    values.map_err(|e| e.to_string())
}

fn opened(header: &str, data: &[u8]) -> Result<Checkpoint, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    fs::write(&path, file(header, data)).unwrap();
    open(&path)
}

/// A file with the tensor `name` of one number.
fn number(name: &str, value: f32) -> Vec<u8> {
    let header = format!(r#"{{"{name}":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}"#);
    file(&header, &value.to_le_bytes())
}

#[test]
fn all_floats_are_read_and_other_numbers_named() {
    // A header of odd length: nothing behind it is aligned.
    let header = r#"{"a":{"dtype":"F64","shape":[],"data_offsets":[0,8]},
        "b":{"dtype":"BF16","shape":[1,1],"data_offsets":[8,10]},"c":{"dtype":"F16","shape":[1],"data_offsets":[10,12]},
        "d":{"dtype":"F32","shape":[0,3],"data_offsets":[12,12]},"e":{"dtype":"I8","shape":[1],"data_offsets":[12,13]},
        "f":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[13,14]},"g":{"dtype":"BOOL","shape":[1],"data_offsets":[14,15]},
        "__metadata__":{"format":"pt","a":"not a tensor"}}"#;
    let data = [
        &1.5_f64.to_le_bytes()[..],
        &half::bf16::from_f32(1.5).to_le_bytes(),
        &half::f16::from_f32(1.5).to_le_bytes(),
        &[1, 2, 1],
    ]
    .concat();
    for header in [header.to_string(), format!("{header} ")] {
        let checkpoint = opened(&header, &data).unwrap();
        assert_eq!(checkpoint.names().count(), 7);
        for name in ["a", "b", "c"] {
            assert_eq!(read(&checkpoint, name).unwrap(), [1.5], "{name}");
        }
        assert_eq!(read(&checkpoint, "d").unwrap(), [0.0; 0]);
        for (name, stored) in [("e", "I8"), ("f", "F8_E4M3"), ("g", "BOOL")] {
            let error = read(&checkpoint, name).unwrap_err();
            assert!(error.contains(&format!("is stored as {stored}")), "{error}");
        }
    }
}

#[test]
fn headers_that_do_not_fit_are_refused() {
    let tensor =
        |offsets: &str| format!(r#"{{"dtype":"F32","shape":[1],"data_offsets":{offsets}}}"#);
    let a = tensor("[0,4]");
    for (header, data, expected) in [
        (
            r#"{"__metadata__":{"format":"pt"}}"#.to_string(),
            0,
            "holds no tensors",
        ),
        ("{}".to_string(), 0, "holds no tensors"),
        // Two entries of one name, so that bytes belong to nothing.
        (
            format!(r#"{{"a":{a},"a":{}}}"#, tensor("[4,8]")),
            8,
            "is damaged",
        ),
        // A hole, an overlap, an end before the beginning, a length of another shape.
        (
            format!(r#"{{"a":{a},"b":{}}}"#, tensor("[8,12]")),
            12,
            "is damaged",
        ),
        (
            format!(r#"{{"a":{a},"b":{}}}"#, tensor("[2,6]")),
            6,
            "is damaged",
        ),
        (format!(r#"{{"a":{}}}"#, tensor("[4,0]")), 4, "is damaged"),
        (format!(r#"{{"a":{}}}"#, tensor("[0,8]")), 8, "is damaged"),
        (format!(r#"{{"a":{a}}}"#), 3, "is cut off"),
        (
            r#"{"a":{"dtype":"F32","shape":[4611686018427387905,4],"data_offsets":[0,16]}}"#.into(),
            16,
            "is damaged",
        ),
    ] {
        let error = opened(&header, &vec![0; data]).unwrap_err();
        assert!(error.contains(expected), "{header}: {error}");
    }
}

/// Parts may hold more than the index takes from them.
#[test]
fn the_index_says_which_part_a_tensor_is_taken_from() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let index = place("model.safetensors.index.json");
    let write = |map: &str| fs::write(&index, format!(r#"{{"weight_map": {map}}}"#)).unwrap();
    fs::write(place("1.safetensors"), number("a", 1.0)).unwrap();
    fs::write(place("2.safetensors"), number("a", 2.0)).unwrap();
    for (part, value) in [("1", 1.0), ("2", 2.0)] {
        let other = if part == "1" { "2" } else { "1" };
        write(&format!(
            r#"{{"a": "{part}.safetensors", "b": "{other}.safetensors"}}"#
        ));
        assert_eq!(read(&open(folder.path()).unwrap(), "a").unwrap(), [value]);
    }
    write(r#"{"b": "1.safetensors", "c": "2.safetensors"}"#);
    let error = open(folder.path()).unwrap_err();
    assert!(error.contains("both hold a"), "{error}");
    for outside in ["../1.safetensors", "/etc/passwd", ".hidden", "a\\\\b"] {
        write(&format!(r#"{{"a": "{outside}"}}"#));
        let error = open(folder.path()).unwrap_err();
        assert!(error.contains("outside its folder"), "{error}");
    }
    write(r#"{"a": "3.safetensors"}"#);
    let error = open(folder.path()).unwrap_err();
    assert!(error.contains("3.safetensors"), "{error}");
    fs::write(
        &index,
        "version https://git-lfs.github.com/spec/v1\noid sha256:0",
    )
    .unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(error.contains("is a Git LFS pointer"), "{error}");
}

/// Lengths of rows times their directions; lengths of columns are no lengths of rows.
#[test]
fn weight_norm_is_taken_along_the_first_dimension_or_refused() {
    let weights = |g: &str| {
        let header = format!(
            r#"{{"a.weight_g":{{"dtype":"F32","shape":{g},"data_offsets":[0,8]}},
            "a.weight_v":{{"dtype":"F32","shape":[2,2,1],"data_offsets":[8,24]}}}}"#
        );
        let numbers: Vec<u8> = [10_f32, 1.0, 3.0, 4.0, 0.0, 2.0]
            .iter()
            .flat_map(|n| n.to_le_bytes())
            .collect();
        let checkpoint = opened(&header, &numbers).unwrap().with_names(names::plain);
        read(&checkpoint, "a.weight")
    };
    assert_eq!(weights("[2,1,1]").unwrap(), [6.0, 8.0, 0.0, 1.0]);
    // A list of lengths can only be of rows.
    assert_eq!(weights("[2]").unwrap(), [6.0, 8.0, 0.0, 1.0]);
    for g in ["[1,2,1]", "[1,1,2]"] {
        let error = weights(g).unwrap_err();
        assert!(error.contains("a.weight_g"), "{g}: {error}");
    }
}
