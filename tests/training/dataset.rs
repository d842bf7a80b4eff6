//! Lists of pairs as `art2mus dataset` makes them, from files to training.

use super::{fixture, fs, program, run, runs, text, with_items};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Stdio,
};

/// A folder of `count` pictures that differ, and one of a few tracks.
fn files(folder: &Path, count: usize) -> (PathBuf, PathBuf) {
    let (pictures, music) = (folder.join("pictures"), folder.join("music"));
    fs::create_dir_all(pictures.join("inner")).unwrap();
    fs::create_dir_all(&music).unwrap();
    for i in 0..count {
        let place = if i % 2 == 0 { "" } else { "inner/" };
        // A bitmap of three by two pixels.
        let mut bytes = b"BM".to_vec();
        bytes.extend([
            78, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 24, 0,
        ]);
        bytes.resize(54, 0);
        let pixels = (0..24).map(|n| ((i * 37 + n * (i + 5) * 11) % 256) as u8);
        bytes.extend(pixels);
        fs::write(pictures.join(format!("{place}{i:03}.bmp")), bytes).unwrap();
    }
    for name in ["stereo.flac", "stereo.mp3", "stereo.ogg"] {
        fs::copy(fixture("sounds").join(name), music.join(name)).unwrap();
    }
    (pictures, music)
}

fn embed<'a>(what: &'a str, from: &'a Path, imagebind: &'a Path, output: &'a Path) -> Vec<&'a str> {
    vec![
        "dataset",
        "embed",
        what,
        text(from),
        "--imagebind",
        text(imagebind),
        "-o",
        text(output),
        "--device",
        "cpu",
    ]
}

/// The files of a folder, by name.
fn content(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (
            entry.file_name().to_string_lossy().into_owned(),
            fs::read(entry.path()).unwrap(),
        )
    });
    let mut files: Vec<_> = entries.collect();
    files.sort();
    files
}

#[test]
fn folders_become_lists_that_can_be_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let (pictures, music) = files(folder.path(), 5);
    fs::write(music.join("broken.mp3"), "no music").unwrap();
    let imagebind = fixture("imagebind-tiny.pth");
    run(
        &embed("--pictures", &pictures, &imagebind, &place("images")),
        true,
    );
    let said = run(
        &embed("--music", &music, &imagebind, &place("audios")),
        true,
    );
    assert!(said.contains("1 could not be read"), "{said}");
    let skipped = fs::read_to_string(place("audios/skipped.jsonl")).unwrap();
    assert!(skipped.contains("broken.mp3"));

    let (columns, lines) = (place("pairs.json"), place("lists/pairs.jsonl"));
    fs::create_dir_all(place("lists")).unwrap();
    let (images, audios) = (place("images"), place("audios"));
    let pair = [
        "dataset",
        "pair",
        "--tracks",
        text(&audios),
        "--pictures",
        text(&images),
    ];
    let folders = [
        "--picture-folder",
        text(&pictures),
        "--music-folder",
        text(&music),
    ];
    run(&[&pair[..], &["-o", text(&columns)]].concat(), true);
    run(&[&pair[..], &["-o", text(&lines)], &folders].concat(), true);
    let list: Value = serde_json::from_slice(&fs::read(&columns).unwrap()).unwrap();
    assert_eq!(list["Audio"]["1"], "stereo.mp3");
    let taken: BTreeSet<&str> = (0..3)
        .map(|i| list["Image"][i.to_string()].as_str().unwrap())
        .collect();
    assert_eq!(taken.len(), 3);
    assert!(list["Similarity"]["0"].as_f64().unwrap().abs() <= 1.0);
    let pairs = art2mus::dataset::JsonLines::open(&lines).unwrap();
    for i in 0..3 {
        art2mus::dataset::Source::item(&pairs, i).unwrap();
    }
    let error = run(
        &[&pair[..], &["-o", text(&place("pairs.txt"))]].concat(),
        false,
    );
    assert!(error.contains("no form of pairs"), "{error}");
    let few = [
        "dataset",
        "pair",
        "--tracks",
        text(&images),
        "--pictures",
        text(&audios),
        "-o",
        text(&columns),
    ];
    assert!(run(&few, false).contains("3 pictures for 5 tracks"));
}

