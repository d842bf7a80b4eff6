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

/// What cannot be kept is told before the music is made.
#[test]
fn no_place_that_cannot_be_written_is_found_out_late() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let picture = path("picture.png");
    fs::copy(fixture("picture.png"), &picture).unwrap();
    let before = fs::read(&picture).unwrap();
    std::os::unix::fs::symlink("picture.png", path("link")).unwrap();
    std::os::unix::fs::symlink("round", path("round")).unwrap();
    fs::write(path("kept.wav"), "mine").unwrap();
    let kept = std::os::unix::fs::PermissionsExt::from_mode(0o444);
    fs::set_permissions(path("kept.wav"), kept).unwrap();
    let slash = format!("{}/", path("new").display());
    for (place, more, expected) in [
        (
            picture.as_path(),
            &[][..],
            "the music and the picture would be one file",
        ),
        (
            &path("link"),
            &["--force"],
            "the music and the picture would be one file",
        ),
        (
            &folder.path().join("./picture.png"),
            &[],
            "the music and the picture",
        ),
        (Path::new(&slash), &[], "is a directory"),
        (folder.path(), &[], "is a directory"),
        (&path("round"), &[], "cannot write"),
        (&path("no/such/folder.wav"), &[], "cannot write"),
        (&path("kept.wav"), &["--force"], "is write-protected"),
        (
            Path::new("-"),
            &["--trace", "-"],
            "the music and the trace would be one file",
        ),
    ] {
        let (output, error) = generate(&picture, place, more);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{}: {error}",
            place.display()
        );
        assert_sentence(&error, expected);
        assert!(!error.contains("Making music"), "{error}");
        assert!(output.stdout.is_empty());
    }
    let trace = path("a.wav");
    let (_, error) = generate(&picture, &trace, &["--trace", trace.to_str().unwrap()]);
    assert_sentence(&error, "the music and the trace would be one file");
    // The trace of a second piece, beside the first.
    let second = path("a-2.wav");
    let more = ["--candidates", "2", "--trace", second.to_str().unwrap()];
    let (_, error) = generate(&picture, &trace, &more);
    assert_sentence(&error, "the music and the trace would be one file");
    assert_eq!(fs::read(&picture).unwrap(), before);
    assert_eq!(fs::read(path("kept.wav")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
}

/// What `umask 077` forbids others, no file and no folder of the program allows them.
#[test]
fn the_umask_is_obeyed_by_files_and_folders() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let run = |arguments: &[&std::ffi::OsStr]| {
        let output = Command::new("sh")
            .args(["-c", r#"umask 077; exec "$@""#, "sh"])
            .arg(env!("CARGO_BIN_EXE_art2mus"))
            .args(arguments)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
    };
    let text = |text: &'static str| std::ffi::OsStr::new(text);
    let [pipeline, imagebind, aligner, picture] = [
        "audioldm2-tiny",
        "imagebind-tiny.pth",
        "aligner-2024-4.pt",
        "picture.png",
    ]
    .map(|name| fixture(name).into_os_string());
    let (own, music) = (path("own"), path("a.wav"));
    run(&[
        text("convert"),
        text("--audioldm2"),
        &pipeline,
        text("--imagebind"),
        &imagebind,
        text("--aligner"),
        &aligner,
        text("-o"),
        own.as_os_str(),
    ]);
    let generate = || {
        run(&[
            text("generate"),
            &picture,
            text("--bundle"),
            own.as_os_str(),
            text("-o"),
            music.as_os_str(),
            text("--device"),
            text("cpu"),
            text("--seconds"),
            text("0.3"),
            text("--steps"),
            text("1"),
        ]);
    };
    generate();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&own), 0o700);
    assert_eq!(mode(&own.join("manifest.json")), 0o600);
    assert_eq!(mode(&own.join("000.bin")), 0o600);
    assert_eq!(mode(&music), 0o600);
    // What was there keeps its mode, whatever is forbidden now.
    fs::set_permissions(&music, fs::Permissions::from_mode(0o664)).unwrap();
    generate();
    assert_eq!(mode(&music), 0o664);
}

