//! Scores of music and of captions, as a person asks for them.

use super::{fixture, fs, run, text};
use art2mus::audio::wav;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A tone with noise, of `seconds`.
fn sound(path: &Path, number: usize, seconds: f64) {
    let samples: Vec<f32> = (0..(16_000.0 * seconds) as usize)
        .map(|n| {
            let noise = ((n * (7919 + number) + n * n % 977) % 1009) as f32 / 1009.0 - 0.5;
            0.3 * (n as f32 * 0.05 * (1.0 + number as f32)).sin() + 0.1 * noise
        })
        .collect();
    let bytes = wav::encode(&samples, 16_000, wav::Sample::Float, &[]).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Five pairs of one picture each, and a model's folder of pieces that begin with the tone `first`.
fn pairs(folder: &Path, models: &[(&str, usize)]) -> PathBuf {
    let mut lines = String::new();
    for i in 0..5 {
        fs::copy(fixture("picture.png"), folder.join(format!("{i}.png"))).unwrap();
        sound(&folder.join(format!("music-{i}.wav")), i, 3.0);
        lines += &format!("{{\"picture\": \"{i}.png\", \"music\": \"music-{i}.wav\"}}\n");
        for (model, first) in models {
            fs::create_dir_all(folder.join(model)).unwrap();
            sound(&folder.join(format!("{model}/{i}.wav")), first + i, 2.0);
        }
    }
    let list = folder.join("pairs.jsonl");
    fs::write(&list, lines).unwrap();
    list
}

#[test]
fn models_are_scored_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let list = pairs(folder.path(), &[("near", 0), ("far", 20)]);
    let (vggish, imagebind) = (fixture("vggish-tiny.pth"), fixture("imagebind-tiny.pth"));
    let output = folder.path().join("scores");
    let [near, far] =
        ["near", "far"].map(|name| format!("{name}={}", text(&folder.path().join(name))));
    let arguments = [
        "scores",
        "--pairs",
        text(&list),
        "--model",
        &near,
        "--model",
        &far,
        "--device",
        "cpu",
        "-o",
        text(&output),
    ];
    let networks = ["--vggish", text(&vggish), "--imagebind", text(&imagebind)];
    run(&[&arguments[..], &networks].concat(), true);
    let read = || -> Value {
        serde_json::from_slice(&fs::read(output.join("scores.json")).unwrap()).unwrap()
    };
    let scores = read();
    assert_eq!(scores["left_out"].as_array().unwrap().len(), 0);
    let figure =
        |model: usize, name: &str| scores["models"][model][name]["value"].as_f64().unwrap();
    for name in [
        "frechet_of_sets",
        "frechet_of_pairs",
        "divergence",
        "resampled_divergence",
    ] {
        assert!(figure(0, name) < figure(1, name), "{name}: {scores}");
    }
    for name in ["picture_cosine", "music_cosine"] {
        let interval = &scores["models"][0][name];
        let [low, high] = ["low", "high"].map(|end| interval[end].as_f64().unwrap());
        assert!((low..=high).contains(&figure(0, name)) && high <= 1.0);
    }
    let table = fs::read_to_string(output.join("scores.md")).unwrap();
    assert!(
        table.contains("| near | 5 |") && table.contains("IBSc"),
        "{table}"
    );

    // One piece is broken: its pair is left out for both models. Without networks there is the divergence.
    fs::write(folder.path().join("far/2.wav"), "no music").unwrap();
    let said = run(&arguments, true);
    assert!(said.contains("1 pairs could not be read"), "{said}");
    let scores = read();
    assert_eq!(scores["models"][0]["pieces"], 4);
    assert_eq!(scores["models"][0]["frechet_of_sets"], Value::Null);
    assert!(
        scores["left_out"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("2.wav")
    );
    fs::remove_file(folder.path().join("far/4.wav")).unwrap();
    let error = run(&arguments, false);
    assert!(
        error.contains("far has no music for 1 of 5 pictures"),
        "{error}"
    );
    run(&[&arguments[..], &["--count", "4"]].concat(), true);
}

#[test]
fn captions_are_scored_and_listed_for_refinement() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    fs::write(
        place("captions.json"),
        r#"{"a.mp3": "a calm lake", "b.mp3": "slow piano music"}"#,
    )
    .unwrap();
    let references = "{\"name\": \"a.mp3\", \"caption\": \"a calm lake\"}\n{\"name\": \"b.mp3\", \"caption\": \"the road\"}\n";
    fs::write(place("references.jsonl"), references).unwrap();
    let (captions, others, bert) = (
        place("captions.json"),
        place("references.jsonl"),
        fixture("bert-tiny"),
    );
    let output = place("scores");
    let base = [
        "dataset",
        "captions",
        "--captions",
        text(&captions),
        "-o",
        text(&output),
        "--device",
        "cpu",
    ];
    let music = ["--references", text(&others), "--bert", text(&bert)];
    run(&[&base[..], &music].concat(), true);
    let lines = |name: &str| -> Vec<Value> {
        let text = fs::read_to_string(output.join(name)).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let scores = lines("scores.jsonl");
    assert!((scores[0]["score"].as_f64().unwrap() - 1.0).abs() < 1e-6);
    assert_eq!(scores[1]["rouge_1"], 0.0);
    let refine = lines("refine.jsonl");
    assert_eq!(
        (refine.len(), &refine[0]["name"], &refine[0]["round"]),
        (1, &"b.mp3".into(), &1.into())
    );
    assert!(
        refine[0]["prompt"]
            .as_str()
            .unwrap()
            .contains("slow piano music")
    );
    assert!(
        fs::read_to_string(output.join("scores.md"))
            .unwrap()
            .contains("| BERT-Score | 2 |")
    );
    run(&[&base[..], &music, &["--round", "3"]].concat(), true);
    assert!(lines("refine.jsonl").is_empty());
    let few = place("few.json");
    fs::write(&few, r#"{"a.mp3": "a calm lake"}"#).unwrap();
    let error = run(
        &[
            &base[..],
            &["--references", text(&few), "--bert", text(&bert)],
        ]
        .concat(),
        false,
    );
    assert!(error.contains("no caption for b.mp3"), "{error}");

    // Pictures, with the small OpenCLIP in the place of both.
    fs::write(&captions, r#"{"picture.png": "The quiet lake"}"#).unwrap();
    fs::copy(fixture("picture.png"), place("picture.png")).unwrap();
    let clip = fixture("art2music-tiny/open_clip");
    let pictures = [
        "--pictures",
        text(folder.path()),
        "--clip",
        text(&clip),
        "--pac",
        text(&clip),
    ];
    run(&[&base[..], &pictures].concat(), true);
    let scores = lines("scores.jsonl");
    let [clip_score, pac_score] =
        ["clip_score", "pac_score"].map(|name| scores[0][name].as_f64().unwrap());
    assert!((clip_score / 2.5 - pac_score / 2.0).abs() < 1e-6);
    let error = run(&base, false);
    assert!(
        error.contains("--pictures") && error.contains("--references"),
        "{error}"
    );
}

#[test]
fn answers_of_a_study_become_tables() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("answers.csv");
    let mut table = "study,participant,item,system,heard,question,rating,time\n".to_string();
    for (person, ratings) in [("p", [5, 4, 2]), ("q", [4, 4, 1]), ("r", [5, 3, 2])] {
        for (item, rating) in ratings.into_iter().enumerate() {
            table += &format!(
                "s,{person},{item},ours,1,fit,{rating},t\ns,{person},{item},ours,1,preferred,1,t\n"
            );
        }
    }
    fs::write(&place, table).unwrap();
    let output = super::program()
        .args(["study", text(&place)])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("| fit | ours | 3.33 |") && said.contains("9 of 9"),
        "{said}"
    );
    let output = super::program()
        .args(["study", text(&place), "--json"])
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        report["agreements"][0]["interval"]["value"]
            .as_f64()
            .unwrap()
            > 0.7
    );
    let error = run(&["study", text(&folder.path().join("missing.csv"))], false);
    assert!(error.contains("missing.csv"), "{error}");
}
