//! Many pieces in one go, and pieces of a text alone.

use super::{assert_sentence, bundle, fixture, program, run};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn arguments<'a>(list: &'a Path, output: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let base = [
        "generate",
        "--list",
        text(list),
        "-o",
        text(output),
        "--bundle",
        text(bundle()),
        "--device",
        "cpu",
        "--seconds",
        "0.3",
        "--steps",
        "2",
    ];
    [&base, more].concat()
}

/// A list of `count` pictures that are the same, with their own names.
fn list(folder: &Path, count: usize) -> PathBuf {
    let mut lines = String::new();
    for i in 0..count {
        fs::copy(fixture("picture.png"), folder.join(format!("{i}.png"))).unwrap();
        lines += &match i {
            1 => {
                "{\"picture\": \"1.png\", \"caption\": \"a quiet lake\", \"seed\": 9}\n".to_string()
            }
            _ => format!("{i}.png\n"),
        };
    }
    let path = folder.join("list.txt");
    fs::write(&path, lines).unwrap();
    path
}

fn seed(path: &Path) -> u64 {
    let metadata = art2mus::audio::wav::metadata(&fs::read(path).unwrap());
    let comment = metadata.iter().find(|(key, _)| key == "ICMT").unwrap();
    let settings: Value = serde_json::from_str(&comment.1).unwrap();
    settings["seed"].as_u64().unwrap()
}

#[test]
fn lists_go_on_where_they_were_killed() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let items = list(folder.path(), 12);
    let (killed, whole) = (place("killed"), place("whole"));
    let first = arguments(&items, &killed, &["--seed", "100"]);
    let mut child = program()
        .args(&first)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !killed.join("0.wav").is_file() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!killed.join("11.wav").exists());
    let (output, error) = run(&first);
    assert!(output.status.success(), "{error}");
    let (output, error) = run(&arguments(&items, &whole, &["--seed", "100", "--json"]));
    assert!(output.status.success(), "{error}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 13);
    for i in 0..12 {
        let name = format!("{i}.wav");
        assert!(
            fs::read(killed.join(&name)).unwrap() == fs::read(whole.join(&name)).unwrap(),
            "{name}"
        );
    }
    assert_eq!(
        (
            seed(&whole.join("0.wav")),
            seed(&whole.join("1.wav")),
            seed(&whole.join("3.wav"))
        ),
        (100, 9, 103)
    );

    // Another seed is another folder, unless the pieces may be replaced.
    let before = fs::read(whole.join("0.wav")).unwrap();
    let (_, error) = run(&arguments(&items, &whole, &["--seed", "101"]));
    assert_sentence(&error, "another list, model or settings");
    let (output, error) = run(&arguments(&items, &whole, &["--seed", "101", "--force"]));
    assert!(output.status.success(), "{error}");
    assert!(fs::read(whole.join("0.wav")).unwrap() != before);
}

#[test]
fn broken_pictures_are_listed_and_wrong_lines_named() {
    let folder = tempfile::tempdir().unwrap();
    let items = folder.path().join("list.jsonl");
    fs::copy(fixture("picture.png"), folder.path().join("a.png")).unwrap();
    fs::write(&items, "missing.png\n{\"picture\": \"a.png\"}\n").unwrap();
    let output = folder.path().join("made");
    let (done, error) = run(&arguments(&items, &output, &[]));
    assert!(
        done.status.success() && error.contains("1 pictures could not be read"),
        "{error}"
    );
    assert!(
        fs::read_to_string(output.join("skipped.jsonl"))
            .unwrap()
            .contains("missing.png")
    );
    assert!(output.join("a.wav").is_file());
    for (lines, expected) in [
        ("a.png\nb/a.jpg\n", "line 2"),
        ("{\"pictures\": \"a.png\"}\n", "is no item"),
        ("{\"seed\": 1}\n", "neither a picture nor a name"),
        ("{\"name\": \"a\"}\n", "neither a picture nor a prompt"),
        (
            "{\"name\": \"a\", \"prompt\": \"b\", \"caption\": \"c\"}\n",
            "both a prompt and a caption",
        ),
        ("\n", "is empty"),
    ] {
        fs::write(&items, lines).unwrap();
        let (_, error) = run(&arguments(&items, &folder.path().join("other"), &[]));
        assert_sentence(&error, expected);
    }
    let (_, error) = run(&arguments(&items, &output, &["--template", "music"]));
    assert_sentence(&error, "no place for the caption");
}

#[test]
fn a_text_alone_makes_music() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let make = |prompt: &str, name: &str| {
        let output = place(name);
        run(&[
            "generate",
            "--no-image",
            "--prompt",
            prompt,
            "-o",
            text(&output),
            "--bundle",
            text(bundle()),
            "--device",
            "cpu",
            "--seconds",
            "0.3",
            "--steps",
            "2",
            "--seed",
            "5",
        ])
    };
    for (prompt, name) in [
        ("a quiet lake", "a.wav"),
        ("a quiet lake", "b.wav"),
        ("drums", "c.wav"),
    ] {
        let (output, error) = make(prompt, name);
        assert!(output.status.success(), "{error}");
    }
    let read = |name: &str| fs::read(place(name)).unwrap();
    assert_eq!(read("a.wav"), read("b.wav"));
    assert_ne!(read("a.wav"), read("c.wav"));
    let (_, error) = run(&["generate", "--no-image", "--bundle", text(bundle())]);
    assert_sentence(&error, "no prompt");

    // The same from a list of captions, of which the template makes prompts.
    let items = place("captions.jsonl");
    fs::write(
        &items,
        "{\"name\": \"lake.jpg\", \"caption\": \"quiet\", \"seed\": 5}\n",
    )
    .unwrap();
    let output = place("made");
    let (done, error) = run(&arguments(
        &items,
        &output,
        &["--no-image", "--template", "a {caption} lake"],
    ));
    assert!(done.status.success(), "{error}");
    assert_eq!(fs::read(output.join("lake.wav")).unwrap(), read("a.wav"));
}
