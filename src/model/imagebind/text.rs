//! ImageBind's text trunk: a CLIP-like causal transformer over byte-pair tokens.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};

use super::block::{Block, BlockConfig, EPS};
use crate::{
    Error, Result,
    model::{
        layers::{Embedding, LayerNorm, Linear, l2_normalise},
        mask::causal_bias,
        params::Params,
        trace::Trace,
    },
    ops::Kernels,
    tensors::Init,
};

const MAX_SCALE: f32 = 100.0;

/// Sizes of the text trunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextConfig {
    /// Entries of the token table.
    pub vocabulary: usize,
    /// Longest sequence.
    pub context: usize,
    /// Width of a token.
    pub width: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Hidden width of the feed-forward layers.
    pub mlp: usize,
    /// Width of the embedding.
    pub embedding: usize,
}

impl TextConfig {
    /// The published model.
    pub fn huge() -> Self {
        Self {
            vocabulary: 49_408,
            context: 77,
            width: 1024,
            depth: 24,
            heads: 16,
            mlp: 4096,
            embedding: 1024,
        }
    }
}

/// The network. Parameter names begin with `modality_`.
#[derive(Module, Debug)]
pub struct TextTrunk<B: Backend> {
    token_embedding: Embedding<B>,
    pos_embed: Param<Tensor<B, 3>>,
    blocks: Vec<Block<B>>,
    head_norm: LayerNorm<B>,
    head: Linear<B>,
    scale: f32,
    context: usize,
    vocabulary: usize,
}

impl<B: Kernels> TextTrunk<B> {
    /// Reads all parameters.
    pub fn load(p: &Params<B>, config: &TextConfig) -> Result<Self> {
        let width = config.width;
        let input = p.at("modality_preprocessors.text");
        let trunk = p.at("modality_trunks.text");
        let head = p.at("modality_heads.text.proj");
        let post = p.at("modality_postprocessors.text.1");
        let block = BlockConfig {
            width,
            heads: config.heads,
            mlp: config.mlp,
            extra_token: false,
        };
        let start = Init::Constant((1.0f32 / 0.07).ln());
        let log_scale = post.values("log_logit_scale", &[], start)?;
        Ok(Self {
            token_embedding: Embedding::load(
                &input.at("token_embedding"),
                config.vocabulary,
                width,
            )?,
            pos_embed: input.get("pos_embed", [1, config.context, width], Init::Uniform(0.01))?,
            blocks: (0..config.depth)
                .map(|i| Block::load(&trunk.at("blocks").at(i), block))
                .collect::<Result<_>>()?,
            head_norm: LayerNorm::load(&head.at("0"), width, EPS)?,
            head: Linear::load_no_bias(&head.at("1"), width, config.embedding)?,
            scale: log_scale
                .first()
                .map_or(1.0, |log| log.exp().min(MAX_SCALE)),
            context: config.context,
            vocabulary: config.vocabulary,
        })
    }

    /// `ids` of exactly the context's length (start, tokens, end, zeros) to `[1, embedding]`.
    ///
    /// The hidden state of the largest id, which is the end of the text, is projected, brought to
    /// unit length and multiplied by the learned logit scale.
    pub fn forward(&self, ids: &[u32], trace: &mut Trace<B>) -> Result<Tensor<B, 2>> {
        if ids.len() != self.context || ids.iter().any(|&id| id as usize >= self.vocabulary) {
            return Err(Error::input(
                format!(
                    "ImageBind's text needs {} token ids below {}",
                    self.context, self.vocabulary
                ),
                "tokenize with CLIP's vocabulary and pad with zeros",
            ));
        }
        let mut x = self.token_embedding.forward(ids) + self.pos_embed.val();
        let bias = causal_bias(self.context, 0, None, &x.device());
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(x, Some(bias.clone()));
            trace.record(format_args!("imagebind.text.blocks.{i}"), &x);
        }
        let mut end = 0;
        for (position, id) in ids.iter().enumerate() {
            if *id > ids[end] {
                end = position;
            }
        }
        let x = self.head_norm.forward(x.narrow(1, end, 1));
        let vector: Tensor<B, 2> = l2_normalise(self.head.forward(x).squeeze_dim(1));
        Ok(vector * self.scale)
    }
}
