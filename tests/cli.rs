//! The program as a person uses it: results, and one clear sentence for every fault.
#![cfg(not(target_family = "wasm"))]

#[path = "cli/bundles.rs"]
mod bundles;
mod common;
#[path = "cli/exhibits.rs"]
mod exhibits;
#[cfg(unix)]
#[path = "cli/files.rs"]
mod files;
#[path = "cli/lists.rs"]
mod lists;

use art2mus::audio::wav;
use common::{convert, copy_folder, fixture, program, read_wav, run};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// A bundle of the small checkpoints with everything in it, made once.
fn bundle() -> &'static Path {
    static BUNDLE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = BUNDLE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle");
        let encoder = ["--imagebind", "imagebind-tiny.pth"];
        convert(&encoder, "aligner-2024-4.pt", &path, &["--text"]);
        (folder, path)
    });
    path
}

fn generate(picture: &Path, output: &Path, more: &[&str]) -> (std::process::Output, String) {
    let output = program()
        .arg("generate")
        .arg(picture)
        .arg("--bundle")
        .arg(bundle())
        .arg("-o")
        .arg(output)
        .args(["--device", "cpu", "--seconds", "0.3", "--steps", "2"])
        .args(more)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, error)
}

/// The last line of standard error is the one sentence; it must hold `expected` and an advice.
fn assert_sentence(error: &str, expected: &str) {
    let line = error.trim_end().lines().last().unwrap_or_default();
    assert!(line.starts_with("art2mus: "), "{error}");
    assert!(line.contains(expected), "{expected:?} is not in {line:?}");
    assert!(line.ends_with('.') && line.contains(": "), "{line}");
    assert!(!error.contains("panicked"), "{error}");
}

#[test]
fn makes_music_that_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let picture = fixture("picture.png");
    for name in ["a.wav", "b.wav"] {
        let (output, error) = generate(&picture, &path(name), &["--seed", "5"]);
        assert!(output.status.success(), "{error}");
    }
    generate(&picture, &path("c.wav"), &["--seed", "6"]);
    let read = |name: &str| fs::read(path(name)).unwrap();
    assert_eq!(read("a.wav"), read("b.wav"));
    assert_ne!(read("a.wav"), read("c.wav"));
    let (sample_rate, samples) = read_wav(&path("a.wav"));
    assert_eq!((sample_rate, samples.len()), (16_000, 4_800));
    assert!(art2mus::audio::peak(&samples) > 1e-3);
    let metadata = wav::metadata(&read("a.wav"));
    let comment = metadata.iter().find(|(key, _)| key == "ICMT").unwrap();
    let settings: Value = serde_json::from_str(&comment.1).unwrap();
    assert_eq!(settings["seed"], 5);
    assert_eq!(settings["steps"], 2);
    assert!(
        settings["model"]
            .as_str()
            .unwrap()
            .contains("audioldm2-tiny")
    );
}

/// A model with one pulse, and a loudness of its own for every picture.
#[test]
fn the_picture_or_the_caller_decides_tempo_and_loudness() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("bundle");
    copy_folder(bundle(), &own);
    let file = own.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    manifest["defaults"]["pulse"] = 0.5.into();
    manifest["defaults"]["loudness"] = serde_json::json!([-26, -14]);
    fs::write(&file, manifest.to_string()).unwrap();
    let picture = fixture("picture.png");
    let output = folder.path().join("a.wav");
    let own = own.to_str().unwrap();
    let make = |more: &[&str]| -> (f64, f64, Value) {
        let more: Vec<&str> = ["--bundle", own, "--force", "--json"]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        let arguments = ["generate", picture.to_str().unwrap(), "-o"];
        let fixed = ["--device", "cpu", "--seconds", "0.5", "--steps", "1"];
        let arguments: Vec<&str> = arguments
            .into_iter()
            .chain([output.to_str().unwrap()])
            .chain(fixed)
            .chain(more)
            .collect();
        let (made, error) = run(&arguments);
        assert!(made.status.success(), "{error}");
        let text = String::from_utf8(made.stdout).unwrap();
        let result: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let (_, samples) = read_wav(&output);
        assert_eq!(samples.len(), 8_000);
        let power = samples.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 8_000.0;
        let settings = result["settings"].clone();
        (
            10.0 * power.log10(),
            settings["tempo"].as_f64().unwrap(),
            settings,
        )
    };
    let (level, tempo, settings) = make(&[]);
    let loudness = settings["loudness"].as_f64().unwrap();
    assert!((-26.0..=-14.0).contains(&loudness) && (90.0..=135.0).contains(&tempo));
    assert!((level - loudness).abs() < 0.5, "{level} {loudness}");
    let (level, tempo, _) = make(&["--tempo", "200", "--loudness", "-40"]);
    assert!((level + 40.0).abs() < 0.5 && tempo == 200.0, "{level}");
    for (more, expected) in [
        (["--tempo", "10"], "choose a tempo between 60 and 240"),
        (["--loudness", "3"], "choose a loudness between -60 and -6"),
    ] {
        let arguments = ["generate", picture.to_str().unwrap(), "--bundle", own];
        let arguments: Vec<&str> = arguments.into_iter().chain(more).collect();
        assert_sentence(&run(&arguments).1, expected);
    }
    let (_, error) = generate(&picture, &output, &["--force", "--tempo", "100"]);
    assert_sentence(&error, "leave tempo out");
}

