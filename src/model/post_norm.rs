//! The layer of BERT and its kin, which normalise behind each residual.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};

use super::{
    layers::{LayerNorm, Linear},
    params::Params,
};
use crate::{
    Result,
    ops::{Activation, Kernels, activate, merge_heads, split_heads},
};

/// Sizes of a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct PostNormConfig {
    pub width: usize,
    /// Hidden width of the feed-forward layers.
    pub inner: usize,
    pub heads: usize,
    pub activation: Activation,
    /// Constant of both LayerNorms.
    pub eps: f64,
}

/// A post-norm layer: `x = LN(x + attention(x)); x = LN(x + mlp(x))`.
#[derive(Module, Debug)]
pub(super) struct PostNormLayer<B: Backend> {
    query: Linear<B>,
    key: Linear<B>,
    value: Linear<B>,
    attention_out: Linear<B>,
    attention_norm: LayerNorm<B>,
    intermediate: Linear<B>,
    output: Linear<B>,
    output_norm: LayerNorm<B>,
    heads: usize,
    #[module(skip)]
    activation: Activation,
}

impl<B: Kernels> PostNormLayer<B> {
    pub fn load(p: &Params<B>, config: PostNormConfig) -> Result<Self> {
        let PostNormConfig { width, inner, .. } = config;
        let attention = p.at("attention");
        let norm = |p: &Params<B>| LayerNorm::load(p, width, config.eps);
        let project = |name| Linear::load(&attention.at("self").at(name), width, width);
        Ok(Self {
            query: project("query")?,
            key: project("key")?,
            value: project("value")?,
            attention_out: Linear::load(&attention.at("output.dense"), width, width)?,
            attention_norm: norm(&attention.at("output.LayerNorm"))?,
            intermediate: Linear::load(&p.at("intermediate.dense"), width, inner)?,
            output: Linear::load(&p.at("output.dense"), inner, width)?,
            output_norm: norm(&p.at("output.LayerNorm"))?,
            heads: config.heads,
            activation: config.activation,
        })
    }

    pub fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let [_, _, width] = x.dims();
        let [q, k, v] = [&self.query, &self.key, &self.value]
            .map(|layer| split_heads(layer.forward(x.clone()), self.heads));
        let scale = ((width / self.heads) as f64).powf(-0.5);
        let attended = merge_heads(<B as Kernels>::attention(q, k, v, None, scale));
        let x = self
            .attention_norm
            .forward(x + self.attention_out.forward(attended));
        let hidden = activate(self.intermediate.forward(x.clone()), self.activation);
        self.output_norm.forward(x + self.output.forward(hidden))
    }
}
