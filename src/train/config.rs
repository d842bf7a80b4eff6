//! What is trained, and how: one file for all parts.
//!
//! `configs/small.toml` is the default model; `configs/paper.toml` holds the paper's values for
//! training an aligner on the published networks.

pub(in crate::train) mod check;
mod run;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

use crate::{
    Error, Result,
    audio::spectrogram::SpectrogramConfig,
    dataset::material::MaterialConfig,
    diffusion::{ScheduleConfig, SchedulerKind},
    model::{
        aligner::AlignerConfig,
        gpt2::Gpt2Config,
        imagebind::{AudioConfig, VisionConfig},
        istft::IstftConfig,
        unet::UnetConfig,
        vae::VaeConfig,
    },
    systems::art_to_mus::{Defaults, MelScale, bands_of_semitone},
};

pub(in crate::train) use run::check_count;
pub use run::{Decay, OptimiserConfig, Precision, RunConfig};

/// A network and how it is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartConfig<N, L> {
    /// Sizes of the network.
    pub network: N,
    /// What its loss is made of.
    pub loss: L,
    /// How it is trained.
    pub run: RunConfig,
}

/// The whole small model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmallModel {
    /// The model's name, as the page shows it.
    pub name: String,
    /// The licence of the finished weights; "not stated" when left out.
    #[serde(default = "not_stated")]
    pub licence: String,
    /// Whom the finished weights owe something, a line each: who wrote, played and painted the material.
    #[serde(default)]
    pub credits: Vec<String>,
    /// Frames of a piece.
    pub frames: usize,
    /// The one tonic of the pieces that the prior and the aligner learn from, 0 for C: generation transposes. Needs
    /// bands that divide semitones. When left out, they learn all keys.
    #[serde(default)]
    pub tonic: Option<u8>,
    /// Seconds of a beat in all pieces that the prior and the aligner learn from. When left out, their tempi differ.
    #[serde(default)]
    pub pulse: Option<f64>,
    /// What is subtracted from log-mel values, and what they are divided by then, before a network
    /// learns from them.
    pub mel: MelScale,
    /// Spectrograms to latents and back.
    pub vae: PartConfig<VaeConfig, VaeLoss>,
    /// Spectrograms to sound.
    pub vocoder: PartConfig<IstftConfig, VocoderLoss>,
    /// The vocoder again, on decoded spectrograms and with discriminators; left out, it stays as it is.
    #[serde(default)]
    pub refinement: Option<PartConfig<RefinementConfig, RefinementLoss>>,
    /// Pictures and sounds to one space.
    pub imagebind: PartConfig<ImageBindConfig, ImageBindLoss>,
    /// Conditions to latents.
    pub prior: PartConfig<PriorConfig, PriorLoss>,
    /// Pictures to conditions.
    pub aligner: PartConfig<AlignerSizes, AlignerLoss>,
    /// What the bundle suggests.
    pub generate: GenerateConfig,
    /// What training material is made from.
    #[serde(default)]
    pub material: MaterialConfig,
}

/// The loss of the VAE: `L1 + kl KL`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaeLoss {
    /// Frames of a training item.
    pub frames: usize,
    /// Weight of the KL divergence of a latent cell, summed over channels.
    pub kl: f64,
}

/// The loss of the vocoder: L1 of the log-mel, and spectral convergence and L1 of log magnitudes
/// at several resolutions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VocoderLoss {
    /// Frames of a training item.
    pub frames: usize,
}

/// The discriminators of the refinement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefinementConfig {
    /// Channels of their first layers.
    pub channels: usize,
}

/// The loss of the refinement: the vocoder's, and what discriminators say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefinementLoss {
    /// Frames of a training item.
    pub frames: usize,
    /// Weight of the discriminators' verdicts.
    pub adversarial: f64,
    /// Weight of the distance of what their layers see.
    pub feature_matching: f64,
}

/// The small ImageBind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageBindConfig {
    /// Pictures.
    pub vision: VisionConfig,
    /// Sounds.
    pub audio: AudioConfig,
}

/// InfoNCE in both directions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageBindLoss {
    /// What similarities are divided by.
    pub temperature: f64,
    /// Weight of a helper: one linear layer reads the factors of the music from both embeddings, and
    /// its squared error is added. InfoNCE alone takes many times as long to find them; 0 is off.
    #[serde(default)]
    pub factors: f64,
    /// Pairs that are prepared once and learnt from again and again; all of a list when left out.
    #[serde(default)]
    pub items: Option<usize>,
}

