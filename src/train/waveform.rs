//! What tells real sounds from a vocoder's by their samples: HiFi-GAN's multi-period and multi-scale discriminators.
//!
//! Kong et al., "HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech Synthesis", 2020. All
//! weights are normalised by their lengths (Salimans and Kingma, "Weight Normalization", 2016); the authors normalise those
//! of the first scale by their largest singular values instead, which is a state that a run would have to keep.

use burn::{
    module::{Module, Param},
    tensor::{
        FloatDType, Tensor,
        activation::leaky_relu,
        backend::Backend,
        module::{avg_pool1d, conv1d},
        ops::ConvOptions,
    },
};

use super::adversarial::Verdict;
use crate::{Result, model::params::Params, ops::Kernels, tensors::Init};

/// The periods in samples, at which the sound is folded.
const PERIODS: [usize; 5] = [2, 3, 5, 7, 11];
/// How many scales there are, each at half the sample rate of the one before.
const SCALES: usize = 3;
/// The slope of the activations below 0.
const SLOPE: f64 = 0.1;
/// The usual length of a fresh weight: of numbers that are uniform within `1 / sqrt(inputs)`.
const FRESH_LENGTH: f32 = 0.577_350_3;

/// All of them.
#[derive(Module, Debug)]
pub struct WaveformDiscriminators<B: Backend> {
    periods: Vec<Layers<B>>,
    scales: Vec<Layers<B>>,
}

/// One discriminator: convolutions, and a last one that scores.
#[derive(Module, Debug)]
struct Layers<B: Backend> {
    convs: Vec<NormedConv1d<B>>,
    out: NormedConv1d<B>,
}

/// A convolution whose weight is `weight_g weight_v / |weight_v|`, the length taken for each output.
#[derive(Module, Debug)]
struct NormedConv1d<B: Backend> {
    length: Param<Tensor<B, 3>>,
    direction: Param<Tensor<B, 3>>,
    bias: Param<Tensor<B, 1>>,
    stride: usize,
    padding: usize,
    groups: usize,
}

/// The sizes of a convolution.
struct Sizes {
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    groups: usize,
}

impl<B: Kernels> NormedConv1d<B> {
    fn load(p: &Params<B>, sizes: &Sizes) -> Result<Self> {
        let fan_in = sizes.inputs / sizes.groups * sizes.kernel;
        let init = Init::fan_in(fan_in);
        let shape = [sizes.outputs, sizes.inputs / sizes.groups, sizes.kernel];
        let length = Init::Constant(FRESH_LENGTH);
        Ok(Self {
            length: p.get("weight_g", [sizes.outputs, 1, 1], length)?,
            direction: p.get("weight_v", shape, init)?,
            bias: p.get("bias", [sizes.outputs], init)?,
            stride: sizes.stride,
            padding: sizes.kernel / 2,
            groups: sizes.groups,
        })
    }

    fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let direction = self.direction.val();
        let x = x.cast(FloatDType::from(direction.dtype()));
        let squares = direction.clone().powi_scalar(2).sum_dim(2).sum_dim(1);
        let weight = direction * (self.length.val() / squares.sqrt());
        let options = ConvOptions::new([self.stride], [self.padding], [1], self.groups);
        conv1d(x, weight, Some(self.bias.val()), options)
    }
}

impl<B: Kernels> Layers<B> {
    fn load(p: &Params<B>, sizes: &[Sizes]) -> Result<Self> {
        let convs = sizes.iter().enumerate();
        let convs = convs.map(|(i, sizes)| NormedConv1d::load(&p.at("convs").at(i), sizes));
        let last = sizes.last().map_or(1, |sizes| sizes.outputs);
        let out = Sizes {
            inputs: last,
            outputs: 1,
            kernel: 3,
            stride: 1,
            groups: 1,
        };
        Ok(Self {
            convs: convs.collect::<Result<_>>()?,
            out: NormedConv1d::load(&p.at("conv_post"), &out)?,
        })
    }

    /// The score is the last layer that is compared, as the authors have it.
    fn forward(&self, mut x: Tensor<B, 3>) -> Verdict<B> {
        let mut layers = Vec::with_capacity(self.convs.len() + 1);
        for conv in &self.convs {
            x = leaky_relu(conv.forward(x), SLOPE);
            layers.push(x.clone().unsqueeze_dim(3));
        }
        let score: Tensor<B, 4> = self.out.forward(x).unsqueeze_dim(3);
        layers.push(score.clone());
        Verdict { layers, score }
    }
}

