//! HiFi-GAN: log-mel spectrograms to sound.
//!
//! Kong et al., "HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech
//! Synthesis", 2020. Parameter names are those of `SpeechT5HifiGan`.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, activation::leaky_relu, backend::Backend},
};
use serde::{Deserialize, Serialize};

use super::{
    MAX_WIDTH, check_sizes,
    layers::{Conv1d, ConvTranspose1d},
    params::Params,
    trace::Trace,
};
use crate::{Error, Result, ops::Kernels, tensors::Init};

/// Slope in front of the last convolution: torch's default, not the configured one.
const LAST_SLOPE: f64 = 0.01;
const OUTER_KERNEL: usize = 7;

/// Sizes, as in `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HifiGanConfig {
    /// Mel bins.
    pub model_in_dim: usize,
    /// Samples per second.
    pub sampling_rate: usize,
    /// Channels behind the first convolution; halved by every stage.
    pub upsample_initial_channel: usize,
    /// How many samples each stage makes of one.
    pub upsample_rates: Vec<usize>,
    /// Kernel of each stage's transposed convolution.
    pub upsample_kernel_sizes: Vec<usize>,
    /// Kernels of the residual blocks of a stage.
    pub resblock_kernel_sizes: Vec<usize>,
    /// Dilations inside each of them.
    pub resblock_dilation_sizes: Vec<Vec<usize>>,
    /// Slope of the leaky ReLUs.
    pub leaky_relu_slope: f64,
    /// Whether the spectrogram is standardised first, with the file's `mean` and `scale`.
    pub normalize_before: bool,
}

impl Default for HifiGanConfig {
    fn default() -> Self {
        Self {
            model_in_dim: 64,
            sampling_rate: 16_000,
            upsample_initial_channel: 1024,
            upsample_rates: vec![5, 4, 2, 2, 2],
            upsample_kernel_sizes: vec![16, 16, 8, 4, 4],
            resblock_kernel_sizes: vec![3, 7, 11],
            resblock_dilation_sizes: vec![vec![1, 3, 5]; 3],
            leaky_relu_slope: 0.1,
            normalize_before: false,
        }
    }
}

impl HifiGanConfig {
    /// Samples that one frame becomes.
    pub fn hop(&self) -> usize {
        self.upsample_rates.iter().product()
    }

    /// How many frames on either side a frame's samples depend on.
    pub fn context(&self) -> usize {
        let blocks = (self.resblock_kernel_sizes.iter()).zip(&self.resblock_dilation_sizes);
        let reach = blocks.map(|(kernel, dilations)| {
            let pairs = dilations.iter().map(|dilation| dilation + 1);
            kernel / 2 * pairs.sum::<usize>()
        });
        let reach = reach.max().unwrap_or(0);
        let stages = self.upsample_rates.iter().zip(&self.upsample_kernel_sizes);
        // From the samples back to the frames.
        let samples = OUTER_KERNEL / 2;
        let frames = stages.rev().fold(samples, |beside, (rate, kernel)| {
            (beside + reach + kernel).div_ceil(*rate)
        });
        frames + OUTER_KERNEL / 2
    }

    /// Floating-point operations for `frames` frames.
    pub fn flops(&self, frames: usize) -> u64 {
        // In u64: a browser's usize has 32 bits.
        let mut channels = self.upsample_initial_channel as u64;
        let mut samples = frames as u64;
        let outer = OUTER_KERNEL as u64;
        let mut total = samples * self.model_in_dim as u64 * channels * outer;
        let pairs = self
            .resblock_kernel_sizes
            .iter()
            .zip(&self.resblock_dilation_sizes);
        let taps: usize = pairs.map(|(kernel, list)| 2 * kernel * list.len()).sum();
        for (rate, kernel) in self.upsample_rates.iter().zip(&self.upsample_kernel_sizes) {
            total += samples * channels * (channels / 2) * *kernel as u64;
            samples *= *rate as u64;
            channels /= 2;
            total += samples * channels * channels * taps as u64;
        }
        2 * (total + samples * channels * outer)
    }

