//! Training as a person runs it, on a model that is far too small to be of use.
#![cfg(all(feature = "train", not(target_family = "wasm")))]

#[path = "training/aligner.rs"]
mod aligner;
#[path = "training/art2music.rs"]
mod art2music;
mod common;
#[path = "training/dataset.rs"]
mod dataset;
#[path = "training/gradients.rs"]
mod gradients;
#[path = "training/lists.rs"]
mod lists;
#[path = "training/resuming.rs"]
mod resuming;
#[path = "training/scores.rs"]
mod scores;

use common::{fixture, program, read_wav};
use safetensors::SafeTensors;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// Runs the program and gives what it says; it must succeed or fail as `good` says.
fn run(arguments: &[&str], good: bool) -> String {
    let output = program().args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.success(), good, "{arguments:?}: {error}");
    assert!(!error.contains("panicked"), "{error}");
    error
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn config() -> PathBuf {
    fixture("training.toml")
}

/// The text of the configuration, for another place.
fn config_text() -> String {
    let text = fs::read_to_string(config()).unwrap();
    let soundfont = fixture("tiny.sf2");
    text.replace("tiny.sf2", soundfont.to_str().unwrap())
}

fn pretrain(folder: &Path, more: &[&str], good: bool) -> String {
    let config = config();
    let mut arguments = vec!["pretrain", "--device", "cpu", "-o", text(folder)];
    if !more.contains(&"--config") {
        arguments.extend(["--config", text(&config)]);
    }
    arguments.extend(more);
    run(&arguments, good)
}

/// All parts, trained once.
fn runs() -> &'static Path {
    static RUNS: OnceLock<tempfile::TempDir> = OnceLock::new();
    RUNS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        pretrain(folder.path(), &[], true);
        folder
    })
    .path()
}

#[test]
fn every_part_is_trained_logged_and_drawn() {
    for part in ["vae", "vocoder", "refinement", "imagebind", "prior"] {
        let folder = runs().join(part);
        let log = fs::read_to_string(folder.join("log.csv")).unwrap();
        assert!(
            log.contains(",loss,") && log.contains("validation: "),
            "{log}"
        );
        let plot = fs::read_to_string(folder.join("losses.svg")).unwrap();
        assert!(plot.contains("<svg") && plot.contains("loss"));
        assert!(folder.join("final.safetensors").is_file());
    }
    // What is finished is not trained again.
    let said = pretrain(runs(), &["--part", "vae"], true);
    assert!(said.contains("finished"), "{said}");
    let said = pretrain(runs(), &[], true);
    assert!(said.contains("The bundle is there already"), "{said}");
}

/// `count` small pairs in the folder `pairs`, and their list.
fn synth(pairs: &Path, count: &str) -> PathBuf {
    let soundfont = fixture("tiny.sf2");
    let sizes = ["--count", count, "--size", "64", "--seconds", "1.28"];
    let instruments = ["--soundfont", text(&soundfont)];
    let arguments = [&["synth", "-o", text(pairs)][..], &sizes, &instruments].concat();
    run(&arguments, true);
    pairs.join("pairs.jsonl")
}

#[test]
fn a_resumed_run_takes_the_same_steps() {
    let folder = tempfile::tempdir().unwrap();
    pretrain(folder.path(), &["--part", "vae"], true);
    let own = folder.path().join("vae");
    let whole = fs::read(own.join("final.safetensors")).unwrap();
    let log = fs::read(own.join("log.csv")).unwrap();
    // As if the program had been stopped behind the checkpoint of step 6.
    fs::remove_file(own.join("final.safetensors")).unwrap();
    fs::remove_dir_all(own.join("step-00000012")).unwrap();
    pretrain(folder.path(), &["--part", "vae"], true);
    assert_eq!(fs::read(own.join("final.safetensors")).unwrap(), whole);
    assert_eq!(fs::read(own.join("log.csv")).unwrap(), log);
}

