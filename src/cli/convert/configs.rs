//! Configurations of checkpoints: read from `config.json`, or found out from shapes where there is
//! none.

use serde_json::{Map, Value};
use std::path::Path;

use super::{
    json::{self, ConfigReader},
    known_keys::{CLAP_TEXT, CLIP_TEXT, CLIP_VISION},
};
use crate::{
    Error, Result,
    checkpoint::Checkpoint,
    model::{
        aligner::AlignerConfig,
        clap::ClapTextConfig,
        clip::{ClipConfig, ClipTextConfig},
        imagebind::{AudioConfig, VisionConfig},
    },
    ops::Activation,
};

/// Hidden width of the published aligners, and the width that the upscaler raises CLIP's embedding to.
const ALIGNER_HIDDEN: usize = 1536;
const IMAGEBIND_EMBEDDING: usize = 1024;

/// Where the configuration of a CLIP stands: transformers' and OpenCLIP's.
const TRANSFORMERS: &str = "config.json";
const OPEN_CLIP: &str = "open_clip_config.json";
/// Width of a head of all published text towers.
const TEXT_HEAD: usize = 64;

/// CLAP's text branch is a part of `ClapModel`'s configuration.
pub(super) fn clap(reader: &ConfigReader, path: &Path) -> Result<ClapTextConfig> {
    let whole = json::object(path)?;
    let mut text = table(&whole, "text_config", path)?;
    for key in ["projection_dim", "projection_hidden_act"] {
        text.extend(whole.get(key).map(|value| (key.to_string(), value.clone())));
    }
    reader.apply(
        &format!("text_config of {}", path.display()),
        text,
        &CLAP_TEXT,
    )
}

/// What is said of a CLIP that has no configuration.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::cli) struct ClipHints {
    pub heads: Option<usize>,
    pub activation: Option<Activation>,
}

/// Whether a configuration lies in the folder of the weights `place`.
#[cfg(feature = "train")]
pub(in crate::cli) fn has_config(place: &Path) -> bool {
    [TRANSFORMERS, OPEN_CLIP]
        .iter()
        .any(|name| folder_of(place).join(name).is_file())
}

/// The configuration in the folder of the weights `place` (transformers' or OpenCLIP's); for a file without one, what
/// its shapes tell and `hints`.
pub(super) fn clip(
    reader: &ConfigReader,
    place: &Path,
    checkpoint: &Checkpoint,
    hints: ClipHints,
) -> Result<ClipConfig> {
    let folder = folder_of(place);
    let transformers = folder.join(TRANSFORMERS);
    let open_clip = folder.join(OPEN_CLIP);
    if transformers.is_file() {
        let whole = json::object(&transformers)?;
        let (place, vision) = match whole.contains_key("vision_config") {
            true => {
                let mut vision = table(&whole, "vision_config", &transformers)?;
                let projection = whole.get("projection_dim");
                vision
                    .extend(projection.map(|value| ("projection_dim".to_string(), value.clone())));
                (
                    format!("vision_config of {}", transformers.display()),
                    vision,
                )
            }
            false => (transformers.display().to_string(), whole),
        };
        return reader.apply(&place, vision, &CLIP_VISION);
    }
    let found = clip_shapes(checkpoint)?;
    if open_clip.is_file() {
        return open_clip_config(&open_clip, found);
    }
    let width = found.hidden_size;
    // OpenCLIP's towers ViT-H, g and bigG have no namesakes at OpenAI.
    let published = match (width, found.num_hidden_layers) {
        (1280, 32) => Some(width / 80),
        (1408, 40) => Some(width / 88),
        (1664, 48) => Some(width / 104),
        _ => None,
    };
    let heads = hints.heads.or(published);
    let activation = hints.activation.or(published.map(|_| Activation::Gelu));
    match (heads, activation) {
        (Some(heads), Some(activation)) => Ok(ClipConfig {
            num_attention_heads: heads,
            hidden_act: activation,
            ..found
        }),
        _ => Err(Error::input(
            format!(
                "{} does not say how many heads its attention has and which activation follows it",
                checkpoint.place().display()
            ),
            "put its config.json or open_clip_config.json beside it, or give --clip-heads (OpenAI's have one for each 64 of \
             the width) and --clip-activation (quick_gelu for OpenAI's weights, gelu for most others)",
        )),
    }
}

