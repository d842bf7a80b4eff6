//! The denoiser: AudioLDM 2's UNet with two cross-attention streams.
//!
//! Liu et al., "AudioLDM 2", 2023; Rombach et al., "High-Resolution Image Synthesis with Latent
//! Diffusion Models", CVPR 2022. Parameter names are those of `AudioLDM2UNet2DConditionModel`.
//!
//! Behind every resnet of an attending level stand three transformers: a double self-attention, one
//! that reads the Language-of-Audio tokens, and one that reads the prompt's T5 states.

mod config;
mod cost;
mod parts;

use burn::{
    module::{Module, Param},
    tensor::{Tensor, TensorData, backend::Backend},
};

pub use config::{Contexts, ContextsOrWidth, PerLevel, UnetConfig};

use super::{
    layers::{Conv2d, GroupNorm, Linear},
    mask::{KeyMask, key_bias},
    params::Params,
    resnet::{Resnet, ResnetConfig},
    trace::Trace,
};
use crate::{
    Result,
    ops::{Activation, Kernels, activate, upsample_nearest},
    tensors::Init,
};
use config::Level;
use parts::{KeyValue, KeyValues, ResnetAttention, Transformers};

/// What the UNet is conditioned on.
#[derive(Debug, Clone)]
pub struct Context<B: Backend> {
    /// Language-of-Audio tokens `[batch, tokens, width]`.
    pub audio: Tensor<B, 3>,
    /// The prompt's states `[batch, tokens, width]`.
    pub text: Tensor<B, 3>,
    /// What padding adds to the scores over `text`, `[batch, 1, 1, tokens]`.
    text_bias: Option<Tensor<B, 4>>,
}

impl<B: Backend> Context<B> {
    /// Conditions for one batch; `text_mask` says which of the prompt's states count.
    pub fn new(audio: Tensor<B, 3>, text: Tensor<B, 3>, text_mask: &KeyMask) -> Self {
        let padded = text_mask.iter().flatten().any(|counts| !counts);
        let text_bias = padded.then(|| key_bias(text_mask, &text.device()));
        Self {
            audio,
            text,
            text_bias,
        }
    }
}

/// What the conditions contribute to every step, computed once: keys and values of the cross-attentions, and the
/// projected mean token.
#[derive(Debug, Clone)]
pub struct CrossAttentionCache<B: Backend> {
    keys: Vec<KeyValue<B>>,
    /// The projected mean token, `[batch, time width]`.
    mean_token: Option<Tensor<B, 2>>,
}

/// The network.
#[derive(Module, Debug)]
pub struct Unet<B: Backend> {
    time_1: Linear<B>,
    time_2: Linear<B>,
    /// Adds the mean Language-of-Audio token to the time embedding.
    mean_token: Option<Linear<B>>,
    conv_in: Conv2d<B>,
    /// What is added at each column, `[1, channels, 1, columns]`.
    frequency: Option<Param<Tensor<B, 4>>>,
    /// What is added at each row of a beat, `[1, channels, rows, 1]`.
    beat: Option<Param<Tensor<B, 4>>>,
    down_blocks: Vec<DownBlock<B>>,
    mid: MidBlock<B>,
    up_blocks: Vec<UpBlock<B>>,
    conv_norm_out: GroupNorm<B>,
    conv_out: Conv2d<B>,
    #[module(skip)]
    config: UnetConfig,
}

