//! The image aligner: the only part of ArtToMus that is trained. An embedding becomes N tokens.
//!
//! Published forms: the 2024 one (`Linear, tanh, Linear`, 4 tokens, and its 1-token sibling), whose
//! names we keep, and the 2026 one, which puts an upscaler in front for 512-dimensional embeddings
//! and has 4 to 16 tokens. The 2026 paper gives neither layer types nor names: two layers and the
//! names below are our reading; a single linear layer is the other one.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};

use super::{MAX_WIDTH, check_sizes, layers::Linear, params::Params};
use crate::{Error, Result, ops::Kernels};

/// Sizes of an aligner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlignerConfig {
    /// Width of the picture's embedding.
    pub embedding: usize,
    /// Width that the upscaler raises the embedding to, if there is an upscaler.
    pub upscaled: Option<usize>,
    /// Hidden width of the two-layer form; `None` is the single linear layer.
    pub hidden: Option<usize>,
    /// Number of tokens.
    pub tokens: usize,
    /// Width of a token: that of the language model.
    pub width: usize,
}

impl AlignerConfig {
    /// Refuses sizes that make no network.
    pub fn check(&self) -> Result<()> {
        check_sizes(
            "the aligner",
            &[
                ("embedding", self.embedding, MAX_WIDTH),
                ("upscaled", self.upscaled.unwrap_or(1), MAX_WIDTH),
                ("hidden", self.hidden.unwrap_or(1), MAX_WIDTH),
                ("tokens", self.tokens, 512),
                ("width", self.width, MAX_WIDTH),
            ],
        )
    }

    /// Finds out the form from the shapes of a state dict.
    ///
    /// `shape` gives the shape of a tensor by name; `width` is the width of the language model.
    pub fn infer(shape: impl Fn(&str) -> Option<Vec<usize>>, width: usize) -> Result<Self> {
        let matrix = |name: &str| match shape(name).as_deref() {
            Some(&[outputs, inputs]) => Some((outputs, inputs)),
            _ => None,
        };
        let upscaler = matrix("upscaler.weight");
        let (outputs, inputs, hidden) = match (
            matrix("projection1.weight"),
            matrix("projection2.weight"),
            matrix("projection.weight"),
        ) {
            (Some((hidden, inputs)), Some((outputs, inner)), None) if inner == hidden => {
                (outputs, inputs, Some(hidden))
            }
            (None, None, Some((outputs, inputs))) => (outputs, inputs, None),
            _ => {
                return Err(Error::format(
                    "the aligner file has neither projection1 and projection2 nor projection",
                    "give an aligner in one of the published forms",
                ));
            }
        };
        if width == 0 || outputs == 0 || outputs % width != 0 {
            return Err(Error::format(
                format!(
                    "the aligner writes {outputs} numbers, not a multiple of the language model's width {width}"
                ),
                "use an aligner that was trained for this language model",
            ));
        }
        if let Some((upscaled, _)) = upscaler
            && upscaled != inputs
        {
            return Err(Error::format(
                format!(
                    "the aligner's upscaler gives {upscaled} numbers and its projection takes {inputs}"
                ),
                "give a complete aligner file",
            ));
        }
        Ok(Self {
            embedding: upscaler.map_or(inputs, |(_, embedding)| embedding),
            upscaled: upscaler.map(|(upscaled, _)| upscaled),
            hidden,
            tokens: outputs / width,
            width,
        })
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Aligner<B: Backend> {
    upscaler: Option<Linear<B>>,
    /// The first layer of the two-layer form.
    projection1: Option<Linear<B>>,
    /// The second layer, or the only one.
    projection2: Linear<B>,
    tokens: usize,
    width: usize,
}

impl<B: Kernels> Aligner<B> {
    /// Reads, or initialises as PyTorch's `Linear` does, all parameters.
    pub fn load(p: &Params<B>, config: &AlignerConfig) -> Result<Self> {
        config.check()?;
        let outputs = config.tokens * config.width;
        let inputs = config.upscaled.unwrap_or(config.embedding);
        let upscaler = match config.upscaled {
            Some(upscaled) => {
                let p = p.at("upscaler");
                Some(Linear::load(&p, config.embedding, upscaled)?)
            }
            None => None,
        };
        let (projection1, projection2) = match config.hidden {
            Some(hidden) => (
                Some(Linear::load(&p.at("projection1"), inputs, hidden)?),
                Linear::load(&p.at("projection2"), hidden, outputs)?,
            ),
            None => (None, Linear::load(&p.at("projection"), inputs, outputs)?),
        };
        Ok(Self {
            upscaler,
            projection1,
            projection2,
            tokens: config.tokens,
            width: config.width,
        })
    }

    /// `embedding [batch, embedding]` to `[batch, tokens, width]`.
    pub fn forward(&self, embedding: Tensor<B, 2>) -> Tensor<B, 3> {
        let [batch, _] = embedding.dims();
        let x = match &self.upscaler {
            Some(upscaler) => upscaler.forward(embedding),
            None => embedding,
        };
        let x = match &self.projection1 {
            Some(projection1) => projection1.forward(x).tanh(),
            None => x,
        };
        let x = self.projection2.forward(x);
        x.reshape([batch, self.tokens, self.width])
    }
}
