//! Art2Music's training: every part on a model that is far too small to be of use.

use super::{run, synth, text};
use crate::common::{copy_folder, fixture, program, read_wav};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

pub(super) fn part(name: &str) -> PathBuf {
    fixture("art2music-tiny").join(name)
}

pub(super) fn config() -> PathBuf {
    fixture("training-art2music.toml")
}

/// A bundle of the small random checkpoints, whose towers and vocoder stay, without a decoder.
pub(super) fn frozen() -> &'static Path {
    static BUNDLE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = BUNDLE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle");
        let place = |name: &str| part(name).to_str().unwrap().to_string();
        let said = run(
            &[
                "convert",
                "--system",
                "art2music",
                "--clip",
                &place("open_clip"),
                "--vocoder",
                &place("hifigan"),
                "--dtype",
                "f32",
                "-o",
                text(&path),
            ],
            true,
        );
        assert!(
            said.contains("freshly initialised one of the paper's sizes"),
            "{said}"
        );
        (folder, path)
    });
    path
}

/// Trains in `folder`, and gives what is said.
fn train(folder: &Path, config: &Path, more: &[&str], good: bool) -> String {
    let fixed = ["train", "--system", "art2music", "--device", "cpu"];
    let places = ["--config", text(config), "-o", text(folder)];
    run(&[&fixed[..], &places, more].concat(), good)
}

/// The configuration without towers, for another place.
fn without_towers(folder: &Path, change: impl Fn(String) -> String) -> PathBuf {
    let all = fs::read_to_string(config()).unwrap();
    let (before, behind) = all.split_once("[towers.network.vision]").unwrap();
    let (_, behind) = behind.split_once("[composer.network.fusion]").unwrap();
    let soundfont = fixture("tiny.sf2");
    let text = format!("{before}[composer.network.fusion]{behind}");
    let text = text.replace("tiny.sf2", soundfont.to_str().unwrap());
    let path = folder.join("config.toml");
    fs::write(&path, change(text)).unwrap();
    path
}

/// Makes a short piece with `bundle`, and gives its sample rate and samples.
fn play(bundle: &Path, folder: &Path, comment: &str) -> (u32, Vec<f32>) {
    let wav = folder.join("piece.wav");
    let picture = fixture("picture.png");
    let output = program()
        .args([
            "generate",
            text(&picture),
            "--bundle",
            text(bundle),
            "-o",
            text(&wav),
        ])
        .args([
            "--device",
            "cpu",
            "--comment",
            comment,
            "--float",
            "--force",
        ])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    read_wav(&wav)
}

fn figures(log: &Path, name: &str) -> Vec<f64> {
    let log = fs::read_to_string(log).unwrap();
    let start = format!(",{name},");
    let rows = log
        .lines()
        .filter_map(|line| line.split_once(start.as_str()));
    rows.map(|(_, value)| value.parse().unwrap()).collect()
}

