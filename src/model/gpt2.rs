//! GPT-2 as AudioLDM 2 uses it: vectors in, vectors out. It translates a prefix (image tokens, or
//! projected text) into eight vectors of the *Language of Audio*.
//!
//! Liu et al., "AudioLDM 2: Learning Holistic Audio Generation with Self-supervised Pretraining",
//! 2023. There is no token table and no output head: each new vector is the last hidden state, fed
//! back as the next input.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};

use super::{
    MAX_DEPTH, MAX_TABLE, MAX_WIDTH, check_multiple, check_sizes,
    layers::LayerNorm,
    mask::{KeyMask, causal_bias},
    params::Params,
};
use crate::{
    Error, Result,
    ops::{Activation, Epilogue, Kernels, WeightRef, activate, merge_heads, split_heads},
    tensors::Init,
};

/// Sizes, as in `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gpt2Config {
    /// Width of a vector.
    pub n_embd: usize,
    /// Number of blocks.
    pub n_layer: usize,
    /// Attention heads.
    pub n_head: usize,
    /// Hidden width of the feed-forward layers; four times the width when absent.
    pub n_inner: Option<usize>,
    /// Longest sequence.
    pub n_positions: usize,
    /// Constant of every LayerNorm.
    pub layer_norm_epsilon: f64,
    /// Activation of the feed-forward layers.
    pub activation_function: Activation,
    /// Vectors to generate.
    pub max_new_tokens: usize,
}

impl Default for Gpt2Config {
    fn default() -> Self {
        Self {
            n_embd: 768,
            n_layer: 12,
            n_head: 12,
            n_inner: None,
            n_positions: 1024,
            layer_norm_epsilon: 1e-5,
            activation_function: Activation::GeluTanh,
            max_new_tokens: 8,
        }
    }
}

impl Gpt2Config {
    /// Refuses sizes that make no network.
    pub fn check(&self) -> Result<()> {
        let network = "GPT-2";
        check_sizes(
            network,
            &[
                ("n_embd", self.n_embd, MAX_WIDTH),
                ("n_layer", self.n_layer, MAX_DEPTH),
                ("n_inner", self.inner(), 4 * MAX_WIDTH),
                ("n_positions", self.n_positions, MAX_TABLE),
                ("max_new_tokens", self.max_new_tokens, self.n_positions),
            ],
        )?;
        check_multiple(network, ("n_embd", self.n_embd), ("n_head", self.n_head))
    }

    fn inner(&self) -> usize {
        self.n_inner.unwrap_or(4 * self.n_embd)
    }

