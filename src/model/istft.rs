//! The vocoder of the small model: a ConvNeXt backbone that predicts the short-time Fourier
//! transform of the sound, and its inverse.
//!
//! Siuzdak, "Vocos: Closing the gap between time-domain and Fourier-based neural vocoders for
//! high-quality audio synthesis", 2024; parameter names are the ones used there. Two differences: the
//! network predicts the logarithm of the magnitudes as a *residual* on what the spectrogram says
//! already ([`BandInverse`]), and a soft limiter follows the transform.

use burn::{
    module::{Module, Param},
    tensor::{FloatDType, Tensor, TensorData, backend::Backend},
};
use serde::{Deserialize, Serialize};

use super::{
    MAX_DEPTH, MAX_WIDTH, check_sizes,
    layers::{Conv1d, LayerNorm, Linear},
    params::Params,
    trace::Trace,
    unusable,
};
use crate::{
    Result,
    audio::{
        partials::LowPartials,
        spectrogram::{BandInverse, FrequencyScale, SpectrogramConfig},
        stft,
    },
    ops::{Activation, Conv1dGeometry, Epilogue, Kernels, WeightRef, activate},
    tensors::Init,
};

const EPS: f64 = 1e-6;
const KERNEL: usize = 7;
/// How a residual branch is scaled at first.
const LAYER_SCALE: f32 = 0.2;
/// The largest predicted logarithm of a magnitude; a full-scale sine has 5.5.
const MAX_LOG_MAGNITUDE: f64 = 8.0;
/// Up to here the limiter changes nothing; it never reaches 1.
const KNEE: f64 = 0.8;
const CEILING: f64 = 0.98;

/// Sizes of the vocoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IstftConfig {
    /// Bands of the spectrogram.
    pub model_in_dim: usize,
    /// Samples per second.
    pub sampling_rate: usize,
    /// Samples of a frame.
    pub n_fft: usize,
    /// Samples from a frame to the next.
    pub hop_length: usize,
    /// Width of the backbone.
    pub dim: usize,
    /// Hidden width of its blocks.
    pub intermediate_dim: usize,
    /// Number of blocks.
    pub num_layers: usize,
    /// What the backbone subtracts from a value of the spectrogram, and then divides it by.
    pub mel_mean: f64,
    /// See `mel_mean`.
    pub mel_scale: f64,
    /// Where the bands lie; when left out, on the mel scale, of frames of `n_fft` samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<FrequencyScale>,
    /// In Hz: tones below it are made by [`LowPartials`], not by the network, which cannot hold them in tune.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partials_below: Option<f64>,
}

impl IstftConfig {
    /// Refuses sizes that make no network.
    pub fn check(&self) -> Result<()> {
        let network = "the iSTFT vocoder";
        check_sizes(
            network,
            &[
                ("n_fft", self.n_fft, 1 << 14),
                ("hop_length", self.hop_length, self.n_fft),
                ("sampling_rate", self.sampling_rate, 192_000),
                ("dim", self.dim, MAX_WIDTH),
                ("intermediate_dim", self.intermediate_dim, MAX_WIDTH),
                ("num_layers", self.num_layers, MAX_DEPTH),
            ],
        )?;
        let spectrogram = self.spectrogram();
        spectrogram.check()?;
        self.partials()?;
        if self.model_in_dim != spectrogram.bands() || !self.n_fft.is_multiple_of(2) {
            let what = format!("model_in_dim {}, n_fft {}", self.model_in_dim, self.n_fft);
            return Err(unusable(network, what));
        }
        if self.mel_mean.is_finite() && self.mel_scale.is_finite() && self.mel_scale > 0.0 {
            return Ok(());
        }
        Err(unusable(network, format!("mel_scale {}", self.mel_scale)))
    }

    /// The spectrogram that it takes.
    pub fn spectrogram(&self) -> SpectrogramConfig {
        SpectrogramConfig {
            sample_rate: self.sampling_rate as u32,
            hop: self.hop_length,
            scale: self.scale.clone().unwrap_or(FrequencyScale::Mel {
                bands: self.model_in_dim,
                n_fft: self.n_fft,
                highest: None,
            }),
            padding: None,
        }
    }

    /// What makes the low tones, where the network does not.
    pub fn partials(&self) -> Result<Option<LowPartials>> {
        let plan = |limit| LowPartials::new(&self.spectrogram(), limit);
        self.partials_below.map(plan).transpose()
    }

    /// How many frames on either side a frame's samples depend on.
    pub fn context(&self) -> usize {
        KERNEL / 2 * (1 + self.num_layers) + self.n_fft.div_ceil(self.hop_length)
    }

