//! The text tower with its projection: the ids of a text become a vector.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};

use super::layer::{EncoderLayer, LayerSizes, flops};
use crate::{
    Error, Result,
    model::{
        MAX_DEPTH, MAX_TABLE, MAX_WIDTH, check_multiple, check_sizes,
        layers::{Embedding, LayerNorm, Linear},
        mask::causal_bias,
        params::Params,
        trace::Trace,
    },
    ops::{Activation, Kernels},
    tensors::Init,
};

/// The longest text: attention takes its square.
const MAX_CONTEXT: usize = 4096;

/// Sizes of the text tower, as in `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipTextConfig {
    /// Entries of the token table.
    pub vocab_size: usize,
    /// Ids of a text, with both marks.
    pub max_position_embeddings: usize,
    /// Width of a token.
    pub hidden_size: usize,
    /// Hidden width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Width of the embedding.
    pub projection_dim: usize,
    /// QuickGELU for OpenAI's weights, GELU for most others.
    pub hidden_act: Activation,
    /// Constant of every LayerNorm.
    pub layer_norm_eps: f64,
}

impl Default for ClipTextConfig {
    /// OpenCLIP's ViT-H/14.
    fn default() -> Self {
        Self {
            vocab_size: 49_408,
            max_position_embeddings: 77,
            hidden_size: 1024,
            intermediate_size: 4096,
            num_hidden_layers: 24,
            num_attention_heads: 16,
            projection_dim: 1024,
            hidden_act: Activation::Gelu,
            layer_norm_eps: 1e-5,
        }
    }
}

impl ClipTextConfig {
    /// Refuses sizes that make no network.
    pub fn check(&self) -> Result<()> {
        let network = "CLIP's text tower";
        check_sizes(
            network,
            &[
                ("vocab_size", self.vocab_size, MAX_TABLE),
                (
                    "max_position_embeddings",
                    self.max_position_embeddings,
                    MAX_CONTEXT,
                ),
                ("hidden_size", self.hidden_size, MAX_WIDTH),
                ("intermediate_size", self.intermediate_size, MAX_WIDTH),
                ("num_hidden_layers", self.num_hidden_layers, MAX_DEPTH),
                ("projection_dim", self.projection_dim, MAX_WIDTH),
            ],
        )?;
        let heads = ("num_attention_heads", self.num_attention_heads);
        check_multiple(network, ("hidden_size", self.hidden_size), heads)
    }

    /// Floating-point operations for a text, however short: it is padded.
    pub fn flops(&self) -> u64 {
        let tokens = self.max_position_embeddings as u64;
        self.num_hidden_layers as u64 * flops(self.layer(), tokens)
    }

    fn layer(&self) -> LayerSizes {
        LayerSizes {
            width: self.hidden_size,
            inner: self.intermediate_size,
            heads: self.num_attention_heads,
            activation: self.hidden_act,
            eps: self.layer_norm_eps,
        }
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct ClipText<B: Backend> {
    tokens: Embedding<B>,
    positions: Param<Tensor<B, 2>>,
    layers: Vec<EncoderLayer<B>>,
    norm: LayerNorm<B>,
    projection: Linear<B>,
    vocabulary: usize,
}

impl<B: Kernels> ClipText<B> {
    /// Reads all parameters.
    pub fn load(p: &Params<B>, config: &ClipTextConfig) -> Result<Self> {
        config.check()?;
        let width = config.hidden_size;
        let model = p.at("text_model");
        let input = model.at("embeddings");
        Ok(Self {
            tokens: Embedding::load(&input.at("token_embedding"), config.vocab_size, width)?,
            positions: input.get(
                "position_embedding.weight",
                [config.max_position_embeddings, width],
                Init::Uniform(0.01),
            )?,
            layers: (0..config.num_hidden_layers)
                .map(|i| EncoderLayer::load(&model.at("encoder.layers").at(i), config.layer()))
                .collect::<Result<_>>()?,
            norm: LayerNorm::load(&model.at("final_layer_norm"), width, config.layer_norm_eps)?,
            projection: Linear::load_no_bias(
                &p.at("text_projection"),
                width,
                config.projection_dim,
            )?,
            vocabulary: config.vocab_size,
        })
    }

    /// `ids` of at most the context's length (start, tokens, end, zeros) to `[1, projection]`, not normalised.
    ///
    /// The state of the largest id, the first of several, is projected: it is the end of the text. Nothing behind it is
    /// seen from there.
    pub fn forward(&self, ids: &[u32], trace: &mut Trace<B>) -> Result<Tensor<B, 2>> {
        self.forward_batch(&[ids], trace)
    }

    /// The same of several texts at once, to `[texts, projection]`.
    pub fn forward_batch(&self, texts: &[&[u32]], trace: &mut Trace<B>) -> Result<Tensor<B, 2>> {
        let positions = self.positions.val();
        let [context, width] = positions.dims();
        let fits = |ids: &&[u32]| {
            let known = ids.iter().all(|&id| (id as usize) < self.vocabulary);
            (1..=context).contains(&ids.len()) && known
        };
        if texts.is_empty() || !texts.iter().all(fits) {
            return Err(Error::input(
                format!(
                    "a text needs 1 to {context} token ids below {}",
                    self.vocabulary
                ),
                "tokenize it with the vocabulary of the network",
            ));
        }
        let (count, length) = (
            texts.len(),
            texts.iter().map(|ids| ids.len()).max().unwrap_or(0),
        );
        // Nothing sees what stands behind it.
        let padded = texts.iter().flat_map(|ids| {
            let padding = std::iter::repeat_n(&0, length - ids.len());
            ids.iter().chain(padding).copied()
        });
        let padded: Vec<u32> = padded.collect();
        let positions = positions.narrow(0, 0, length);
        let tokens = self.tokens.forward(&padded);
        let mut x = tokens.reshape([count, length, width]) + positions.unsqueeze::<3>();
        let bias = causal_bias(length, 0, None, &x.device());
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x, Some(bias.clone()));
            trace.record(format_args!("clip.text.blocks.{i}"), &x);
        }
        let end = |ids: &&[u32]| {
            let largest = ids.iter().max().copied().unwrap_or(0);
            ids.iter().position(|id| *id == largest).unwrap_or(0)
        };
        let rows = texts
            .iter()
            .enumerate()
            .map(|(i, ids)| x.clone().narrow(0, i, 1).narrow(1, end(ids), 1));
        let ends: Tensor<B, 3> = Tensor::cat(rows.collect(), 0);
        Ok(self
            .projection
            .forward(self.norm.forward(ends))
            .squeeze_dim(1))
    }
}
