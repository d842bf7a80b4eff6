//! What is trained of Art2Music, and how: `configs/art2music.toml` has the paper's values.

use serde::{Deserialize, Serialize};
use std::path::Path;

use super::{
    super::config::{
        PartConfig, RunConfig,
        check::{MAX_CHANNELS, MAX_FRAMES, MAX_ITEMS, check_items, check_positive, check_weight},
        check_count, folder_of, not_stated, parse,
    },
    part,
};
use crate::{
    Error, Result,
    dataset::{CommentForm, material::MaterialConfig},
    model::{
        clip::{ClipConfig, ClipTextConfig},
        fusion::FusionConfig,
        mel_decoder::MelDecoderConfig,
    },
};

/// The most ids of a vocabulary of our own: all of them are exact as 16-bit floats, which caches hold.
const MAX_VOCABULARY: usize = 2048;

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Art2MusicConfig {
    /// The model's name, as the page shows it.
    pub name: String,
    /// The licence of the finished weights; "not stated" when left out.
    #[serde(default = "not_stated")]
    pub licence: String,
    /// Whom the finished weights owe something, a line each.
    #[serde(default)]
    pub credits: Vec<String>,
    /// Frames of a piece: shorter music is silent behind its end, longer music is cut.
    pub frames: usize,
    /// What of a comment is read.
    #[serde(default)]
    pub comment: CommentForm,
    /// Pictures and comments to one space. When left out, a bundle's towers are used.
    #[serde(default)]
    pub towers: Option<PartConfig<TowersConfig, TowersLoss>>,
    /// Both embeddings to spectrograms.
    pub composer: PartConfig<ComposerConfig, ComposerLoss>,
    /// The vocoder again, against discriminators; when left out, it stays as it is.
    #[serde(default)]
    pub vocoder: Option<PartConfig<DiscriminatorConfig, VocoderLoss>>,
    /// What training material is made from, where no pairs are named.
    #[serde(default)]
    pub material: MaterialConfig,
}

/// CLIP's towers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TowersConfig {
    /// Pictures.
    pub vision: ClipConfig,
    /// Comments. As many merges are learnt from them as `vocab_size` has room for.
    pub text: ClipTextConfig,
}

/// InfoNCE in both directions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TowersLoss {
    /// What similarities are divided by.
    pub temperature: f64,
    /// Pairs that are prepared once and learnt from again and again; all of a list when left out.
    #[serde(default)]
    pub items: Option<usize>,
}

/// What makes spectrograms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComposerConfig {
    /// Both embeddings to one vector.
    pub fusion: FusionConfig,
    /// That vector to log-mel.
    pub decoder: MelDecoderConfig,
}

/// The frequency-weighted L1: see [`weighted_l1`](super::weighted_l1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComposerLoss {
    /// How much the lowest and the highest band count; those between lie on a line.
    pub weights: [f64; 2],
    /// Items that are encoded once and learnt from again and again; all of a list when left out.
    #[serde(default)]
    pub items: Option<usize>,
    /// Items to validate on: as many as there are at most.
    pub validation_items: usize,
}

/// The discriminators of the vocoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscriminatorConfig {
    /// Channels of the first layer of a period's discriminator, a multiple of 4; 32 as published.
    pub channels: usize,
}

/// What a vocoder's samples cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VocoderLoss {
    /// Frames of a training item.
    pub frames: usize,
    /// Weight of the log-mel distance.
    pub mel: f64,
    /// Weight of the distance of what the discriminators' layers see.
    pub feature_matching: f64,
}

impl Art2MusicConfig {
    /// Reads a configuration.
    pub fn read(path: &Path) -> Result<Self> {
        let mut config: Self = parse(path)?;
        config.check()?;
        let folder = folder_of(path);
        config.material = config.material.beneath(folder);
        let towers = config.towers.as_mut().map(|part| &mut part.run);
        let vocoder = config.vocoder.as_mut().map(|part| &mut part.run);
        let runs = [Some(&mut config.composer.run), towers, vocoder];
        for run in runs.into_iter().flatten() {
            *run = run.clone().beneath(folder);
        }
        Ok(config)
    }

    /// How the part `name` is trained; nothing for one that the configuration leaves out.
    pub fn run(&self, name: &str) -> Option<&RunConfig> {
        match name {
            part::TOWERS => self.towers.as_ref().map(|part| &part.run),
            part::COMPOSER => Some(&self.composer.run),
            part::VOCODER => self.vocoder.as_ref().map(|part| &part.run),
            _ => None,
        }
    }