/// The configuration of the text tower of the same CLIP, whose vision tower has the activation `activation`; what no
/// configuration says, shapes tell.
pub(super) fn clip_text(
    reader: &ConfigReader,
    place: &Path,
    checkpoint: &Checkpoint,
    activation: Activation,
) -> Result<ClipTextConfig> {
    let folder = folder_of(place);
    let transformers = folder.join(TRANSFORMERS);
    if transformers.is_file() {
        let whole = json::object(&transformers)?;
        let mut text = table(&whole, "text_config", &transformers)?;
        let projection = whole.get("projection_dim");
        text.extend(projection.map(|value| ("projection_dim".to_string(), value.clone())));
        let place = format!("text_config of {}", transformers.display());
        return reader.apply(&place, text, &CLIP_TEXT);
    }
    let shape = |name: &str| shape(checkpoint, name);
    let tokens = shape("text_model.embeddings.token_embedding.weight")?;
    let positions = shape("text_model.embeddings.position_embedding.weight")?;
    let inner = shape("text_model.encoder.layers.0.mlp.fc1.weight")?;
    let projection = shape("text_projection.weight")?;
    let open_clip = folder.join(OPEN_CLIP);
    let heads = match open_clip.is_file() {
        true => {
            let text = table(&open_clip_model(&open_clip)?, "text_cfg", &open_clip)?;
            text.get("heads").and_then(Value::as_u64)
        }
        false => None,
    };
    Ok(ClipTextConfig {
        vocab_size: tokens[0],
        max_position_embeddings: positions[0],
        hidden_size: tokens[1],
        intermediate_size: inner[0],
        num_hidden_layers: count(checkpoint, "text_model.encoder.layers."),
        num_attention_heads: heads.map_or(tokens[1] / TEXT_HEAD, |heads| heads as usize),
        projection_dim: projection[0],
        hidden_act: activation,
        ..ClipTextConfig::default()
    })
}

/// The folder of the file `place`, or `place` itself where it is one.
pub(super) fn folder_of(place: &Path) -> &Path {
    if place.is_dir() {
        return place;
    }
    place.parent().unwrap_or(Path::new(""))
}

/// What shapes tell of a CLIP.
fn clip_shapes(checkpoint: &Checkpoint) -> Result<ClipConfig> {
    let shape = |name: &str| shape(checkpoint, name);
    let patch = shape("vision_model.embeddings.patch_embedding.weight")?;
    let positions = shape("vision_model.embeddings.position_embedding.weight")?;
    let projection = shape("visual_projection.weight")?;
    let inner = shape("vision_model.encoder.layers.0.mlp.fc1.weight")?;
    Ok(ClipConfig {
        hidden_size: patch[0],
        intermediate_size: inner[0],
        num_hidden_layers: count(checkpoint, "vision_model.encoder.layers."),
        image_size: side(positions[0].saturating_sub(1)) * patch[patch.len() - 1],
        patch_size: patch[patch.len() - 1],
        projection_dim: projection[0],
        ..ClipConfig::default()
    })
}

/// What OpenCLIP's configuration says of the model.
fn open_clip_model(path: &Path) -> Result<Map<String, Value>> {
    let whole = json::object(path)?;
    match whole.contains_key("model_cfg") {
        true => table(&whole, "model_cfg", path),
        false => Ok(whole),
    }
}

/// OpenCLIP's configuration says heads by their width, and the activation by what it is not.
fn open_clip_config(path: &Path, found: ClipConfig) -> Result<ClipConfig> {
    let model = open_clip_model(path)?;
    let vision = table(&model, "vision_cfg", path)?;
    if let Some(name) = vision.get("timm_model_name").and_then(Value::as_str) {
        return Err(Error::unsupported(
            format!("{} describes the tower {name} of timm", path.display()),
            "use a CLIP whose tower is a plain vision transformer",
        ));
    }
    let head_width = vision.get("head_width").map_or(Some(64), Value::as_u64);
    let quick = model
        .get("quick_gelu")
        .is_some_and(|value| value == &Value::Bool(true));
    let heads = head_width
        .filter(|&width| width > 0)
        .map(|width| found.hidden_size / width as usize);
    Ok(ClipConfig {
        num_attention_heads: heads.unwrap_or(0),
        hidden_act: if quick {
            Activation::QuickGelu
        } else {
            Activation::Gelu
        },
        ..found
    })
}

