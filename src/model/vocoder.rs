//! What turns log-mel spectrograms into sound: HiFi-GAN, or the small model's iSTFT vocoder.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};

use super::{
    hifigan::{HifiGan, HifiGanConfig},
    istft::{IstftConfig, IstftVocoder},
    params::Params,
    trace::Trace,
};
use crate::{Result, audio::spectrogram::SpectrogramConfig, ops::Kernels};

/// Samples of a frame of the spectrograms that AudioLDM 2's vocoder was trained on.
const HIFIGAN_FRAME: usize = 1024;

/// Which vocoder, and its sizes.
#[derive(Debug, Clone, PartialEq)]
pub enum VocoderConfig {
    /// HiFi-GAN: the published weights.
    HifiGan(HifiGanConfig),
    /// The iSTFT vocoder: the small model.
    Istft(IstftConfig),
}

impl VocoderConfig {
    /// Mel bins.
    pub fn mel_bins(&self) -> usize {
        match self {
            Self::HifiGan(config) => config.model_in_dim,
            Self::Istft(config) => config.model_in_dim,
        }
    }

    /// The spectrogram that it takes.
    pub fn spectrogram(&self) -> SpectrogramConfig {
        match self {
            Self::HifiGan(config) => SpectrogramConfig::mel(
                config.sampling_rate as u32,
                config.hop(),
                config.model_in_dim,
                HIFIGAN_FRAME,
            ),
            Self::Istft(config) => config.spectrogram(),
        }
    }

    /// Samples per second.
    pub fn sampling_rate(&self) -> usize {
        match self {
            Self::HifiGan(config) => config.sampling_rate,
            Self::Istft(config) => config.sampling_rate,
        }
    }

    /// Samples that one frame becomes.
    pub fn hop(&self) -> usize {
        match self {
            Self::HifiGan(config) => config.hop(),
            Self::Istft(config) => config.hop_length,
        }
    }

    /// Refuses sizes that make no network.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::HifiGan(config) => config.check(),
            Self::Istft(config) => config.check(),
        }
    }

    /// Floating-point operations for `frames` frames.
    pub fn flops(&self, frames: usize) -> u64 {
        match self {
            Self::HifiGan(config) => config.flops(frames),
            Self::Istft(config) => config.flops(frames),
        }
    }
}

/// The network.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Vocoder<B: Backend> {
    /// HiFi-GAN.
    HifiGan(HifiGan<B>),
    /// The iSTFT vocoder.
    Istft(IstftVocoder<B>),
}

impl<B: Kernels> Vocoder<B> {
    /// Reads all parameters.
    pub fn load(p: &Params<B>, config: &VocoderConfig) -> Result<Self> {
        Ok(match config {
            VocoderConfig::HifiGan(config) => Self::HifiGan(HifiGan::load(p, config)?),
            VocoderConfig::Istft(config) => Self::Istft(IstftVocoder::load(p, config)?),
        })
    }

    /// Log-mel `[batch, frames, bins]` to samples in -1..1, `[batch, at least hop * frames]`.
    pub fn forward(&self, mel: Tensor<B, 3>, trace: &mut Trace<B>) -> Tensor<B, 2> {
        match self {
            Self::HifiGan(network) => network.forward(mel, trace),
            Self::Istft(network) => network.forward(mel, trace),
        }
    }
}
