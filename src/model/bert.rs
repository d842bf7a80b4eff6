//! BERT's encoder, for scores of texts.
//!
//! Devlin et al., "BERT: Pre-training of deep bidirectional transformers for language understanding", 2019. Parameter names
//! are those of `BertModel`.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};

use super::{
    MAX_DEPTH, MAX_TABLE, MAX_WIDTH, check_multiple, check_sizes,
    layers::{Embedding, LayerNorm},
    params::Params,
    post_norm::{PostNormConfig, PostNormLayer},
    trace::Trace,
};
use crate::{
    Error, Result,
    ops::{Activation, Kernels},
};

/// Sizes of the encoder, as `config.json` has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BertConfig {
    /// What the checkpoint is of: `bert`.
    pub model_type: String,
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
}

impl BertConfig {
    /// Refuses other kinds of models, and sizes that make no network.
    pub fn check(&self) -> Result<()> {
        if self.model_type != "bert" {
            return Err(Error::unsupported(
                format!("the checkpoint is of the kind {}", self.model_type),
                "use a BERT, such as bert-base-uncased",
            ));
        }
        let network = "BERT";
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
                ("type_vocab_size", self.type_vocab_size, MAX_TABLE),
            ],
        )?;
        let heads = ("num_attention_heads", self.num_attention_heads);
        check_multiple(network, ("hidden_size", self.hidden_size), heads)
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Bert<B: Backend> {
    words: Embedding<B>,
    positions: Embedding<B>,
    types: Embedding<B>,
    norm: LayerNorm<B>,
    layers: Vec<PostNormLayer<B>>,
    vocabulary: usize,
    longest: usize,
}

impl<B: Kernels> Bert<B> {
    /// Reads the parameters of the embeddings and of the first `layers` layers.
    pub fn load(p: &Params<B>, config: &BertConfig, layers: usize) -> Result<Self> {
        config.check()?;
        if layers > config.num_hidden_layers {
            return Err(Error::input(
                format!(
                    "the encoder has {} layers, not {layers}",
                    config.num_hidden_layers
                ),
                "ask for the states behind an earlier one",
            ));
        }
        let width = config.hidden_size;
        let input = p.at("embeddings");
        let table = |name, entries| Embedding::load(&input.at(name), entries, width);
        let layer = PostNormConfig {
            width,
            inner: config.intermediate_size,
            heads: config.num_attention_heads,
            activation: config.hidden_act,
            eps: config.layer_norm_eps,
        };
        Ok(Self {
            words: table("word_embeddings", config.vocab_size)?,
            positions: table("position_embeddings", config.max_position_embeddings)?,
            types: table("token_type_embeddings", config.type_vocab_size)?,
            norm: LayerNorm::load(&input.at("LayerNorm"), width, config.layer_norm_eps)?,
            layers: (0..layers)
                .map(|i| PostNormLayer::load(&p.at("encoder.layer").at(i), layer))
                .collect::<Result<_>>()?,
            vocabulary: config.vocab_size,
            longest: config.max_position_embeddings,
        })
    }

    /// Most tokens of a text.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// `ids` of one text (start, tokens, end) to the states behind the last layer that was loaded, `[1, tokens, width]`.
    pub fn forward(&self, ids: &[u32], trace: &mut Trace<B>) -> Result<Tensor<B, 3>> {
        let known = ids.iter().all(|&id| (id as usize) < self.vocabulary);
        if ids.is_empty() || ids.len() > self.longest || !known {
            return Err(Error::input(
                format!(
                    "BERT takes 1 to {} token ids below {}",
                    self.longest, self.vocabulary
                ),
                "use the vocab.txt that belongs to the checkpoint, and shorter texts",
            ));
        }
        let positions: Vec<u32> = (0..ids.len() as u32).collect();
        let x = self.words.forward(ids)
            + self.positions.forward(&positions)
            + self.types.forward(&vec![0; ids.len()]);
        let mut x = self.norm.forward(x);
        trace.record("bert.embeddings", &x);
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x);
            trace.record(format_args!("bert.layers.{i}"), &x);
        }
        Ok(x)
    }
}