/// GPT-2, the UNet, and what leads to them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorConfig {
    /// Tokens that the audio embedding becomes for GPT-2.
    pub prefix: usize,
    /// Translates them to the Language of Audio.
    pub gpt2: Gpt2Config,
    /// Denoises.
    pub unet: UnetConfig,
    /// How much noise there is when.
    pub schedule: ScheduleConfig,
    /// Pieces whose latents are computed once and learnt from again and again; all of a list when left out.
    #[serde(default)]
    pub items: Option<usize>,
}

/// The loss of the prior.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorLoss {
    /// Min-SNR's gamma.
    pub gamma: f64,
    /// What is added to Min-SNR's weight of a clean latent's error; 0 is Min-SNR. For velocities only.
    #[serde(default)]
    pub floor: f64,
    /// How often the condition is left out.
    pub unconditional: f64,
    /// How often the condition is the Language of Audio of the music itself, not GPT-2's.
    pub true_tokens: f64,
    /// Weight of the squared error of GPT-2's tokens.
    pub tokens: f64,
    /// The deviation of noise that is added to the condition, one vector for all tokens of a piece, so that the UNet
    /// does not depend on small differences that an aligner cannot hit: conditioning augmentation, after Ho et al.,
    /// "Cascaded Diffusion Models for High Fidelity Image Generation", 2022.
    #[serde(default)]
    pub condition_noise: f64,
    /// Whether GPT-2 and what leads to it stay as they begin, so that an aligner that was trained for them stays right; for
    /// runs that start from others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frozen_language: bool,
}

/// The aligner's free sizes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlignerSizes {
    /// Width that an upscaler raises the picture's embedding to, for CLIP.
    #[serde(default)]
    pub upscaled: Option<usize>,
    /// Hidden width; none for the single linear layer.
    #[serde(default)]
    pub hidden: Option<usize>,
    /// Number of tokens.
    pub tokens: usize,
}

impl AlignerSizes {
    /// The aligner from embeddings of `embedding` numbers to a language model of `width`.
    pub fn config(&self, embedding: usize, width: usize) -> AlignerConfig {
        AlignerConfig {
            embedding,
            upscaled: self.upscaled,
            hidden: self.hidden,
            tokens: self.tokens,
            width,
        }
    }
}

/// The part of a configuration that `art2mus train` reads; others may stand beside it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AlignerTraining {
    /// The aligner.
    pub aligner: PartConfig<AlignerSizes, AlignerLoss>,
    /// What training material is made from.
    #[serde(default)]
    pub material: MaterialConfig,
}

/// The aligner's loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlignerLoss {
    /// Min-SNR's gamma.
    pub gamma: f64,
    /// Scale of the guided objective; 1 is the plain one. Section 4.4 of the paper can be read both
    /// ways; the authors' public code compares the guided prediction, at 3.5.
    #[serde(default = "one")]
    pub guidance: f64,
    /// Weight of the prediction's error, the loss of the paper. With 0 the UNet is not run to train, and `tokens` or `prefix`
    /// has to be given.
    #[serde(default = "one")]
    pub denoising: f64,
    /// Weight of the squared distance of GPT-2's tokens from those that the paired music has. Not
    /// in the paper; 0 is off.
    #[serde(default)]
    pub tokens: f64,
    /// Weight of the squared distance of the aligner's tokens from the prefix that the embedding of the paired music
    /// becomes, so that GPT-2 gets what it was trained on. Not in the paper; 0 is off.
    #[serde(default)]
    pub prefix: f64,
    /// Items that are encoded once and learnt from again and again; all of a list when left out.
    #[serde(default)]
    pub items: Option<usize>,
    /// Which latents of a spectrogram the UNet was trained on.
    #[serde(default)]
    pub latents: Latents,
}

fn one() -> f64 {
    1.0
}

/// Latents of a spectrogram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latents {
    /// Samples of the VAE's posterior, as AudioLDM 2.
    #[default]
    Sampled,
    /// Its means, as the small model's prior.
    Mean,
}

