//! State dicts written here opcode by opcode, in forms that PyTorch and hostile programs write.

use art2mus::{
    checkpoint::Checkpoint,
    tensors::{Init, TensorSource},
};
use std::{
    fs,
    io::{Cursor, Write},
    path::Path,
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Parts of a pickle of protocol 2.
mod pickle {
    pub fn text(text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_le_bytes();
        [b"X", &length[..], text.as_bytes()].concat()
    }

    pub fn int(value: i64) -> Vec<u8> {
        [&[0x8a, 8], &value.to_le_bytes()[..]].concat()
    }

    pub fn global(module: &str, name: &str) -> Vec<u8> {
        format!("c{module}\n{name}\n").into_bytes()
    }

    pub fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
        [b"(", &items.concat()[..], b"t"].concat()
    }

    pub fn ints(values: &[i64]) -> Vec<u8> {
        tuple(&values.iter().map(|&value| int(value)).collect::<Vec<_>>())
    }

    pub fn dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let entries: Vec<_> = entries
            .iter()
            .map(|(key, value)| [text(key), value.clone()].concat())
            .collect();
        [b"}(", &entries.concat()[..], b"u"].concat()
    }

    pub fn storage(class: &str, key: &str, elements: i64) -> Vec<u8> {
        let class = global("torch", class);
        let id = [
            text("storage"),
            class,
            text(key),
            text("cpu"),
            int(elements),
        ];
        [&tuple(&id)[..], b"Q"].concat()
    }

    pub fn call(function: &str, arguments: &[Vec<u8>]) -> Vec<u8> {
        let (module, name) = function.rsplit_once('.').unwrap();
        [&global(module, name)[..], &tuple(arguments), b"R"].concat()
    }

    /// A view of a storage, with `more` behind the arguments that all have.
    pub fn view(
        storage: Vec<u8>,
        offset: i64,
        shape: &[i64],
        stride: &[i64],
        more: &[Vec<u8>],
    ) -> Vec<u8> {
        let hooks = [&global("collections", "OrderedDict")[..], b")R"].concat();
        let fixed = [
            storage,
            int(offset),
            ints(shape),
            ints(stride),
            vec![0x89],
            hooks,
        ];
        call(
            "torch._utils._rebuild_tensor_v2",
            &[&fixed[..], more].concat(),
        )
    }

    pub fn whole(value: Vec<u8>) -> Vec<u8> {
        [&[0x80, 2], &value[..], b"."].concat()
    }
}

use pickle::{call, dict, global, int, storage, text, tuple, view, whole};

/// The files of an archive, in the folder `prefix`.
fn files(pickle: &[u8], storages: &[(&str, &[u8])], prefix: &str) -> Vec<(String, Vec<u8>)> {
    let mut files = vec![(format!("{prefix}data.pkl"), pickle.to_vec())];
    files.extend(
        storages
            .iter()
            .map(|(key, bytes)| (format!("{prefix}data/{key}"), bytes.to_vec())),
    );
    files
}

fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in files {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Lengths stand behind the files, as in what is written to a pipe.
fn streamed(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new_stream(Vec::new());
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in files {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn open(bytes: &[u8]) -> Result<Checkpoint, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pt");
    fs::write(&path, bytes).unwrap();
    Checkpoint::open(&path).map_err(|e| e.to_string())
}

fn values(checkpoint: &Checkpoint, name: &str) -> Result<Vec<f32>, String> {
    let shape = checkpoint.shape(name).unwrap();
    let values = checkpoint.read(name, &shape, Init::Constant(0.0));
    values.map_err(|e| e.to_string())
}

fn floats(count: u8) -> Vec<u8> {
    (0..count)
        .flat_map(|n| f32::from(n).to_le_bytes())
        .collect()
}

/// The one tensor `a` of a storage of 24 floats, 0 to 23.
fn one(offset: i64, shape: &[i64], stride: &[i64], more: &[Vec<u8>]) -> Result<Vec<f32>, String> {
    let tensor = view(
        storage("FloatStorage", "0", 24),
        offset,
        shape,
        stride,
        more,
    );
    let pickle = whole(dict(&[("a", tensor)]));
    let checkpoint = open(&archive(&files(&pickle, &[("0", &floats(24))], "x/")))?;
    assert_eq!(
        checkpoint.shape("a").unwrap(),
        shape.iter().map(|&n| n as usize).collect::<Vec<_>>()
    );
    values(&checkpoint, "a")
}

#[test]
fn strides_of_every_kind_are_honoured() {
    // The element that an index of each dimension leads to, in the order of the last dimension first.
    let expected = |offset: i64, shape: &[i64], stride: &[i64]| -> Vec<f32> {
        let mut places = vec![offset];
        for (&size, &stride) in shape.iter().zip(stride) {
            places = places
                .iter()
                .flat_map(|place| (0..size).map(move |index| place + index * stride))
                .collect();
        }
        places.into_iter().map(|place| place as f32).collect()
    };
    for (offset, shape, stride) in [
        // A convolution in Fortran's order, and with its channels last.
        (0, &[2, 3, 2, 2][..], &[1, 2, 6, 12][..]),
        (0, &[2, 3, 2, 2], &[12, 1, 6, 3]),
        // Every other element, from the second on; expanded along two dimensions.
        (1, &[4, 3], &[6, 2]),
        (5, &[2, 3, 4], &[0, 7, 0]),
        // Windows that overlap, a scalar, nothing, and what no stride is needed for.
        (2, &[5, 4], &[3, 1]),
        (23, &[], &[]),
        (0, &[0, 3], &[3, 1]),
        (24, &[3, 0], &[1, 1]),
        (7, &[1, 2, 1], &[i64::MAX, 1, i64::MAX]),
    ] {
        let found = one(offset, shape, stride, &[]).unwrap();
        assert_eq!(
            found,
            expected(offset, shape, stride),
            "{shape:?} {stride:?}"
        );
    }
}

/// What `torch.imag(x.conj())` is saved as.
#[test]
fn the_sign_of_a_view_is_honoured() {
    let metadata = |negative: u8| [b"}", &text("neg")[..], &[negative], b"s"].concat();
    assert_eq!(one(1, &[2], &[1], &[metadata(0x88)]).unwrap(), [-1.0, -2.0]);
    assert_eq!(one(1, &[2], &[1], &[metadata(0x89)]).unwrap(), [1.0, 2.0]);
}

#[test]
fn what_does_not_lie_in_its_storage_is_refused() {
    for (offset, shape, stride) in [
        (0, &[25][..], &[1][..]),
        (24, &[1], &[1]),
        (0, &[2, 2], &[23, 1]),
        (0, &[2], &[i64::MAX]),
        (0, &[i64::MAX, i64::MAX], &[0, 0]),
        (0, &[i64::MAX, i64::MAX, 0], &[0, 0, 0]),
        (0, &[1 << 40], &[0]),
    ] {
        let error = one(offset, shape, stride, &[]).unwrap_err();
        assert!(error.contains("a reaches beyond its storage"), "{error}");
    }
    for (shape, stride) in [(&[-1][..], &[1][..]), (&[2], &[-1]), (&[2], &[1, 1])] {
        let error = one(0, shape, stride, &[]).unwrap_err();
        assert!(error.contains("a tensor's shape or stride"), "{error}");
    }
    let error = one(0, &[1; 65], &[1; 65], &[]).unwrap_err();
    assert!(error.contains("a tensor's shape or stride"), "{error}");
}

/// One storage of two tensors, and one tensor of two names.
#[test]
fn tied_tensors_are_read_under_all_their_names() {
    let shared = || storage("FloatStorage", "0", 24);
    let pickle = whole(dict(&[
        ("wte.weight", view(shared(), 4, &[2], &[1], &[])),
        ("lm_head.weight", view(shared(), 4, &[2], &[1], &[])),
        ("rest", view(shared(), 6, &[1], &[1], &[])),
    ]));
    let checkpoint = open(&archive(&files(&pickle, &[("0", &floats(24))], "x/"))).unwrap();
    for name in ["wte.weight", "lm_head.weight"] {
        assert_eq!(values(&checkpoint, name).unwrap(), [4.0, 5.0]);
    }
    assert_eq!(values(&checkpoint, "rest").unwrap(), [6.0]);
    assert!(checkpoint.unread().is_empty());
}

#[test]
fn all_floats_are_read_and_other_numbers_named() {
    let half = half::f16::from_f32(1.5).to_le_bytes();
    let brain = half::bf16::from_f32(1.5).to_le_bytes();
    let double = 1.5_f64.to_le_bytes();
    for (class, bytes) in [
        ("HalfStorage", &half[..]),
        ("BFloat16Storage", &brain),
        ("DoubleStorage", &double),
        ("FloatStorage", &1.5_f32.to_le_bytes()),
    ] {
        let pickle = whole(dict(&[(
            "a",
            view(storage(class, "0", 1), 0, &[], &[], &[]),
        )]));
        for big in [false, true] {
            let mut bytes = bytes.to_vec();
            let mut files = files(&pickle, &[], "x/");
            if big {
                bytes.reverse();
                files.push(("x/byteorder".into(), b"big".to_vec()));
            }
            files.push(("x/data/0".into(), bytes));
            let checkpoint = open(&archive(&files)).unwrap();
            assert_eq!(values(&checkpoint, "a").unwrap(), [1.5], "{class} {big}");
        }
    }
    for class in [
        "CharStorage",
        "ByteStorage",
        "BoolStorage",
        "LongStorage",
        "ComplexFloatStorage",
        "QInt8Storage",
    ] {
        let pickle = whole(dict(&[
            ("a", view(storage(class, "0", 1), 0, &[1], &[1], &[])),
            (
                "b",
                view(storage("FloatStorage", "1", 1), 0, &[1], &[1], &[]),
            ),
        ]));
        let storages = [("0", &[0; 8][..]), ("1", &floats(1))];
        let checkpoint = open(&archive(&files(&pickle, &storages, "x/"))).unwrap();
        let error = values(&checkpoint, "a").unwrap_err();
        assert!(
            error.contains(&format!("is stored as torch.{class}")),
            "{error}"
        );
        // What is not asked for is in nobody's way.
        assert_eq!(values(&checkpoint, "b").unwrap(), [0.0]);
    }
}

/// The third form of a tensor: a storage of bytes, and the element type beside it.
#[test]
fn storages_of_bytes_are_read() {
    let third = |dtype: &str, elements: i64, shape: &[i64]| {
        let hooks = [&global("collections", "OrderedDict")[..], b")R"].concat();
        let arguments = [
            storage("UntypedStorage", "0", elements),
            int(1),
            pickle::ints(shape),
            pickle::ints(&[1]),
            vec![0x89],
            hooks,
            global("torch", dtype),
        ];
        let tensor = call("torch._utils._rebuild_tensor_v3", &arguments);
        let pickle = whole(dict(&[("a", tensor)]));
        open(&archive(&files(&pickle, &[("0", &floats(4))], "x/")))
    };
    let checkpoint = third("float32", 16, &[3]).unwrap();
    assert_eq!(values(&checkpoint, "a").unwrap(), [1.0, 2.0, 3.0]);
    let error = values(&third("float32", 16, &[4]).unwrap(), "a").unwrap_err();
    assert!(error.contains("a is cut off"), "{error}");
    let error = values(&third("float8_e5m2", 16, &[4]).unwrap(), "a").unwrap_err();
    assert!(error.contains("is stored as torch.float8_e5m2"), "{error}");
}

#[test]
fn archives_of_every_kind_are_read() {
    let tensor = view(storage("FloatStorage", "0", 24), 1, &[2], &[1], &[]);
    let pickle = whole(dict(&[("a", tensor)]));
    let storages = [("0", &floats(24)[..])];
    for prefix in ["archive/", "", "a folder.with/two levels/"] {
        let mut files = files(&pickle, &storages, prefix);
        files.push((format!("{prefix}version"), b"3\n".to_vec()));
        files.push((format!("{prefix}.data/serialization_id"), b"1".to_vec()));
        for bytes in [archive(&files), streamed(&files)] {
            // What stands behind an archive is a comment or rubbish.
            for bytes in [bytes.clone(), [&bytes[..], b"\n"].concat()] {
                let checkpoint = open(&bytes).unwrap();
                assert_eq!(values(&checkpoint, "a").unwrap(), [1.0, 2.0], "{prefix}");
            }
        }
    }
    // A storage that is shorter than it says, and one that is not there.
    for (storages, expected) in [
        (&[("0", &[0; 8][..])][..], "a is cut off"),
        (&[], "storage 0"),
    ] {
        let checkpoint = open(&archive(&files(&pickle, storages, "x/"))).unwrap();
        let error = values(&checkpoint, "a").unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

/// As in Python, the last entry of a name counts.
#[test]
fn the_last_of_two_entries_counts() {
    let at = |offset| view(storage("FloatStorage", "0", 24), offset, &[1], &[1], &[]);
    for value in [
        dict(&[("a", at(1)), ("a", at(2))]),
        dict(&[
            ("state_dict", dict(&[("a", at(1))])),
            ("state_dict", dict(&[("a", at(2))])),
        ]),
    ] {
        let checkpoint =
            open(&archive(&files(&whole(value), &[("0", &floats(24))], "x/"))).unwrap();
        assert_eq!(values(&checkpoint, "a").unwrap(), [2.0]);
    }
}

/// Pickles that would fill the stack, the memory or the time of a careless reader.
#[test]
fn circles_and_bombs_end_in_a_sentence() {
    let refused = |value: Vec<u8>, expected: &str| {
        let error = open(&archive(&files(&whole(value), &[("0", &floats(24))], "x/"))).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    // A dict that holds itself, under a name that is looked into and under another.
    for name in ["state_dict", "layer"] {
        let circle = [b"}q\x07", &text(name)[..], b"h\x07s"].concat();
        refused(circle, "it holds no tensors");
    }
    // A list that is the function's own argument.
    let function = global("torch._tensor", "_rebuild_from_type_v2");
    let circle = [&function[..], b"]q\x07(", &function, b"Nh\x07eR"].concat();
    refused(circle, "a tensor of subclasses without an end");
    // Dicts that hold the next one twice: two to the power of sixty of them.
    let mut doubled = dict(&[]);
    for _ in 0..60 {
        let twice = [text("a"), b"h\x07".to_vec(), text("b"), b"h\x07".to_vec()].concat();
        doubled = [&doubled[..], b"q\x070}(", &twice, b"u"].concat();
    }
    refused(doubled.clone(), "dicts that hold each other without an end");
    for wrapper in ["state_dict", "model"] {
        let wrapped = [&doubled[..], b"q\x07}(", &text(wrapper), b"h\x07u"].concat();
        refused(wrapped, "without an end");
    }
    // One long list, copied by many calls; one long name, copied by many classes.
    let list = [b"](".to_vec(), b"K\x01".repeat(20_000), b"eq\x07".to_vec()].concat();
    let calls = b"h\x08h\x07R0".repeat(20_000);
    let function = [&global("a", "b")[..], b"q\x08"].concat();
    refused(
        [list, function, calls].concat(),
        "more arguments than it has room for",
    );
    let name = "x".repeat(2000);
    refused(global("a", &name), "a class with a name without an end");
    let stacked = [text("a"), text(&name), vec![0x93]].concat();
    refused(stacked, "a class with a name without an end");
    let tensor = || view(storage("FloatStorage", "0", 24), 0, &[1], &[1], &[]);
    refused(dict(&[(&name, tensor())]), "without an end");
    // Depth alone is no fault of the reader.
    let deep = [b"(".repeat(100_000), b"t".repeat(100_000)].concat();
    refused(deep, "holds no dict of tensors");
}

/// What is not a plain tensor is called by its name, wherever it stands.
#[test]
fn tensors_of_other_kinds_are_named() {
    for kind in [
        "torch._utils._rebuild_sparse_tensor",
        "torch._utils._rebuild_qtensor",
        "torch._utils._rebuild_meta_tensor_no_storage",
        "torch._utils._rebuild_nested_tensor",
    ] {
        let value = dict(&[("layer", dict(&[("weight", call(kind, &[tuple(&[])]))]))]);
        let error = open(&archive(&files(&whole(value), &[], "x/"))).unwrap_err();
        assert!(
            error.contains("layer.weight in a form that is not read here") && error.contains(kind),
            "{error}"
        );
    }
}

/// Another archive, such as a whole model folder that was packed.
#[test]
fn archives_of_other_things_are_named() {
    let bytes = archive(&[("model/config.json".into(), b"{}".to_vec())]);
    let error = open(&bytes).unwrap_err();
    assert!(
        error.contains("is a zip archive, but no checkpoint"),
        "{error}"
    );
    assert!(Checkpoint::open(Path::new("/nowhere/a.pt")).is_err());
}