/// A disk of its own, as it is mounted when it is new.
#[cfg(target_os = "linux")]
#[test]
fn a_bundle_goes_onto_a_mounted_disk() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("disk")).unwrap();
    let script = r#"mount -t tmpfs none disk && mkdir disk/lost+found || exit 77
        "$@" -o disk || exit 1; ls -A disk; test -f disk/manifest.json"#;
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", script, "sh"])
        .arg(env!("CARGO_BIN_EXE_art2mus"))
        .args(["convert", "--audioldm2"])
        .arg(fixture("audioldm2-tiny"))
        .arg("--imagebind")
        .arg(fixture("imagebind-tiny.pth"))
        .arg("--aligner")
        .arg(fixture("aligner-2024-4.pt"))
        .current_dir(folder.path())
        .output();
    let Ok(output) = output else {
        eprintln!("left out: there is no unshare");
        return;
    };
    let error = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || error.starts_with("unshare:") {
        eprintln!("left out: nothing can be mounted here");
        return;
    }
    assert!(output.status.success(), "{error}");
    let there = String::from_utf8(output.stdout).unwrap();
    assert!(
        there.contains("lost+found") && !there.contains(".art2mus"),
        "{there}"
    );
}

/// A single file that is mounted, as into a container, cannot be replaced; it is written into.
#[cfg(target_os = "linux")]
#[test]
fn a_mounted_file_is_written_into() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("outside.wav"), "before".repeat(10_000)).unwrap();
    fs::write(path("inside.wav"), "").unwrap();
    let script = r#"mount --bind outside.wav inside.wav || exit 77; exec "$@""#;
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", script, "sh"])
        .arg(env!("CARGO_BIN_EXE_art2mus"))
        .arg("generate")
        .arg(fixture("picture.png"))
        .arg("--bundle")
        .arg(bundle())
        .args([
            "-o",
            "inside.wav",
            "--device",
            "cpu",
            "--seconds",
            "0.3",
            "--steps",
            "1",
        ])
        .current_dir(folder.path())
        .output();
    let Ok(output) = output else {
        eprintln!("left out: there is no unshare");
        return;
    };
    let error = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || error.starts_with("unshare:") {
        eprintln!("left out: nothing can be mounted here");
        return;
    }
    assert!(output.status.success(), "{error}");
    let (_, samples) = read_wav(&path("outside.wav"));
    assert_eq!(samples.len(), 4_800);
    assert_eq!(fs::read(path("inside.wav")).unwrap(), b"");
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
            .args(["synth", "--count", "100000", "--soundfont"])
            .arg(fixture("tiny.sf2"))
            .arg("-o")
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

/// A conversion, too, beside its target or inside an empty folder.
#[cfg(target_os = "linux")]
#[test]
fn a_stopped_conversion_leaves_nothing() {
    for inside in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("bundle");
        if inside {
            fs::create_dir(&target).unwrap();
        }
        let place = if inside {
            target.clone()
        } else {
            folder.path().to_path_buf()
        };
        let mut child = program()
            .args(["convert", "--training", "--text", "--audioldm2"])
            .arg(fixture("audioldm2-tiny"))
            .arg("--imagebind")
            .arg(fixture("imagebind-tiny.pth"))
            .arg("-o")
            .arg(&target)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let entries = || fs::read_dir(&place).unwrap().count();
        for _ in 0..6000 {
            if entries() > 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(entries(), 1, "nothing was begun");
        let id = child.id().to_string();
        let killed = Command::new("kill").args(["-s", "TERM", &id]).status();
        assert!(killed.unwrap().success());
        assert_eq!(child.wait().unwrap().signal(), Some(15));
        assert_eq!(entries(), 0, "{inside}");
        assert_eq!(target.exists(), inside);
    }
}
