//! The folder of a diffusers pipeline: which class it holds, and what it is called.

use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

use super::{file_name, json};
use crate::{Error, Result};

/// The classes of the parts that are read. AudioLDM 2's speech checkpoints have VITS in T5's place.
const PARTS: [(&str, &[&str]); 7] = [
    (
        "language_model",
        &["GPT2Model", "GPT2LMHeadModel", "AudioLDM2GPT2Model"],
    ),
    ("projection_model", &["AudioLDM2ProjectionModel"]),
    ("text_encoder", &["ClapModel"]),
    (
        "text_encoder_2",
        &["T5EncoderModel", "T5ForConditionalGeneration"],
    ),
    ("unet", &["AudioLDM2UNet2DConditionModel"]),
    ("vae", &["AutoencoderKL"]),
    ("vocoder", &["SpeechT5HifiGan"]),
];

/// An AudioLDM 2 pipeline.
#[derive(Debug)]
pub(super) struct Pipeline {
    /// Where its parts lie.
    pub folder: PathBuf,
    /// Its name, as its publisher gave it where that can be known.
    pub name: String,
}

impl Pipeline {
    /// Opens a pipeline's folder, or its entry in Hugging Face's cache.
    pub fn open(place: &Path) -> Result<Self> {
        let folder = snapshot(place).unwrap_or_else(|| place.to_path_buf());
        let index = folder.join("model_index.json");
        if !index.is_file() {
            return Err(Error::input(
                format!("{} is no folder of a diffusers pipeline", place.display()),
                "give the folder that holds model_index.json, unet, vae and the others",
            ));
        }
        let index = json::object(&index)?;
        check(&folder, &index)?;
        let name = name(&folder, &index);
        Ok(Self { folder, name })
    }
}

fn check(folder: &Path, index: &Map<String, Value>) -> Result<()> {
    let class = index
        .get("_class_name")
        .and_then(Value::as_str)
        .unwrap_or("pipeline without a name");
    if class != "AudioLDM2Pipeline" {
        return Err(Error::unsupported(
            format!(
                "{} is a pipeline of the class {class}, not AudioLDM2Pipeline",
                folder.display()
            ),
            "give a folder of AudioLDM 2, for example of cvssp/audioldm2-music",
        ));
    }
    for (part, known) in PARTS {
        let class = index
            .get(part)
            .and_then(|part| part.get(1))
            .and_then(Value::as_str);
        if let Some(class) = class.filter(|class| !known.contains(class)) {
            return Err(Error::unsupported(
                format!(
                    "{} has {class} as {part}, and only {} is known here",
                    folder.display(),
                    known[0]
                ),
                "give a checkpoint of AudioLDM 2 for sound or music; those for speech are built in another way",
            ));
        }
    }
    Ok(())
}

/// The snapshot that an entry of Hugging Face's cache (`models--owner--name`) points to.
fn snapshot(place: &Path) -> Option<PathBuf> {
    let snapshots = place.join("snapshots");
    if let Ok(revision) = std::fs::read_to_string(place.join("refs/main")) {
        return Some(snapshots.join(revision.trim())).filter(|folder| folder.is_dir());
    }
    let mut entries = std::fs::read_dir(snapshots).ok()?;
    let only = entries.next()?.ok()?.path();
    entries.next().is_none().then_some(only)
}

/// From `model_index.json`; else from the path in the cache, whose last folder is called after a hash; else the folder's.
fn name(folder: &Path, index: &Map<String, Value>) -> String {
    let said = index.get("_name_or_path").and_then(Value::as_str);
    if let Some(said) = said.filter(|said| !said.is_empty() && !said.contains("snapshots")) {
        return said.trim_end_matches('/').to_string();
    }
    let folder = folder
        .canonicalize()
        .unwrap_or_else(|_| folder.to_path_buf());
    let cached = folder.iter().rev().find_map(|part| {
        let (owner, name) = part.to_str()?.strip_prefix("models--")?.split_once("--")?;
        Some(format!("{owner}/{name}"))
    });
    cached.unwrap_or_else(|| file_name(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(folder: &Path, class: &str, t5: &str) {
        std::fs::create_dir_all(folder).unwrap();
        let index =
            format!(r#"{{"_class_name": "{class}", "text_encoder_2": ["transformers", "{t5}"]}}"#);
        std::fs::write(folder.join("model_index.json"), index).unwrap();
    }

    #[test]
    fn an_entry_of_the_cache_is_opened_and_named_after_its_publisher() {
        let cache = tempfile::tempdir().unwrap();
        let entry = cache.path().join("models--cvssp--audioldm2-music");
        let hashed = entry.join("snapshots/0a1b2c");
        place(&hashed, "AudioLDM2Pipeline", "T5EncoderModel");
        for opened in [&entry, &hashed] {
            let pipeline = Pipeline::open(opened).unwrap();
            assert_eq!(pipeline.name, "cvssp/audioldm2-music");
            assert!(pipeline.folder.ends_with("0a1b2c"));
        }
    }

    #[test]
    fn other_pipelines_are_called_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |class, t5| {
            place(folder.path(), class, t5);
            Pipeline::open(folder.path()).unwrap_err().to_string()
        };
        assert!(
            refused("AudioLDMPipeline", "T5EncoderModel")
                .contains("of the class AudioLDMPipeline, not")
        );
        assert!(refused("AudioLDM2Pipeline", "VitsModel").contains("VitsModel as text_encoder_2"));
    }
}