/// A step so small that weights stay as they began.
#[test]
fn a_run_begins_with_the_weights_of_a_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("begun.toml");
    let bundle = text(&runs().join("bundle")).to_string();
    let wanted = config_text().replacen(
        "steps = 12\nbatch = 2\nlearning_rate = 5e-3\naverage = 0.9",
        &format!("start_from = {bundle:?}\nsteps = 1\nbatch = 2\nlearning_rate = 1e-12"),
        1,
    );
    fs::write(&place, wanted).unwrap();
    let config = ["--config", text(&place)];
    let said = pretrain(
        folder.path(),
        &[&["--part", "vae"], &config[..]].concat(),
        true,
    );
    assert!(!said.contains("begin fresh"), "{said}");
    let weights = |folder: &Path| fs::read(folder.join("vae/final.safetensors")).unwrap();
    let [begun, earlier] = [weights(folder.path()), weights(runs())];
    let [begun, earlier] = [&begun, &earlier].map(|file| SafeTensors::deserialize(file).unwrap());
    assert_eq!(begun.len(), earlier.len());
    for (name, tensor) in begun.tensors() {
        let numbers = |bytes: &[u8]| -> Vec<f32> {
            let numbers = bytes.as_chunks().0.iter();
            numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect()
        };
        let earlier = numbers(earlier.tensor(&name).unwrap().data());
        for (a, b) in numbers(tensor.data()).into_iter().zip(earlier) {
            assert!((a - b).abs() < 1e-6, "{name}: {a} is not {b}");
        }
    }
}

#[test]
fn the_loss_falls() {
    let log = fs::read_to_string(runs().join("vae/log.csv")).unwrap();
    let figures = |name: &str| -> Vec<f64> {
        let rows = log
            .lines()
            .filter_map(|line| line.split_once(',')?.1.split_once(','));
        let rows = rows.filter(|(found, _)| *found == name);
        rows.map(|(_, value)| value.parse().unwrap()).collect()
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let losses = figures("loss");
    assert_eq!(losses.len(), 12, "{log}");
    let thirds: Vec<f64> = losses.chunks(4).map(mean).collect();
    assert!(thirds[0] > thirds[1] && thirds[1] > thirds[2], "{thirds:?}");
    let validated = figures("validation: log-mel L1");
    assert_eq!(validated.len(), 4, "{log}");
    assert!(validated[3] < 0.9 * validated[0], "{validated:?}");
}

/// Every network has bf16 weights once, and what is saved are the masters: values with more digits than bf16 has.
#[test]
fn every_part_is_trained_in_mixed_precision() {
    let folder = tempfile::tempdir().unwrap();
    let mixed = folder.path().join("mixed.toml");
    let changed = config_text().replace("\nlearning_rate", "\nprecision = \"bf16\"\nlearning_rate");
    assert_eq!(changed.matches("bf16").count(), 6);
    fs::write(&mixed, changed).unwrap();
    pretrain(folder.path(), &["--config", text(&mixed)], true);
    let own = folder.path().join("aligner");
    run(
        &train(&folder.path().join("bundle"), &mixed, &own, &[]),
        true,
    );
    for part in [
        "vae",
        "vocoder",
        "refinement",
        "imagebind",
        "prior",
        "aligner",
    ] {
        let weights = fs::read(folder.path().join(part).join("final.safetensors")).unwrap();
        let weights = safetensors::SafeTensors::deserialize(&weights).unwrap();
        for (name, tensor) in weights.tensors() {
            assert_eq!(tensor.dtype(), safetensors::Dtype::F32, "{part}: {name}");
        }
        let finer = |tensor: &safetensors::tensor::TensorView| {
            let mut values = tensor.data().chunks_exact(4);
            values.any(|value| value[0] != 0 || value[1] != 0)
        };
        let tensors = weights.tensors();
        let learnt = tensors.iter().filter(|(_, tensor)| finer(tensor)).count();
        assert!(learnt > tensors.len() / 2, "{part}: {learnt}");
    }
}

/// The arguments that train the aligner of the tiny model in `folder`.
fn train<'a>(
    bundle: &'a Path,
    config: &'a Path,
    folder: &'a Path,
    more: &[&'a str],
) -> Vec<&'a str> {
    let mut arguments = vec!["train", "--device", "cpu", "--bundle", text(bundle)];
    arguments.extend(["--config", text(config), "-o", text(folder)]);
    arguments.extend(more);
    arguments
}

