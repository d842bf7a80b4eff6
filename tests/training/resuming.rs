//! What a run goes on with, and what it leaves out.

use super::common::program;
use super::{config, config_text, pretrain, run, runs, synth, text, train, with_items};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The configuration with something else in the place of `from`, in a file of its own.
fn changed(folder: &Path, from: &str, to: &str) -> PathBuf {
    let sound = config_text();
    assert!(sound.contains(from), "{from}");
    let path = folder.join("changed.toml");
    fs::write(&path, sound.replacen(from, to, 1)).unwrap();
    path
}

#[test]
fn a_run_goes_on_only_with_what_it_was_begun_with() {
    let folder = tempfile::tempdir().unwrap();
    let (place, pairs) = (folder.path().join("runs"), folder.path().join("pairs"));
    let list = synth(&pairs, "5");
    let more = ["--part", "vae", "--pairs", text(&list)];
    pretrain(&place, &more, true);
    let last = place.join("vae/final.safetensors");
    let other = |from: &str, to: &str, expected: &str| {
        let config = changed(folder.path(), from, to);
        let more = [&more[..], &["--config", text(&config)]].concat();
        let said = pretrain(&place, &more, false);
        assert!(said.contains(expected), "{said}");
    };
    let second = pairs.join("second.jsonl");
    let lines = fs::read_to_string(&list).unwrap();
    fs::write(
        &second,
        lines.lines().skip(1).collect::<Vec<_>>().join("\n"),
    )
    .unwrap();
    // What is finished, and what was stopped.
    for _ in 0..2 {
        other(
            "kl = 1e-3",
            "kl = 2e-3",
            "vae.loss.kl was 0.001 and is 0.002",
        );
        other(
            "latent_channels = 4",
            "latent_channels = 2",
            "vae.network.latent_channels was 4",
        );
        other("mean = -5.0", "mean = -6.0", "mel.mean was -5 and is -6");
        let said = pretrain(&place, &["--part", "vae"], false);
        assert!(said.contains("the training pairs are others"), "{said}");
        let others = ["--part", "vae", "--pairs", text(&second)];
        let said = pretrain(&place, &others, false);
        assert!(said.contains("the training pairs are others"), "{said}");
        let validated = [&more[..], &["--validation", text(&second)]].concat();
        let said = pretrain(&place, &validated, false);
        assert!(said.contains("the validation pairs are others"), "{said}");
        if last.is_file() {
            fs::remove_file(&last).unwrap();
        }
    }
    // What builds on it needs the same network, however it is trained itself.
    pretrain(&place, &more, true);
    let other = |from: &str, to: &str, expected: &str| {
        let config = changed(folder.path(), from, to);
        let more = ["--part", "prior", "--config", text(&config)];
        let said = pretrain(&place, &more, false);
        assert!(said.contains(expected), "{said}");
    };
    other(
        "norm_num_groups = 2",
        "norm_num_groups = 1",
        "vae.network.norm_num_groups was 2",
    );
    other("scale = 3.0", "scale = 2.0", "mel.scale was 3 and is 2");
    other("kl = 1e-3", "kl = 2e-3", "train the part imagebind first");
    fs::remove_file(&last).unwrap();
    // The list and its files may have moved.
    let moved = folder.path().join("moved");
    fs::rename(&pairs, &moved).unwrap();
    let list = moved.join("pairs.jsonl");
    pretrain(&place, &["--part", "vae", "--pairs", text(&list)], true);
    assert!(last.is_file());
}

#[test]
fn a_finished_aligner_is_not_exported_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let (own, bundle) = (folder.path().join("aligner"), runs().join("bundle"));
    let config = config();
    run(&train(&bundle, &config, &own, &[]), true);
    let target = folder.path().join("exported");
    let export = ["--export", text(&target)];
    let refused = |bundle: &Path, config: &Path, more: &[&str], expected: &str| {
        let more = [&export[..], more].concat();
        let said = run(&train(bundle, config, &own, &more), false);
        assert!(said.contains(expected) && !target.exists(), "{said}");
    };
    let tokens = "aligner.network.tokens was 3 and is 2";
    refused(&bundle, &config, &["--tokens", "2"], tokens);
    let loss = changed(folder.path(), "guidance = 2.0", "guidance = 3.0");
    refused(&bundle, &loss, &[], "aligner.loss.guidance was 2 and is 3");
    // Another bundle of the same sizes: one aligner further.
    let another = folder.path().join("another");
    let first = folder.path().join("first");
    run(
        &train(&bundle, &config, &first, &["--export", text(&another)]),
        true,
    );
    let stage = "the weights of the bundle's stage condition are others";
    refused(&another, &config, &[], stage);
    run(&train(&bundle, &config, &own, &export), true);
}

#[test]
fn two_programs_do_not_train_in_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let long = changed(folder.path(), "steps = 12", "steps = 100000");
    let place = folder.path().join("runs");
    let mut child = program()
        .args(["pretrain", "--device", "cpu", "--part", "vae"])
        .args(["--config", text(&long), "-o", text(&place)])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let checkpoint = place.join("vae/step-00000006");
    while !checkpoint.is_dir() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(
        child.try_wait().unwrap().is_none(),
        "the first one has ended"
    );
    let more = ["--part", "vae", "--config", text(&long)];
    let said = pretrain(&place, &more, false);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said.contains("another program is training in"), "{said}");
    // A kill gives the folder free. What it may have left of a checkpoint is removed.
    let left = place.join("vae/.art2mus-unfinished-x");
    fs::create_dir(&left).unwrap();
    let other = changed(folder.path(), "steps = 12", "steps = 24");
    let more = ["--part", "vae", "--config", text(&other)];
    let said = pretrain(&place, &more, false);
    assert!(
        said.contains("vae.run.steps was 100000 and is 24"),
        "{said}"
    );
    assert!(!left.exists());
}