impl<B: Kernels> Unet<B> {
    /// Reads all parameters.
    pub fn load(p: &Params<B>, config: &UnetConfig) -> Result<Self> {
        let levels = config.levels()?;
        let (first, time_width) = (levels[0].channels, config.time_width());
        let shared = ResnetConfig {
            time_width: Some(time_width),
            groups: config.norm_num_groups,
            eps: config.norm_eps,
        };
        let time = p.at("time_embedding");
        let down = p.at("down_blocks");
        let up = p.at("up_blocks");

        // Channels of every skip connection, in the order in which they are made.
        let mut skips = vec![first];
        let mut channels = first;
        let mut down_blocks = Vec::with_capacity(levels.len());
        for (i, level) in levels.iter().enumerate() {
            let last = i + 1 == levels.len();
            down_blocks.push(DownBlock::load(
                &down.at(i),
                channels,
                level,
                shared,
                !last,
            )?);
            channels = level.channels;
            skips.extend(vec![channels; level.resnets + usize::from(!last)]);
        }
        let mut deepest = levels[levels.len() - 1].clone();
        deepest.contexts = config.mid_contexts(&levels);
        let mid = MidBlock::load(&p.at("mid_block"), &deepest, shared)?;
        let mut up_blocks = Vec::with_capacity(levels.len());
        for (i, level) in levels.iter().rev().enumerate() {
            let last = i + 1 == levels.len();
            let taken = skips.split_off(skips.len() - level.resnets - 1);
            up_blocks.push(UpBlock::load(
                &up.at(i),
                channels,
                &taken,
                level,
                shared,
                !last,
            )?);
            channels = level.channels;
        }
        // Cells of a patch.
        let area = config.patch().pow(2);
        let mean_token = match config.mean_token_dim {
            Some(width) => {
                let p = p.at("mean_token_proj");
                Some(Linear::load(&p, width, time_width)?)
            }
            None => None,
        };
        let frequency = match config.frequency_embedding {
            Some(columns) => {
                let init = Init::Uniform(0.02);
                let shape = [1, first, 1, columns];
                Some(p.get("frequency_embedding.weight", shape, init)?)
            }
            None => None,
        };
        let beat = match config.beat_embedding {
            Some(rows) => {
                let init = Init::Uniform(0.02);
                Some(p.get("beat_embedding.weight", [1, first, rows, 1], init)?)
            }
            None => None,
        };
        Ok(Self {
            mean_token,
            frequency,
            beat,
            time_1: Linear::load(&time.at("linear_1"), first, time_width)?,
            time_2: Linear::load(&time.at("linear_2"), time_width, time_width)?,
            conv_in: Conv2d::load_same(&p.at("conv_in"), config.in_channels * area, first, 3)?,
            down_blocks,
            mid,
            up_blocks,
            conv_norm_out: GroupNorm::load(
                &p.at("conv_norm_out"),
                first,
                config.norm_num_groups,
                config.norm_eps,
            )?,
            conv_out: Conv2d::load_same(&p.at("conv_out"), first, config.out_channels * area, 3)?,
            config: config.clone(),
        })
    }

    /// Reads the conditions.
    pub fn cache(&self, context: &Context<B>) -> CrossAttentionCache<B> {
        let mut keys = Vec::new();
        let down = self.down_blocks.iter().flat_map(|block| &block.layers);
        down.for_each(|layer| layer.read(context, &mut keys));
        self.mid.attentions.read(context, &mut keys);
        let up = self.up_blocks.iter().flat_map(|block| &block.layers);
        up.for_each(|layer| layer.read(context, &mut keys));
        let mean = || context.audio.clone().mean_dim(1).squeeze_dim(1);
        let projection = self.mean_token.as_ref();
        CrossAttentionCache {
            keys,
            mean_token: projection.map(|projection| projection.forward(mean())),
        }
    }

    /// Predicts the noise (or velocity) in `latents [batch, in, rows, columns]` at `timesteps` (one for each item).
    pub fn forward(
        &self,
        latents: Tensor<B, 4>,
        timesteps: &[f64],
        conditions: &CrossAttentionCache<B>,
        trace: &mut Trace<B>,
    ) -> Tensor<B, 4> {
        let mut time = self.embed_time(timesteps, &latents.device());
        if let Some(mean) = &conditions.mean_token {
            time = time + mean.clone();
        }
        let keys = &mut conditions.keys.iter();
        trace.record("unet.time_embedding", &time);
        // Every resnet begins with the SiLU of the time embedding.
        let time = activate(time, Activation::Silu);
        let (patch, size) = (self.config.patch(), latents.dims());
        let mut x = self.conv_in.forward(patches(latents, patch));
        if let Some(frequency) = &self.frequency {
            x = x + frequency.val();
        }
        if let Some(beat) = &self.beat {
            let [_, _, rows, _] = x.dims();
            let [_, _, period, _] = beat.dims();
            let beats = beat.val().repeat_dim(2, rows.div_ceil(period));
            x = x + beats.narrow(2, 0, rows);
        }
        trace.record("unet.conv_in", &x);
        let mut skips = vec![x.clone()];
        for (i, block) in self.down_blocks.iter().enumerate() {
            x = block.forward(x, &time, keys, &mut skips);
            trace.record(format_args!("unet.down_blocks.{i}"), &x);
        }
        x = self.mid.forward(x, &time, keys);
        trace.record("unet.mid_block", &x);
        for (i, block) in self.up_blocks.iter().enumerate() {
            x = block.forward(x, &time, keys, &mut skips);
            trace.record(format_args!("unet.up_blocks.{i}"), &x);
        }
        let x = self.conv_out.forward(self.conv_norm_out.forward_silu(x));
        cells(x, patch, size)
    }