/// The configuration with another line in place of the aligner's number of items.
fn with_items(folder: &Path, line: &str) -> PathBuf {
    let text = config_text();
    let (before, behind) = text.rsplit_once("items = 4\n").unwrap();
    let path = folder.join("items.toml");
    fs::write(&path, format!("{before}{line}{behind}")).unwrap();
    path
}

/// All files beneath `folder`.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn encoding_that_is_killed_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let many = with_items(folder.path(), "items = 300\n");
    let bundle = runs().join("bundle");
    let (cache, place) = (folder.path().join("cache"), folder.path().join("run"));
    let more = ["--cache", text(&cache), "--threads", "3"];
    let arguments = train(&bundle, &many, &place, &more);
    let mut child = program()
        .args(&arguments)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // At least one shard is there when the program is killed, and not all three.
    let shards = || {
        let caches = fs::read_dir(&cache).into_iter().flatten().flatten();
        let first = caches.map(|cache| cache.path().join("000000.bin"));
        first.filter(|shard| shard.is_file()).count()
    };
    while shards() == 0 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(shards() > 0 && !place.join("final.safetensors").is_file());
    run(&arguments, true);
    let resumed = files(&cache);
    let shard = |(path, _): &&(PathBuf, Vec<u8>)| path.extension().is_some_and(|e| e == "bin");
    assert_eq!(
        resumed.iter().filter(shard).count(),
        3 + 1,
        "and one to validate on"
    );

    let other = folder.path().join("other");
    let (whole, elsewhere) = (other.join("cache"), other.join("run"));
    // Another number of threads changes nothing.
    let more = ["--cache", text(&whole), "--threads", "0"];
    run(&train(&bundle, &many, &elsewhere, &more), true);
    let bytes =
        |files: Vec<(PathBuf, Vec<u8>)>| files.into_iter().map(|(_, b)| b).collect::<Vec<_>>();
    assert!(bytes(resumed) == bytes(files(&whole)));
    let last = |folder: &Path| fs::read(folder.join("final.safetensors")).unwrap();
    assert!(last(&place) == last(&elsewhere));
}

#[test]
fn broken_files_are_left_out_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = folder.path().join("pairs");
    let list = synth(&pairs, "6");
    let mut lines = fs::read_to_string(&list).unwrap();
    fs::write(pairs.join("broken.mp3"), "no music").unwrap();
    fs::copy(fixture("sounds/stereo.mp3"), pairs.join("short.mp3")).unwrap();
    lines += "{\"picture\": \"000000.png\", \"music\": \"broken.mp3\"}\n";
    lines += "{\"picture\": \"missing.png\", \"music\": \"short.mp3\"}\n";
    lines += "{\"picture\": \"000001.png\", \"music\": \"short.mp3\"}\n";
    fs::write(&list, &lines).unwrap();
    let all = with_items(folder.path(), "");
    let (bundle, place) = (runs().join("bundle"), folder.path().join("run"));
    let said = run(
        &train(&bundle, &all, &place, &["--pairs", text(&list)]),
        true,
    );
    assert!(said.contains("2 items could not be read"), "{said}");
    let skipped = fs::read_to_string(place.join("skipped.jsonl")).unwrap();
    assert_eq!(skipped.lines().count(), 2, "{skipped}");
    assert!(
        skipped.contains("broken.mp3") && skipped.contains("missing.png"),
        "{skipped}"
    );

    let none = pairs.join("none.jsonl");
    fs::write(
        &none,
        "{\"picture\": \"000000.png\", \"music\": \"broken.mp3\"}\n",
    )
    .unwrap();
    let place = folder.path().join("none");
    let said = run(
        &train(&bundle, &all, &place, &["--pairs", text(&none)]),
        false,
    );
    assert!(said.contains("none of the items can be read"), "{said}");
    // A single pair to validate on has no other to be exchanged with.
    let one = pairs.join("one.jsonl");
    fs::write(&one, lines.lines().next().unwrap()).unwrap();
    let place = folder.path().join("one");
    let more = ["--pairs", text(&list), "--validation", text(&one)];
    run(&train(&bundle, &all, &place, &more), true);
    let log = fs::read_to_string(place.join("log.csv")).unwrap();
    assert!(
        log.contains("validation: denoising") && !log.contains("shuffled"),
        "{log}"
    );
    // Material never ends: the number of its items must be given.
    let place = folder.path().join("endless");
    let said = run(&train(&bundle, &all, &place, &[]), false);
    assert!(said.contains("material never ends"), "{said}");
}

