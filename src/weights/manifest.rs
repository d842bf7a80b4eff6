//! The manifest of a bundle: what is in it, where each byte lies, and that nothing is amiss.

use serde::{Deserialize, Serialize};
use std::collections::HashSet;

use crate::{
    Error, ErrorKind, Fault, Result,
    quant::{Encoding, align},
};

/// What `format` must say.
pub const FORMAT: &str = "art2mus-bundle";
/// The version that this program writes. It also reads version 1.
pub const VERSION: u32 = 2;
/// The largest manifest that is read.
pub const MAX_MANIFEST_BYTES: u64 = 4 << 20;
/// The largest shard that is read.
pub const MAX_SHARD_BYTES: u64 = 32 << 20;
/// The largest asset that is read.
pub const MAX_ASSET_BYTES: u64 = 32 << 20;

/// The name of the manifest's file.
pub(super) const MANIFEST_FILE: &str = "manifest.json";

/// The whole manifest, `manifest.json` of a bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`FORMAT`].
    pub format: String,
    /// The version of the format.
    pub version: u32,
    /// What the stages are and how they make music, for example `art-to-mus`.
    pub system: String,
    /// What the model is.
    pub model: ModelInfo,
    /// The stages in order of use. Each begins with a shard of its own.
    pub stages: Vec<StageEntry>,
    /// The shards in order; concatenated they are the bytes of all tensors.
    pub shards: Vec<ShardEntry>,
    /// Other files, for example tokenizers.
    #[serde(default)]
    pub assets: Vec<AssetEntry>,
    /// The settings that suit the model, in the terms of its system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<serde_json::Value>,
    /// Where the weights come from.
    pub provenance: Provenance,
}

/// Name, licence and credits of the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelInfo {
    /// What the page shows.
    pub name: String,
    /// The licence of the weights.
    pub licence: String,
    /// Whom the weights are owed to.
    #[serde(default)]
    pub credits: Vec<String>,
    /// False for random weights, which give noise.
    pub trained: bool,
}

/// One stage: its networks, and their tensors in order of use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageEntry {
    /// For example `denoise`.
    pub name: String,
    /// What a person reads while the stage runs; the system's own words where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The texts whose encodings are tensors `constants.*` of the stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constants: Option<Constants>,
    /// The networks of the stage.
    pub networks: Vec<NetworkEntry>,
    /// The tensors, without gaps; names begin with the kind of their network.
    pub tensors: Vec<TensorEntry>,
}

/// One network and its configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkEntry {
    /// For example `unet`; the pipeline knows what it means.
    pub kind: String,
    /// The configuration in the network's own terms.
    pub config: serde_json::Value,
}

/// One tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorEntry {
    /// The kind of the network, a dot, and the checkpoint's name.
    pub name: String,
    /// The logical shape.
    pub shape: Vec<usize>,
    /// How the elements are packed.
    pub encoding: Encoding,
    /// Where the tensor begins in the bytes of all shards together.
    pub offset: u64,
    /// Relative error of the packing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub error: f64,
}

fn is_zero(x: &f64) -> bool {
    *x == 0.0
}

/// A file of raw bytes: a shard, or an asset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ShardEntry {
    /// The file's name.
    pub file: String,
    /// Its length.
    #[cfg_attr(test, ts(type = "number"))]
    pub bytes: u64,
    /// Its SHA-256, in lower-case hexadecimal.
    pub sha256: String,
}

/// A file of the bundle that is no shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetEntry {
    /// What the file is, for example `tokenizer`.
    pub role: String,
    /// The file itself.
    #[serde(flatten)]
    pub file: ShardEntry,
}

/// Texts whose encodings are tensors `constants.*` of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constants {
    /// The support prompt.
    pub prompt: String,
    /// The negative prompt.
    pub negative_prompt: String,
    /// How the negative prompt was put before the language model.
    #[serde(default)]
    pub negative_prefix: NegativePrefix,
}

/// How long T5's part of the negative prompt's prefix for GPT-2 is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum NegativePrefix {
    /// One token, the end mark: what the authors' code does.
    #[default]
    Single,
    /// The prompt's length, padded: what stock AudioLDM 2 does.
    Padded,
}

