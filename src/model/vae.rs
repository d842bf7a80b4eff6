//! AutoencoderKL: log-mel spectrograms to latents and back.
//!
//! Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, in the form of Rombach et al., 2022.
//! Height is time, width is the mel bin. Parameter names are those of `AutoencoderKL`.

use burn::{
    module::Module,
    tensor::{FloatDType, Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};

use super::{
    MAX_WIDTH, check_multiple, check_sizes,
    layers::{Conv2d, GroupNorm, Linear},
    params::Params,
    resnet::{Resnet, ResnetConfig},
    trace::Trace,
    unusable,
};
use crate::{
    Result,
    ops::{Kernels, upsample_nearest},
};

/// Every GroupNorm of the VAE.
const EPS: f64 = 1e-6;

/// Sizes, as in `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VaeConfig {
    /// Channels of the spectrogram.
    pub in_channels: usize,
    /// Channels of the reconstruction.
    pub out_channels: usize,
    /// Channels of each level, shallowest first.
    pub block_out_channels: Vec<usize>,
    /// Resnets of a level in the encoder; one more in the decoder.
    pub layers_per_block: usize,
    /// Channels of the latent.
    pub latent_channels: usize,
    /// Groups of every GroupNorm.
    pub norm_num_groups: usize,
    /// A latent times this has about unit variance. It belongs to the checkpoint.
    pub scaling_factor: f64,
    /// The most rows of a latent that attention sees at once: longer latents fall into equal parts. All when left out, as in
    /// the published weights; a network that learnt on short excerpts never saw more, and the work grows with the square.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_rows: Option<usize>,
}

impl Default for VaeConfig {
    fn default() -> Self {
        Self {
            in_channels: 1,
            out_channels: 1,
            block_out_channels: vec![128, 256, 512],
            layers_per_block: 2,
            latent_channels: 8,
            norm_num_groups: 32,
            scaling_factor: 0.411_093_294_620_513_9,
            attention_rows: None,
        }
    }
}

impl VaeConfig {
    /// Refuses sizes that make no network.
    pub fn check(&self) -> Result<()> {
        let network = "the VAE";
        check_sizes(
            network,
            &[
                ("levels", self.block_out_channels.len(), 8),
                ("in_channels", self.in_channels, 1),
                ("out_channels", self.out_channels, 1),
                ("layers_per_block", self.layers_per_block, 64),
                ("latent_channels", self.latent_channels, MAX_WIDTH),
                (
                    "attention_rows",
                    self.attention_rows.unwrap_or(1),
                    MAX_WIDTH,
                ),
            ],
        )?;
        for &channels in &self.block_out_channels {
            check_sizes(network, &[("block_out_channels", channels, MAX_WIDTH)])?;
            let groups = ("norm_num_groups", self.norm_num_groups);
            check_multiple(network, ("block_out_channels", channels), groups)?;
        }
        if self.scaling_factor.is_finite() && self.scaling_factor > 0.0 {
            return Ok(());
        }
        let what = format!("scaling_factor {}", self.scaling_factor);
        Err(unusable(network, what))
    }

    /// How many rows or columns of the spectrogram become one of the latent.
    pub fn factor(&self) -> usize {
        1 << self.block_out_channels.len().saturating_sub(1)
    }

