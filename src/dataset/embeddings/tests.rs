use std::{cell::Cell, fs};

use super::*;
use crate::{
    model::{
        imagebind::{TextConfig, TextTrunk},
        params::{FreshInit, Params},
        trace::Trace,
    },
    ops::Cpu,
    text::ClipTokenizer,
};

fn write(path: &Path, tensors: &[(&str, Vec<usize>, Vec<f32>)]) {
    let views = tensors.iter().map(|(name, shape, values)| {
        let bytes = bytemuck::cast_slice(values);
        let view = safetensors::tensor::TensorView::new(Dtype::F32, shape.clone(), bytes);
        (*name, view.unwrap())
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// The authors' files, as they publish them.
#[test]
fn published_files_are_read_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audios.safetensors");
    let music = "/home/someone/fma-dataset-100k-music-wav-files/fma_large/010/010425.mp3";
    let other = "fma-dataset-100k-music-wav-files/fma_large/000/000002.mp3";
    write(
        &path,
        &[
            (music, vec![2], vec![3.0, 4.0]),
            (other, vec![1, 2], vec![0.0, 2.0]),
        ],
    );
    let tracks = Embeddings::open(&path).unwrap();
    assert_eq!(tracks.names(), ["000/000002.mp3", "010/010425.mp3"]);
    assert_eq!((tracks.len(), tracks.width()), (2, 2));
    assert_eq!(tracks.get("010/010425.mp3"), Some(&[3.0, 4.0][..]));
    assert_eq!(tracks.get("010425.mp3"), None);
    assert_eq!(tracks.unit_vectors().unwrap(), [0.0, 1.0, 0.6, 0.8]);
    write(&path, &[("data/imagesf2/a b.jpg", vec![2], vec![1.0, 2.0])]);
    assert_eq!(Embeddings::open(&path).unwrap().names(), ["a b.jpg"]);
    for (tensors, expected) in [
        (
            vec![("a", vec![2], vec![1.0; 2]), ("b", vec![3], vec![1.0; 3])],
            "numbers where others have",
        ),
        (vec![("a", vec![2, 2], vec![1.0; 4])], "shape [2, 2]"),
        (vec![("a", vec![2], vec![1.0, f32::NAN])], "not numbers"),
        (
            vec![
                ("x/imagesf2/a", vec![1], vec![1.0]),
                ("y/imagesf2/a", vec![1], vec![1.0]),
            ],
            "twice",
        ),
        (vec![], "holds no embeddings"),
    ] {
        write(&path, &tensors);
        let error = Embeddings::open(&path).unwrap_err();
        assert!(error.message().contains(expected), "{error}");
    }
    fs::write(&path, "text").unwrap();
    assert!(Embeddings::open(&path).is_err());
    assert!(
        Embeddings::open(folder.path())
            .unwrap_err()
            .message()
            .contains("no finished")
    );
}

fn recipe(count: usize) -> Recipe {
    Recipe {
        names: (0..count).map(|i| format!("{i:04}.png")).collect(),
        content: serde_json::json!("a network"),
    }
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, fs::read(entry.path()).unwrap())
    });
    let mut files: Vec<_> = entries.collect();
    files.sort();
    files
}

