//! Checkpoints in every form that is accepted, and a sentence for those that are not.
#![cfg(all(feature = "cli", not(target_family = "wasm")))]

mod common;
#[path = "checkpoints/configs.rs"]
mod configs;
#[path = "checkpoints/safetensors.rs"]
mod safetensors_files;
#[path = "checkpoints/torch.rs"]
mod torch;

use art2mus::{
    checkpoint::Checkpoint,
    tensors::{Init, TensorSource},
};
use common::{Fixture, convert, copy_folder, fixture, program};
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The hashes of a bundle's shards.
fn shards(bundle: &Path) -> Vec<String> {
    let manifest = fs::read(bundle.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let shards = manifest["shards"].as_array().unwrap().iter();
    shards
        .map(|shard| shard["sha256"].as_str().unwrap().to_string())
        .collect()
}

const IMAGEBIND: [&str; 2] = ["--imagebind", "imagebind-tiny.pth"];
const ALIGNER: &str = "aligner-2024-4.pt";

/// A folder with a copy of the small pipeline, to be changed.
struct Workshop {
    folder: tempfile::TempDir,
}

impl Workshop {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(&fixture("audioldm2-tiny"), &folder.path().join("audioldm2"));
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a fixture in the place of a part's file.
    fn replace(&self, fault: &str, file: &str) {
        fs::copy(
            fixture("faults").join(fault),
            self.path("audioldm2").join(file),
        )
        .unwrap();
    }

    /// Sets a key of a part's configuration.
    fn configure(&self, file: &str, key: &str, value: serde_json::Value) {
        let path = self.path("audioldm2").join(file);
        let mut config: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        match value {
            serde_json::Value::String(gone) if gone == "(gone)" => {
                drop(config.as_object_mut().unwrap().remove(key))
            }
            value => config[key] = value,
        }
        fs::write(path, config.to_string()).unwrap();
    }

    /// Converts the pipeline, and gives standard error, or the last line of it as an error.
    fn convert(&self, more: &[&str]) -> Result<String, String> {
        let output = program()
            .arg("convert")
            .arg("--audioldm2")
            .arg(self.path("audioldm2"))
            .args(["--aligner".into(), fixture(ALIGNER)])
            .args(["--imagebind".into(), fixture(IMAGEBIND[1])])
            .args(["-o".into(), self.path("bundle")])
            .args(["--dtype", "f32"])
            .args(more)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!error.contains("panicked"), "{error}");
        match output.status.success() {
            true => Ok(error),
            false => Err(error
                .trim_end()
                .lines()
                .last()
                .unwrap_or_default()
                .to_string()),
        }
    }
}

/// Strides, offsets, expanded views, shared storages, all float types, old files, big-endian and compressed ones.
#[test]
fn every_view_of_a_storage_is_read_as_pytorch_means_it() {
    let expected = Fixture::open("torch/views.safetensors");
    for file in [
        "views.pt",
        "views-legacy.pt",
        "views-big-endian.pt",
        "views-deflated.pt",
        "views-wrapped.ckpt",
    ] {
        let checkpoint = Checkpoint::open(&fixture("torch").join(file)).unwrap();
        assert_eq!(
            checkpoint.names().count(),
            expected.names().count(),
            "{file}"
        );
        for name in expected.names() {
            let tensor = expected.tensor(name);
            assert_eq!(
                checkpoint.shape(name).unwrap(),
                tensor.shape,
                "{name} of {file}"
            );
            let values = checkpoint
                .read(name, &tensor.shape, Init::Constant(0.0))
                .unwrap();
            assert_eq!(values, tensor.values, "{name} of {file}");
        }
        assert!(checkpoint.unread().is_empty());
    }
}