    /// Floating-point operations to decode a latent of `rows` by `columns`.
    pub fn decoder_flops(&self, rows: usize, columns: usize) -> u64 {
        let Some(&deepest) = self.block_out_channels.last() else {
            return 0;
        };
        // In u64: a browser's usize has 32 bits.
        let conv =
            |cells: u64, inputs: usize, outputs: usize| 18 * cells * inputs as u64 * outputs as u64;
        let mut cells = rows as u64 * columns as u64;
        let width = deepest as u64;
        let parts = attention_parts(rows, self.attention_rows).count() as u64;
        let attention = 8 * cells * width * width + 4 * cells * cells / parts.max(1) * width;
        let mut total = conv(cells, self.latent_channels, deepest)
            + 4 * conv(cells, deepest, deepest)
            + attention;
        let mut inputs = deepest;
        for (i, &channels) in self.block_out_channels.iter().rev().enumerate() {
            total += conv(cells, inputs, channels) + conv(cells, channels, channels);
            total += 2 * self.layers_per_block as u64 * conv(cells, channels, channels);
            inputs = channels;
            if i + 1 < self.block_out_channels.len() {
                cells *= 4;
                total += conv(cells, channels, channels);
            }
        }
        total + conv(cells, inputs, self.out_channels)
    }
}

/// Latents to spectrograms.
#[derive(Module, Debug)]
pub struct VaeDecoder<B: Backend> {
    post_quant_conv: Conv2d<B>,
    conv_in: Conv2d<B>,
    mid: MidBlock<B>,
    up_blocks: Vec<UpBlock<B>>,
    norm_out: GroupNorm<B>,
    conv_out: Conv2d<B>,
}

impl<B: Kernels> VaeDecoder<B> {
    /// Reads `post_quant_conv` and `decoder`.
    pub fn load(p: &Params<B>, config: &VaeConfig) -> Result<Self> {
        config.check()?;
        let decoder = p.at("decoder");
        let channels = &config.block_out_channels;
        let (first, last) = (channels[0], channels[channels.len() - 1]);
        let (latent, groups) = (config.latent_channels, config.norm_num_groups);
        let mut up_blocks = Vec::new();
        let mut inputs = last;
        for (i, &outputs) in channels.iter().rev().enumerate() {
            up_blocks.push(UpBlock::load(
                &decoder.at("up_blocks").at(i),
                [inputs, outputs],
                config.layers_per_block + 1,
                groups,
                i + 1 < channels.len(),
            )?);
            inputs = outputs;
        }
        Ok(Self {
            post_quant_conv: Conv2d::load_same(&p.at("post_quant_conv"), latent, latent, 1)?,
            conv_in: Conv2d::load_same(&decoder.at("conv_in"), latent, last, 3)?,
            mid: MidBlock::load(&decoder.at("mid_block"), last, config)?,
            up_blocks,
            norm_out: GroupNorm::load(&decoder.at("conv_norm_out"), first, groups, EPS)?,
            conv_out: Conv2d::load_same(&decoder.at("conv_out"), first, config.out_channels, 3)?,
        })
    }

    /// `[batch, latent channels, rows, columns]`, already divided by the scaling factor, to
    /// log-mel `[batch, 1, factor rows, factor columns]` (natural logarithm of magnitudes).
    pub fn decode(&self, latents: Tensor<B, 4>, trace: &mut Trace<B>) -> Tensor<B, 4> {
        let x = self.conv_in.forward(self.post_quant_conv.forward(latents));
        let mut x = self.mid.forward(x);
        trace.record("vae.decoder.mid_block", &x);
        for (i, block) in self.up_blocks.iter().enumerate() {
            x = block.forward(x);
            trace.record(format_args!("vae.decoder.up_blocks.{i}"), &x);
        }
        self.conv_out.forward(self.norm_out.forward_silu(x))
    }
}

/// Spectrograms to the distribution of their latents.
#[derive(Module, Debug)]
pub struct VaeEncoder<B: Backend> {
    conv_in: Conv2d<B>,
    down_blocks: Vec<DownBlock<B>>,
    mid: MidBlock<B>,
    norm_out: GroupNorm<B>,
    conv_out: Conv2d<B>,
    quant_conv: Conv2d<B>,
}

/// A diagonal Gaussian over latents, `[batch, latent channels, rows, columns]` each.
#[derive(Debug, Clone)]
pub struct Moments<B: Backend> {
    /// The mean.
    pub mean: Tensor<B, 4>,
    /// The natural logarithm of the variance, within -30 and 20.
    pub log_variance: Tensor<B, 4>,
}

