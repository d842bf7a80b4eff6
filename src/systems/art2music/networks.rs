//! Which networks a bundle must have, what they are configured to, and how much work they are.

use std::ops::RangeInclusive;

use super::{
    super::{
        SECONDS,
        entries::{config, parse, planned, vocoder},
    },
    names::{kind, stage},
};
use crate::{
    Error, Result,
    audio::spectrogram::SpectrogramConfig,
    model::{
        clip::{ClipConfig, ClipText, ClipTextConfig, ClipVision},
        fusion::{Fusion, FusionConfig},
        mel_decoder::{MelDecoder, MelDecoderConfig},
        params::Planned,
        vocoder::VocoderConfig,
    },
    pipeline::StageWork,
    weights::{Manifest, StageEntry},
};

/// The configurations of all networks of a bundle.
#[derive(Debug, Clone)]
pub struct Networks {
    /// Picture to embedding.
    pub vision: ClipConfig,
    /// Comment to embedding.
    pub text: ClipTextConfig,
    /// Both embeddings to one vector.
    pub fusion: FusionConfig,
    /// That vector to log-mel.
    pub decoder: MelDecoderConfig,
    /// Log-mel to sound.
    pub vocoder: VocoderConfig,
}

impl Networks {
    /// Reads the configurations from a manifest.
    pub fn from_manifest(manifest: &Manifest) -> Result<Self> {
        let decode = manifest.stage(stage::DECODE)?;
        let networks = Self {
            vision: config(manifest.stage(stage::ENCODE)?, kind::CLIP_VISION)?,
            text: config(manifest.stage(stage::TEXT)?, kind::CLIP_TEXT)?,
            fusion: config(decode, kind::FUSION)?,
            decoder: config(decode, kind::MEL_DECODER)?,
            vocoder: vocoder(manifest.stage(stage::VOCODE)?)?,
        };
        networks.check()?;
        Ok(networks)
    }

    /// The spectrogram that the vocoder takes: HiFi-GAN is the original one, of which frames lie between those of AudioLDM 2.
    pub fn spectrogram(vocoder: &VocoderConfig) -> SpectrogramConfig {
        match vocoder {
            VocoderConfig::HifiGan(config) => SpectrogramConfig::hifigan(
                config.sampling_rate as u32,
                config.hop(),
                config.model_in_dim,
            ),
            VocoderConfig::Istft(config) => config.spectrogram(),
        }
    }

    /// Networks must be possible, and fit each other.
    pub fn check(&self) -> Result<()> {
        self.vision.check()?;
        self.text.check()?;
        self.fusion.check()?;
        self.decoder.check()?;
        self.vocoder.check()?;
        let embedding = self.fusion.embedding;
        let mismatch = if self.vision.normalise {
            Some("the fusion takes embeddings that are not normalised".into())
        } else if [self.vision.projection_dim, self.text.projection_dim] != [embedding; 2] {
            Some(format!(
                "the fusion takes embeddings of {embedding} numbers, and the towers give {} and {}",
                self.vision.projection_dim, self.text.projection_dim
            ))
        } else if self.decoder.features != self.fusion.features {
            Some(format!(
                "the decoder takes {} numbers and the fusion gives {}",
                self.decoder.features, self.fusion.features
            ))
        } else if self.decoder.mel_bins != self.vocoder.mel_bins() {
            Some(format!(
                "the vocoder takes {} bands and the decoder gives {}",
                self.vocoder.mel_bins(),
                self.decoder.mel_bins
            ))
        } else if self.longest() < *SECONDS.start() {
            Some("the decoder has positions for no sound".into())
        } else {
            None
        };
        match mismatch {
            None => Ok(()),
            Some(what) => Err(Error::format(what, "convert parts that belong together")),
        }
    }

    /// The shortest and the longest piece in seconds: the decoder has learnt so many positions.
    pub fn seconds(&self) -> RangeInclusive<f64> {
        *SECONDS.start()..=self.longest().min(*SECONDS.end())
    }

    /// All positions, in whole tenths of a second.
    fn longest(&self) -> f64 {
        let samples = (self.decoder.positions * self.vocoder.hop()) as f64;
        (10.0 * samples / self.vocoder.sampling_rate() as f64).floor() / 10.0
    }

    /// Samples of so many seconds.
    pub fn samples(&self, seconds: f64) -> usize {
        (seconds * self.vocoder.sampling_rate() as f64) as usize
    }

    /// Frames of so many seconds: no less than was asked for.
    pub fn frames(&self, seconds: f64) -> usize {
        self.samples(seconds).div_ceil(self.vocoder.hop())
    }

    /// Floating-point operations of each stage of a generation, in order of use.
    pub fn work(&self, seconds: f64) -> [StageWork; 4] {
        let frames = self.frames(seconds);
        let work = |stage, flops| StageWork {
            stage,
            flops,
            parts: 1,
        };
        [
            work(stage::ENCODE, self.vision.flops()),
            work(stage::TEXT, self.text.flops()),
            work(
                stage::DECODE,
                self.fusion.flops() + self.decoder.flops(frames),
            ),
            self.sound_work(frames, 1),
        ]
    }

    /// Floating-point operations from `count` spectrograms of `frames` frames to sound.
    pub fn sound_work(&self, frames: usize, count: usize) -> StageWork {
        StageWork {
            stage: stage::VOCODE,
            flops: count as u64 * self.vocoder.flops(frames),
            parts: 2,
        }
    }
}

/// The tensors that the networks of `stage` need, by the names that the bundle gives them.
/// Networks of a kind that this program does not know are left out.
pub fn needed_tensors(stage: &StageEntry) -> Result<Vec<Planned>> {
    planned(stage, |network, p| {
        match network.kind.as_str() {
            kind::CLIP_VISION => drop(ClipVision::load(p, &parse(network)?)?),
            kind::CLIP_TEXT => drop(ClipText::load(p, &parse(network)?)?),
            kind::FUSION => drop(Fusion::load(p, &parse(network)?)?),
            kind::MEL_DECODER => drop(MelDecoder::load(p, &parse(network)?)?),
            _ => {}
        }
        Ok(())
    })
}
