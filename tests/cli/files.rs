//! Files of the person: nothing is lost, and nothing is left over.

use super::*;
use std::{
    os::unix::{ffi::OsStrExt, fs::FileTypeExt, process::ExitStatusExt},
    process::{Command, Stdio},
    time::Duration,
};

/// Runs `generate` on `picture` without `-o`.
fn beside(picture: &Path, more: &[&str]) -> (std::process::Output, String) {
    let output = program()
        .arg("generate")
        .arg(picture)
        .arg("--bundle")
        .arg(bundle())
        .args([
            "--device",
            "cpu",
            "--seconds",
            "0.3",
            "--steps",
            "1",
            "--seed",
            "1",
        ])
        .args(more)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, error)
}

#[test]
fn music_of_ones_own_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::copy(fixture("picture.png"), path("Composition No. 5.png")).unwrap();
    let picture = path("Composition No. 5.png");
    fs::write(path("Composition No. 5.wav"), "mine").unwrap();
    let (output, error) = beside(&picture, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_sentence(&error, "is already there");
    assert!(error.contains("--force"), "{error}");
    assert_eq!(fs::read(path("Composition No. 5.wav")).unwrap(), b"mine");
    let (output, error) = beside(&picture, &["--force"]);
    assert!(output.status.success(), "{error}");
    // Further pieces may be somebody's, too.
    fs::write(path("a-2.wav"), "mine").unwrap();
    let (output, error) = generate(&picture, &path("a.wav"), &["--candidates", "2"]);
    assert_eq!(output.status.code(), Some(1));
    assert_sentence(&error, "a-2.wav is already there");
    // What -o names is meant.
    for _ in 0..2 {
        let (output, error) = generate(&picture, &path("b.wav"), &[]);
        assert!(output.status.success(), "{error}");
    }
}

#[test]
fn music_goes_into_pipes_and_to_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let picture = fixture("picture.png");
    let file = folder.path().join("a.wav");
    generate(&picture, &file, &["--seed", "1"]);
    let expected = fs::read(&file).unwrap();
    for place in ["-", "/proc/self/fd/1", "/dev/stdout"] {
        let (output, error) = generate(&picture, Path::new(place), &["--seed", "1"]);
        assert!(output.status.success(), "{error}");
        assert!(output.stdout.starts_with(&expected), "{place}");
    }
    let pipe = folder.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let reader = Command::new("cat")
        .arg(&pipe)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (output, error) = generate(&picture, &pipe, &["--seed", "1"]);
    assert!(output.status.success(), "{error}");
    assert_eq!(reader.wait_with_output().unwrap().stdout, expected);
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    let (output, error) = generate(&picture, Path::new("-"), &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_sentence(&error, "standard output");
}

#[test]
fn names_need_not_be_text() {
    let folder = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"caf\xff.png");
    let picture = folder.path().join(name);
    fs::copy(fixture("picture.png"), &picture).unwrap();
    let (output, error) = beside(&picture, &["--json"]);
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8(output.stdout).unwrap();
    let result: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert!(
        result["files"][0]
            .as_str()
            .unwrap()
            .ends_with("caf\u{fffd}.wav")
    );
    let music = folder
        .path()
        .join(std::ffi::OsStr::from_bytes(b"caf\xff.wav"));
    assert!(music.is_file());
}

#[test]
fn a_bundle_may_fill_the_folder_that_one_stands_in() {
    let folder = tempfile::tempdir().unwrap();
    let status = program()
        .current_dir(folder.path())
        .args(["convert", "-o", "."])
        .args(["--audioldm2".into(), fixture("audioldm2-tiny")])
        .args(["--imagebind".into(), fixture("imagebind-tiny.pth")])
        .args(["--aligner".into(), fixture("aligner-2024-4.pt")])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    assert!(folder.path().join("manifest.json").is_file());
}

/// Whoever stops the program finds nothing of it.
#[cfg(all(feature = "train", target_os = "linux"))]
#[test]
fn a_stopped_command_leaves_nothing() {
    // What nohup or a shell has told this program to ignore, the other one ignores, too.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .unwrap();
    let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
    for (signal, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        if ignored >> (number - 1) & 1 == 1 {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut child = program()
            .args(["synth", "--count", "100000", "-o"])
            .arg(folder.path().join("pairs"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let entries = || fs::read_dir(folder.path()).unwrap().count();
        for _ in 0..600 {
            if entries() > 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(entries(), 1, "nothing was begun");
        let id = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", signal, &id])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(child.wait().unwrap().signal(), Some(number));
        assert_eq!(entries(), 0, "{signal}");
    }
}