#[test]
fn embedding_that_is_killed_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let (pictures, _) = files(folder.path(), 200);
    let imagebind = fixture("imagebind-tiny.pth");
    let killed = place("killed");
    let arguments = embed("--pictures", &pictures, &imagebind, &killed);
    let mut child = program()
        .args(&arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let parts = || {
        let entries = fs::read_dir(&killed).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("embeddings-")).count()
    };
    while parts() == 0 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(parts() > 0 && !killed.join("embeddings.safetensors.index.json").exists());
    run(&arguments, true);

    // Shards, with other numbers of threads.
    let shards = place("shards");
    for (shard, threads) in [("2/2", "1"), ("1/2", "0")] {
        let mut arguments = embed("--pictures", &pictures, &imagebind, &shards);
        arguments.extend(["--shard", shard, "--threads", threads]);
        run(&arguments, true);
    }
    assert!(content(&killed) == content(&shards));
    let embeddings = art2mus::dataset::Embeddings::open(&killed).unwrap();
    assert_eq!((embeddings.len(), embeddings.width()), (200, 32));
    assert!(embeddings.get("inner/001.bmp").is_some());

    // Other items, and another network, are another folder.
    let inner = pictures.join("inner");
    let error = run(&embed("--pictures", &inner, &imagebind, &killed), false);
    assert!(error.contains("of other items"), "{error}");
    let captions = place("captions.json");
    fs::write(&captions, r#"{"a.jpg": "A lake"}"#).unwrap();
    let texts = place("texts");
    let mut arguments = embed("--captions", &captions, &imagebind, &texts);
    assert!(run(&arguments, false).contains("captions need CLIP's vocabulary"));
    let vocabulary = fixture("picture.png");
    arguments.extend(["--vocabulary", text(&vocabulary)]);
    run(&arguments, false);
}

/// A list of ArtSound's form with 60 pairs of three styles.
fn list(folder: &Path) -> (PathBuf, PathBuf) {
    let (mut images, mut audio, mut similarities, mut styles) =
        (Vec::new(), Vec::new(), Vec::new(), String::new());
    styles += "file,style,genre\n";
    for i in 0..60 {
        images.push(format!("\"{i}\": \"{i}.jpg\""));
        audio.push(format!("\"{i}\": \"fma_large/000/{i:06}.mp3\""));
        similarities.push(format!("\"{i}\": {}", 0.01 * f64::from(i)));
        styles += &format!(
            "{i}.jpg,{},view\n",
            ["Cubism", "Fauvism", "Cubism"][i as usize % 3]
        );
    }
    let text = format!(
        "{{\"Image\": {{{}}}, \"Audio\": {{{}}}, \"Similarity\": {{{}}}}}",
        images.join(", "),
        audio.join(", "),
        similarities.join(", ")
    );
    let (pairs, table) = (folder.join("pairs.json"), folder.join("styles.csv"));
    fs::write(&pairs, text).unwrap();
    fs::write(&table, styles).unwrap();
    (pairs, table)
}

