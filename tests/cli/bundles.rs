//! Bundles with a fault: `verify` and `generate` refuse them in the same words.

use super::common::{copy_folder, fixture, run};
use super::{assert_sentence, bundle};
use serde_json::Value;
use std::{fs, path::Path};

/// What a manifest says of the network `kind`.
fn entry<'a>(manifest: &'a mut Value, kind: &str) -> &'a mut Value {
    let stages = manifest["stages"].as_array_mut().unwrap().iter_mut();
    let mut networks = stages.flat_map(|stage| stage["networks"].as_array_mut().unwrap());
    networks.find(|network| network["kind"] == kind).unwrap()
}

/// Its configuration.
fn network<'a>(manifest: &'a mut Value, kind: &str) -> &'a mut Value {
    &mut entry(manifest, kind)["config"]
}

/// A copy of the bundle with one fault, and what `verify` and `generate` say of it.
#[test]
fn broken_bundles() {
    type Fault = fn(&Path);
    type Edit = fn(&mut Value);
    let edit = |path: &Path, change: Edit| {
        let file = path.join("manifest.json");
        let mut manifest: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        change(&mut manifest);
        fs::write(&file, manifest.to_string()).unwrap();
    };
    let faults: [(&str, Fault); 3] = [
        ("SHA-256", |path| {
            let file = path.join("002.bin");
            let mut bytes = fs::read(&file).unwrap();
            bytes[100] ^= 1;
            fs::write(&file, bytes).unwrap();
        }),
        ("instead of", |path| {
            let file = path.join("002.bin");
            let bytes = fs::read(&file).unwrap();
            fs::write(&file, &bytes[..bytes.len() - 16]).unwrap();
        }),
        ("cannot open", |path| {
            fs::remove_file(path.join("002.bin")).unwrap();
        }),
    ];
    let edits: [(&str, Edit); 25] = [
        ("version 9", |m| m["version"] = 9.into()),
        ("has levels 0, which cannot be used", |m| {
            m["stages"][3]["networks"][0]["config"]["block_out_channels"] = Value::Array(vec![]);
        }),
        ("upsample_rates 0, which cannot be used", |m| {
            m["stages"][4]["networks"][0]["config"]["upsample_rates"][0] = 0.into();
        }),
        ("n_embd 24 and n_head 0, which cannot be used", |m| {
            m["stages"][1]["networks"][1]["config"]["n_head"] = 0.into();
        }),
        ("hole", |m| {
            let offset = m["stages"][0]["tensors"][1]["offset"].as_u64().unwrap();
            m["stages"][0]["tensors"][1]["offset"] = (offset + 16).into();
        }),
        ("overlaps", |m| {
            m["stages"][0]["tensors"][1]["offset"] = 0.into();
        }),
        ("bundle has no stage vocode", |m| {
            m["stages"][4]["name"] = "sing".into();
        }),
        ("missing", |m| {
            m["stages"][2]["tensors"][0]["name"] = "unet.conv_inn.weight".into();
        }),
        ("the bundle is of the system", |m| m["system"] = "".into()),
        ("the defaults of the bundle cannot be used", |m| {
            m["defaults"] = Value::Object(Default::default());
        }),
        ("the defaults of the bundle cannot be used", |m| {
            m["defaults"]["seconds"] = "ten".into();
        }),
        ("-5 seconds of music cannot be made", |m| {
            m["defaults"]["seconds"] = (-5).into();
        }),
        ("a spectrogram that cannot be transposed", |m| {
            m["defaults"]["tonic"] = 0.into();
        }),
        ("the bundle's beats last 5 seconds", |m| {
            m["defaults"]["pulse"] = 5.into();
        }),
        ("pieces of -14 to -26 dBFS", |m| {
            m["defaults"]["loudness"] = serde_json::json!([-14, -26]);
        }),
        ("200 steps cannot be made", |m| {
            network(m, "scheduler")["num_train_timesteps"] = 100.into();
            m["defaults"]["steps"] = 200.into();
        }),
        ("the vocoder makes 320 samples at 16000 Hz", |m| {
            network(m, "hifigan")["upsample_rates"][4] = 4.into();
        }),
        ("the vocoder makes 160 samples at 48000 Hz", |m| {
            network(m, "hifigan")["sampling_rate"] = 48_000.into();
        }),
        ("more tokens than the language model takes", |m| {
            let tokens = network(m, "aligner")["tokens"].as_u64().unwrap();
            let new = network(m, "gpt2")["max_new_tokens"].as_u64().unwrap();
            network(m, "gpt2")["n_positions"] = (tokens + new - 2).into();
        }),
        ("the audio trunk takes other clips", |m| {
            network(m, "imagebind-audio")["mel_bins"] = 64.into();
        }),
        ("feed-forward layers of kind relu", |m| {
            network(m, "t5")["feed_forward_proj"] = "relu".into();
        }),
        ("relative_attention_max_distance 0", |m| {
            network(m, "t5")["relative_attention_max_distance"] = 0.into();
        }),
        ("pad_token_id", |m| {
            network(m, "clap-text")["pad_token_id"] = 100_000.into();
        }),
        ("has no t5", |m| {
            entry(m, "t5")["kind"] = "t6".into();
        }),
        ("the widths that the projection model joins", |m| {
            network(m, "projection")["text_encoder_dim"] = 1.into();
        }),
    ];
    let copy = || {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(bundle(), folder.path());
        folder
    };
    let check = |folder: &tempfile::TempDir, expected: &str| {
        let path = folder.path().to_str().unwrap();
        let (output, error) = run(&["verify", path]);
        assert_eq!(output.status.code(), Some(1), "{expected}");
        assert_sentence(&error, expected);
        error
    };
    for (expected, fault) in faults {
        let folder = copy();
        fault(folder.path());
        check(&folder, expected);
    }
    let (picture, music) = (fixture("picture.png"), tempfile::tempdir().unwrap());
    let music = music.path().join("out.wav");
    let [picture, music] = [&picture, &music].map(|path| path.to_str().unwrap());
    for (expected, change) in edits {
        let folder = copy();
        edit(folder.path(), change);
        let verified = check(&folder, expected);
        // Both refuse with the same words. Another tensor's name shows only when its stage is loaded.
        let bundle = folder.path().to_str().unwrap();
        let prompt = ["--prompt", "A warm piano at dusk", "--device", "cpu"];
        let arguments = ["generate", picture, "--bundle", bundle, "-o", music];
        let (output, error) = run(&[&arguments[..], &prompt].concat());
        assert_eq!(output.status.code(), Some(1), "{expected}");
        if expected != "missing" {
            assert_eq!(error.lines().last(), verified.lines().last(), "{expected}");
        }
    }
    let (output, _) = run(&["verify", bundle().to_str().unwrap()]);
    assert!(output.status.success());
}