/// Of the discriminator of one period, whose first layer has `first` channels: 32 as published.
fn of_period(first: usize) -> Vec<Sizes> {
    let channels = [1, first, 4 * first, 16 * first, 32 * first, 32 * first];
    let pairs = channels.windows(2).enumerate();
    pairs
        .map(|(i, pair)| Sizes {
            inputs: pair[0],
            outputs: pair[1],
            kernel: 5,
            stride: if i < 4 { 3 } else { 1 },
            groups: 1,
        })
        .collect()
}

/// Of the discriminator of one scale: four times as many channels in the first layer.
fn of_scale(first: usize) -> Vec<Sizes> {
    let c = 4 * first;
    [
        [1, c, 15, 1, 1],
        [c, c, 41, 2, 4],
        [c, 2 * c, 41, 2, 16],
        [2 * c, 4 * c, 41, 4, 16],
        [4 * c, 8 * c, 41, 4, 16],
        [8 * c, 8 * c, 41, 1, 16],
        [8 * c, 8 * c, 5, 1, 1],
    ]
    .map(|[inputs, outputs, kernel, stride, groups]| Sizes {
        inputs,
        outputs,
        kernel,
        stride,
        groups,
    })
    .into()
}

impl<B: Kernels> WaveformDiscriminators<B> {
    /// Reads `periods.I` and `scales.I`, each with `convs.N` and `conv_post`. The first layer of a period has `channels`
    /// channels, a multiple of 4; all others follow from it.
    pub fn load(p: &Params<B>, channels: usize) -> Result<Self> {
        let of = |name: &str, count: usize, sizes: fn(usize) -> Vec<Sizes>| {
            let each = (0..count).map(|i| Layers::load(&p.at(name).at(i), &sizes(channels)));
            each.collect::<Result<Vec<_>>>()
        };
        Ok(Self {
            periods: of("periods", PERIODS.len(), of_period)?,
            scales: of("scales", SCALES, of_scale)?,
        })
    }

    /// What all make of `samples [batch, length]`: those of periods first.
    pub fn forward(&self, samples: &Tensor<B, 2>) -> Vec<Verdict<B>> {
        let mut verdicts = Vec::with_capacity(self.periods.len() + self.scales.len());
        for (layers, period) in self.periods.iter().zip(PERIODS) {
            verdicts.push(layers.forward(folded(samples.clone(), period)));
        }
        let mut scaled: Tensor<B, 3> = samples.clone().unsqueeze_dim(1);
        for (i, layers) in self.scales.iter().enumerate() {
            if i > 0 {
                scaled = avg_pool1d(scaled, 4, 2, 2, true, false);
            }
            verdicts.push(layers.forward(scaled.clone()));
        }
        verdicts
    }
}

/// Every `period`-th sample of `samples [batch, length]` as a sound of its own, `[batch * period, 1, length / period]`;
/// the end is mirrored to a whole period.
fn folded<B: Backend>(samples: Tensor<B, 2>, period: usize) -> Tensor<B, 3> {
    let [batch, length] = samples.dims();
    let missing = length.next_multiple_of(period) - length;
    let samples = match missing {
        0 => samples,
        missing => {
            let end = samples.clone().narrow(1, length - 1 - missing, missing);
            Tensor::cat(vec![samples, end.flip([1])], 1)
        }
    };
    let rows = (length + missing) / period;
    samples
        .reshape([batch, rows, period])
        .swap_dims(1, 2)
        .reshape([batch * period, 1, rows])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::params::Plan, ops::Cpu, tensors::tensor};

    #[test]
    fn sounds_are_folded_and_mirrored() {
        let samples: Vec<f32> = (0..10).map(|x| x as f32).collect();
        let samples = tensor::<Cpu, 2>(samples, [2, 5], &Default::default());
        let folded = folded(samples, 3);
        assert_eq!(folded.dims(), [6, 1, 2]);
        let values = folded.into_data().to_vec::<f32>().unwrap();
        assert_eq!(
            values,
            [0.0, 3.0, 1.0, 4.0, 2.0, 3.0, 5.0, 8.0, 6.0, 9.0, 7.0, 8.0]
        );
    }

    /// 41.1 million parameters of periods and 29.6 million of scales, with a length for every output.
    #[test]
    fn agrees_with_the_published_sizes() {
        let plan = Plan::default();
        WaveformDiscriminators::<Cpu>::load(&Params::new(&plan, &Default::default()), 32).unwrap();
        let tensors = plan.into_tensors();
        let count = |start: &str, skipped: &str| -> usize {
            let own = tensors.iter().filter(|planned| {
                planned.name.starts_with(start) && !planned.name.ends_with(skipped)
            });
            own.map(|planned| planned.shape.iter().product::<usize>())
                .sum()
        };
        assert_eq!(count("periods", "weight_g"), 41_092_165);
        assert_eq!(count("scales", "weight_g"), 29_610_627);
    }
}