#[test]
fn a_bundle_is_measured() {
    let bundle = runs().join("bundle");
    let soundfont = fixture("tiny.sf2");
    let folder = tempfile::tempdir().unwrap();
    let openings = folder.path().join("openings.jsonl");
    fs::write(&openings, "{\"number\":1}\n").unwrap();
    let sounds = folder.path().join("sounds");
    let arguments = [
        "evaluate",
        "--final",
        "--sounds",
        text(&sounds),
        "--openings",
        text(&openings),
        "--variations",
        "4",
        "--json",
        "--bundle",
        text(&bundle),
        "--pictures",
        "8",
        "--untrained",
        "4",
        "--tracks",
        "1",
        "--triplets",
        "20",
        "--soundfont",
        text(&soundfont),
    ];
    let output = program().args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    // All that was heard can be heard by others, and a folder with something in it is refused before it is opened anew.
    for (set, count, first) in [
        ("generated", 8, "000@0.wav"),
        ("untrained", 4, "000@0.wav"),
        ("from-music", 8, "000@0.wav"),
        ("by-rule", 8, "000.wav"),
        ("paired", 8, "000.wav"),
        ("resynthesised", 8, "000.wav"),
        ("other", 8, "000.wav"),
        ("other-seeds", 4, "000@1000000.wav"),
        ("next-picture", 4, "001@0.wav"),
        ("cool", 4, "000@0.wav"),
        ("warm", 4, "003@3.wav"),
    ] {
        let set = sounds.join(set);
        assert_eq!(fs::read_dir(&set).unwrap().count(), count, "{set:?}");
        assert_eq!(read_wav(&set.join(first)).1.len(), 128 * 160, "{set:?}");
    }
    let again = program().args(arguments).output().unwrap();
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("already there"));
    let factors = report["conditioning"]["factors"].as_array().unwrap();
    assert_eq!(factors.len(), 5);
    // The music that belongs to the pictures follows them, whatever the model does.
    assert!(report["conditioning"]["mean_ceiling"].as_f64().unwrap() > 0.3);
    assert!(
        report["resynthesis"]["griffin_lim"]["log_spectral_db"]
            .as_f64()
            .unwrap()
            > 1.0
    );
    for who in ["model", "griffin_lim"] {
        let figure = |name: &str| report["resynthesis"][who][name].as_f64().unwrap();
        let (by_time, warped) = (figure("cepstral_db"), figure("warped_cepstral_db"));
        assert!(
            warped > 0.0 && warped <= by_time,
            "{who}: {warped}, {by_time}"
        );
    }
    assert_eq!(report["quality"]["pieces"], 8);
    let figure = |name: &str| report.pointer(name).and_then(serde_json::Value::as_f64);
    assert!(figure("/tonality/real/mean") > figure("/tonality/permuted/mean"));
    assert!((0.0..=1.0).contains(&figure("/variation/mode/auc").unwrap()));
    assert!(figure("/conditioning/mean_rule").unwrap() > 0.3);
    let noted = fs::read_to_string(&openings).unwrap();
    assert_eq!(noted.lines().count(), 2);
    let last: serde_json::Value = serde_json::from_str(noted.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["number"], &last["extent"]["pictures"]),
        (&2.into(), &8.into())
    );
}