fn json_lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn lists_are_split_by_style_without_broken_files() {
    let folder = tempfile::tempdir().unwrap();
    let (pairs, styles) = list(folder.path());
    let parts = folder.path().join("parts");
    let arguments = [
        "dataset",
        "split",
        text(&pairs),
        "--styles",
        text(&styles),
        "-o",
        text(&parts),
    ];
    run(&arguments, true);
    let [training, validation, test] = ["training.jsonl", "validation.jsonl", "test.jsonl"]
        .map(|name| json_lines(&parts.join(name)));
    assert_eq!((training.len(), validation.len(), test.len()), (54, 3, 3));
    let of = |style: &str| {
        training
            .iter()
            .filter(|line| line["style"] == style)
            .count()
    };
    assert_eq!((of("Cubism"), of("Fauvism")), (36, 18));
    let all = [training, validation, test].concat();
    let names: BTreeSet<&str> = all
        .iter()
        .map(|line| line["music"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 60);
    let checked = [&arguments[..], &["--check"]].concat();
    assert!(run(&checked, false).contains("name their folders"));

    // Lines say where their files are; one track is broken and one picture is not there.
    let (pictures, music) = files(folder.path(), 30);
    fs::write(music.join("broken.mp3"), "no music").unwrap();
    let mut lines = String::new();
    for i in 0..30 {
        let place = if i % 2 == 0 {
            "pictures"
        } else {
            "pictures/inner"
        };
        let (picture, track) = match i {
            4 => ("pictures/missing.bmp".to_string(), "stereo.mp3"),
            7 => (format!("{place}/{i:03}.bmp"), "broken.mp3"),
            _ => (format!("{place}/{i:03}.bmp"), "stereo.flac"),
        };
        lines += &format!("{{\"picture\": \"{picture}\", \"music\": \"music/{track}\"}}\n");
    }
    let list = folder.path().join("pairs.jsonl");
    fs::write(&list, lines).unwrap();
    let said = run(
        &[
            "dataset",
            "split",
            text(&list),
            "-o",
            text(&parts),
            "--check",
        ],
        true,
    );
    assert!(said.contains("2 pairs have a broken file"), "{said}");
    let broken = json_lines(&parts.join("broken.jsonl"));
    assert_eq!(
        (broken[0]["index"].as_u64(), broken[1]["index"].as_u64()),
        (Some(4), Some(7))
    );
    let training = json_lines(&parts.join("training.jsonl"));
    assert_eq!(training.len(), 25);
    assert!(Path::new(training[0]["picture"].as_str().unwrap()).starts_with(&pictures));
}

#[test]
fn statistics_are_tables_and_figures() {
    let folder = tempfile::tempdir().unwrap();
    let (pairs, styles) = list(folder.path());
    let (fma, output) = (
        folder.path().join("tracks.csv"),
        folder.path().join("stats"),
    );
    fs::write(
        &fma,
        ",track,track\n,genre_top,genres\ntrack_id,,\n2,Rock,[12]\n3,Rock,\"[12, 5]\"\n",
    )
    .unwrap();
    let first = format!("picture-music={}", text(&pairs));
    let second = format!("captions={}", text(&pairs));
    let arguments = [
        "dataset",
        "stats",
        "--pairs",
        &first,
        "--pairs",
        &second,
        "--styles",
        text(&styles),
        "--genres",
        text(&styles),
        "--fma",
        text(&fma),
        "-o",
        text(&output),
    ];
    run(&arguments, true);
    let table = fs::read_to_string(output.join("stats.md")).unwrap();
    for expected in [
        "| picture-music | 60 | 0.0000 | 0.5900 | 0.2950 | 0.1746 |",
        "| captions | 60 |",
        "| Cubism | 40 | 66.7 % |",
        "| view | 60 | 100.0 % |",
        "| Rock | 2 |",
        "| (none) | 58 |",
    ] {
        assert!(table.contains(expected), "{expected} is not in\n{table}");
    }
    let report: Value =
        serde_json::from_slice(&fs::read(output.join("stats.json")).unwrap()).unwrap();
    assert_eq!(report["similarities"][0][1]["count"], 60);
    for figure in [
        "similarities",
        "styles",
        "genres",
        "music-top-genres",
        "music-genres",
    ] {
        let picture = fs::read_to_string(output.join(format!("{figure}.svg"))).unwrap();
        assert!(picture.starts_with("<svg"), "{figure}");
    }
    let plain = folder.path().join("plain.jsonl");
    fs::write(&plain, "{\"picture\": \"a.jpg\", \"music\": \"a.mp3\"}\n").unwrap();
    let named = format!("plain={}", text(&plain));
    let error = run(
        &["dataset", "stats", "--pairs", &named, "-o", text(&output)],
        false,
    );
    assert!(error.contains("without similarities"), "{error}");
}

#[test]
fn a_plan_says_what_a_run_takes_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = with_items(folder.path(), "items = 300\n");
    let bundle = runs().join("bundle");
    let arguments = [
        "train",
        "--plan",
        "--device",
        "cpu",
        "--bundle",
        text(&bundle),
        "--config",
        text(&config),
    ];
    let output = program()
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for expected in [
        "on 300 items",
        "encode  300 items",
        "train   3 steps",
        "in all  ",
        "memory  ",
    ] {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let both = [&arguments[..], &["-o", "run"]].concat();
    assert!(run(&both, false).contains("--plan"));
}