/// The table `key` of a configuration.
fn table(whole: &Map<String, Value>, key: &str, path: &Path) -> Result<Map<String, Value>> {
    whole
        .get(key)
        .and_then(Value::as_object)
        .cloned()
        .ok_or_else(|| {
            Error::format(
                format!("{} has no table {key}", path.display()),
                "use the config.json that belongs to the checkpoint",
            )
        })
}

/// ImageBind's file holds no configuration; the heads are the published ones.
pub(in crate::cli) fn imagebind_vision(checkpoint: &Checkpoint) -> Result<VisionConfig> {
    let stem = shape(
        checkpoint,
        "modality_preprocessors.vision.rgbt_stem.proj.1.weight",
    )?;
    let positions = shape(
        checkpoint,
        "modality_preprocessors.vision.pos_embedding_helper.pos_embed",
    )?;
    let head = shape(checkpoint, "modality_heads.vision.2.weight")?;
    let inner = shape(checkpoint, "modality_trunks.vision.blocks.0.mlp.fc1.weight")?;
    let [width, _, frames, patch, _] = stem[..] else {
        return Err(Error::format(
            "ImageBind's stem is not a convolution over frames",
            "use imagebind_huge.pth",
        ));
    };
    Ok(VisionConfig {
        image_size: side(positions[1].saturating_sub(1)) * patch,
        patch,
        frames,
        width,
        depth: count(checkpoint, "modality_trunks.vision.blocks."),
        heads: VisionConfig::huge().heads,
        mlp: inner[0],
        embedding: head[0],
    })
}

/// The audio trunk, if the file has it.
pub(in crate::cli) fn imagebind_audio(checkpoint: &Checkpoint) -> Result<Option<AudioConfig>> {
    let stem = "modality_preprocessors.audio.rgbt_stem.proj.weight";
    if checkpoint.shape(stem).is_none() {
        return Ok(None);
    }
    let stem = shape(checkpoint, stem)?;
    let head = shape(checkpoint, "modality_heads.audio.2.weight")?;
    let inner = shape(checkpoint, "modality_trunks.audio.blocks.0.mlp.fc1.weight")?;
    Ok(Some(AudioConfig {
        width: stem[0],
        patch: stem[stem.len() - 1],
        depth: count(checkpoint, "modality_trunks.audio.blocks."),
        mlp: inner[0],
        embedding: head[0],
        ..AudioConfig::huge()
    }))
}

/// The text trunk, if the file has it.
#[cfg(feature = "train")]
pub(in crate::cli) fn imagebind_text(
    checkpoint: &Checkpoint,
) -> Result<Option<crate::model::imagebind::TextConfig>> {
    let table = "modality_preprocessors.text.token_embedding.weight";
    if checkpoint.shape(table).is_none() {
        return Ok(None);
    }
    let table = shape(checkpoint, table)?;
    let positions = shape(checkpoint, "modality_preprocessors.text.pos_embed")?;
    let head = shape(checkpoint, "modality_heads.text.proj.1.weight")?;
    let inner = shape(checkpoint, "modality_trunks.text.blocks.0.mlp.fc1.weight")?;
    use crate::model::imagebind::TextConfig;
    Ok(Some(TextConfig {
        vocabulary: table[0],
        context: positions[positions.len() - 2],
        width: table[1],
        depth: count(checkpoint, "modality_trunks.text.blocks."),
        heads: TextConfig::huge().heads,
        mlp: inner[0],
        embedding: head[0],
    }))
}

/// The reading of the 2026 paper: an upscaler for CLIP, then the public two-layer form.
pub(super) fn fresh_aligner(embedding: usize, tokens: usize, width: usize) -> AlignerConfig {
    AlignerConfig {
        embedding,
        upscaled: (embedding < IMAGEBIND_EMBEDDING).then_some(IMAGEBIND_EMBEDDING),
        hidden: Some(ALIGNER_HIDDEN),
        tokens,
        width,
    }
}

pub(super) fn shape(checkpoint: &Checkpoint, name: &str) -> Result<Vec<usize>> {
    checkpoint
        .shape(name)
        .filter(|shape| shape.len() >= 2)
        .ok_or_else(|| {
            Error::format(
                format!("{} has no tensor {name}", checkpoint.place().display()),
                "use a complete checkpoint of this network",
            )
        })
}