impl<B: Backend> Moments<B> {
    /// `mean + exp(log_variance / 2) noise`.
    pub fn sample(self, noise: Tensor<B, 4>) -> Tensor<B, 4> {
        self.mean + (self.log_variance * 0.5).exp() * noise
    }
}

impl<B: Kernels> VaeEncoder<B> {
    /// Reads `encoder` and `quant_conv`.
    pub fn load(p: &Params<B>, config: &VaeConfig) -> Result<Self> {
        config.check()?;
        let encoder = p.at("encoder");
        let channels = &config.block_out_channels;
        let (first, last) = (channels[0], channels[channels.len() - 1]);
        let (moments, groups) = (2 * config.latent_channels, config.norm_num_groups);
        let mut down_blocks = Vec::new();
        let mut inputs = first;
        for (i, &outputs) in channels.iter().enumerate() {
            down_blocks.push(DownBlock::load(
                &encoder.at("down_blocks").at(i),
                [inputs, outputs],
                config.layers_per_block,
                groups,
                i + 1 < channels.len(),
            )?);
            inputs = outputs;
        }
        Ok(Self {
            conv_in: Conv2d::load_same(&encoder.at("conv_in"), config.in_channels, first, 3)?,
            down_blocks,
            mid: MidBlock::load(&encoder.at("mid_block"), last, config)?,
            norm_out: GroupNorm::load(&encoder.at("conv_norm_out"), last, groups, EPS)?,
            conv_out: Conv2d::load_same(&encoder.at("conv_out"), last, moments, 3)?,
            quant_conv: Conv2d::load_same(&p.at("quant_conv"), moments, moments, 1)?,
        })
    }

    /// Log-mel `[batch, 1, frames, bins]` to the moments of its latent, not yet scaled.
    pub fn encode(&self, mel: Tensor<B, 4>, trace: &mut Trace<B>) -> Moments<B> {
        let mut x = self.conv_in.forward(mel);
        for (i, block) in self.down_blocks.iter().enumerate() {
            x = block.forward(x);
            trace.record(format_args!("vae.encoder.down_blocks.{i}"), &x);
        }
        x = self.mid.forward(x);
        trace.record("vae.encoder.mid_block", &x);
        let x = self.conv_out.forward(self.norm_out.forward_silu(x));
        let moments = self.quant_conv.forward(x);
        trace.record("vae.moments", &moments);
        let [_, channels, ..] = moments.dims();
        let latent = channels / 2;
        Moments {
            mean: moments.clone().narrow(1, 0, latent),
            log_variance: moments.narrow(1, latent, latent).clamp(-30.0, 20.0),
        }
    }
}

fn resnet_config(groups: usize) -> ResnetConfig {
    ResnetConfig {
        groups,
        eps: EPS,
        time_width: None,
    }
}

/// Reads `count` resnets; only the first changes the number of channels.
fn load_resnets<B: Kernels>(
    p: &Params<B>,
    [inputs, outputs]: [usize; 2],
    count: usize,
    groups: usize,
) -> Result<Vec<Resnet<B>>> {
    (0..count)
        .map(|j| {
            let inputs = if j == 0 { inputs } else { outputs };
            Resnet::load(
                &p.at("resnets").at(j),
                inputs,
                outputs,
                resnet_config(groups),
            )
        })
        .collect()
}

fn run<B: Kernels>(resnets: &[Resnet<B>], x: Tensor<B, 4>) -> Tensor<B, 4> {
    let resnets = resnets.iter();
    resnets.fold(x, |x, resnet| resnet.forward(x, None))
}

/// The parts of `rows` rows that attention sees, of at most `most` rows each: first row and number of rows.
fn attention_parts(rows: usize, most: Option<usize>) -> impl Iterator<Item = (usize, usize)> {
    let count = rows.div_ceil(most.unwrap_or(rows).max(1)).max(1);
    let start = move |i: usize| i * rows / count;
    (0..count).map(move |i| (start(i), start(i + 1) - start(i)))
}