/// The settings that the bundle suggests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerateConfig {
    /// Denoising steps.
    pub steps: usize,
    /// Guidance scale.
    pub guidance: f64,
    /// What every piece is raised by, in dB.
    #[serde(default)]
    pub gain: f64,
    /// The most rows of a latent that the decoder's attention sees at once: [`VaeConfig::attention_rows`].
    #[serde(default)]
    pub attention_rows: Option<usize>,
    /// The RMS, in dBFS, that pieces of the least and of the most colourful picture are brought to, in place of `gain`.
    #[serde(default)]
    pub loudness: Option<[f64; 2]>,
}

impl SmallModel {
    /// Reads a configuration.
    pub fn read(path: &Path) -> Result<Self> {
        let mut config: Self = parse(path)?;
        config.check()?;
        let folder = folder_of(path);
        config.material = config.material.beneath(folder);
        let refinement = config.refinement.as_mut().map(|part| &mut part.run);
        let runs = [
            &mut config.vae.run,
            &mut config.vocoder.run,
            &mut config.imagebind.run,
            &mut config.prior.run,
            &mut config.aligner.run,
        ];
        for run in runs.into_iter().chain(refinement) {
            *run = run.clone().beneath(folder);
        }
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        self.vae.network.check()?;
        self.vocoder.network.check()?;
        self.imagebind.network.vision.check()?;
        self.imagebind.network.audio.check()?;
        self.prior.network.gpt2.check()?;
        self.aligner_config().check()?;
        self.check_numbers()?;
        // The Language of Audio is made of the trunk's tokens and its embedding.
        let width = self.prior.network.gpt2.n_embd;
        let audio = &self.imagebind.network.audio;
        if audio.width != width || audio.embedding != width {
            return Err(Error::input(
                format!("the audio trunk's tokens do not have the language model's width {width}"),
                "give imagebind.network.audio's width and embedding and prior.network.gpt2.n_embd one value",
            ));
        }
        if self
            .tonic
            .is_some_and(|tonic| tonic > 11 || bands_of_semitone(&self.spectrogram()).is_none())
        {
            return Err(Error::input(
                "the pieces cannot all have the configured tonic",
                "give tonic a number from 0 (C) to 11 (B) and the vocoder a scale of 12, 24 or 36 bands an octave, or leave tonic out",
            ));
        }
        if let Some(rows) = self.prior.network.unet.beat() {
            let beat =
                self.seconds() / self.frames as f64 * (rows * self.vae.network.factor()) as f64;
            if self.pulse.is_none_or(|pulse| (pulse - beat).abs() > 1e-6) {
                return Err(Error::input(
                    format!(
                        "the beats of the UNet have {rows} rows of a latent, which are {beat} seconds"
                    ),
                    format!("set pulse to {beat}, or leave prior.network.unet.beat_embedding out"),
                ));
            }
        }
        let floor = self.prior.loss.floor;
        let velocity = self.prior.network.schedule.prediction_type == "v_prediction";
        if !floor.is_finite() || floor < 0.0 || (floor > 0.0 && !velocity) {
            return Err(Error::input(
                format!("prior.loss.floor cannot be {floor} here"),
                "leave it out, or predict velocities and give it a number from 0",
            ));
        }
        if self.prior.loss.frozen_language && self.prior.run.start_from.is_none() {
            return Err(Error::input(
                "prior.loss.frozen_language would keep a language model that has learnt nothing",
                "leave it out, or give prior.run.start_from",
            ));
        }
        let factor = self.vae.network.factor();
        let frames = [self.frames, self.vae.loss.frames];
        if frames
            .iter()
            .all(|frames| *frames > 0 && frames.is_multiple_of(factor))
        {
            return Ok(());
        }
        Err(Error::input(
            format!("the frames {frames:?} are no multiples of the VAE's factor {factor}"),
            "choose other frames",
        ))
    }

    /// The aligner that fits the other networks.
    pub fn aligner_config(&self) -> AlignerConfig {
        let embedding = self.imagebind.network.vision.embedding;
        let width = self.prior.network.gpt2.n_embd;
        self.aligner.network.config(embedding, width)
    }

    /// The spectrogram that the VAE and the vocoder share.
    pub fn spectrogram(&self) -> SpectrogramConfig {
        self.vocoder.network.spectrogram()
    }

