//! The aligner is trained alone, by each of its losses.

use std::fs;

use super::{
    common::{fixture, read_wav},
    config, config_text, run, runs, text, train,
};

#[test]
fn an_aligner_learns_prefixes_without_the_unet() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = runs().join("bundle");
    let of = |loss: &str, tokens: &str, name: &str| {
        let text = config_text();
        let text = text.replace("guidance = 2.0\ntokens = 1.0\n", loss);
        let text = text.replace("hidden = 8\ntokens = 3\n", tokens);
        let text = text.replace(
            "steps = 3\nbatch = 2\naccumulation = 2\n",
            "steps = 60\nbatch = 4\nvalidate_every = 60\n",
        );
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let prefix = "denoising = 0.0\nprefix = 1.0\n";
    let two = "hidden = 8\ntokens = 2\n";
    let (config, own) = (
        of(prefix, two, "prefix.toml"),
        folder.path().join("aligner"),
    );
    run(&train(&bundle, &config, &own, &[]), true);
    let log = fs::read_to_string(own.join("log.csv")).unwrap();
    // The loss of each step is that of prefixes alone, and falls.
    let of_prefixes = |name: &str| -> Vec<f64> {
        let rows = log
            .lines()
            .filter_map(|row| row.split_once(&format!(",{name},")));
        rows.map(|(_, value)| value.parse().unwrap()).collect()
    };
    let losses = of_prefixes("loss");
    assert_eq!(losses, of_prefixes("prefix"));
    assert!(losses[losses.len() - 1] < losses[0], "{losses:?}");

    let three = of(prefix, "hidden = 8\ntokens = 3\n", "three.toml");
    let place = folder.path().join("three");
    let said = run(&train(&bundle, &three, &place, &[]), false);
    assert!(said.contains("set aligner.network.tokens to 2"), "{said}");
    let nothing = of("denoising = 0.0\n", two, "nothing.toml");
    let place = folder.path().join("nothing");
    let said = run(&train(&bundle, &nothing, &place, &[]), false);
    assert!(
        said.contains("all weights of the aligner's loss are 0"),
        "{said}"
    );
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
    // What could not be written in the end is refused at the beginning.
    let said = run(&arguments, false);
    assert!(said.contains("already there"), "{said}");
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
