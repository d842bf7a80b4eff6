//! The pre-norm transformer block that ImageBind's trunks share.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};

use crate::{
    Result,
    model::{
        layers::{LayerNorm, Linear},
        params::Params,
    },
    ops::{Activation, Kernels, merge_heads, split_heads},
    tensors::Init,
};

/// Every LayerNorm of ImageBind but the one in the audio stem.
pub(super) const EPS: f64 = 1e-6;

/// `x += attention(norm_1 x); x += mlp(norm_2 x)`.
#[derive(Module, Debug)]
pub(super) struct Block<B: Backend> {
    norm_1: LayerNorm<B>,
    q: Linear<B>,
    k: Linear<B>,
    v: Linear<B>,
    out_proj: Linear<B>,
    /// One more key and value behind the sequence (audio only), each `[1, 1, width]`.
    extra: Option<ExtraToken<B>>,
    norm_2: LayerNorm<B>,
    fc1: Linear<B>,
    fc2: Linear<B>,
    heads: usize,
}

#[derive(Module, Debug)]
struct ExtraToken<B: Backend> {
    key: Param<Tensor<B, 3>>,
    value: Param<Tensor<B, 3>>,
}

/// The sizes of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockConfig {
    pub width: usize,
    pub heads: usize,
    pub mlp: usize,
    /// Whether attention has `bias_k` and `bias_v`.
    pub extra_token: bool,
}

impl<B: Kernels> Block<B> {
    pub fn load(p: &Params<B>, config: BlockConfig) -> Result<Self> {
        let BlockConfig { width, heads, .. } = config;
        let attention = p.at("attn");
        let extra = if config.extra_token {
            let init = Init::fan_in(width);
            Some(ExtraToken {
                key: attention.get("bias_k", [1, 1, width], init)?,
                value: attention.get("bias_v", [1, 1, width], init)?,
            })
        } else {
            None
        };
        let (weight, bias) = ("in_proj_weight", "in_proj_bias");
        let [q, k, v] = Linear::load_parts(&attention, width, width, weight, bias)?;
        Ok(Self {
            norm_1: LayerNorm::load(&p.at("norm_1"), width, EPS)?,
            q,
            k,
            v,
            out_proj: Linear::load(&attention.at("out_proj"), width, width)?,
            extra,
            norm_2: LayerNorm::load(&p.at("norm_2"), width, EPS)?,
            fc1: Linear::load(&p.at("mlp.fc1"), width, config.mlp)?,
            fc2: Linear::load(&p.at("mlp.fc2"), config.mlp, width)?,
            heads,
        })
    }

    /// `x [batch, tokens, width]`; `bias` is added to the attention scores.
    pub fn forward(&self, x: Tensor<B, 3>, bias: Option<Tensor<B, 4>>) -> Tensor<B, 3> {
        let attended = self.attend(self.norm_1.forward(x.clone()), bias);
        let x = self.out_proj.forward_onto(attended, x);
        let hidden = self.norm_2.forward(x.clone());
        let hidden = self.fc1.forward_with(hidden, Activation::Gelu);
        self.fc2.forward_onto(hidden, x)
    }

    fn attend(&self, x: Tensor<B, 3>, bias: Option<Tensor<B, 4>>) -> Tensor<B, 3> {
        let [batch, _, width] = x.dims();
        let q = self.q.forward(x.clone());
        let mut k = self.k.forward(x.clone());
        let mut v = self.v.forward(x);
        if let Some(extra) = &self.extra {
            k = Tensor::cat(vec![k, extra.key.val().expand([batch, 1, width])], 1);
            v = Tensor::cat(vec![v, extra.value.val().expand([batch, 1, width])], 1);
        }
        let scale = ((width / self.heads) as f64).powf(-0.5);
        let [q, k, v] = [q, k, v].map(|x| split_heads(x, self.heads));
        merge_heads(<B as Kernels>::attention(q, k, v, bias, scale))
    }
}

/// Floating-point operations of one block over `tokens`.
pub(super) fn flops(tokens: usize, width: usize, mlp: usize) -> u64 {
    let (n, c, m) = (tokens as u64, width as u64, mlp as u64);
    2 * n * c * (4 * c + 2 * m) + 4 * n * n * c
}
