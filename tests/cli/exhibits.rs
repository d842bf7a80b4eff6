//! `art2mus exhibit`: everything that is wrong at once, and a first `exhibit.json`.

use super::common::{fixture, program, run};
use super::{assert_sentence, bundle};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Output};

/// Runs the command in `working`; its exit status, and standard output.
fn exhibit(working: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = program();
    command.current_dir(working).arg("exhibit").args(arguments);
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
    (status.code(), stdout, stderr)
}

fn write(folder: &Path, value: &Value) {
    fs::write(folder.join("exhibit.json"), value.to_string()).unwrap();
}

fn put(name: &str, folder: &Path, to: &str) {
    fs::copy(fixture(name), folder.join(to)).unwrap();
}

#[test]
fn the_example_is_sound() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (status, said, error) = exhibit(root, &["examples/exhibit"]);
    assert_eq!((status, error.as_str()), (Some(0), ""), "{said}");
    assert!(said.contains("sound: 6 pictures, 6 min until"), "{said}");
    assert!(said.contains("?exhibit=examples/exhibit/ "), "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn init_lists_the_pictures_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let show = folder.path().join("my show");
    fs::create_dir(&show).unwrap();
    let (status, _, error) = exhibit(folder.path(), &["my show", "--init"]);
    assert_eq!(status, Some(1));
    assert_sentence(&error, "holds no pictures");
    put("picture.png", &show, "02_view-of-toledo.PNG");
    put("pictures/gray.png", &show, "01 100%.png");
    put("README.md", &show, "README.md");
    let (status, said, error) = exhibit(folder.path(), &["my show", "--init"]);
    assert_eq!((status, error.as_str()), (Some(0), ""), "{said}");
    // Decoded as a query and then as an address, it is the folder's name again.
    assert!(said.contains("?exhibit=my%2520show/ "), "{said}");
    let file = fs::read(show.join("exhibit.json")).unwrap();
    let written: Value = serde_json::from_slice(&file).unwrap();
    let pictures = json!([
        { "file": "01%20100%25.png", "title": "100%" },
        { "file": "02_view-of-toledo.PNG", "title": "View of toledo" },
    ]);
    assert_eq!(written, json!({ "title": "My show", "pictures": pictures }));
    let (status, _, error) = exhibit(folder.path(), &["my show", "--init"]);
    assert_eq!(status, Some(1));
    assert_sentence(&error, "already there");
    assert_eq!(fs::read(show.join("exhibit.json")).unwrap(), file);
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let show = folder.path().join("show");
    fs::create_dir_all(show.join("model")).unwrap();
    for entry in fs::read_dir(bundle()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), show.join("model").join(entry.file_name())).unwrap();
    }
    let shard = show.join("model/002.bin");
    let mut bytes = fs::read(&shard).unwrap();
    bytes[100] ^= 1;
    fs::write(&shard, bytes).unwrap();
    put("pictures/truncated.jpg", &show, "cut.jpg");
    put("picture.png", &show, "a.png");
    put("picture.png", folder.path(), "beside.png");
    let outside = tempfile::tempdir().unwrap();
    put("picture.png", outside.path(), "outside.png");
    let far = outside.path().file_name().unwrap().to_str().unwrap();
    write(
        &show,
        &json!({
            "title": { "en": "A show" }, "languages": ["en", "it"], "bundle": "model", "volume": 2, "sekonds": 3,
            "pictures": [
                { "file": "a.png", "region": { "x": 0.5, "y": 0, "width": 0.6, "height": 1 } },
                { "file": "cut.jpg" },
                { "file": "missing.jpg" },
                { "file": "../beside.png" },
                { "file": "/beside.png" },
                { "file": format!("../../{far}/outside.png") },
                { "file": "file:///etc/hostname" },
                { "iiif": "https://iiif.example/1/manifest" },
                { "iiif": "a.png" },
            ],
        }),
    );
    let (status, said, error) = exhibit(folder.path(), &["show"]);
    assert_eq!(status, Some(1));
    let lines: Vec<&str> = said.lines().collect();
    let problems = [
        "title has no text for the language it: add it",
        "volume must be a number from 0 to 1, not 2: write",
        "sekonds is not known: correct its name",
        "bundle names model, which is not sound (002.bin",
        "pictures[0].region reaches beyond the picture: choose",
        "pictures[1].file names cut.jpg, which cannot be used (the picture is cut off): get",
        "pictures[2].file names missing.jpg, which cannot be used (there is no file",
        "pictures[5].file leads out of",
        "pictures[6].file is an address of the kind file, which a page cannot read: copy",
        "pictures[8].iiif names a.png, which is missing or not JSON: name",
    ];
    for problem in problems {
        let start = format!("show/exhibit.json: {problem}");
        let found = lines.iter().filter(|line| line.starts_with(&start));
        assert_eq!(found.count(), 1, "{problem} is not in {said}");
    }
    assert!(said.contains("remark: show/exhibit.json: pictures[7].iiif lies on iiif.example"));
    assert_eq!(lines.len(), problems.len() + 1, "{said}");
    assert_sentence(&error, "show/exhibit.json has 10 problems");
}

#[test]
fn without_a_root_addresses_from_it_are_only_remarked() {
    let folder = tempfile::tempdir().unwrap();
    let show = folder.path().join("show");
    fs::create_dir(&show).unwrap();
    put("picture.png", folder.path(), "a.png");
    write(
        &show,
        &json!({ "title": "A show", "pictures": [{ "file": "/a.png" }, { "file": "/b.png" }] }),
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let (path, root) = (show.to_str().unwrap(), folder.path().to_str().unwrap());
    let (status, said, _) = exhibit(elsewhere.path(), &[path]);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(said.matches("remark: ").count(), 2, "{said}");
    let (status, said, error) = exhibit(elsewhere.path(), &[path, "--root", root]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("pictures[1].file names /b.png"), "{said}");
    assert_sentence(&error, "has one problem");
}

#[test]
fn a_folder_without_exhibit_json_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (output, error) = run(&["exhibit", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert_sentence(&error, "or have --init list the folder's pictures in it");
}