    /// Floating-point operations for `frames` frames.
    pub fn flops(&self, frames: usize) -> u64 {
        // In u64: a browser's usize has 32 bits.
        let [dim, inner, n] = [self.dim, self.intermediate_dim, self.n_fft].map(|n| n as u64);
        let bins = n / 2 + 1;
        let mel = self.model_in_dim as u64;
        let kernel = KERNEL as u64;
        let blocks = self.num_layers as u64 * (kernel * dim + 2 * dim * inner);
        let each = kernel * mel * dim + blocks + 2 * bins * dim + bins * mel + 2 * bins * n;
        2 * frames as u64 * each
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct IstftVocoder<B: Backend> {
    embed: Conv1d<B>,
    norm: LayerNorm<B>,
    blocks: Vec<ConvNextBlock<B>>,
    final_norm: LayerNorm<B>,
    out: Linear<B>,
    /// From bands to bins, `[bands, bins]`.
    inverse: Tensor<B, 2>,
    /// The inverse transform of one frame with its window, `[n_fft, n_fft]`.
    synthesis: Tensor<B, 2>,
    /// Of the values that `inverse` is multiplied with.
    power: f64,
    #[module(skip)]
    config: IstftConfig,
}

impl<B: Kernels> IstftVocoder<B> {
    /// Reads all parameters.
    pub fn load(p: &Params<B>, config: &IstftConfig) -> Result<Self> {
        config.check()?;
        let (dim, bins) = (config.dim, config.n_fft / 2 + 1);
        let inverse = BandInverse::new(&config.spectrogram(), config.n_fft)?;
        let backbone = p.at("backbone");
        let device = p.device();
        let matrix = |values: Vec<f32>, shape: [usize; 2]| {
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        Ok(Self {
            embed: Conv1d::load(&backbone.at("embed"), config.model_in_dim, dim, KERNEL, 1)?,
            norm: LayerNorm::load(&backbone.at("norm"), dim, EPS)?,
            blocks: (0..config.num_layers)
                .map(|i| ConvNextBlock::load(&backbone.at("convnext").at(i), config))
                .collect::<Result<_>>()?,
            final_norm: LayerNorm::load(&backbone.at("final_layer_norm"), dim, EPS)?,
            out: Linear::load(&p.at("head.out"), dim, 2 * bins)?,
            inverse: matrix(inverse.matrix, [config.model_in_dim, bins]),
            power: inverse.power,
            synthesis: matrix(stft::synthesis(config.n_fft), [config.n_fft; 2]),
            config: config.clone(),
        })
    }

    /// Spectrograms `[batch, frames, bands]` to samples within 0.98, `[batch, hop * frames]`.
    pub fn forward(&self, mel: Tensor<B, 3>, trace: &mut Trace<B>) -> Tensor<B, 2> {
        let IstftConfig {
            mel_mean,
            mel_scale,
            n_fft,
            ..
        } = self.config;
        let bins = n_fft / 2 + 1;
        let prior = (mel.clone() * self.power).exp();
        let prior = prior.matmul(self.inverse.clone().unsqueeze());
        let floor = BandInverse::floor().powf(self.power);
        let prior = prior.clamp_min(floor).log() / self.power;
        let standard = (mel - mel_mean) / mel_scale;
        let x = self.embed.forward(standard.swap_dims(1, 2));
        let mut x = self.norm.forward(x.swap_dims(1, 2));
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(x);
            trace.record(format_args!("istft.blocks.{i}"), &x);
        }
        // A phase in fewer than 24 bits is heard.
        let x = self.out.forward(self.final_norm.forward(x));
        let x = x.cast(FloatDType::F32);
        let log_magnitude = x.clone().narrow(2, 0, bins) + prior;
        let magnitude = log_magnitude.clamp_max(MAX_LOG_MAGNITUDE).exp();
        let phase = x.narrow(2, bins, bins);
        let real = magnitude.clone() * phase.clone().cos();
        // The first and the last bin have no imaginary part.
        let imaginary = (magnitude * phase.sin()).narrow(2, 1, bins - 2);
        limit(self.synthesise(Tensor::cat(vec![real, imaginary], 2)))
    }

    /// `[batch, frames, real and imaginary parts]` to `[batch, hop * frames]`: inverse transforms,
    /// windowed, added where they overlap, divided by what the windows add up to. A frame stands
    /// for the samples around the first of its `hop`.
    fn synthesise(&self, spectrum: Tensor<B, 3>) -> Tensor<B, 2> {
        let IstftConfig {
            n_fft, hop_length, ..
        } = self.config;
        let [batch, frames, parts] = spectrum.dims();
        let device = spectrum.device();
        let pieces = spectrum.reshape([batch * frames, parts]);
        let pieces = <B as Kernels>::linear(
            pieces,
            WeightRef::Dense(self.synthesis.clone()),
            Epilogue::bias(None),
        );
        // A frame covers `overlap` hops, the last one in part.
        let overlap = n_fft.div_ceil(hop_length);
        let pieces = pieces
            .pad((0, overlap * hop_length - n_fft, 0, 0), 0.0)
            .reshape([batch, frames, overlap, hop_length]);
        let total = frames + overlap - 1;
        let shifted = (0..overlap).map(|k| {
            let part: Tensor<B, 3> = pieces.clone().narrow(2, k, 1).squeeze_dim(2);
            part.pad((0, 0, k, total - frames - k), 0.0)
        });
        let sum = shifted.reduce(|sum, part| sum + part);
        let sum = sum.unwrap_or_else(|| Tensor::zeros([batch, total, hop_length], &device));
        let envelope = stft::envelope(n_fft, hop_length, frames);
        let samples = hop_length * frames;
        let envelope = Tensor::<B, 1>::from_floats(envelope.as_slice(), &device);
        let sum: Tensor<B, 2> = sum.reshape([batch, total * hop_length]);
        sum.narrow(1, n_fft / 2, samples) / envelope.unsqueeze()
    }
}

/// Leaves samples up to the knee as they are and bends louder ones so that none reaches the ceiling.
pub fn limit<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    let room = CEILING - KNEE;
    let inside = x.clone().clamp(-KNEE, KNEE);
    let beyond = x - inside.clone();
    inside + (beyond / room).tanh() * room
}

/// A depthwise convolution, then a feed-forward layer, in a residual branch.
#[derive(Module, Debug)]
struct ConvNextBlock<B: Backend> {
    dwconv_weight: Param<Tensor<B, 3>>,
    dwconv_bias: Param<Tensor<B, 1>>,
    norm: LayerNorm<B>,
    pwconv1: Linear<B>,
    pwconv2: Linear<B>,
    gamma: Param<Tensor<B, 1>>,
}

impl<B: Kernels> ConvNextBlock<B> {
    fn load(p: &Params<B>, config: &IstftConfig) -> Result<Self> {
        let (dim, inner) = (config.dim, config.intermediate_dim);
        let dwconv = p.at("dwconv");
        let init = Init::fan_in(KERNEL);
        Ok(Self {
            dwconv_weight: dwconv.get("weight", [dim, 1, KERNEL], init)?,
            dwconv_bias: dwconv.get("bias", [dim], init)?,
            norm: LayerNorm::load(&p.at("norm"), dim, EPS)?,
            pwconv1: Linear::load(&p.at("pwconv1"), dim, inner)?,
            pwconv2: Linear::load(&p.at("pwconv2"), inner, dim)?,
            gamma: p.get("gamma", [dim], Init::Constant(LAYER_SCALE))?,
        })
    }