/// Where the weights come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The program that wrote the bundle, with its version.
    pub converter: String,
    /// The checkpoints, by name.
    pub sources: Vec<String>,
}

impl Manifest {
    /// Reads and checks a manifest. Nothing is accepted that is not fully consistent.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(Error::new(
                ErrorKind::Limits,
                format!(
                    "the manifest has {} bytes, more than {MAX_MANIFEST_BYTES}",
                    bytes.len()
                ),
                "check that this is a manifest.json",
            ));
        }
        let bad = |reason: String| Error::from(Fault::NoManifest { reason });
        let mut value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|e| bad(format!("is not JSON ({e})")))?;
        if value.get("format").and_then(|v| v.as_str()) != Some(FORMAT) {
            return Err(bad(format!("does not say format \"{FORMAT}\"")));
        }
        // The version comes first: later versions may have other fields.
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            Some(1) => upgrade_from_1(&mut value),
            Some(version) => {
                let newest = VERSION.into();
                return Err(Fault::BundleVersion { version, newest }.into());
            }
            None => return Err(bad("has no version".into())),
        }
        let manifest: Self =
            serde_json::from_value(value).map_err(|e| bad(format!("is not complete ({e})")))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The stage `name`.
    pub fn stage(&self, name: &str) -> Result<&StageEntry> {
        self.find_stage(name).ok_or_else(|| {
            Error::unsupported(
                format!("the bundle has no stage {name}"),
                "use a bundle that has it, or convert one",
            )
        })
    }

    /// The stage `name`, if the bundle has it.
    pub fn find_stage(&self, name: &str) -> Option<&StageEntry> {
        self.stages.iter().find(|stage| stage.name == name)
    }

    /// The indices of the shards of `stage`, and the offset at which they begin.
    pub fn stage_shards(&self, stage: &StageEntry) -> (std::ops::Range<usize>, u64) {
        let Some(first) = stage.tensors.first() else {
            return (0..0, 0);
        };
        let end = stage_end(stage).unwrap_or(first.offset);
        let mut offset = 0;
        let mut range = self.shards.len()..self.shards.len();
        let mut begin = first.offset;
        for (i, shard) in self.shards.iter().enumerate() {
            let overlaps = offset < end && offset + shard.bytes > first.offset;
            if overlaps {
                if range.start > i {
                    range.start = i;
                    begin = offset;
                }
                range.end = i + 1;
            }
            offset += shard.bytes;
        }
        (range, begin)
    }

    /// The bytes of the shards of `stage`.
    pub fn stage_bytes(&self, stage: &StageEntry) -> u64 {
        let (range, _) = self.stage_shards(stage);
        self.shards[range].iter().map(|shard| shard.bytes).sum()
    }

    /// Elements of all tensors of `stage`.
    pub fn stage_parameters(&self, stage: &StageEntry) -> u64 {
        let count = |t: &TensorEntry| t.shape.iter().map(|&n| n as u64).product::<u64>();
        stage.tensors.iter().map(count).sum()
    }

    fn check(&self) -> Result<()> {
        let bad = |what: String| Err(Error::format(what, "fetch or convert the bundle again"));
        let mut files = HashSet::new();
        let assets = self.assets.iter().map(|a| (&a.file.file, &a.file.sha256));
        let named = self
            .shards
            .iter()
            .map(|s| (&s.file, &s.sha256))
            .chain(assets);
        for (file, sha256) in named {
            if !is_plain_name(file) {
                return bad(format!(
                    "the manifest names a file {file:?}, which is no plain name"
                ));
            }
            if !files.insert(file) {
                return bad(format!("the manifest names the file {file} twice"));
            }
            let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
            if sha256.len() != 64 || !sha256.bytes().all(hex) {
                return bad(format!(
                    "the SHA-256 of {file} is not 64 hexadecimal digits"
                ));
            }
        }
        for shard in &self.shards {
            if shard.bytes == 0 || shard.bytes > MAX_SHARD_BYTES {
                return bad(format!(
                    "shard {} has a length of {} bytes",
                    shard.file, shard.bytes
                ));
            }
        }
        for AssetEntry { file, .. } in &self.assets {
            if file.bytes > MAX_ASSET_BYTES {
                return bad(format!(
                    "the file {} has a length of {} bytes",
                    file.file, file.bytes
                ));
            }
        }
        self.check_stages()
    }

    /// Tensors must be contiguous from the first byte to the last, and every stage must
    /// begin with a shard.
    fn check_stages(&self) -> Result<()> {
        let bad = |what: String| Err(Error::format(what, "fetch or convert the bundle again"));
        let mut stages = HashSet::new();
        let mut shard_starts = HashSet::new();
        let mut total = 0u64;
        for shard in &self.shards {
            shard_starts.insert(total);
            // At most MAX_SHARD_BYTES each, and a manifest cannot hold 2^39 shards.
            total += shard.bytes;
        }
        let mut expected = 0u64;
        for stage in &self.stages {
            if !is_plain_name(&stage.name) || !stages.insert(&stage.name) {
                return bad(format!(
                    "the manifest has the stage {:?} twice or misnamed",
                    stage.name
                ));
            }
            if !shard_starts.contains(&expected) {
                return bad(format!("stage {} does not begin with a shard", stage.name));
            }
            let mut tensors = HashSet::new();
            for tensor in &stage.tensors {
                let name = &tensor.name;
                if !tensors.insert(name) {
                    return bad(format!(
                        "tensor {name} occurs twice in stage {}",
                        stage.name
                    ));
                }
                if tensor.offset < expected {
                    return bad(format!("tensor {name} overlaps the one before it"));
                }
                if tensor.offset > expected {
                    return bad(format!("there is a hole before tensor {name}"));
                }
                let bytes = tensor
                    .encoding
                    .bytes(&tensor.shape)
                    .filter(|bytes| *bytes > 0);
                let Some(end) = bytes.and_then(|b| expected.checked_add(b)).and_then(align) else {
                    return bad(format!(
                        "tensor {name} cannot have shape {:?} in encoding {:?}",
                        tensor.shape, tensor.encoding
                    ));
                };
                expected = end;
            }
            if stage.tensors.is_empty() {
                return bad(format!("stage {} has no tensors", stage.name));
            }
        }
        if expected != total {
            return bad(format!(
                "the tensors take {expected} bytes and the shards have {total}"
            ));
        }
        Ok(())
    }
}