    /// What the part `part` depends on: its own table, the networks of the parts that it builds on, and what is said of
    /// all parts. Material, its tonic and its pulse are not among it: what tells a source from others covers them.
    pub fn of_part(&self, part: &str, builds_on: &[&str]) -> Result<Value> {
        let mut config = serde_json::to_value(self)
            .map_err(|e| Error::internal(format!("a configuration cannot be written ({e})")))?;
        if let Value::Object(tables) = &mut config {
            let elsewhere = [
                "name", "licence", "credits", "generate", "material", "tonic", "pulse",
            ];
            tables.retain(|name, _| !elsewhere.contains(&name.as_str()));
            tables.retain(|name, table| {
                let is_part = table.get("run").is_some();
                !is_part || name == part || builds_on.contains(&name.as_str())
            });
            for name in builds_on {
                if let Some(Value::Object(earlier)) = tables.get_mut(*name) {
                    earlier.retain(|key, _| key == "network");
                }
            }
            let spectrogram = serde_json::to_value(self.spectrogram())
                .map_err(|e| Error::internal(format!("a spectrogram cannot be written ({e})")))?;
            tables.insert("spectrogram".into(), spectrogram);
        }
        Ok(config)
    }

    /// The settings that the bundle suggests.
    pub fn defaults(&self) -> Defaults {
        Defaults {
            seconds: self.seconds(),
            steps: self.generate.steps,
            scheduler: SchedulerKind::Dpmpp,
            guidance: self.generate.guidance,
            gain: self.generate.gain,
            window: Some(self.seconds()),
            tonic: self.tonic,
            pulse: self.pulse,
            loudness: self.generate.loudness,
        }
    }

    /// Length of a piece in seconds.
    pub fn seconds(&self) -> f64 {
        let spectrogram = self.spectrogram();
        (self.frames * spectrogram.hop) as f64 / f64::from(spectrogram.sample_rate)
    }
}

impl AlignerTraining {
    /// Reads a configuration.
    pub fn read(path: &Path) -> Result<Self> {
        let mut config: Self = parse(path)?;
        config.aligner.check()?;
        config.material = config.material.beneath(folder_of(path));
        config.aligner.run = config.aligner.run.beneath(folder_of(path));
        Ok(config)
    }
}

/// The table `material` of a configuration; others may stand beside it.
pub fn material(path: &Path) -> Result<MaterialConfig> {
    #[derive(Deserialize)]
    struct Holder {
        #[serde(default)]
        material: MaterialConfig,
    }
    let holder: Holder = parse(path)?;
    Ok(holder.material.beneath(folder_of(path)))
}

pub(in crate::train) fn not_stated() -> String {
    "not stated".into()
}

/// Where a configuration's relative paths begin.
pub(in crate::train) fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Keys of older versions, and what they are called now.
const RENAMED: [(&str, &str); 2] = [
    ("final_share", "minimum_learning_rate_ratio"),
    ("pool", "items"),
];

pub(in crate::train) fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::file("read", path, e))?;
    if let Ok(table) = text.parse::<toml::Table>() {
        check_renamed(path, &toml::Value::Table(table))?;
    }
    toml::from_str(&text).map_err(|e| {
        let message = e.message().replace('\n', " ");
        let line = e
            .span()
            .map_or(0, |span| text[..span.start].lines().count());
        Error::format(
            format!("{} cannot be used: {message}, line {line}", path.display()),
            "see configs/small.toml for one that works",
        )
    })
}

/// Refuses keys of older versions.
fn check_renamed(path: &Path, value: &toml::Value) -> Result<()> {
    let toml::Value::Table(table) = value else {
        return Ok(());
    };
    for (key, value) in table {
        if let Some((old, new)) = RENAMED.iter().find(|(old, _)| old == key) {
            return Err(Error::format(
                format!("{} has the old key {old}", path.display()),
                format!("write {new} instead"),
            ));
        }
        check_renamed(path, value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_configurations_can_be_used() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
        let config = SmallModel::read(&folder.join("small.toml")).unwrap();
        assert!((5.0..=10.5).contains(&config.seconds()));
        for name in ["small.toml", "paper.toml", "tokens.toml"] {
            AlignerTraining::read(&folder.join(name)).unwrap();
        }
    }

    #[test]
    fn old_keys_are_refused_by_their_new_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.toml");
        for (old, new) in RENAMED {
            std::fs::write(&path, format!("[aligner.run]\n{old} = 1\n")).unwrap();
            let error = AlignerTraining::read(&path).unwrap_err();
            assert!(error.to_string().contains(new), "{error}");
        }
    }
}