#[test]
fn the_kernels_of_a_result_can_be_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let picture = fixture("picture.png");
    let more = ["--seed", "5", "--json"];
    let (output, error) = generate(&picture, &path("a.wav"), &more);
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8(output.stdout).unwrap();
    let result: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let own = result["kernels"].as_str().unwrap();
    let more = ["--seed", "5", "--kernels", own];
    let (output, error) = generate(&picture, &path("b.wav"), &more);
    assert!(output.status.success(), "{error}");
    assert_eq!(
        fs::read(path("a.wav")).unwrap(),
        fs::read(path("b.wav")).unwrap()
    );
    let more = ["--kernels", "shared-memory-tiled"];
    let (output, error) = generate(&picture, &path("c.wav"), &more);
    assert_eq!(output.status.code(), Some(1));
    assert_sentence(&error, "the device CPU cannot use the kernels");
    assert!(error.contains(own), "{error}");
}

#[test]
fn prints_only_json_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.wav");
    let (output, error) = generate(&fixture("picture.png"), &output, &["--json"]);
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.last().unwrap()["type"], "result");
    let loads: Vec<_> = lines.iter().filter(|line| line["type"] == "load").collect();
    let number = |value: &Value| value.as_u64().unwrap();
    let totals: Vec<_> = loads.iter().map(|line| number(&line["total"])).collect();
    let loaded: Vec<_> = loads.iter().map(|line| number(&line["loaded"])).collect();
    assert!(totals.iter().all(|total| *total == totals[0]));
    assert!(loaded.is_sorted());
    assert_eq!(loaded.last(), totals.last());
    let steps = lines.iter().filter(|line| line["type"] == "step").count();
    assert_eq!(steps, 2);
}

#[test]
fn ranks_candidates() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.wav");
    let more = ["--candidates", "3", "--json", "--seed", "1"];
    let (output, error) = generate(&fixture("picture.png"), &path, &more);
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8(output.stdout).unwrap();
    let result: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let scores: Vec<f64> = result["scores"]
        .as_array()
        .unwrap()
        .iter()
        .map(|score| score.as_f64().unwrap())
        .collect();
    assert_eq!(scores.len(), 3);
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    for name in ["out.wav", "out-2.wav", "out-3.wav"] {
        assert!(folder.path().join(name).is_file(), "{name} is missing");
    }
}

#[test]
fn takes_other_prompts_when_the_bundle_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let picture = fixture("picture.png");
    generate(&picture, &path("a.wav"), &["--seed", "5"]);
    let more = ["--seed", "5", "--prompt", "A warm piano at dusk"];
    let (output, error) = generate(&picture, &path("b.wav"), &more);
    assert!(output.status.success(), "{error}");
    assert_ne!(
        fs::read(path("a.wav")).unwrap(),
        fs::read(path("b.wav")).unwrap()
    );
    // The bundle's own texts are as good as none.
    let own = ["--seed", "5", "--negative", art2mus::text::NEGATIVE_PROMPT];
    generate(&picture, &path("c.wav"), &own);
    assert_eq!(
        fs::read(path("a.wav")).unwrap(),
        fs::read(path("c.wav")).unwrap()
    );
    let plain = folder.path().join("plain");
    let encoder = ["--imagebind", "imagebind-tiny.pth"];
    convert(&encoder, "aligner-2024-4.pt", &plain, &[]);
    let output = program()
        .arg("generate")
        .arg(&picture)
        .arg("--bundle")
        .arg(&plain)
        .args(["--device", "cpu", "--negative", "Bells"])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_sentence(&error, "takes no other prompt");
}