    /// `[batch, frames, dim]` to the same.
    fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let geometry = Conv1dGeometry {
            stride: 1,
            padding: KERNEL / 2,
            dilation: 1,
        };
        let (weight, bias) = (self.dwconv_weight.val(), self.dwconv_bias.val());
        let h = B::depthwise_conv1d(x.clone().swap_dims(1, 2), weight, Some(bias), geometry);
        let h = self.norm.forward(h.swap_dims(1, 2));
        let h = activate(self.pwconv1.forward(h), Activation::Gelu);
        x + self.pwconv2.forward(h) * self.gamma.val().unsqueeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::params::FreshInit, ops::Cpu};

    fn small() -> IstftConfig {
        IstftConfig {
            model_in_dim: 64,
            sampling_rate: 16_000,
            n_fft: 1024,
            hop_length: 160,
            dim: 16,
            intermediate_dim: 32,
            num_layers: 1,
            mel_mean: -5.0,
            mel_scale: 3.0,
            scale: None,
            partials_below: None,
        }
    }

    /// Analysis by another implementation, synthesis by ours: the sound comes back.
    #[test]
    fn the_inverse_transform_inverts() {
        let device = Default::default();
        let vocoder =
            IstftVocoder::<Cpu>::load(&Params::new(&FreshInit::new(1), &device), &small()).unwrap();
        let frames = 40;
        let sound: Vec<f32> = (0..frames * 160)
            .map(|n| (n as f32 * 0.05).sin() * 0.3 + (n as f32 * 0.31).cos() * 0.2)
            .collect();
        let spectrum = stft::Stft::new(1024, 160).spectrum(&sound).unwrap();
        let parts: Vec<f32> = spectrum[..frames]
            .iter()
            .flat_map(|frame| {
                let real = frame.iter().map(|c| c.re as f32);
                real.chain(frame[1..512].iter().map(|c| c.im as f32))
            })
            .collect();
        let spectrum = Tensor::from_data(TensorData::new(parts, [1, frames, 1024]), &device);
        let back = vocoder.synthesise(spectrum).into_data().to_vec::<f32>();
        let back = back.unwrap();
        assert_eq!(back.len(), sound.len());
        // The last frames lack the neighbours that would follow.
        let inside = 0..sound.len() - 512;
        let worst = inside
            .map(|n| (back[n] - sound[n]).abs())
            .fold(0.0, f32::max);
        assert!(worst < 1e-4, "{worst}");
    }

    #[test]
    fn the_limiter_leaves_quiet_samples_and_holds_loud_ones() {
        let device = Default::default();
        let x = Tensor::<Cpu, 1>::from_floats([0.5, -0.79, 1.5, -40.0], &device);
        let y = limit(x).into_data().to_vec::<f32>().unwrap();
        assert_eq!(y[..2], [0.5, -0.79]);
        assert!(y[2] > 0.8 && y[2] < 0.981 && y[3] < -0.979 && y[3] > -0.981);
    }
}
