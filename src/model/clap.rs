//! CLAP's text branch: a RoBERTa encoder whose first token becomes one unit vector.
//!
//! Wu et al., "Large-Scale Contrastive Language-Audio Pretraining with Feature Fusion and
//! Keyword-to-Caption Augmentation", 2023. Parameter names are those of `ClapModel`.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};

use super::{
    MAX_DEPTH, MAX_TABLE, MAX_WIDTH, check_multiple, check_sizes,
    layers::{Embedding, LayerNorm, Linear, l2_normalise},
    params::Params,
    post_norm::{PostNormConfig, PostNormLayer},
    trace::Trace,
};
use crate::{
    Error, Result,
    ops::{Activation, Kernels, activate},
};

/// Sizes of the text branch, as under `text_config` of `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClapTextConfig {
    /// Entries of the token table.
    pub vocab_size: usize,
    /// Width of a token.
    pub hidden_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Hidden width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Entries of the position table.
    pub max_position_embeddings: usize,
    /// Entries of the token type table.
    pub type_vocab_size: usize,
    /// Constant of every LayerNorm.
    pub layer_norm_eps: f64,
    /// Activation of the feed-forward layers.
    pub hidden_act: Activation,
    /// Id of the padding token.
    pub pad_token_id: u32,
    /// Width of the output.
    pub projection_dim: usize,
    /// Activation between the two layers of the projection.
    pub projection_hidden_act: Activation,
}

impl Default for ClapTextConfig {
    fn default() -> Self {
        Self {
            vocab_size: 50_265,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            max_position_embeddings: 514,
            type_vocab_size: 1,
            layer_norm_eps: 1e-12,
            hidden_act: Activation::Gelu,
            pad_token_id: 1,
            projection_dim: 512,
            projection_hidden_act: Activation::Relu,
        }
    }
}

impl ClapTextConfig {
    /// Refuses sizes that make no network.
    pub fn check(&self) -> Result<()> {
        let network = "CLAP";
        let pad = self.pad_token_id as usize;
        check_sizes(
            network,
            &[
                ("vocab_size", self.vocab_size, MAX_TABLE),
                ("hidden_size", self.hidden_size, MAX_WIDTH),
                ("num_hidden_layers", self.num_hidden_layers, MAX_DEPTH),
                ("intermediate_size", self.intermediate_size, MAX_WIDTH),
                (
                    "max_position_embeddings",
                    self.max_position_embeddings,
                    MAX_TABLE,
                ),
                // Two marks have positions behind it.
                (
                    "pad_token_id",
                    pad + 1,
                    self.max_position_embeddings.saturating_sub(2),
                ),
                ("type_vocab_size", self.type_vocab_size, MAX_TABLE),
                ("projection_dim", self.projection_dim, MAX_WIDTH),
            ],
        )?;
        let heads = ("num_attention_heads", self.num_attention_heads);
        check_multiple(network, ("hidden_size", self.hidden_size), heads)
    }

    fn layer(&self) -> PostNormConfig {
        PostNormConfig {
            width: self.hidden_size,
            inner: self.intermediate_size,
            heads: self.num_attention_heads,
            activation: self.hidden_act,
            eps: self.layer_norm_eps,
        }
    }

    /// Floating-point operations for a text of `tokens` tokens.
    pub fn flops(&self, tokens: usize) -> u64 {
        let (n, c) = (tokens as u64, self.hidden_size as u64);
        let m = self.intermediate_size as u64;
        self.num_hidden_layers as u64 * (2 * n * c * (4 * c + 2 * m) + 4 * n * n * c)
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct ClapText<B: Backend> {
    words: Embedding<B>,
    positions: Embedding<B>,
    types: Embedding<B>,
    norm: LayerNorm<B>,
    layers: Vec<PostNormLayer<B>>,
    pooler: Linear<B>,
    linear1: Linear<B>,
    linear2: Linear<B>,
    #[module(skip)]
    config: ClapTextConfig,
}

impl<B: Kernels> ClapText<B> {
    /// Reads all parameters.
    pub fn load(p: &Params<B>, config: &ClapTextConfig) -> Result<Self> {
        config.check()?;
        let (width, out) = (config.hidden_size, config.projection_dim);
        let model = p.at("text_model");
        let input = model.at("embeddings");
        let table = |name, entries| Embedding::load(&input.at(name), entries, width);
        Ok(Self {
            words: table("word_embeddings", config.vocab_size)?,
            positions: table("position_embeddings", config.max_position_embeddings)?,
            types: table("token_type_embeddings", config.type_vocab_size)?,
            norm: LayerNorm::load(&input.at("LayerNorm"), width, config.layer_norm_eps)?,
            layers: (0..config.num_hidden_layers)
                .map(|i| PostNormLayer::load(&model.at("encoder.layer").at(i), config.layer()))
                .collect::<Result<_>>()?,
            pooler: Linear::load(&model.at("pooler.dense"), width, width)?,
            linear1: Linear::load(&p.at("text_projection.linear1"), width, out)?,
            linear2: Linear::load(&p.at("text_projection.linear2"), out, out)?,
            config: config.clone(),
        })
    }

    /// `ids` of one text (start, tokens, end; no padding, which changes nothing) to a unit vector
    /// `[1, 1, projection]`.
    pub fn forward(&self, ids: &[u32], trace: &mut Trace<B>) -> Result<Tensor<B, 3>> {
        // The first token has the position behind the padding id.
        let first = self.config.pad_token_id + 1;
        let longest = self.config.max_position_embeddings - first as usize;
        if ids.is_empty() || ids.len() > longest {
            return Err(Error::input(
                format!("CLAP takes 1 to {longest} tokens, not {}", ids.len()),
                "use a shorter prompt",
            ));
        }
        if let Some(id) = ids
            .iter()
            .find(|id| **id as usize >= self.config.vocab_size)
        {
            return Err(Error::format(
                format!("token {id} is not in CLAP's table"),
                "use the tokenizer that belongs to the checkpoint",
            ));
        }
        let positions: Vec<u32> = (first..first + ids.len() as u32).collect();
        let x = self.words.forward(ids)
            + self.types.forward(&vec![0; ids.len()])
            + self.positions.forward(&positions);
        let mut x = self.norm.forward(x);
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x);
            trace.record(format_args!("clap.layers.{i}"), &x);
        }
        let pooled = self.pooler.forward(x.narrow(1, 0, 1)).tanh();
        let hidden = activate(
            self.linear1.forward(pooled),
            self.config.projection_hidden_act,
        );
        Ok(l2_normalise(self.linear2.forward(hidden)))
    }
}