#[test]
fn pictures_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.wav");
    for (picture, expected) in [
        ("pictures/not-an-image.png", "picture"),
        ("pictures/truncated.jpg", "cut off"),
        ("pictures/enormous.png", "megapixels"),
        ("pictures/nothing.png", "cannot open"),
    ] {
        let (output, error) = generate(&fixture(picture), &path, &[]);
        assert_eq!(output.status.code(), Some(1), "{picture}");
        assert_sentence(&error, expected);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{picture}");
    }
    for picture in ["one-pixel.png", "cmyk.jpg", "animated.gif", "alpha.png"] {
        let picture = fixture("pictures").join(picture);
        let (output, error) = generate(&picture, &path, &[]);
        assert!(output.status.success(), "{}: {error}", picture.display());
    }
}

#[test]
fn settings_out_of_range() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.wav");
    for (flag, value, expected) in [
        ("--seconds", "0", "seconds"),
        ("--seconds", "1e9", "seconds"),
        ("--seconds", "NaN", "seconds"),
        ("--steps", "0", "steps"),
        ("--steps", "1000", "steps"),
        ("--guidance=-1", "", "guidance"),
        ("--guidance", "inf", "guidance"),
        ("--candidates", "0", "candidates"),
        ("--candidates", "1000", "candidates"),
    ] {
        let mut command = program();
        command
            .args(["generate", "--device", "cpu", "--bundle"])
            .arg(bundle())
            .arg(fixture("picture.png"))
            .arg("-o")
            .arg(&path)
            .arg(flag);
        if !value.is_empty() {
            command.arg(value);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{flag} {value}");
        assert_sentence(&String::from_utf8_lossy(&output.stderr), expected);
        assert!(!path.exists());
    }
}