/// How many numbered parts there are whose names begin with `prefix`.
pub(super) fn count(checkpoint: &Checkpoint, prefix: &str) -> usize {
    let index = |name: &str| -> Option<usize> {
        name.strip_prefix(prefix)?
            .split(['.', '_'])
            .next()?
            .parse()
            .ok()
    };
    checkpoint
        .names()
        .filter_map(index)
        .max()
        .map_or(0, |n| n + 1)
}

/// The side of a square of `area` cells.
fn side(area: usize) -> usize {
    area.isqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with shapes that tell of a tower of `layers` layers of `width`.
    fn tower(folder: &Path, width: usize, layers: usize) -> std::path::PathBuf {
        let mut shapes = vec![
            (
                "vision_model.embeddings.patch_embedding.weight".to_string(),
                vec![width, 1, 1, 14],
            ),
            (
                "vision_model.embeddings.position_embedding.weight".to_string(),
                vec![257, 1],
            ),
            ("visual_projection.weight".to_string(), vec![1024, 1]),
        ];
        for layer in 0..layers {
            let name = format!("vision_model.encoder.layers.{layer}.mlp.fc1.weight");
            shapes.push((name, vec![5120, 1]));
        }
        let zeros = vec![0; 2 * width.max(5120) * 14];
        let tensors = shapes.iter().map(|(name, shape)| {
            let data = &zeros[..2 * shape.iter().product::<usize>()];
            let view =
                safetensors::tensor::TensorView::new(safetensors::Dtype::F16, shape.clone(), data);
            (name.as_str(), view.unwrap())
        });
        let path = folder.join("tower.safetensors");
        std::fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
        path
    }

    /// OpenCLIP's published towers are known by their widths and depths; nothing else is guessed.
    #[test]
    fn heads_of_published_towers_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let read = |width, layers, hints| {
            let path = tower(folder.path(), width, layers);
            let checkpoint = Checkpoint::open(&path).unwrap();
            clip(&ConfigReader::default(), &path, &checkpoint, hints)
        };
        for (width, layers, heads) in [(1280, 32, 16), (1408, 40, 16), (1664, 48, 16)] {
            let config = read(width, layers, ClipHints::default()).unwrap();
            assert_eq!(config.num_attention_heads, heads);
            assert_eq!(config.hidden_act, Activation::Gelu);
            assert_eq!((config.image_size, config.projection_dim), (224, 1024));
        }
        // As wide, but of another depth; OpenAI's towers, whose activation is another one.
        for (width, layers) in [(1280, 31), (1024, 24), (768, 12)] {
            let error = read(width, layers, ClipHints::default())
                .unwrap_err()
                .to_string();
            assert!(error.contains("--clip-heads"), "{error}");
        }
        let hints = ClipHints {
            heads: Some(12),
            activation: Some(Activation::QuickGelu),
        };
        let config = read(768, 12, hints).unwrap();
        assert_eq!(config.num_attention_heads, 12);
        assert_eq!(config.hidden_act, Activation::QuickGelu);
        // What is said counts before what is known.
        assert_eq!(read(1280, 32, hints).unwrap().num_attention_heads, 12);
    }

    /// What OpenCLIP's configuration leaves out is its default; towers of other libraries are refused.
    #[test]
    fn open_clips_configuration_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = tower(folder.path(), 768, 12);
        let checkpoint = Checkpoint::open(&path).unwrap();
        let beside = folder.path().join("open_clip_config.json");
        let read = |json: &str| {
            std::fs::write(&beside, json).unwrap();
            let hints = ClipHints::default();
            clip(&ConfigReader::default(), &path, &checkpoint, hints)
        };
        let heads = |json: &str| read(json).unwrap().num_attention_heads;
        assert_eq!(heads(r#"{"vision_cfg": {}}"#), 12);
        assert_eq!(
            heads(r#"{"model_cfg": {"vision_cfg": {"head_width": 96}}}"#),
            8
        );
        let timm = r#"{"vision_cfg": {"timm_model_name": "convnext_base"}}"#;
        assert!(
            read(timm)
                .unwrap_err()
                .to_string()
                .contains("convnext_base of timm")
        );
        assert!(
            read("{}")
                .unwrap_err()
                .to_string()
                .contains("has no table vision_cfg")
        );
        assert!(
            read("[]")
                .unwrap_err()
                .to_string()
                .contains("is no JSON object")
        );
    }
}