    /// `[cos(t f_k).., sin(t f_k)..]` with `f_k = exp(-ln(10000) k / (half - shift))` through two
    /// linear layers; computed in f64 up to the first one.
    fn embed_time(&self, timesteps: &[f64], device: &B::Device) -> Tensor<B, 2> {
        let width = self.config.block_out_channels[0];
        let half = width / 2;
        let mut values = Vec::with_capacity(timesteps.len() * width);
        for t in timesteps {
            let step = 10_000f64.ln() / (half as f64 - self.config.freq_shift);
            let angles = (0..half).map(|k| t * (-step * k as f64).exp());
            let cosines: Vec<f32> = angles.clone().map(|a| a.cos() as f32).collect();
            let sines: Vec<f32> = angles.map(|a| a.sin() as f32).collect();
            let [first, second] = if self.config.flip_sin_to_cos {
                [cosines, sines]
            } else {
                [sines, cosines]
            };
            values.extend(first);
            values.extend(second);
        }
        let data = TensorData::new(values, [timesteps.len(), 2 * half]);
        let hidden = self.time_1.forward(Tensor::from_data(data, device));
        self.time_2.forward(activate(hidden, Activation::Silu))
    }
}

/// Squares of `patch` by `patch` cells as channels of one: `[batch, channels, rows, columns]` to `[batch, channels patch^2,
/// rows / patch, columns / patch]`. What is missing of the last ones is zeros.
fn patches<B: Backend>(x: Tensor<B, 4>, patch: usize) -> Tensor<B, 4> {
    if patch == 1 {
        return x;
    }
    let [batch, channels, rows, columns] = x.dims();
    let [down, across] = [rows, columns].map(|n| n.div_ceil(patch));
    let missing = [down * patch - rows, across * patch - columns];
    let x = match missing {
        [0, 0] => x,
        [below, right] => x.pad((0, right, 0, below), 0.0),
    };
    x.reshape([batch, channels, down, patch, across, patch])
        .permute([0, 1, 3, 5, 2, 4])
        .reshape([batch, channels * patch * patch, down, across])
}

/// The cells of such patches, as many as there were: `[.., rows, columns]`.
fn cells<B: Backend>(x: Tensor<B, 4>, patch: usize, size: [usize; 4]) -> Tensor<B, 4> {
    if patch == 1 {
        return x;
    }
    let [batch, channels, down, across] = x.dims();
    let channels = channels / (patch * patch);
    x.reshape([batch, channels, patch, patch, down, across])
        .permute([0, 1, 4, 2, 5, 3])
        .reshape([batch, channels, down * patch, across * patch])
        .narrow(2, 0, size[2])
        .narrow(3, 0, size[3])
}

/// One level on the way down.
#[derive(Module, Debug)]
struct DownBlock<B: Backend> {
    layers: Vec<ResnetAttention<B>>,
    downsampler: Option<Conv2d<B>>,
}

impl<B: Kernels> DownBlock<B> {
    fn load(
        p: &Params<B>,
        inputs: usize,
        level: &Level,
        shared: ResnetConfig,
        downsample: bool,
    ) -> Result<Self> {
        let channels = level.channels;
        let inputs = (0..level.resnets).map(|j| if j == 0 { inputs } else { channels });
        let downsampler = if downsample {
            let p = p.at("downsamplers.0.conv");
            Some(Conv2d::load(&p, [channels, channels], 3, 2, 1, true)?)
        } else {
            None
        };
        Ok(Self {
            layers: ResnetAttention::load_list(p, inputs, level, shared)?,
            downsampler,
        })
    }

    fn forward(
        &self,
        mut x: Tensor<B, 4>,
        time: &Tensor<B, 2>,
        keys: &mut KeyValues<'_, B>,
        skips: &mut Vec<Tensor<B, 4>>,
    ) -> Tensor<B, 4> {
        for layer in &self.layers {
            x = layer.forward(x, time, keys);
            skips.push(x.clone());
        }
        if let Some(downsampler) = &self.downsampler {
            x = downsampler.forward(x);
            skips.push(x.clone());
        }
        x
    }
}