    fn check(&self) -> Result<()> {
        let composer = &self.composer;
        composer.run.check(part::COMPOSER)?;
        composer.network.fusion.check()?;
        composer.network.decoder.check()?;
        check_count("frames", self.frames, MAX_FRAMES)?;
        let positions = composer.network.decoder.positions;
        check_count("frames", self.frames, positions)?;
        let [low, high] = composer.loss.weights;
        check_positive("composer.loss.weights", low)?;
        check_positive("composer.loss.weights", high)?;
        check_items("composer.loss.items", composer.loss.items, 1)?;
        let validation = composer.loss.validation_items;
        check_count("composer.loss.validation_items", validation, MAX_ITEMS)?;
        if let Some(towers) = &self.towers {
            towers.run.check(part::TOWERS)?;
            towers.network.vision.check()?;
            towers.network.text.check()?;
            check_positive("towers.loss.temperature", towers.loss.temperature)?;
            check_items("towers.loss.items", towers.loss.items, towers.run.batch)?;
            let vocabulary = towers.network.text.vocab_size;
            check_count("towers.network.text.vocab_size", vocabulary, MAX_VOCABULARY)?;
        }
        if let Some(vocoder) = &self.vocoder {
            vocoder.run.check(part::VOCODER)?;
            check_count("vocoder.loss.frames", vocoder.loss.frames, self.frames)?;
            check_weight("vocoder.loss.mel", vocoder.loss.mel)?;
            let matching = vocoder.loss.feature_matching;
            check_weight("vocoder.loss.feature_matching", matching)?;
            let channels = vocoder.network.channels;
            check_count("vocoder.network.channels", channels, MAX_CHANNELS)?;
            if !channels.is_multiple_of(4) {
                return Err(Error::input(
                    format!("vocoder.network.channels cannot be {channels}"),
                    "give it a multiple of 4",
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Art2MusicConfig> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("changed.toml");
        std::fs::write(&path, text).unwrap();
        Art2MusicConfig::read(&path)
    }

    #[test]
    fn the_shipped_configurations_can_be_used() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
        let paper = Art2MusicConfig::read(&folder.join("art2music.toml")).unwrap();
        assert_eq!(paper.composer.network.fusion, FusionConfig::default());
        let decoder = &paper.composer.network.decoder;
        let default = MelDecoderConfig::default();
        assert!((decoder.scale - default.scale).abs() < 1e-6);
        assert!((decoder.mean - default.mean).abs() < 1e-6);
        assert_eq!(
            MelDecoderConfig {
                scale: default.scale,
                mean: default.mean,
                ..decoder.clone()
            },
            default
        );
        assert_eq!(paper.composer.loss.weights, [1.0, 1.5]);
        assert!(paper.towers.is_none() && paper.composer.run.keep_best);
        let small = Art2MusicConfig::read(&folder.join("art2music-small.toml")).unwrap();
        assert!(small.towers.is_some());
    }

    #[test]
    fn numbers_that_cannot_train_are_refused_by_their_keys() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/training-art2music.toml"
        );
        let sound = std::fs::read_to_string(path).unwrap();
        read(&sound).unwrap();
        for (from, to, key) in [
            ("frames = 40", "frames = 0", "frames"),
            ("frames = 40", "frames = 49", "frames"),
            (
                "weights = [1.0, 1.5]",
                "weights = [0.0, 1.5]",
                "composer.loss.weights",
            ),
            (
                "validation_items = 4",
                "validation_items = 0",
                "composer.loss.validation_items",
            ),
            (
                "temperature = 0.1",
                "temperature = nan",
                "towers.loss.temperature",
            ),
            ("items = 8", "items = 2", "towers.loss.items"),
            (
                "vocab_size = 560",
                "vocab_size = 4096",
                "towers.network.text.vocab_size",
            ),
            ("channels = 4", "channels = 6", "vocoder.network.channels"),
            ("mel = 45.0", "mel = -1.0", "vocoder.loss.mel"),
            ("frames = 32", "frames = 41", "vocoder.loss.frames"),
            (
                "keep_best = true",
                "keep_best = true\naverage = 0.9",
                "composer.run.keep_best",
            ),
            ("comment = \"comment\"", "comment = \"all\"", "all"),
        ] {
            let text = sound.replacen(from, to, 1);
            assert_ne!(text, sound, "{from}");
            let error = read(&text).unwrap_err();
            assert!(error.message().contains(key), "{from}: {error}");
        }
    }
}
