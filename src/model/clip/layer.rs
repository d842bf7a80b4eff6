//! The transformer layer that both towers are made of.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};

use crate::{
    Result,
    model::{
        layers::{LayerNorm, Linear},
        params::Params,
    },
    ops::{Activation, Kernels, activate, merge_heads, split_heads},
};

/// The sizes of a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerSizes {
    pub width: usize,
    pub inner: usize,
    pub heads: usize,
    pub activation: Activation,
    pub eps: f64,
}

/// Floating-point operations of one layer over `tokens`.
pub(super) fn flops(sizes: LayerSizes, tokens: u64) -> u64 {
    let (c, m) = (sizes.width as u64, sizes.inner as u64);
    2 * tokens * c * (4 * c + 2 * m) + 4 * tokens * tokens * c
}

/// A pre-norm transformer layer with separate projections.
#[derive(Module, Debug)]
pub(super) struct EncoderLayer<B: Backend> {
    norm1: LayerNorm<B>,
    q: Linear<B>,
    k: Linear<B>,
    v: Linear<B>,
    out: Linear<B>,
    norm2: LayerNorm<B>,
    fc1: Linear<B>,
    fc2: Linear<B>,
    heads: usize,
    #[module(skip)]
    activation: Activation,
}

impl<B: Kernels> EncoderLayer<B> {
    pub fn load(p: &Params<B>, sizes: LayerSizes) -> Result<Self> {
        let LayerSizes {
            width, inner, eps, ..
        } = sizes;
        let attention = p.at("self_attn");
        let project = |name| Linear::load(&attention.at(name), width, width);
        Ok(Self {
            norm1: LayerNorm::load(&p.at("layer_norm1"), width, eps)?,
            q: project("q_proj")?,
            k: project("k_proj")?,
            v: project("v_proj")?,
            out: project("out_proj")?,
            norm2: LayerNorm::load(&p.at("layer_norm2"), width, eps)?,
            fc1: Linear::load(&p.at("mlp.fc1"), width, inner)?,
            fc2: Linear::load(&p.at("mlp.fc2"), inner, width)?,
            heads: sizes.heads,
            activation: sizes.activation,
        })
    }

    /// `x [batch, tokens, width]`; `bias` is added to the attention's scores.
    pub fn forward(&self, x: Tensor<B, 3>, bias: Option<Tensor<B, 4>>) -> Tensor<B, 3> {
        let [_, _, width] = x.dims();
        let h = self.norm1.forward(x.clone());
        let [q, k, v] = [&self.q, &self.k, &self.v]
            .map(|layer| split_heads(layer.forward(h.clone()), self.heads));
        let scale = ((width / self.heads) as f64).powf(-0.5);
        let attended = merge_heads(<B as Kernels>::attention(q, k, v, bias, scale));
        let x = x + self.out.forward(attended);
        let h = self.fc1.forward(self.norm2.forward(x.clone()));
        x + self.fc2.forward(activate(h, self.activation))
    }
}