#[test]
fn shards_and_interrupted_runs_end_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let recipe = recipe(300);
    let prepare = |index: usize| match index {
        70 => Err(Error::input("a damaged file", "get it again")),
        _ => Ok(index),
    };
    let encode = |items: Vec<usize>| -> Result<Vec<Vec<f32>>> {
        let first = items[0] as f32;
        // As on a device, the values depend on what is encoded together.
        Ok(items
            .iter()
            .map(|item| vec![*item as f32 + 1.0, first])
            .collect())
    };
    let whole = EmbeddingFolder::open(&place("whole"), &recipe).unwrap();
    let fill = |folder: &EmbeddingFolder, shard: &str| {
        let shard = shard.parse().unwrap();
        folder.fill(shard, 2, &prepare, &mut |items| encode(items), &|_, _| {})
    };
    assert_eq!(whole.finish().unwrap(), None);
    fill(&whole, "1/1").unwrap();
    let finished = Finished {
        items: 299,
        skipped: 1,
    };
    assert_eq!(whole.finish().unwrap(), Some(finished));

    // Three shards, the second of which ends in the middle.
    let parts = EmbeddingFolder::open(&place("parts"), &recipe).unwrap();
    fill(&parts, "3/3").unwrap();
    let calls = Cell::new(0);
    let fails = parts.fill(
        "2/3".parse().unwrap(),
        2,
        &prepare,
        &mut |items| {
            calls.set(calls.get() + 1);
            match calls.get() {
                12 => Err(Error::cancelled()),
                _ => encode(items),
            }
        },
        &|_, _| {},
    );
    assert!(fails.is_err() && parts.finish().unwrap().is_none());
    fill(&parts, "1/3").unwrap();
    let parts = EmbeddingFolder::open(&place("parts"), &recipe).unwrap();
    fill(&parts, "2/3").unwrap();
    assert_eq!(parts.finish().unwrap(), Some(finished));
    assert_eq!(files(&place("parts")), files(&place("whole")));

    let embeddings = Embeddings::open(&place("whole")).unwrap();
    assert_eq!(embeddings.len(), 299);
    assert_eq!(embeddings.get("0002.png"), Some(&[3.0, 0.0][..]));
    assert_eq!(embeddings.get("0070.png"), None);
    let text = fs::read_to_string(place("whole").join("skipped.jsonl")).unwrap();
    assert!(text.contains("0070.png") && text.contains("a damaged file"));

    // The file is mended: its part alone is made again.
    let mended = Cell::new(0);
    whole
        .fill(
            Shard::default(),
            1,
            &|index| Ok(index),
            &mut |items: Vec<usize>| {
                mended.set(mended.get() + items.len());
                encode(items)
            },
            &|_, _| {},
        )
        .unwrap();
    assert_eq!(mended.get(), 64);
    assert_eq!(whole.finish().unwrap().unwrap().items, 300);
    assert!(!place("whole").join("skipped.jsonl").exists());
}

#[test]
fn another_recipe_and_wrong_shards_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    EmbeddingFolder::open(folder.path(), &recipe(3)).unwrap();
    EmbeddingFolder::open(folder.path(), &recipe(3)).unwrap();
    let error = EmbeddingFolder::open(folder.path(), &recipe(4)).unwrap_err();
    assert!(error.message().contains("of other items"));
    let other = Recipe {
        content: serde_json::json!("another network"),
        ..recipe(3)
    };
    assert!(EmbeddingFolder::open(folder.path(), &other).is_err());
    assert!(EmbeddingFolder::open(folder.path(), &recipe(0)).is_err());
    for text in ["0/2", "3/2", "1", "a/b", "1/0"] {
        assert!(text.parse::<Shard>().is_err(), "{text}");
    }
}

#[test]
fn captions_go_through_the_text_trunk() {
    let config = TextConfig {
        vocabulary: 517,
        context: 12,
        width: 32,
        depth: 1,
        heads: 16,
        mlp: 16,
        embedding: 8,
    };
    let (fresh, device) = (FreshInit::new(1), Default::default());
    let trunk = TextTrunk::<Cpu>::load(&Params::new(&fresh, &device), &config).unwrap();
    let tokenizer = ClipTokenizer::new("l a\nla k\nlak e</w>", config.context).unwrap();
    let mut ids = tokenizer.encode("A lake");
    assert_eq!(ids.last(), Some(&516));
    ids.resize(config.context, 0);
    let expected = trunk.forward(&ids, &mut Trace::off()).unwrap();
    let expected: Vec<f32> = expected.into_data().into_vec().unwrap();

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("captions.json");
    let long = "lake ".repeat(40);
    fs::write(
        &file,
        format!("{{\"b.jpg\": \"A lake\", \"a.jpg\": \"{long}\"}}"),
    )
    .unwrap();
    let items = EmbeddedItems::captions(&file).unwrap();
    assert_eq!(items.names(), ["a.jpg", "b.jpg"]);
    let preparation = Preparation::Captions(tokenizer, config.context);
    let prepared = (0..2).map(|i| items.prepare(&preparation, i).unwrap());
    let network = EmbeddingNetwork::Text(trunk);
    let found = network.encode(prepared.collect()).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[1], expected);
    assert_ne!(found[0], expected);
}