/// The same aligner, stored transposed, compiled, by Lightning and inside a training checkpoint.
#[test]
fn one_aligner_in_all_its_forms_gives_one_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = |name: &str, aligner: &str| {
        let path = folder.path().join(name);
        convert(&IMAGEBIND, aligner, &path, &["--dtype", "f32"]);
        shards(&path)
    };
    let plain = bundle("plain", ALIGNER);
    for file in [
        "al-strided.pt",
        "al-compiled.pt",
        "al-lightning.ckpt",
        "al-training.pt",
    ] {
        assert_eq!(bundle(file, &format!("faults/{file}")), plain, "{file}");
    }
}

#[test]
fn what_is_no_state_dict_is_called_by_its_name() {
    for (file, expected) in [
        ("al-lfs.pt", "is a Git LFS pointer"),
        ("al-html.pt", "is a web page"),
        ("al-cut.pt", "is cut off"),
        (
            "al-whole-module.pt",
            "holds a whole module (train.ImageProjection)",
        ),
    ] {
        let error = Checkpoint::open(&fixture("faults").join(file))
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.safetensors");
    let whole = fs::read(fixture("torch/views.safetensors")).unwrap();
    fs::write(&cut, &whole[..whole.len() - 5]).unwrap();
    let error = Checkpoint::open(&cut).unwrap_err().to_string();
    assert!(error.contains("is cut off"), "{error}");
}

#[test]
fn a_pointer_instead_of_a_tokenizer_or_a_configuration_is_told() {
    for file in [
        "tokenizer/tokenizer.json",
        "tokenizer_2/tokenizer.json",
        "vae/config.json",
        "model_index.json",
    ] {
        let workshop = Workshop::new();
        workshop.replace("al-lfs.pt", file);
        let error = workshop.convert(&[]).unwrap_err();
        assert!(
            error.contains("is a Git LFS pointer") && error.contains(file),
            "{error}"
        );
    }
}

/// Weight files under the names that the libraries give them.
#[test]
fn weight_files_have_several_names() {
    let weights = fixture("audioldm2-tiny/vae/diffusion_pytorch_model.safetensors");
    let index = |parts: &str| format!(r#"{{"weight_map": {{"a": "{parts}"}}}}"#);
    for (name, parts) in [
        ("diffusion_pytorch_model.fp16.safetensors", None),
        ("open_clip_model.safetensors", None),
        ("open_clip_pytorch_model.bin", None),
        (
            "pytorch_model.bin.index.json",
            Some("pytorch_model-00001-of-00001.bin"),
        ),
        (
            "model.safetensors.index.fp16.json",
            Some("model.fp16-00001-of-00001.safetensors"),
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(&weights, folder.path().join(parts.unwrap_or(name))).unwrap();
        if let Some(parts) = parts {
            fs::write(folder.path().join(name), index(parts)).unwrap();
        }
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        assert!(
            checkpoint.shape("decoder.conv_in.weight").is_some(),
            "{name}"
        );
    }
}

/// Prefixes that training tools put in front of all names are taken off, whatever the network.
#[test]
fn wrappers_are_taken_off() {
    let tensors = |prefix: &str| {
        let names = ["encoder.conv_in.weight", "decoder.conv_in.weight"];
        let data = [0_u8; 8];
        let view = || {
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2], &data).unwrap()
        };
        let tensors: BTreeMap<_, _> = names
            .iter()
            .map(|name| (format!("{prefix}{name}"), view()))
            .collect();
        safetensors::serialize(tensors, None).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    for prefix in [
        "module.",
        "model.",
        "_orig_mod.module.",
        "module.model.",
        "",
    ] {
        fs::write(&path, tensors(prefix)).unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap();
        assert_eq!(
            checkpoint.shape("encoder.conv_in.weight"),
            Some(vec![2]),
            "{prefix}"
        );
    }
    fs::write(&path, tensors("unet.lora_A.")).unwrap();
    let error = Checkpoint::open(&path).unwrap_err().to_string();
    assert!(
        error.contains("LoRA") && error.contains("fuse_lora"),
        "{error}"
    );
}

#[test]
fn an_adapter_beside_the_weights_is_refused() {
    let workshop = Workshop::new();
    let weights = workshop.path("audioldm2/unet/pytorch_lora_weights.safetensors");
    fs::copy(fixture("torch/views.safetensors"), weights).unwrap();
    let error = workshop.convert(&[]).unwrap_err();
    assert!(
        error.contains("pytorch_lora_weights.safetensors is an adapter"),
        "{error}"
    );
}

/// Keys that change what a network computes are applied or refused.
#[test]
fn keys_that_change_the_result_are_not_ignored() {
    for (fault, file, expected) in [
        (
            "vae-relu-config.json",
            "vae/config.json",
            r#"act_fn "relu""#,
        ),
        (
            "unet-midscale-config.json",
            "unet/config.json",
            "mid_block_scale_factor 4.0",
        ),
        (
            "language_model-scale-config.json",
            "language_model/config.json",
            "scale_attn_",
        ),
        (
            "scheduler-zero-snr.json",
            "scheduler/scheduler_config.json",
            "rescale_betas_zero_snr",
        ),
    ] {
        let workshop = Workshop::new();
        workshop.replace(fault, file);
        let error = workshop.convert(&[]).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    for (file, key, value) in [
        ("unet/config.json", "class_embed_type", "timestep".into()),
        ("unet/config.json", "encoder_hid_dim", 8.into()),
        ("vae/config.json", "shift_factor", 0.1.into()),
        ("vae/config.json", "latents_mean", vec![0.5; 8].into()),
        ("text_encoder_2/config.json", "dense_act_fn", "relu".into()),
        (
            "scheduler/scheduler_config.json",
            "thresholding",
            true.into(),
        ),
        (
            "scheduler/scheduler_config.json",
            "trained_betas",
            vec![0.1; 3].into(),
        ),
        // diffusers' default is another than AudioLDM 2's.
        (
            "text_encoder_2/config.json",
            "feed_forward_proj",
            "(gone)".into(),
        ),
    ] {
        let workshop = Workshop::new();
        workshop.configure(file, key, value);
        let error = workshop.convert(&[]).unwrap_err();
        assert!(error.contains(key) || error.contains("feed"), "{error}");
    }
}

/// What diffusers takes for a key that is not there is what happens here.
#[test]
fn missing_keys_of_the_schedule_are_those_of_diffusers() {
    let workshop = Workshop::new();
    for key in [
        "beta_start",
        "beta_end",
        "beta_schedule",
        "clip_sample",
        "set_alpha_to_one",
        "steps_offset",
    ] {
        workshop.configure("scheduler/scheduler_config.json", key, "(gone)".into());
    }
    workshop.convert(&[]).unwrap();
    let manifest = fs::read(workshop.path("bundle/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let stages = manifest["stages"].as_array().unwrap().iter();
    let networks = stages.flat_map(|stage| stage["networks"].as_array().unwrap());
    let schedule = networks
        .into_iter()
        .find(|network| network["kind"] == "scheduler")
        .unwrap();
    let config = &schedule["config"];
    assert_eq!(config["beta_start"], 0.0001);
    assert_eq!(config["beta_end"], 0.02);
    assert_eq!(config["beta_schedule"], "linear");
    assert_eq!(config["clip_sample"], true);
    assert_eq!(config["set_alpha_to_one"], true);
    assert_eq!(config["steps_offset"], 0);
}

#[test]
fn what_python_writes_as_json_is_read() {
    let workshop = Workshop::new();
    workshop.replace("unet-bom-config.json", "unet/config.json");
    workshop.replace(
        "language_model-infinity-config.json",
        "language_model/config.json",
    );
    let said = workshop.convert(&[]).unwrap();
    assert!(
        said.contains("Nothing reads temperature_floor of"),
        "{said}"
    );
    let plain = tempfile::tempdir().unwrap();
    let bundle = plain.path().join("bundle");
    convert(&IMAGEBIND, ALIGNER, &bundle, &["--dtype", "f32"]);
    assert_eq!(shards(&workshop.path("bundle")), shards(&bundle));
}

#[test]
fn strict_refuses_what_nothing_reads() {
    let workshop = Workshop::new();
    workshop.configure("unet/config.json", "new_trick", 3.into());
    let error = workshop.convert(&["--strict"]).unwrap_err();
    assert!(error.contains("new_trick of"), "{error}");
    assert!(!workshop.path("bundle").exists());
    // The checkpoints themselves are read to the last tensor that counts.
    Workshop::new().convert(&["--strict"]).unwrap();
}

/// Heads and activation are not guessed.
#[test]
fn a_clip_tells_its_heads_or_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = |name: &str, clip: &str, more: &[&str]| {
        let output = program()
            .arg("convert")
            .args(["--audioldm2".into(), fixture("audioldm2-tiny")])
            .args(["--clip".into(), PathBuf::from(clip)])
            .args([
                "--aligner".into(),
                fixture("aligner-2026-clip-6.safetensors"),
            ])
            .args(["-o".into(), folder.path().join(name)])
            .args(["--dtype", "f32"])
            .args(more)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.success() {
            true => Ok(shards(&folder.path().join(name))),
            false => Err(error),
        }
    };
    let place = |name: &str| fixture(name).to_str().unwrap().to_string();
    let of_folder = bundle("folder", &place("clip-tiny"), &[]).unwrap();
    let of_file = bundle("file", &place("clip-tiny/model.safetensors"), &[]).unwrap();
    assert_eq!(of_file, of_folder);
    let bare = folder.path().join("bare.safetensors");
    fs::copy(fixture("clip-tiny-openai.safetensors"), &bare).unwrap();
    let bare = bare.to_str().unwrap();
    let error = bundle("asked", bare, &[]).unwrap_err();
    assert!(
        error.contains("--clip-heads") && error.contains("--clip-activation"),
        "{error}"
    );
    let manifest =
        |name: &str| fs::read_to_string(folder.path().join(name).join("manifest.json")).unwrap();
    bundle(
        "told",
        bare,
        &["--clip-heads", "4", "--clip-activation", "quick_gelu"],
    )
    .unwrap();
    let config = |name: &str| {
        let manifest: serde_json::Value = serde_json::from_str(&manifest(name)).unwrap();
        manifest["stages"][0]["networks"][0]["config"].clone()
    };
    assert_eq!(config("told"), config("folder"));
    // OpenCLIP's own file.
    let open_clip = folder.path().join("open_clip");
    fs::create_dir(&open_clip).unwrap();
    fs::copy(
        fixture("clip-tiny-openai.safetensors"),
        open_clip.join("open_clip_model.safetensors"),
    )
    .unwrap();
    let config_file =
        r#"{"model_cfg": {"embed_dim": 16, "quick_gelu": true, "vision_cfg": {"head_width": 8}}}"#;
    fs::write(open_clip.join("open_clip_config.json"), config_file).unwrap();
    bundle("open", open_clip.to_str().unwrap(), &[]).unwrap();
    assert_eq!(config("open"), config("folder"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Some bytes of a file are others: it is refused, or read without a panic.
    #[test]
    fn a_changed_state_dict_does_not_panic(
        legacy in any::<bool>(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let file = if legacy { "torch/views-legacy.pt" } else { "torch/views.pt" };
        let mut bytes = fs::read(fixture(file)).unwrap();
        for (place, byte) in places {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pt");
        fs::write(&path, bytes).unwrap();
        if let Ok(checkpoint) = Checkpoint::open(&path) {
            let names: Vec<String> = checkpoint.names().map(str::to_string).collect();
            for name in names {
                let shape = checkpoint.shape(&name).unwrap();
                if shape.iter().product::<usize>() < 1 << 20 {
                    let _ = checkpoint.read(&name, &shape, Init::Constant(0.0));
                }
            }
        }
    }
}
