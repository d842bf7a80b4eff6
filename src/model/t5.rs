//! T5's encoder (FLAN-T5): the prompt's token states for the UNet's second stream.
//!
//! Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text
//! Transformer", 2020. Attention is not scaled and there are no biases; positions enter only through
//! a learned bias for the distance of key and query, read from the first block and used by all.

use burn::{
    module::{Module, Param},
    tensor::{Int, Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};

use super::{
    MAX_DEPTH, MAX_TABLE, MAX_WIDTH, check_sizes,
    layers::{Embedding, Linear},
    mask::{KeyMask, key_bias},
    params::Params,
    trace::Trace,
    unusable,
};
use crate::{
    Error, Result,
    ops::{Kernels, gelu_tanh, merge_heads, split_heads},
    tensors::Init,
};

/// Sizes, as in `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct T5Config {
    /// Entries of the token table.
    pub vocab_size: usize,
    /// Width of a token.
    pub d_model: usize,
    /// Width of a head; the inner width may differ from `d_model`.
    pub d_kv: usize,
    /// Hidden width of the feed-forward layers.
    pub d_ff: usize,
    /// Number of blocks.
    pub num_layers: usize,
    /// Attention heads.
    pub num_heads: usize,
    /// Entries of the distance table.
    pub relative_attention_num_buckets: usize,
    /// Distances from here on share one entry.
    pub relative_attention_max_distance: usize,
    /// Constant of every norm.
    pub layer_norm_epsilon: f64,
    /// Kind of feed-forward layer: only `gated-gelu` is known here.
    pub feed_forward_proj: String,
}

impl Default for T5Config {
    fn default() -> Self {
        Self {
            vocab_size: 32_128,
            d_model: 1024,
            d_kv: 64,
            d_ff: 2816,
            num_layers: 24,
            num_heads: 16,
            relative_attention_num_buckets: 32,
            relative_attention_max_distance: 128,
            layer_norm_epsilon: 1e-6,
            feed_forward_proj: "gated-gelu".into(),
        }
    }
}

impl T5Config {
    /// Floating-point operations for a text of `tokens` tokens.
    pub fn flops(&self, tokens: usize) -> u64 {
        let (n, c) = (tokens as u64, self.d_model as u64);
        let (inner, m) = ((self.num_heads * self.d_kv) as u64, self.d_ff as u64);
        self.num_layers as u64 * (2 * n * c * (4 * inner + 3 * m) + 4 * n * n * inner)
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct T5Encoder<B: Backend> {
    embedding: Embedding<B>,
    relative_bias: Param<Tensor<B, 2>>,
    blocks: Vec<Block<B>>,
    final_norm: RmsNorm<B>,
    #[module(skip)]
    config: T5Config,
}

impl<B: Kernels> T5Encoder<B> {
    /// Reads all parameters.
    pub fn load(p: &Params<B>, config: &T5Config) -> Result<Self> {
        if config.feed_forward_proj != "gated-gelu" {
            return Err(Error::unsupported(
                format!(
                    "T5 with feed-forward layers of kind {}",
                    config.feed_forward_proj
                ),
                "use a FLAN-T5 checkpoint, whose kind is gated-gelu",
            ));
        }
        let buckets = config.relative_attention_num_buckets;
        check_sizes(
            "T5",
            &[
                ("vocab_size", config.vocab_size, MAX_TABLE),
                ("d_model", config.d_model, MAX_WIDTH),
                ("d_kv", config.d_kv, MAX_WIDTH),
                ("d_ff", config.d_ff, MAX_WIDTH),
                ("num_layers", config.num_layers, MAX_DEPTH),
                ("num_heads", config.num_heads, MAX_DEPTH),
                ("a quarter of the relative buckets", buckets / 4, MAX_TABLE),
            ],
        )?;
        let farthest = config.relative_attention_max_distance;
        if farthest <= buckets / 4 {
            let what = format!("relative_attention_max_distance {farthest}");
            return Err(unusable("T5", what));
        }
        let width = config.d_model;
        let encoder = p.at("encoder");
        Ok(Self {
            embedding: Embedding::load(&p.at("shared"), config.vocab_size, width)?,
            relative_bias: encoder.get(
                "block.0.layer.0.SelfAttention.relative_attention_bias.weight",
                [buckets, config.num_heads],
                Init::Uniform(0.02),
            )?,
            blocks: (0..config.num_layers)
                .map(|i| Block::load(&encoder.at("block").at(i).at("layer"), config))
                .collect::<Result<_>>()?,
            final_norm: RmsNorm::load(&encoder.at("final_layer_norm"), config)?,
            config: config.clone(),
        })
    }

    /// Texts of one length, padded where `mask` is false, to `[batch, tokens, width]`.
    pub fn forward(
        &self,
        ids: &[Vec<u32>],
        mask: &KeyMask,
        trace: &mut Trace<B>,
    ) -> Result<Tensor<B, 3>> {
        let length = ids.first().map_or(0, Vec::len);
        let known = |id: &u32| (*id as usize) < self.config.vocab_size;
        if length == 0 || ids.iter().any(|row| row.len() != length) {
            return Err(Error::internal("T5 needs texts of one length"));
        }
        if !ids.iter().flatten().all(known) {
            return Err(Error::format(
                "a token of the prompt is not in T5's table",
                "use the tokenizer that belongs to the checkpoint",
            ));
        }
        let rows = ids.iter().map(|row| self.embedding.forward(row)).collect();
        let mut x = Tensor::cat(rows, 0);
        let bias = self.position_bias(length) + key_bias(mask, &x.device());
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(x, bias.clone());
            trace.record(format_args!("t5.layers.{i}"), &x);
        }
        Ok(self.final_norm.forward(x))
    }

    /// `[1, heads, length, length]`: what the distance from query to key adds to a score.
    fn position_bias(&self, length: usize) -> Tensor<B, 4> {
        let buckets: Vec<i32> = (0..length as i64)
            .flat_map(|query| (0..length as i64).map(move |key| key - query))
            .map(|distance| bucket(distance, &self.config))
            .collect();
        let table = self.relative_bias.val();
        let index = Tensor::<B, 1, Int>::from_ints(buckets.as_slice(), &table.device());
        let [_, heads] = table.dims();
        table
            .select(0, index)
            .reshape([1, length, length, heads])
            .permute([0, 3, 1, 2])
    }
}

/// The entry of the distance table for `distance` = key minus query: one half for each direction;
/// of each half, one half is exact and the rest grows with the logarithm.
fn bucket(distance: i64, config: &T5Config) -> i32 {
    let half = config.relative_attention_num_buckets as i32 / 2;
    let exact = half / 2;
    let start = if distance > 0 { half } else { 0 };
    let far = distance.unsigned_abs();
    if far < exact as u64 {
        return start + far as i32;
    }
    let ratio = (far as f32 / exact as f32).ln()
        / (config.relative_attention_max_distance as f32 / exact as f32).ln();
    let step = (ratio * (half - exact) as f32) as i32;
    start + (exact + step).min(half - 1)
}

/// `w x / sqrt(mean(x^2) + eps)`.
#[derive(Module, Debug)]
struct RmsNorm<B: Backend> {
    weight: Param<Tensor<B, 1>>,
    eps: f64,
}

impl<B: Kernels> RmsNorm<B> {
    fn load(p: &Params<B>, config: &T5Config) -> Result<Self> {
        Ok(Self {
            weight: p.get("weight", [config.d_model], Init::Constant(1.0))?,
            eps: config.layer_norm_epsilon,
        })
    }

    fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let mean_square = (x.clone() * x.clone()).mean_dim(2);
        x / (mean_square + self.eps).sqrt() * self.weight.val().unsqueeze()
    }
}

/// A pre-norm block: attention, then a gated feed-forward layer.
#[derive(Module, Debug)]
struct Block<B: Backend> {
    attention_norm: RmsNorm<B>,
    q: Linear<B>,
    k: Linear<B>,
    v: Linear<B>,
    o: Linear<B>,
    feed_norm: RmsNorm<B>,
    wi_0: Linear<B>,
    wi_1: Linear<B>,
    wo: Linear<B>,
    heads: usize,
}

impl<B: Kernels> Block<B> {
    fn load(p: &Params<B>, config: &T5Config) -> Result<Self> {
        let (width, inner) = (config.d_model, config.num_heads * config.d_kv);
        let (attention, feed) = (p.at("0"), p.at("1"));
        let linear = |p: &Params<B>, name: &str, inputs, outputs| {
            Linear::load_no_bias(&p.at(name), inputs, outputs)
        };
        Ok(Self {
            attention_norm: RmsNorm::load(&attention.at("layer_norm"), config)?,
            q: linear(&attention, "SelfAttention.q", width, inner)?,
            k: linear(&attention, "SelfAttention.k", width, inner)?,
            v: linear(&attention, "SelfAttention.v", width, inner)?,
            o: linear(&attention, "SelfAttention.o", inner, width)?,
            feed_norm: RmsNorm::load(&feed.at("layer_norm"), config)?,
            wi_0: linear(&feed, "DenseReluDense.wi_0", width, config.d_ff)?,
            wi_1: linear(&feed, "DenseReluDense.wi_1", width, config.d_ff)?,
            wo: linear(&feed, "DenseReluDense.wo", config.d_ff, width)?,
            heads: config.num_heads,
        })
    }

    fn forward(&self, x: Tensor<B, 3>, bias: Tensor<B, 4>) -> Tensor<B, 3> {
        let h = self.attention_norm.forward(x.clone());
        let [q, k, v] = [&self.q, &self.k, &self.v]
            .map(|layer| split_heads(layer.forward(h.clone()), self.heads));
        let attended = merge_heads(<B as Kernels>::attention(q, k, v, Some(bias), 1.0));
        let x = x + self.o.forward(attended);
        let h = self.feed_norm.forward(x.clone());
        let gate = gelu_tanh(self.wi_0.forward(h.clone()));
        x + self.wo.forward(gate * self.wi_1.forward(h))
    }
}