/// Makes version 2 of version 1, which knew one system: its prompts stood beside the stages, and the stage
/// `training` was called `learn`. What is wrong with it is found where it would be in version 2.
fn upgrade_from_1(value: &mut serde_json::Value) {
    let Some(manifest) = value.as_object_mut() else {
        return;
    };
    manifest.insert("version".into(), VERSION.into());
    manifest.insert("system".into(), "art-to-mus".into());
    let constants = manifest.remove("constants");
    let stages = manifest.get_mut("stages").and_then(|s| s.as_array_mut());
    for stage in stages.into_iter().flatten() {
        match stage.get("name").and_then(|name| name.as_str()) {
            Some("learn") => stage["name"] = "training".into(),
            Some("condition") => {
                if let (Some(constants), Some(stage)) = (&constants, stage.as_object_mut()) {
                    stage.insert("constants".into(), constants.clone());
                }
            }
            _ => {}
        }
    }
}

/// The end of the last tensor of `stage` with its padding.
fn stage_end(stage: &StageEntry) -> Option<u64> {
    let last = stage.tensors.last()?;
    let bytes = last.encoding.bytes(&last.shape)?;
    last.offset.checked_add(bytes).and_then(align)
}

/// A name that cannot lead out of the bundle's folder.
fn is_plain_name(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
    !name.is_empty()
        && name.len() <= 100
        && name.bytes().all(plain)
        && !name.starts_with('.')
        && name != MANIFEST_FILE
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sound() -> serde_json::Value {
        json!({
            "format": FORMAT, "version": 2, "system": "art-to-mus",
            "model": {"name": "m", "licence": "MIT", "trained": false},
            "stages": [
                {"name": "encode", "networks": [], "tensors": [
                    {"name": "a.x", "shape": [3], "encoding": "f32", "offset": 0},
                    {"name": "a.y", "shape": [2, 4], "encoding": "f16", "offset": 16}]},
                {"name": "denoise", "networks": [], "tensors": [
                    {"name": "b.x", "shape": [1], "encoding": "f32", "offset": 32}]},
            ],
            "shards": [
                {"file": "000.bin", "bytes": 32, "sha256": "0".repeat(64)},
                {"file": "001.bin", "bytes": 16, "sha256": "f".repeat(64)}],
            "provenance": {"converter": "test", "sources": []},
        })
    }

    fn parse(value: &serde_json::Value) -> Result<Manifest> {
        Manifest::parse(value.to_string().as_bytes())
    }

    #[test]
    fn reads_a_sound_manifest() {
        let manifest = parse(&sound()).unwrap();
        let stage = manifest.stage("denoise").unwrap();
        assert_eq!(manifest.stage_shards(stage), (1..2, 32));
        assert_eq!(manifest.stage_bytes(stage), 16);
    }

    /// Each fault has a sentence of its own.
    #[test]
    fn refuses_every_inconsistency() {
        type Fault = fn(&mut serde_json::Value);
        let faults: [(&str, Fault); 16] = [
            ("format", |m| m["format"] = json!("zip")),
            ("version 3", |m| m["version"] = json!(3)),
            ("no version", |m| m["version"] = json!("1")),
            ("not complete", |m| m["system"] = json!(null)),
            ("overlaps", |m| {
                m["stages"][0]["tensors"][1]["offset"] = json!(8)
            }),
            ("hole", |m| {
                m["stages"][0]["tensors"][1]["offset"] = json!(32)
            }),
            ("take 48 bytes", |m| m["shards"][1]["bytes"] = json!(32)),
            ("does not begin", |m| m["shards"][0]["bytes"] = json!(16)),
            ("no plain name", |m| m["shards"][0]["file"] = json!("../x")),
            ("no plain name", |m| {
                m["shards"][0]["file"] = json!("manifest.json")
            }),
            ("twice", |m| m["shards"][1]["file"] = json!("000.bin")),
            ("hexadecimal", |m| m["shards"][0]["sha256"] = json!("00")),
            ("not complete", |m| {
                m["stages"][0]["tensors"][0]["encoding"] = json!("q5")
            }),
            ("cannot have shape", |m| {
                m["stages"][0]["tensors"][0]["shape"] = json!([0])
            }),
            ("cannot have shape", |m| {
                m["stages"][0]["tensors"][0]["shape"] = json!([u64::MAX, u64::MAX]);
            }),
            ("a length of", |m| {
                m["shards"][0]["bytes"] = json!(1u64 << 40)
            }),
        ];
        for (expected, fault) in faults {
            let mut value = sound();
            fault(&mut value);
            let error = parse(&value).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected:?} is not in {error:?}");
        }
    }

    #[test]
    fn version_1_is_read() {
        let mut old = sound();
        old["version"] = json!(1);
        old.as_object_mut().unwrap().remove("system");
        old["stages"][0]["name"] = json!("condition");
        old["stages"][1]["name"] = json!("learn");
        old["constants"] = json!({"prompt": "p", "negative_prompt": "n"});
        let manifest = parse(&old).unwrap();
        assert_eq!(
            (manifest.version, manifest.system.as_str()),
            (2, "art-to-mus")
        );
        let constants = manifest.stage("condition").unwrap().constants.as_ref();
        assert_eq!(constants.unwrap().negative_prompt, "n");
        assert_eq!(manifest.stage("training").unwrap().constants, None);
        // What it had no name for is refused as ever.
        old["system"] = json!("other");
        old["version"] = json!(2);
        assert!(parse(&old).is_err());
    }

    #[test]
    fn survives_truncation_anywhere() {
        let text = sound().to_string();
        for end in 0..text.len() {
            assert!(Manifest::parse(&text.as_bytes()[..end]).is_err());
        }
    }
}