/// The middle: resnet, transformers, resnet.
#[derive(Module, Debug)]
struct MidBlock<B: Backend> {
    first: Resnet<B>,
    attentions: Transformers<B>,
    second: Resnet<B>,
}

impl<B: Kernels> MidBlock<B> {
    fn load(p: &Params<B>, level: &Level, shared: ResnetConfig) -> Result<Self> {
        let channels = level.channels;
        let resnet = |i: usize| Resnet::load(&p.at("resnets").at(i), channels, channels, shared);
        Ok(Self {
            first: resnet(0)?,
            attentions: Transformers::load(&p.at("attentions"), 0, level, shared.groups)?,
            second: resnet(1)?,
        })
    }

    fn forward(
        &self,
        x: Tensor<B, 4>,
        time: &Tensor<B, 2>,
        keys: &mut KeyValues<'_, B>,
    ) -> Tensor<B, 4> {
        let x = self.first.forward(x, Some(time));
        let x = self.attentions.forward(x, keys);
        self.second.forward(x, Some(time))
    }
}

/// One level on the way up.
#[derive(Module, Debug)]
struct UpBlock<B: Backend> {
    layers: Vec<ResnetAttention<B>>,
    upsampler: Option<Conv2d<B>>,
}

impl<B: Kernels> UpBlock<B> {
    /// `skips` are the channels of the skip connections that this level takes, oldest first.
    fn load(
        p: &Params<B>,
        inputs: usize,
        skips: &[usize],
        level: &Level,
        shared: ResnetConfig,
        upsample: bool,
    ) -> Result<Self> {
        let channels = level.channels;
        let before = |j| if j == 0 { inputs } else { channels };
        let skips = skips.iter().rev().enumerate();
        let inputs = skips.map(|(j, skip)| skip + before(j));
        let upsampler = if upsample {
            let p = p.at("upsamplers.0.conv");
            Some(Conv2d::load_same(&p, channels, channels, 3)?)
        } else {
            None
        };
        Ok(Self {
            layers: ResnetAttention::load_list(p, inputs, level, shared)?,
            upsampler,
        })
    }

    fn forward(
        &self,
        mut x: Tensor<B, 4>,
        time: &Tensor<B, 2>,
        keys: &mut KeyValues<'_, B>,
        skips: &mut Vec<Tensor<B, 4>>,
    ) -> Tensor<B, 4> {
        for layer in &self.layers {
            if let Some(skip) = skips.pop() {
                x = Tensor::cat(vec![x, skip], 1);
            }
            x = layer.forward(x, time, keys);
        }
        if let Some(upsampler) = &self.upsampler {
            // A latent whose rows are no multiple of eight: meet the size of the next skip.
            let [_, _, rows, columns] = x.dims();
            let size = skips.last().map_or([2 * rows, 2 * columns], |skip| {
                let [_, _, rows, columns] = skip.dims();
                [rows, columns]
            });
            x = upsampler.forward(upsample_nearest(x, size));
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Cpu;

    #[test]
    fn patches_hold_their_cells() {
        let device = Default::default();
        let numbers: Vec<f32> = (0..2 * 3 * 5 * 4).map(|i| i as f32).collect();
        let size = [2, 3, 5, 4];
        let x = Tensor::<Cpu, 4>::from_data(TensorData::new(numbers, size), &device);
        let small = patches(x.clone(), 2);
        assert_eq!(small.dims(), [2, 12, 3, 2]);
        let at = |x: &Tensor<Cpu, 4>, place: [usize; 4]| -> f32 {
            let ranges = place.map(|at| at..at + 1);
            x.clone().slice(ranges).into_scalar()
        };
        // The second row and the first column of a patch of channel 1.
        assert_eq!(at(&small, [1, 6, 1, 1]), at(&x, [1, 1, 3, 2]));
        // Beneath the last row there is nothing.
        assert_eq!(at(&small, [1, 6, 2, 1]), 0.0);
        let again = cells(small, 2, size);
        assert_eq!(again.dims(), size);
        assert_eq!((again - x).abs().max().into_scalar(), 0.0);
    }
}
