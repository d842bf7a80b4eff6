//! The residual block that the UNet and the VAE share.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};

use super::{
    layers::{Conv2d, GroupNorm, Linear},
    params::Params,
};
use crate::{Result, ops::Kernels};

/// What all residual blocks of a network share.
#[derive(Debug, Clone, Copy)]
pub(super) struct ResnetConfig {
    /// Groups of its GroupNorms.
    pub groups: usize,
    /// Constant of its GroupNorms.
    pub eps: f64,
    /// Width of the time embedding, where there is one.
    pub time_width: Option<usize>,
}

/// Two convolutions, between them the time embedding, and a shortcut:
/// `x + conv2(silu(norm2(conv1(silu(norm1 x)) + time)))`.
#[derive(Module, Debug)]
pub(super) struct Resnet<B: Backend> {
    norm1: GroupNorm<B>,
    conv1: Conv2d<B>,
    time_emb_proj: Option<Linear<B>>,
    norm2: GroupNorm<B>,
    conv2: Conv2d<B>,
    shortcut: Option<Conv2d<B>>,
}

impl<B: Kernels> Resnet<B> {
    pub fn load(
        p: &Params<B>,
        inputs: usize,
        outputs: usize,
        config: ResnetConfig,
    ) -> Result<Self> {
        let ResnetConfig { groups, eps, .. } = config;
        let time_emb_proj = match config.time_width {
            Some(width) => Some(Linear::load(&p.at("time_emb_proj"), width, outputs)?),
            None => None,
        };
        let shortcut = if inputs == outputs {
            None
        } else {
            let p = p.at("conv_shortcut");
            Some(Conv2d::load_same(&p, inputs, outputs, 1)?)
        };
        Ok(Self {
            norm1: GroupNorm::load(&p.at("norm1"), inputs, groups, eps)?,
            conv1: Conv2d::load_same(&p.at("conv1"), inputs, outputs, 3)?,
            time_emb_proj,
            norm2: GroupNorm::load(&p.at("norm2"), outputs, groups, eps)?,
            conv2: Conv2d::load_same(&p.at("conv2"), outputs, outputs, 3)?,
            shortcut,
        })
    }

    /// `x [batch, in, rows, columns]`; `time [batch, time width]` with SiLU already applied.
    pub fn forward(&self, x: Tensor<B, 4>, time: Option<&Tensor<B, 2>>) -> Tensor<B, 4> {
        let projection = self.time_emb_proj.as_ref().zip(time);
        let shift = projection.map(|(projection, time)| projection.forward(time.clone()));
        let h = self.norm1.forward_silu(x.clone());
        let h = self
            .norm2
            .forward_silu(self.conv1.forward_shifted(h, shift));
        let residual = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x),
            None => x,
        };
        self.conv2.forward_onto(h, residual)
    }
}
