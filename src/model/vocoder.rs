//! What turns log-mel spectrograms into sound: HiFi-GAN, or the small model's iSTFT vocoder.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};

use std::ops::Range;

use super::{
    hifigan::{HifiGan, HifiGanConfig},
    istft::{IstftConfig, IstftVocoder},
    params::Params,
    trace::Trace,
};
use crate::{
    Result,
    audio::{partials::LowPartials, spectrogram::SpectrogramConfig},
    ops::Kernels,
};

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

    /// What makes the low tones, where the network does not.
    pub fn partials(&self) -> Result<Option<LowPartials>> {
        match self {
            Self::HifiGan(_) => Ok(None),
            Self::Istft(config) => config.partials(),
        }
    }

    /// How many frames on either side a frame's samples depend on.
    pub fn context(&self) -> usize {
        match self {
            Self::HifiGan(config) => config.context(),
            Self::Istft(config) => config.context(),
        }
    }

    /// Cuts `frames` frames into `count` chunks, or as many as there can be, whose samples do not depend on how many
    /// there are.
    pub fn chunks(&self, frames: usize, count: usize) -> Vec<Chunk> {
        let (context, hop) = (self.context(), self.hop());
        let count = count.clamp(1, frames.max(1));
        let edge = |i: usize| frames * i / count;
        let chunks = (0..count).map(|i| {
            let own = edge(i)..edge(i + 1);
            let first = own.start.saturating_sub(context);
            let last = i + 1 == count;
            Chunk {
                frames: first..frames.min(own.end + context),
                skipped: (own.start - first) * hop,
                samples: (!last).then_some(own.len() * hop),
            }
        });
        chunks.collect()
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

/// A part of a spectrogram that becomes a part of the samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its frames, with those on either side that its samples depend on.
    pub frames: Range<usize>,
    /// Samples of frames on the left of it.
    skipped: usize,
    /// Samples of its own; the last chunk has all that there are.
    samples: Option<usize>,
}

impl Chunk {
    /// Its own samples, `[batch, samples]`, of those that [`Vocoder::forward`] makes of its frames.
    pub fn own<B: Backend>(&self, samples: Tensor<B, 2>) -> Tensor<B, 2> {
        let [_, all] = samples.dims();
        let count = self.samples.unwrap_or(all - self.skipped);
        samples.narrow(1, self.skipped, count)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::params::FreshInit, ops::Cpu, random::standard_normal};
    use burn::tensor::TensorData;

    #[test]
    fn chunks_give_the_samples_of_the_whole() {
        let hifigan = HifiGanConfig {
            model_in_dim: 6,
            upsample_initial_channel: 16,
            upsample_rates: vec![5, 2],
            upsample_kernel_sizes: vec![16, 5],
            ..HifiGanConfig::default()
        };
        let istft = IstftConfig {
            model_in_dim: 64,
            sampling_rate: 16_000,
            n_fft: 512,
            hop_length: 160,
            dim: 16,
            intermediate_dim: 32,
            num_layers: 3,
            mel_mean: -5.0,
            mel_scale: 3.0,
            scale: None,
            partials_below: None,
        };
        let device = Default::default();
        for config in [VocoderConfig::HifiGan(hifigan), VocoderConfig::Istft(istft)] {
            let source = FreshInit::new(1);
            let vocoder = Vocoder::<Cpu>::load(&Params::new(&source, &device), &config).unwrap();
            let frames = 3 * config.context() + 7;
            let shape = [1, frames, config.mel_bins()];
            let mel = TensorData::new(standard_normal(2, 0, shape.iter().product()), shape);
            let mel = Tensor::<Cpu, 3>::from_data(mel, &device);
            let whole = vocoder.forward(mel.clone(), &mut Trace::off());
            for count in [1, 2, 5] {
                let chunks = config.chunks(frames, count);
                assert_eq!(chunks.len(), count);
                let parts = chunks.iter().map(|chunk| {
                    let Range { start, end } = chunk.frames;
                    let part = mel.clone().narrow(1, start, end - start);
                    chunk.own(vocoder.forward(part, &mut Trace::off()))
                });
                let joined = Tensor::cat(parts.collect(), 1);
                assert_eq!(joined.dims(), whole.dims());
                let error = (joined - whole.clone()).abs().max().into_scalar();
                assert!(error < 1e-5, "{count} chunks: {error}");
            }
        }
    }
}