/// Attention with a single head over all cells, or over those of so many rows at once.
#[derive(Module, Debug)]
struct Attention<B: Backend> {
    #[module(skip)]
    rows: Option<usize>,
    group_norm: GroupNorm<B>,
    to_q: Linear<B>,
    to_k: Linear<B>,
    to_v: Linear<B>,
    to_out: Linear<B>,
}

impl<B: Kernels> Attention<B> {
    fn load(p: &Params<B>, channels: usize, groups: usize, rows: Option<usize>) -> Result<Self> {
        let project = |name| Linear::load(&p.at(name), channels, channels);
        Ok(Self {
            rows,
            group_norm: GroupNorm::load(&p.at("group_norm"), channels, groups, EPS)?,
            to_q: project("to_q")?,
            to_k: project("to_k")?,
            to_v: project("to_v")?,
            to_out: project("to_out.0")?,
        })
    }

    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [batch, channels, rows, columns] = x.dims();
        let tokens: Tensor<B, 3> = self
            .group_norm
            .forward(x.clone())
            .reshape([batch, channels, rows * columns])
            .swap_dims(1, 2);
        let [q, k, v] = [&self.to_q, &self.to_k, &self.to_v]
            .map(|layer| layer.forward(tokens.clone()).unsqueeze_dim::<4>(1));
        let scale = (channels as f64).powf(-0.5);
        let attend = |q, k, v| <B as Kernels>::attention(q, k, v, None, scale);
        let parts: Vec<_> = attention_parts(rows, self.rows).collect();
        // Nothing is copied where there is one part.
        let attended = if parts.len() == 1 {
            attend(q, k, v)
        } else {
            let parts = parts.into_iter().map(|(first, count)| {
                let part = |x: &Tensor<B, 4>| {
                    let x = x.clone();
                    x.narrow(2, first * columns, count * columns)
                };
                attend(part(&q), part(&k), part(&v))
            });
            Tensor::cat(parts.collect(), 2)
        };
        let out: Tensor<B, 3> = self.to_out.forward(attended.squeeze_dim(1));
        x + out
            .swap_dims(1, 2)
            .reshape([batch, channels, rows, columns])
    }
}

/// Resnet, attention, resnet.
#[derive(Module, Debug)]
struct MidBlock<B: Backend> {
    first: Resnet<B>,
    attention: Attention<B>,
    second: Resnet<B>,
}

impl<B: Kernels> MidBlock<B> {
    fn load(p: &Params<B>, channels: usize, config: &VaeConfig) -> Result<Self> {
        let groups = config.norm_num_groups;
        let [first, second] = [0, 1].map(|i| {
            Resnet::load(
                &p.at("resnets").at(i),
                channels,
                channels,
                resnet_config(groups),
            )
        });
        Ok(Self {
            first: first?,
            attention: Attention::load(
                &p.at("attentions.0"),
                channels,
                groups,
                config.attention_rows,
            )?,
            second: second?,
        })
    }

    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let x = self.attention.forward(self.first.forward(x, None));
        self.second.forward(x, None)
    }
}

/// One level of the decoder.
#[derive(Module, Debug)]
struct UpBlock<B: Backend> {
    resnets: Vec<Resnet<B>>,
    upsampler: Option<Conv2d<B>>,
}

impl<B: Kernels> UpBlock<B> {
    fn load(
        p: &Params<B>,
        channels: [usize; 2],
        resnets: usize,
        groups: usize,
        upsample: bool,
    ) -> Result<Self> {
        let upsampler = if upsample {
            let p = p.at("upsamplers.0.conv");
            Some(Conv2d::load_same(&p, channels[1], channels[1], 3)?)
        } else {
            None
        };
        Ok(Self {
            resnets: load_resnets(p, channels, resnets, groups)?,
            upsampler,
        })
    }

    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let x = run(&self.resnets, x);
        match &self.upsampler {
            Some(upsampler) => {
                let [_, _, rows, columns] = x.dims();
                upsampler.forward(upsample_nearest(x, [2 * rows, 2 * columns]))
            }
            None => x,
        }
    }
}

