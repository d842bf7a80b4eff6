//! The networks that turn pictures into embeddings.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};

use super::{names::kind, networks::EncoderConfig};
use crate::{
    Result,
    model::{clip::ClipVision, imagebind::VisionTrunk, params::Params, trace::Trace},
    ops::Kernels,
};

/// The picture encoder of a bundle.
// Modules cannot be boxed, and there is one of them.
#[allow(clippy::large_enum_variant)]
#[derive(Module, Debug)]
pub enum PictureEncoder<B: Backend> {
    /// ImageBind.
    ImageBind(VisionTrunk<B>),
    /// CLIP.
    Clip(ClipVision<B>),
}

impl<B: Kernels> PictureEncoder<B> {
    /// Loads the network that `config` is of, from the tensors of its stage.
    pub fn load(p: &Params<B>, config: &EncoderConfig) -> Result<Self> {
        Ok(match config {
            EncoderConfig::ImageBind(config) => {
                Self::ImageBind(VisionTrunk::load(&p.at(kind::IMAGEBIND_VISION), config)?)
            }
            EncoderConfig::Clip(config) => {
                Self::Clip(ClipVision::load(&p.at(kind::CLIP_VISION), config)?)
            }
        })
    }

    /// Pixels `[items, 3, size, size]` to embeddings `[items, width]`.
    pub fn forward(&self, pixels: Tensor<B, 4>, trace: &mut Trace<B>) -> Tensor<B, 2> {
        match self {
            Self::ImageBind(trunk) => trunk.forward(pixels, trace),
            Self::Clip(tower) => tower.forward(pixels, trace),
        }
    }
}
