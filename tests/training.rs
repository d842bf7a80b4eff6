//! Training as a person runs it, on a model that is far too small to be of use.
#![cfg(all(feature = "train", not(target_family = "wasm")))]

mod common;

use common::{fixture, program, read_wav};
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
    for part in ["vae", "vocoder", "imagebind", "prior"] {
        let folder = runs().join(part);
        let log = fs::read_to_string(folder.join("log.csv")).unwrap();
        assert!(log.contains(",loss,") && log.contains("held out"), "{log}");
        let plot = fs::read_to_string(folder.join("losses.svg")).unwrap();
        assert!(plot.contains("<svg") && plot.contains("loss"));
        assert!(folder.join("final.safetensors").is_file());
    }
    // What is finished is not trained again.
    let said = pretrain(runs(), &["--part", "vae"], true);
    assert!(said.contains("finished"), "{said}");
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

#[test]
fn the_loss_falls() {
    let log = fs::read_to_string(runs().join("vae/log.csv")).unwrap();
    let losses: Vec<f64> = log
        .lines()
        .filter_map(|line| line.split_once(",held out: log-mel L1,")?.1.parse().ok())
        .collect();
    assert_eq!(losses.len(), 2, "{log}");
    assert!(losses[1] < losses[0], "{losses:?}");
}

#[test]
fn the_aligner_is_trained_alone_and_its_bundle_makes_music() {
    let folder = tempfile::tempdir().unwrap();
    let (own, bundle) = (folder.path().join("aligner"), folder.path().join("bundle"));
    let source = runs().join("bundle");
    let config = config();
    let arguments = [
        "train",
        "--device",
        "cpu",
        "--bundle",
        text(&source),
        "--config",
        text(&config),
        "-o",
        text(&own),
        "--export",
        text(&bundle),
        "--name",
        "trained",
    ];
    run(&arguments, true);
    let shapes = art2mus::checkpoint::Checkpoint::open(&own.join("final.safetensors")).unwrap();
    let mut names: Vec<&str> = shapes.names().collect();
    names.sort_unstable();
    let expected = [
        "projection1.bias",
        "projection1.weight",
        "projection2.bias",
        "projection2.weight",
    ];
    assert_eq!(names, expected);

    let manifest = fs::read_to_string(bundle.join("manifest.json")).unwrap();
    assert!(manifest.contains("\"trained\":true") && manifest.contains("\"q8\""));
    run(&["verify", text(&bundle)], true);
    let (picture, sound) = (fixture("picture.png"), folder.path().join("a.wav"));
    let arguments = [
        "generate",
        text(&picture),
        "--bundle",
        text(&bundle),
        "-o",
        text(&sound),
        "--device",
        "cpu",
    ];
    run(&arguments, true);
    let (_, samples) = read_wav(&sound);
    assert_eq!(samples.len(), 128 * 160);
    assert!(samples.iter().all(|x| x.abs() < 0.99));
}

#[test]
fn a_bundle_is_measured() {
    let bundle = runs().join("bundle");
    let arguments = [
        "evaluate",
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
    ];
    let output = program().args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
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
    assert_eq!(report["quality"]["pieces"], 8);
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
    let changed = fs::read_to_string(config()).unwrap();
    fs::write(
        &other,
        changed.replace("learning_rate = 5e-3", "learning_rate = 2e-3"),
    )
    .unwrap();
    let more = ["--part", "vae", "--config", text(&other)];
    let said = pretrain(folder.path(), &more, false);
    assert!(said.contains("another configuration"), "{said}");

    let wrong = folder.path().join("wrong.toml");
    fs::write(&wrong, "name = \"x\"\nframes = \"many\"\n").unwrap();
    let said = pretrain(folder.path(), &["--config", text(&wrong)], false);
    assert!(said.contains("frames") || said.contains("line 2"), "{said}");

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