/// From a list of pictures, comments and music: exactly resumed, the best weights kept, exported both ways.
#[test]
fn fusion_decoder_and_vocoder_are_trained_on_a_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let list = synth(&place("pairs"), "7");
    let lines = fs::read_to_string(&list).unwrap();
    assert!(lines.contains("\"comment\":\""), "{lines}");
    // An item without a comment is left out and listed.
    let silent = "{\"picture\": \"000001.png\", \"music\": \"000000.wav\"}\n";
    fs::write(&list, format!("{silent}{lines}")).unwrap();
    let config = without_towers(folder.path(), |text| text);
    let (own, bundle) = (place("run"), place("trained"));
    let pairs = [
        "--bundle",
        text(frozen()),
        "--pairs",
        text(&list),
        "--validation",
        text(&list),
    ];
    let export = [&pairs[..], &["--export", text(&bundle), "--dtype", "f32"]].concat();
    let said = train(&own, &config, &export, true);
    assert!(said.contains("1 item could not be read"), "{said}");
    let noted = fs::read_to_string(own.join("composer/skipped.jsonl")).unwrap();
    assert!(noted.contains("it has no comment"), "{noted}");

    let log = own.join("composer/log.csv");
    let losses = figures(&log, "loss");
    assert_eq!(losses.len(), 12);
    assert!(
        losses[9..].iter().sum::<f64>() < 0.9 * losses[..3].iter().sum::<f64>(),
        "{losses:?}"
    );
    let validated = figures(&log, "validation: weighted L1");
    assert_eq!(validated.len(), 4, "{validated:?}");
    assert_eq!(figures(&log, "validation: exchanged / own").len(), 4);
    let vocoder = own.join("vocoder/log.csv");
    for figure in ["log-mel L1", "adversarial", "feature matching", "loss"] {
        assert_eq!(figures(&vocoder, figure).len(), 2, "{figure}");
    }

    // The run goes on from a checkpoint as if it had not been stopped.
    let finished = fs::read(own.join("composer/final.safetensors")).unwrap();
    fs::remove_file(own.join("composer/final.safetensors")).unwrap();
    fs::remove_dir_all(own.join("composer/step-00000012")).unwrap();
    let logged = fs::read(&log).unwrap();
    let only = [&pairs[..], &["--part", "composer"]].concat();
    train(&own, &config, &only, true);
    assert!(fs::read(own.join("composer/final.safetensors")).unwrap() == finished);
    assert!(fs::read(&log).unwrap() == logged);
    let said = train(&own, &config, &only, true);
    assert!(said.contains("The part composer is finished"), "{said}");
    // What is kept is what validated best.
    assert!(fs::read(own.join("composer/best.safetensors")).unwrap() == finished);

    // Another loss is another run.
    fs::create_dir(place("other")).unwrap();
    let changed = without_towers(&place("other"), |text| {
        text.replace("[1.0, 1.5]", "[1.0, 2.0]")
    });
    let said = train(&own, &changed, &only, false);
    assert!(
        said.contains("composer.loss.weights was [1, 1.5] and is [1, 2]"),
        "{said}"
    );

    let (rate, samples) = play(&bundle, folder.path(), "A calm lake.");
    assert_eq!(rate, 22_050);
    assert!(samples.iter().all(|x| x.is_finite()) && samples.iter().any(|x| x.abs() > 1e-4));
    // The checkpoints make the same bundle.
    let same = place("same");
    let checkpoints = own.join("checkpoints");
    let [fusion, decoder, generator] = ["fusion", "decoder", "generator"]
        .map(|name| checkpoints.join(format!("{name}.safetensors")));
    let clip = part("open_clip");
    let sizes = [
        "--mel-scale",
        "3.0",
        "--mel-mean",
        "-5.0",
        "--dtype",
        "f32",
        "--strict",
    ];
    let converted = ["convert", "--system", "art2music", "--clip", text(&clip)];
    let files = [
        "--fusion",
        text(&fusion),
        "--decoder",
        text(&decoder),
        "--vocoder",
        text(&generator),
    ];
    run(
        &[&converted[..], &files, &sizes, &["-o", text(&same)]].concat(),
        true,
    );
    let shards = |bundle: &Path| -> serde_json::Value {
        let text = fs::read(bundle.join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(manifest["model"]["trained"], true);
        manifest["shards"].clone()
    };
    assert_eq!(shards(&same), shards(&bundle));
}

/// Towers of our own on comments that material makes up, and another system's vocoder: a recipe without any downloads.
#[test]
fn a_small_model_of_our_own_is_trained_and_makes_sound() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let vocoder = place("vocoder");
    copy_folder(frozen(), &vocoder);
    let bundle = place("trained");
    let (own, config) = (place("run"), config());
    let more = ["--vocoder", text(&vocoder), "--export", text(&bundle)];
    train(&own, &config, &more, true);
    let merges = fs::read_to_string(own.join("towers/merges.txt")).unwrap();
    assert_eq!(merges.lines().count(), 560 - 514);
    assert_eq!(
        figures(&own.join("towers/log.csv"), "validation: top-1 retrieval").len(),
        1
    );
    let (rate, first) = play(
        &bundle,
        folder.path(),
        "Bright and busy; the quick notes make me feel merry.",
    );
    assert_eq!(rate, 22_050);
    assert!(first.iter().all(|x| x.is_finite()) && first.iter().any(|x| x.abs() > 1e-4));
    let (_, other) = play(&bundle, folder.path(), "Dark.");
    assert_ne!(first, other);
    for command in ["verify", "inspect"] {
        run(&[command, text(&bundle)], true);
    }
}

#[test]
fn what_cannot_be_trained_is_told_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("run");
    let config = config();
    let without = without_towers(folder.path(), |text| text);
    let bundle = text(frozen());
    for (config, more, expected) in [
        (
            &config,
            vec!["--bundle", bundle],
            "trains towers of its own",
        ),
        (
            &without,
            vec![],
            "there are no towers for pictures and comments",
        ),
        (
            &without,
            vec!["--bundle", bundle, "--tokens", "3"],
            "training art2music has no --tokens",
        ),
        (
            &without,
            vec!["--bundle", bundle, "--part", "towers"],
            "has no part towers",
        ),
        (
            &without,
            vec!["--bundle", bundle, "--part", "vocoder", "--export", "x"],
            "cannot be used with",
        ),
        (&without, vec!["--bundle", "nowhere"], "nowhere"),
    ] {
        let said = train(&own, config, &more, false);
        assert!(said.contains(expected), "{expected:?} is not in {said}");
    }
    let wide = folder.path().join("wide");
    fs::create_dir(&wide).unwrap();
    let wide = without_towers(&wide, |text| {
        text.replace("embedding = 24", "embedding = 32")
    });
    let said = train(&own, &wide, &["--bundle", bundle], false);
    assert!(
        said.contains("the fusion takes embeddings of 32 numbers"),
        "{said}"
    );
    let aligner = [
        "train", "--bundle", bundle, "-o", "nowhere", "--part", "composer",
    ];
    let output = program().args(aligner).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