/// One level of the encoder.
#[derive(Module, Debug)]
struct DownBlock<B: Backend> {
    resnets: Vec<Resnet<B>>,
    downsampler: Option<Conv2d<B>>,
}

impl<B: Kernels> DownBlock<B> {
    fn load(
        p: &Params<B>,
        channels: [usize; 2],
        resnets: usize,
        groups: usize,
        downsample: bool,
    ) -> Result<Self> {
        let downsampler = if downsample {
            let p = p.at("downsamplers.0.conv");
            Some(Conv2d::load(&p, [channels[1]; 2], 3, 2, 0, true)?)
        } else {
            None
        };
        Ok(Self {
            resnets: load_resnets(p, channels, resnets, groups)?,
            downsampler,
        })
    }

    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let x = run(&self.resnets, x);
        match &self.downsampler {
            // One zero row below and one zero column to the right, none on the other sides: not
            // what the UNet does.
            // burn pads with 32-bit floats, whatever the tensor is made of.
            Some(downsampler) => {
                let x = x.cast(FloatDType::F32).pad((0, 1, 0, 1), 0.0);
                downsampler.forward(x)
            }
            None => x,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::params::FreshInit, ops::Cpu, random::standard_normal};
    use burn::tensor::TensorData;

    /// The published decoder: 335 G multiply-adds at 10.24 s.
    #[test]
    fn agrees_with_the_counted_budget() {
        let flops = VaeConfig::default().decoder_flops(256, 16) as f64;
        let ratio = flops / (2.0 * 335e9);
        assert!((0.97..1.03).contains(&ratio), "{ratio}");
    }

    #[test]
    fn attention_falls_into_equal_parts() {
        let parts = |rows, most| attention_parts(rows, most).collect::<Vec<_>>();
        assert_eq!(parts(7, None), [(0, 7)]);
        assert_eq!(parts(8, Some(8)), [(0, 8)]);
        assert_eq!(parts(9, Some(4)), [(0, 3), (3, 3), (6, 3)]);
        assert_eq!(parts(10, Some(4)), [(0, 3), (3, 3), (6, 4)]);
    }

    #[test]
    fn a_part_does_not_hear_the_others() {
        let (channels, columns) = (8, 3);
        let source = FreshInit::new(1);
        let device = Default::default();
        let params = Params::<Cpu>::new(&source, &device);
        let parted = Attention::load(&params, channels, 2, Some(4)).unwrap();
        let whole = Attention {
            rows: None,
            ..parted.clone()
        };
        let numbers = |seed, rows| {
            let values = standard_normal(seed, 0, channels * rows * columns);
            Tensor::<Cpu, 4>::from_data(
                TensorData::new(values, [1, channels, rows, columns]),
                &device,
            )
        };
        let (first, second) = (numbers(1, 4), numbers(2, 4));
        let both = Tensor::cat(vec![first, second], 2);
        let first = |attention: &Attention<Cpu>| attention.forward(both.clone()).narrow(2, 0, 4);
        let (apart, together) = (first(&parted), first(&whole));
        assert!((apart.clone() - together).abs().max().into_scalar() > 1e-3);
        // Its own statistics are the only thing that a part has of the others.
        let halves = [(0, 4), (6, 2), (4, 2)].map(|(at, rows)| both.clone().narrow(2, at, rows));
        let turned = Tensor::cat(halves.to_vec(), 2);
        let again = parted.forward(turned).narrow(2, 0, 4);
        assert!((apart - again).abs().max().into_scalar() < 1e-5);
    }
}