    /// Floating-point operations to generate all vectors behind a prefix of `prefix` vectors.
    pub fn flops(&self, prefix: usize) -> u64 {
        let (c, m) = (self.n_embd as u64, self.inner() as u64);
        let n = (prefix + self.max_new_tokens).saturating_sub(1) as u64;
        self.n_layer as u64 * (2 * n * c * (4 * c + 2 * m) + 2 * n * n * c)
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Gpt2<B: Backend> {
    wpe: Param<Tensor<B, 2>>,
    blocks: Vec<Block<B>>,
    ln_f: LayerNorm<B>,
    positions: usize,
    new_tokens: usize,
}

impl<B: Kernels> Gpt2<B> {
    /// Reads all parameters.
    pub fn load(p: &Params<B>, config: &Gpt2Config) -> Result<Self> {
        config.check()?;
        let width = config.n_embd;
        Ok(Self {
            wpe: p.get(
                "wpe.weight",
                [config.n_positions, width],
                Init::Uniform(0.02),
            )?,
            blocks: (0..config.n_layer)
                .map(|i| Block::load(&p.at("h").at(i), config))
                .collect::<Result<_>>()?,
            ln_f: LayerNorm::load(&p.at("ln_f"), width, config.layer_norm_epsilon)?,
            positions: config.n_positions,
            new_tokens: config.max_new_tokens,
        })
    }

    /// Generates from `prefix [batch, tokens, width]`; `mask` says which vectors of the prefix count
    /// (all, when absent). Gives `[batch, new tokens, width]`, every vector taken behind `ln_f`.
    pub fn generate(&self, prefix: Tensor<B, 3>, mask: Option<&KeyMask>) -> Result<Tensor<B, 3>> {
        let [_, length, _] = prefix.dims();
        if length == 0 || length + self.new_tokens > self.positions + 1 {
            return Err(Error::input(
                format!(
                    "the language model takes 1 to {} vectors, not {length}",
                    self.positions + 1 - self.new_tokens
                ),
                "use an aligner with fewer tokens or a shorter prompt",
            ));
        }
        let mut caches: Vec<Option<Cache<B>>> = vec![None; self.blocks.len()];
        let mut keys = mask.cloned();
        let mut input = prefix;
        let mut past = 0;
        let mut generated = Vec::with_capacity(self.new_tokens);
        for _ in 0..self.new_tokens {
            let [_, queries, _] = input.dims();
            // Positions count every slot, masked ones too.
            let positions = self.wpe.val().narrow(0, past, queries).unsqueeze::<3>();
            let needs_bias = queries > 1 || keys.is_some();
            let bias =
                needs_bias.then(|| causal_bias(queries, past, keys.as_ref(), &input.device()));
            let mut x = input + positions;
            for (block, cache) in self.blocks.iter().zip(&mut caches) {
                x = block.forward(x, bias.clone(), cache);
            }
            let newest = self.ln_f.forward(x.narrow(1, queries - 1, 1));
            generated.push(newest.clone());
            input = newest;
            past += queries;
            for item in keys.iter_mut().flatten() {
                item.push(true);
            }
        }
        Ok(Tensor::cat(generated, 1))
    }
}

/// Keys and values of the sequence so far, each `[batch, heads, tokens, dim]`.
#[derive(Debug, Clone)]
struct Cache<B: Backend> {
    keys: Tensor<B, 4>,
    values: Tensor<B, 4>,
}

/// A pre-norm block.
#[derive(Module, Debug)]
struct Block<B: Backend> {
    ln_1: LayerNorm<B>,
    c_attn: Conv1D<B>,
    attn_proj: Conv1D<B>,
    ln_2: LayerNorm<B>,
    c_fc: Conv1D<B>,
    mlp_proj: Conv1D<B>,
    heads: usize,
    #[module(skip)]
    activation: Activation,
}

impl<B: Kernels> Block<B> {
    fn load(p: &Params<B>, config: &Gpt2Config) -> Result<Self> {
        let (width, eps, inner) = (config.n_embd, config.layer_norm_epsilon, config.inner());
        Ok(Self {
            ln_1: LayerNorm::load(&p.at("ln_1"), width, eps)?,
            c_attn: Conv1D::load(&p.at("attn.c_attn"), width, 3 * width)?,
            attn_proj: Conv1D::load(&p.at("attn.c_proj"), width, width)?,
            ln_2: LayerNorm::load(&p.at("ln_2"), width, eps)?,
            c_fc: Conv1D::load(&p.at("mlp.c_fc"), width, inner)?,
            mlp_proj: Conv1D::load(&p.at("mlp.c_proj"), inner, width)?,
            heads: config.n_head,
            activation: config.activation_function,
        })
    }

    fn forward(
        &self,
        x: Tensor<B, 3>,
        bias: Option<Tensor<B, 4>>,
        cache: &mut Option<Cache<B>>,
    ) -> Tensor<B, 3> {
        let [_, _, width] = x.dims();
        let packed = self.c_attn.forward(self.ln_1.forward(x.clone()));
        let part = |i: usize| split_heads(packed.clone().narrow(2, i * width, width), self.heads);
        let (q, mut keys, mut values) = (part(0), part(1), part(2));
        if let Some(past) = cache.take() {
            keys = Tensor::cat(vec![past.keys, keys], 2);
            values = Tensor::cat(vec![past.values, values], 2);
        }
        *cache = Some(Cache {
            keys: keys.clone(),
            values: values.clone(),
        });
        let scale = ((width / self.heads) as f64).powf(-0.5);
        let attended = merge_heads(<B as Kernels>::attention(q, keys, values, bias, scale));
        let x = x + self.attn_proj.forward(attended);
        let h = self.c_fc.forward(self.ln_2.forward(x.clone()));
        x + self.mlp_proj.forward(activate(h, self.activation))
    }
}

/// GPT-2's linear layer, whose weight is stored `[in, out]`.
#[derive(Module, Debug)]
struct Conv1D<B: Backend> {
    weight: Param<Tensor<B, 2>>,
    bias: Param<Tensor<B, 1>>,
}

impl<B: Kernels> Conv1D<B> {
    fn load(p: &Params<B>, inputs: usize, outputs: usize) -> Result<Self> {
        let init = Init::fan_in(inputs);
        Ok(Self {
            weight: p.get("weight", [inputs, outputs], init)?,
            bias: p.get("bias", [outputs], Init::Constant(0.0))?,
        })
    }

    fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let weight = WeightRef::Dense(self.weight.val().transpose());
        <B as Kernels>::linear(x, weight, Epilogue::bias(Some(self.bias.val())))
    }
}