#[test]
fn wrong_command_lines_have_status_2() {
    for arguments in [
        &["generate"][..],
        &["generate", "x.png", "--device", "abacus"],
        &["generate", "x.png", "--steps", "many"],
        &["paint"],
        &["convert", "--audioldm2", "x", "-o", "y"],
    ] {
        let (output, _) = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    let (output, _) = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn checkpoints_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("audioldm2");
    let attempt = |audioldm2: &Path, imagebind: &Path, aligner: &Path| {
        let target = folder.path().join("bundle");
        let output = program()
            .arg("convert")
            .arg("--audioldm2")
            .arg(audioldm2)
            .arg("--imagebind")
            .arg(imagebind)
            .arg("--aligner")
            .arg(aligner)
            .arg("-o")
            .arg(&target)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(!target.exists(), "something was left behind");
        let unfinished = fs::read_dir(folder.path())
            .unwrap()
            .filter(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                name.to_string_lossy().starts_with(".art2mus")
            })
            .count();
        assert_eq!(unfinished, 0, "an unfinished bundle was left behind");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let audioldm2 = fixture("audioldm2-tiny");
    let imagebind = fixture("imagebind-tiny.pth");
    let aligner = fixture("aligner-2024-4.pt");
    assert_sentence(
        &attempt(folder.path(), &imagebind, &aligner),
        "diffusers pipeline",
    );
    let text = fixture("README.md");
    assert_sentence(&attempt(&audioldm2, &text, &aligner), "checkpoint");
    assert_sentence(&attempt(&audioldm2, &imagebind, &text), "checkpoint");
    assert_sentence(
        &attempt(&audioldm2, &aligner, &aligner),
        "modality_preprocessors",
    );
    // CLIP's aligner behind ImageBind.
    let other = fixture("aligner-2026-clip-6.safetensors");
    assert_sentence(
        &attempt(&audioldm2, &imagebind, &other),
        "the aligner takes",
    );

    // Truncated files of both kinds, at several places.
    copy_folder(&audioldm2, &copy);
    for file in [
        "vae/diffusion_pytorch_model.safetensors",
        "vocoder/pytorch_model.bin",
    ] {
        let path = copy.join(file);
        let whole = fs::read(&path).unwrap();
        // The last bytes of a zip archive may be missing without harm.
        for part in [0, 9, 1000, whole.len() / 2, whole.len() - 4000] {
            fs::write(&path, &whole[..part]).unwrap();
            let error = attempt(&copy, &imagebind, &aligner);
            assert_sentence(&error, "art2mus: ");
        }
        fs::write(&path, whole).unwrap();
    }
    let config = copy.join("unet/config.json");
    let whole = fs::read_to_string(&config).unwrap();
    fs::write(&config, whole.replace("\"silu\"", "\"mish\"")).unwrap();
    assert_sentence(&attempt(&copy, &imagebind, &aligner), "mish");
    fs::write(&config, whole.replacen("24\n", "32\n", 1)).unwrap();
    assert_sentence(&attempt(&copy, &imagebind, &aligner), "has shape");
}

/// A full disk, played by a limit on the size of files.
#[cfg(target_os = "linux")]
#[test]
fn full_disk_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "trap '' XFSZ; ulimit -f 8; exec '{}' \"$@\"",
        env!("CARGO_BIN_EXE_art2mus")
    );
    let limited = |arguments: &[&std::ffi::OsStr]| {
        let output = std::process::Command::new("bash")
            .args(["-c", &script, "art2mus"])
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_sentence(&error, "cannot write");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    };
    let (music, bundle_target) = (folder.path().join("m.wav"), folder.path().join("bundle"));
    limited(&[
        "generate".as_ref(),
        fixture("picture.png").as_os_str(),
        "--bundle".as_ref(),
        bundle().as_os_str(),
        "-o".as_ref(),
        music.as_os_str(),
        "--device".as_ref(),
        "cpu".as_ref(),
        "--seconds".as_ref(),
        "0.5".as_ref(),
        "--steps".as_ref(),
        "1".as_ref(),
    ]);
    limited(&[
        "convert".as_ref(),
        "--audioldm2".as_ref(),
        fixture("audioldm2-tiny").as_os_str(),
        "--imagebind".as_ref(),
        fixture("imagebind-tiny.pth").as_os_str(),
        "-o".as_ref(),
        bundle_target.as_os_str(),
    ]);
}

#[test]
fn latents_must_fit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.wav");
    let file = fixture("trace-imagebind.safetensors");
    let more = ["--latents", file.to_str().unwrap()];
    let (output, error) = generate(&fixture("picture.png"), &path, &more);
    assert_eq!(output.status.code(), Some(1));
    assert_sentence(&error, "no tensor named latents");
}

#[test]
fn does_not_overwrite_a_bundle() {
    let output = program()
        .arg("convert")
        .arg("--audioldm2")
        .arg(fixture("audioldm2-tiny"))
        .arg("--imagebind")
        .arg(fixture("imagebind-tiny.pth"))
        .arg("-o")
        .arg(bundle())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_sentence(&error, "already there");
}

/// Answers every request with a file of `folder`, whole, until the test ends.
fn serve(folder: PathBuf) -> String {
    use std::io::{BufRead, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = std::io::BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            let _headers = lines.find(|line| matches!(line, Ok(line) if line.is_empty()));
            let path = first.split_whitespace().nth(1).unwrap();
            let found = std::fs::read(folder.join(path.trim_start_matches('/')));
            let status = if found.is_ok() {
                "200 OK"
            } else {
                "404 Not Found"
            };
            let body = found.unwrap_or_default();
            let length = body.len();
            // A client that has read enough may go away early.
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            )
            .and_then(|()| stream.write_all(&body));
        }
    });
    address
}

/// A bundle can also be read from a server.
#[test]
fn reads_a_bundle_over_http() {
    let address = serve(bundle().into());
    let (verified, error) = run(&["verify", &address]);
    let (missing, missing_error) = run(&["verify", &format!("{address}nowhere")]);
    assert!(verified.status.success(), "{error}");
    assert_eq!(missing.status.code(), Some(1));
    assert_sentence(&missing_error, "404");
}
