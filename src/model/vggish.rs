//! VGGish: 0.96 seconds of sound become one vector, for the Fréchet audio distance.
//!
//! Hershey et al., "CNN architectures for large-scale audio classification", 2017. Parameter names are those of the
//! package `torchvggish`. As in published scores, the last ReLU is left out, and vectors are neither whitened nor quantised.

use burn::{
    module::Module,
    tensor::{Tensor, activation::relu, backend::Backend, module::max_pool2d},
};
use serde::{Deserialize, Serialize};

use super::{
    MAX_WIDTH, check_sizes,
    layers::{Conv2d, Linear},
    params::Params,
};
use crate::{
    Error, Result,
    audio::vggish::{BANDS, FRAMES},
    ops::Kernels,
};

/// The number that each convolution has in the state dict, and whether the maximum of 2 by 2 is taken behind it.
const CONVOLUTIONS: [(usize, bool); 6] = [
    (0, true),
    (3, true),
    (6, false),
    (8, true),
    (11, false),
    (13, true),
];
/// The number that each linear layer has there.
const LAYERS: [usize; 3] = [0, 2, 4];
/// Frames and bands that are one when all maxima are taken.
const POOLED: usize = 16;

/// Sizes of VGGish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VggishConfig {
    /// Channels behind each convolution.
    pub channels: [usize; 6],
    /// Widths behind each linear layer, of which the last is the embedding's.
    pub widths: [usize; 3],
}

impl VggishConfig {
    /// The published model.
    pub fn published() -> Self {
        Self {
            channels: [64, 128, 256, 256, 512, 512],
            widths: [4096, 4096, 128],
        }
    }

    /// Finds out the sizes from the shapes of a state dict, which `shape` gives by name.
    pub fn infer(shape: impl Fn(&str) -> Option<Vec<usize>>) -> Result<Self> {
        let first = |name: String| {
            let size = shape(&name).and_then(|shape| shape.first().copied());
            size.ok_or_else(|| {
                Error::format(
                    format!("the checkpoint of VGGish has no tensor {name}"),
                    "use vggish-10086976.pth of the package torchvggish",
                )
            })
        };
        let mut config = Self::published();
        for (channels, (number, _)) in config.channels.iter_mut().zip(CONVOLUTIONS) {
            *channels = first(format!("features.{number}.weight"))?;
        }
        for (width, number) in config.widths.iter_mut().zip(LAYERS) {
            *width = first(format!("embeddings.{number}.weight"))?;
        }
        Ok(config)
    }

    /// Refuses sizes that make no network.
    pub fn check(&self) -> Result<()> {
        let channels = self.channels.map(|size| ("channels", size, MAX_WIDTH));
        let widths = self.widths.map(|size| ("widths", size, MAX_WIDTH));
        check_sizes("VGGish", &channels)?;
        check_sizes("VGGish", &widths)
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Vggish<B: Backend> {
    convolutions: Vec<Conv2d<B>>,
    layers: Vec<Linear<B>>,
}

impl<B: Kernels> Vggish<B> {
    /// Reads all parameters.
    pub fn load(p: &Params<B>, config: &VggishConfig) -> Result<Self> {
        config.check()?;
        let mut inputs = 1;
        let mut convolutions = Vec::new();
        for ((number, _), channels) in CONVOLUTIONS.into_iter().zip(config.channels) {
            let at = p.at("features").at(number);
            convolutions.push(Conv2d::load_same(&at, inputs, channels, 3)?);
            inputs = channels;
        }
        inputs *= FRAMES / POOLED * (BANDS / POOLED);
        let mut layers = Vec::new();
        for (number, width) in LAYERS.into_iter().zip(config.widths) {
            layers.push(Linear::load(&p.at("embeddings").at(number), inputs, width)?);
            inputs = width;
        }
        Ok(Self {
            convolutions,
            layers,
        })
    }

    /// `patches [patches, 96, 64]` to embeddings `[patches, width]`.
    pub fn forward(&self, patches: Tensor<B, 3>) -> Tensor<B, 2> {
        let mut x: Tensor<B, 4> = patches.unsqueeze_dim(1);
        for (convolution, (_, pooled)) in self.convolutions.iter().zip(CONVOLUTIONS) {
            x = relu(convolution.forward(x));
            if pooled {
                x = max_pool2d(x, [2, 2], [2, 2], [0, 0], [1, 1], false);
            }
        }
        // In the order of time, frequency and channel.
        let mut x: Tensor<B, 2> = x.permute([0, 2, 3, 1]).flatten(1, 3);
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                x = relu(x);
            }
            x = layer.forward(x);
        }
        x
    }
}