#[test]
fn faults_are_told_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let said = pretrain(folder.path(), &["--part", "prior"], false);
    assert!(said.contains("train the part vae first"), "{said}");

    // Another configuration does not continue a run.
    pretrain(folder.path(), &["--part", "vae"], true);
    fs::remove_file(folder.path().join("vae/final.safetensors")).unwrap();
    let other = folder.path().join("other.toml");
    let changed = config_text();
    fs::write(
        &other,
        changed.replace("learning_rate = 5e-3", "learning_rate = 2e-3"),
    )
    .unwrap();
    let more = ["--part", "vae", "--config", text(&other)];
    let said = pretrain(folder.path(), &more, false);
    let expected = "vae.run.learning_rate was 0.005 and is 0.002";
    assert!(said.contains(expected), "{said}");

    let wrong = folder.path().join("wrong.toml");
    fs::write(&wrong, "name = \"x\"\nframes = \"many\"\n").unwrap();
    let said = pretrain(folder.path(), &["--config", text(&wrong)], false);
    assert!(said.contains("expected usize, line 2"), "{said}");

    // What the CPU device lacks is refused, and so is the name that a key had.
    for (from, to, refusal) in [
        (
            "steps = 12\n",
            "steps = 12\nactivation_checkpointing = true\n",
            "activation checkpointing is not there",
        ),
        (
            "steps = 12\n",
            "steps = 12\nfinal_share = 0.1\n",
            "write minimum_learning_rate_ratio instead",
        ),
        (
            "batch = 2\n",
            "batch = 9999999999\n",
            "vae.run.batch cannot be 9999999999: give it a number from 1 to 65536",
        ),
    ] {
        fs::write(&other, changed.replace(from, to)).unwrap();
        let said = pretrain(&folder.path().join("new"), &more, false);
        assert!(said.contains(refusal), "{said}");
    }

    // What diverges is not saved, however seldom the log is written.
    let steep = changed
        .replace("learning_rate = 5e-3", "learning_rate = 1e30")
        .replace("checkpoint_every = 6", "checkpoint_every = 1")
        .replace("log_every = 1", "log_every = 20");
    fs::write(&other, steep).unwrap();
    let diverged = folder.path().join("diverged");
    let said = pretrain(&diverged, &more, false);
    assert!(said.contains("train in another folder"), "{said}");
    for (path, bytes) in files(&diverged.join("vae")) {
        if path.ends_with("weights.safetensors") {
            let weights = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            for (name, tensor) in weights.tensors() {
                let mut values = tensor.data().chunks_exact(4);
                let whole =
                    |value: &[u8]| f32::from_le_bytes(value.try_into().unwrap()).is_finite();
                assert!(values.all(whole), "{}: {name}", path.display());
            }
        }
    }

    // Published networks need their VAE encoder to train on.
    let plain = folder.path().join("plain");
    common::convert(
        &["--imagebind", "imagebind-tiny.pth"],
        "aligner-2024-4.pt",
        &plain,
        &[],
    );
    let (own, config) = (folder.path().join("aligner"), config());
    let arguments = [
        "train",
        "--bundle",
        text(&plain),
        "--config",
        text(&config),
        "-o",
        text(&own),
        "--device",
        "cpu",
    ];
    let said = run(&arguments, false);
    assert!(said.contains("--training"), "{said}");
}