    /// Refuses sizes that make no network.
    pub fn check(&self) -> Result<()> {
        check_sizes(
            "the vocoder",
            &[
                ("model_in_dim", self.model_in_dim, MAX_WIDTH),
                ("sampling_rate", self.sampling_rate, 192_000),
                (
                    "upsample_initial_channel",
                    self.upsample_initial_channel,
                    MAX_WIDTH,
                ),
                ("stages", self.upsample_rates.len(), 12),
                ("kernels", self.resblock_kernel_sizes.len(), 16),
            ],
        )?;
        for &rate in &self.upsample_rates {
            check_sizes("the vocoder", &[("upsample_rates", rate, 16)])?;
        }
        check_sizes("the vocoder", &[("samples per frame", self.hop(), 1 << 16)])?;
        let stages = self.upsample_rates.len();
        let fits = stages > 0
            && self.upsample_kernel_sizes.len() == stages
            && self.resblock_dilation_sizes.len() == self.resblock_kernel_sizes.len()
            && !self.resblock_kernel_sizes.is_empty()
            && self.upsample_initial_channel >> stages > 0
            && (self.upsample_kernel_sizes.iter())
                .zip(&self.upsample_rates)
                .all(|(kernel, rate)| *rate > 0 && kernel >= rate)
            && (self.upsample_kernel_sizes.iter()).all(|kernel| *kernel <= 256)
            && (self.resblock_kernel_sizes.iter()).all(|kernel| kernel % 2 == 1 && *kernel < 256)
            && (self.resblock_dilation_sizes.iter().flatten())
                .all(|dilation| (1..=256).contains(dilation));
        if fits {
            return Ok(());
        }
        Err(Error::format(
            "the vocoder's config.json has lists that do not fit each other",
            "use the config.json that belongs to the checkpoint",
        ))
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct HifiGan<B: Backend> {
    standardise: Option<Standardise<B>>,
    conv_pre: Conv1d<B>,
    stages: Vec<Stage<B>>,
    conv_post: Conv1d<B>,
    slope: f64,
}

#[derive(Module, Debug)]
struct Standardise<B: Backend> {
    mean: Param<Tensor<B, 1>>,
    scale: Param<Tensor<B, 1>>,
}

impl<B: Kernels> HifiGan<B> {
    /// Reads all parameters; weight norm must already be folded into the weights.
    pub fn load(p: &Params<B>, config: &HifiGanConfig) -> Result<Self> {
        config.check()?;
        let bins = config.model_in_dim;
        let standardise = if config.normalize_before {
            Some(Standardise {
                mean: p.get("mean", [bins], Init::Constant(0.0))?,
                scale: p.get("scale", [bins], Init::Constant(1.0))?,
            })
        } else {
            None
        };
        let mut channels = config.upsample_initial_channel;
        let conv_pre = Conv1d::load(&p.at("conv_pre"), bins, channels, OUTER_KERNEL, 1)?;
        let mut stages = Vec::new();
        for i in 0..config.upsample_rates.len() {
            stages.push(Stage::load(p, i, channels, config)?);
            channels /= 2;
        }
        Ok(Self {
            standardise,
            conv_pre,
            stages,
            conv_post: Conv1d::load(&p.at("conv_post"), channels, 1, OUTER_KERNEL, 1)?,
            slope: config.leaky_relu_slope,
        })
    }

    /// Log-mel `[batch, frames, bins]` to samples in -1..1, `[batch, about hop * frames]`.
    ///
    /// The published sizes give 32 samples more than `160 * frames`: cut the tail.
    pub fn forward(&self, mel: Tensor<B, 3>, trace: &mut Trace<B>) -> Tensor<B, 2> {
        let mel = match &self.standardise {
            Some(Standardise { mean, scale }) => {
                (mel - mean.val().unsqueeze()) / scale.val().unsqueeze()
            }
            None => mel,
        };
        let mut x = self.conv_pre.forward(mel.swap_dims(1, 2));
        for (i, stage) in self.stages.iter().enumerate() {
            x = stage.forward(leaky_relu(x, self.slope));
            trace.record(format_args!("hifigan.stages.{i}"), &x);
        }
        let x = self.conv_post.forward(leaky_relu(x, LAST_SLOPE));
        x.tanh().squeeze_dim(1)
    }
}

/// A transposed convolution, then the mean over residual blocks.
#[derive(Module, Debug)]
struct Stage<B: Backend> {
    upsampler: ConvTranspose1d<B>,
    resblocks: Vec<ResidualBlock<B>>,
}

impl<B: Kernels> Stage<B> {
    fn load(p: &Params<B>, index: usize, channels: usize, config: &HifiGanConfig) -> Result<Self> {
        let kernels = &config.resblock_kernel_sizes;
        let mut resblocks = Vec::new();
        for (j, (&kernel, dilations)) in kernels
            .iter()
            .zip(&config.resblock_dilation_sizes)
            .enumerate()
        {
            let p = p.at("resblocks").at(index * kernels.len() + j);
            let slope = config.leaky_relu_slope;
            resblocks.push(ResidualBlock::load(
                &p,
                channels / 2,
                kernel,
                dilations,
                slope,
            )?);
        }
        Ok(Self {
            upsampler: ConvTranspose1d::load(
                &p.at("upsampler").at(index),
                channels,
                channels / 2,
                config.upsample_kernel_sizes[index],
                config.upsample_rates[index],
            )?,
            resblocks,
        })
    }

    fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let x = self.upsampler.forward(x);
        let count = self.resblocks.len() as f64;
        let outputs = self.resblocks.iter().map(|block| block.forward(x.clone()));
        match outputs.reduce(|sum, output| sum + output) {
            Some(sum) => sum / count,
            None => x,
        }
    }
}

/// `x += convs2(leaky(convs1(leaky(x))))` for each dilation.
#[derive(Module, Debug)]
struct ResidualBlock<B: Backend> {
    convs1: Vec<Conv1d<B>>,
    convs2: Vec<Conv1d<B>>,
    slope: f64,
}

impl<B: Kernels> ResidualBlock<B> {
    fn load(
        p: &Params<B>,
        channels: usize,
        kernel: usize,
        dilations: &[usize],
        slope: f64,
    ) -> Result<Self> {
        let list = |name: &str, dilated: bool| {
            dilations
                .iter()
                .enumerate()
                .map(|(d, &dilation)| {
                    let dilation = if dilated { dilation } else { 1 };
                    Conv1d::load(&p.at(name).at(d), channels, channels, kernel, dilation)
                })
                .collect::<Result<Vec<_>>>()
        };
        Ok(Self {
            convs1: list("convs1", true)?,
            convs2: list("convs2", false)?,
            slope,
        })
    }

    fn forward(&self, mut x: Tensor<B, 3>) -> Tensor<B, 3> {
        for (conv1, conv2) in self.convs1.iter().zip(&self.convs2) {
            let h = conv1.forward(leaky_relu(x.clone(), self.slope));
            x = x + conv2.forward(leaky_relu(h, self.slope));
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published vocoder: 514 G multiply-adds for 1024 frames.
    #[test]
    fn agrees_with_the_counted_budget() {
        let flops = HifiGanConfig::default().flops(1024) as f64;
        let ratio = flops / (2.0 * 514e9);
        assert!((0.97..1.03).contains(&ratio), "{ratio}");
    }
}