#[test]
fn files_that_are_mended_are_learnt_from() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = folder.path().join("pairs");
    let list = synth(&pairs, "5");
    let sound = fs::read(pairs.join("000001.wav")).unwrap();
    // Not music, numbers that are none, a picture that is none, and a file that is not there.
    fs::write(pairs.join("000001.wav"), "no music").unwrap();
    let silent = art2mus::audio::wav::encode(
        &[f32::NAN; 20_000],
        16_000,
        art2mus::audio::wav::Sample::Float,
        &[],
    )
    .unwrap();
    fs::write(pairs.join("000002.wav"), silent).unwrap();
    let picture = fs::read(pairs.join("000003.png")).unwrap();
    fs::write(pairs.join("000003.png"), "no picture").unwrap();
    fs::rename(pairs.join("000004.wav"), pairs.join("away.wav")).unwrap();
    let all = with_items(folder.path(), "");
    let (bundle, place) = (runs().join("bundle"), folder.path().join("run"));
    let more = ["--pairs", text(&list)];
    // The run begins anew every time: only what it noted and encoded stays.
    let again = || -> Vec<(String, String, String)> {
        let _ = fs::remove_file(place.join("final.safetensors"));
        let _ = fs::remove_dir_all(place.join("step-00000003"));
        run(&train(&bundle, &all, &place, &more), true);
        let skipped = fs::read_to_string(place.join("skipped.jsonl")).unwrap_or_default();
        let lines = skipped.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let part = |key: &str| line[key].as_str().unwrap().to_string();
            (part("file"), part("reason"), part("hint"))
        });
        lines.collect()
    };
    let named = |noted: &[(String, String, String)], expected: &[(&str, &str, &str)]| {
        assert_eq!(noted.len(), expected.len(), "{noted:?}");
        for ((file, reason, hint), (name, why, what)) in noted.iter().zip(expected) {
            assert_eq!(*file, text(&pairs.join(name)));
            assert!(reason.contains(why) && hint.contains(what), "{noted:?}");
        }
    };
    let missing = ("000004.wav", "cannot read", "check the path");
    let expected = [
        ("000001.wav", "no music file", "give MP3"),
        ("000002.wav", "not numbers", "export it again"),
        ("000003.png", "picture", ""),
        missing,
    ];
    named(&again(), &expected);
    let encoded = || {
        let caches = fs::read_dir(place.join("cache")).unwrap().flatten();
        let mut caches = caches.map(|entry| entry.path());
        let training = |path: &PathBuf| !text(path).contains("validation");
        let index = caches.find(training).unwrap().join("index.json");
        let index = fs::read(index).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
        index["shards"]["0"]["items"].as_u64().unwrap()
    };
    assert_eq!(encoded(), 1);
    // One mended, one damaged in another way, one removed.
    fs::write(pairs.join("000001.wav"), &sound).unwrap();
    fs::remove_file(pairs.join("000002.wav")).unwrap();
    fs::remove_file(pairs.join("000003.png")).unwrap();
    let expected = [
        ("000002.wav", "cannot read", "check the path"),
        ("000003.png", "cannot read", "check the path"),
        missing,
    ];
    named(&again(), &expected);
    assert_eq!(encoded(), 2);
    fs::write(pairs.join("000002.wav"), &sound).unwrap();
    fs::write(pairs.join("000003.png"), picture).unwrap();
    fs::rename(pairs.join("away.wav"), pairs.join("000004.wav")).unwrap();
    named(&again(), &[]);
    assert_eq!(encoded(), 5);
}

#[test]
fn a_broken_item_of_one_list_is_no_item_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let [learnt, validated] = ["learnt", "validated"].map(|name| folder.path().join(name));
    let lists = [&learnt, &validated].map(|pairs| synth(pairs, "3"));
    for name in ["000000.wav", "000001.wav"] {
        fs::write(validated.join(name), "no music").unwrap();
    }
    let place = folder.path().join("runs");
    let learn = |place: &Path, validation: &Path| {
        let own = ["--part", "vae", "--pairs", text(&lists[0])];
        pretrain(
            place,
            &[&own[..], &["--validation", text(validation)]].concat(),
            true,
        )
    };
    let said = learn(&place, &lists[1]);
    assert!(said.contains("2 items could not be read"), "{said}");
    let skipped = fs::read_to_string(place.join("vae/skipped.jsonl")).unwrap();
    assert!(!skipped.contains(text(&learnt)), "{skipped}");
    // Nothing of the other list is missed: the run is the one that its own pairs make.
    let alone = folder.path().join("alone");
    learn(&alone, &lists[0]);
    let weights = |folder: &Path| {
        let bytes = fs::read(folder.join("vae/step-00000012/weights.safetensors"));
        bytes.unwrap()
    };
    assert!(weights(&place) == weights(&alone));
}

#[test]
fn the_default_configuration_is_found_from_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    // Its material needs instruments that may not be installed.
    let list = synth(&folder.path().join("pairs"), "2");
    let output = program()
        .current_dir(folder.path())
        .args(["pretrain", "--device", "cpu", "--part", "prior"])
        .args(["--pairs", text(&list), "--validation", text(&list)])
        .args(["-o", "runs"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("train the part vae first"), "{said}");
}
