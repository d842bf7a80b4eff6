//! Configurations of checkpoints: read from `config.json`, or found out from shapes where there is
//! none.

use serde::{Deserialize, de::DeserializeOwned};
use std::path::Path;

use crate::{
    Error, Result,
    checkpoint::Checkpoint,
    model::{
        aligner::AlignerConfig,
        clap::ClapTextConfig,
        clip::ClipConfig,
        imagebind::{AudioConfig, VisionConfig},
    },
};

/// Hidden width of the published aligners, and the width that the upscaler raises CLIP's embedding to.
const ALIGNER_HIDDEN: usize = 1536;
const IMAGEBIND_EMBEDDING: usize = 1024;

/// Reads a `config.json`.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read(path).map_err(|e| Error::file("read", path, e))?;
    serde_json::from_slice(&text).map_err(|e| {
        Error::format(
            format!("{} cannot be used ({e})", path.display()),
            "use the config.json that belongs to the checkpoint",
        )
    })
}

/// CLAP's text branch is a part of `ClapModel`'s configuration.
pub(super) fn clap(path: &Path) -> Result<ClapTextConfig> {
    #[derive(Deserialize)]
    struct Whole {
        text_config: serde_json::Value,
        projection_dim: Option<usize>,
    }
    let whole: Whole = read(path)?;
    let mut config: ClapTextConfig = serde_json::from_value(whole.text_config).map_err(|e| {
        Error::format(
            format!("text_config of {} cannot be used ({e})", path.display()),
            "use the config.json that belongs to the checkpoint",
        )
    })?;
    if let Some(projection_dim) = whole.projection_dim {
        config.projection_dim = projection_dim;
    }
    Ok(config)
}

/// `config.json` beside the weights, or, for a bare file, the published sizes found in its shapes.
pub(super) fn clip(place: &Path, checkpoint: &Checkpoint) -> Result<ClipConfig> {
    let path = place.join("config.json");
    if path.is_file() {
        #[derive(Deserialize)]
        struct Whole {
            vision_config: Option<serde_json::Value>,
            projection_dim: Option<usize>,
        }
        let whole: Whole = read(&path)?;
        let Some(vision) = whole.vision_config else {
            return read(&path);
        };
        let mut config: ClipConfig = serde_json::from_value(vision).map_err(|e| {
            Error::format(
                format!("vision_config of {} cannot be used ({e})", path.display()),
                "use the config.json that belongs to the checkpoint",
            )
        })?;
        if let Some(projection_dim) = whole.projection_dim {
            config.projection_dim = projection_dim;
        }
        return Ok(config);
    }
    let shape = |name: &str| shape(checkpoint, name);
    let patch = shape("vision_model.embeddings.patch_embedding.weight")?;
    let positions = shape("vision_model.embeddings.position_embedding.weight")?;
    let projection = shape("visual_projection.weight")?;
    let inner = shape("vision_model.encoder.layers.0.mlp.fc1.weight")?;
    let default = ClipConfig::default();
    // The heads of OpenAI's and OpenCLIP's towers are 64 wide.
    let heads = (patch[0] / 64).max(1);
    Ok(ClipConfig {
        hidden_size: patch[0],
        intermediate_size: inner[0],
        num_hidden_layers: count(checkpoint, "vision_model.encoder.layers."),
        num_attention_heads: heads,
        image_size: side(positions[0].saturating_sub(1)) * patch[patch.len() - 1],
        patch_size: patch[patch.len() - 1],
        projection_dim: projection[0],
        ..default
    })
}

/// ImageBind's file holds no configuration; the heads are the published ones.
pub(super) fn imagebind_vision(checkpoint: &Checkpoint) -> Result<VisionConfig> {
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
pub(super) fn imagebind_audio(checkpoint: &Checkpoint) -> Result<Option<AudioConfig>> {
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

fn shape(checkpoint: &Checkpoint, name: &str) -> Result<Vec<usize>> {
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

/// How many numbered parts there are under `prefix`.
fn count(checkpoint: &Checkpoint, prefix: &str) -> usize {
    let index = |name: &str| -> Option<usize> {
        name.strip_prefix(prefix)?.split('.').next()?.parse().ok()
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
