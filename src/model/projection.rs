//! AudioLDM 2's projection model: puts CLAP's and T5's outputs into one sequence for GPT-2.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};

use super::{layers::Linear, mask::KeyMask, params::Params};
use crate::{Result, ops::Kernels, tensors::Init};

/// Sizes, as in `config.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectionConfig {
    /// Width of CLAP's output.
    pub text_encoder_dim: usize,
    /// Width of T5's output.
    pub text_encoder_1_dim: usize,
    /// Width of the language model (the published key is spelt like this).
    pub langauge_model_dim: usize,
}

/// The network.
#[derive(Module, Debug)]
pub struct ProjectionModel<B: Backend> {
    projection: Linear<B>,
    projection_1: Linear<B>,
    sos_embed: Param<Tensor<B, 1>>,
    eos_embed: Param<Tensor<B, 1>>,
    sos_embed_1: Param<Tensor<B, 1>>,
    eos_embed_1: Param<Tensor<B, 1>>,
}

impl<B: Kernels> ProjectionModel<B> {
    /// Reads all parameters.
    pub fn load(p: &Params<B>, config: &ProjectionConfig) -> Result<Self> {
        let width = config.langauge_model_dim;
        let mark = |name| p.get(name, [width], Init::Constant(1.0));
        Ok(Self {
            projection: Linear::load(&p.at("projection"), config.text_encoder_dim, width)?,
            projection_1: Linear::load(&p.at("projection_1"), config.text_encoder_1_dim, width)?,
            sos_embed: mark("sos_embed")?,
            eos_embed: mark("eos_embed")?,
            sos_embed_1: mark("sos_embed_1")?,
            eos_embed_1: mark("eos_embed_1")?,
        })
    }

    /// `clap [batch, 1, clap width]` and `t5 [batch, tokens, t5 width]` with its mask, to
    /// `sos, clap, eos, sos_1, t5.., eos_1` as `[batch, tokens + 5, width]` and its mask.
    ///
    /// The last mark comes behind the padding of T5, not behind its text.
    pub fn forward(
        &self,
        clap: Tensor<B, 3>,
        t5: Tensor<B, 3>,
        t5_mask: &KeyMask,
    ) -> (Tensor<B, 3>, KeyMask) {
        let [batch, ..] = clap.dims();
        let mark = |param: &Param<Tensor<B, 1>>| {
            let value = param.val();
            let [width] = value.dims();
            value.reshape([1, 1, width]).expand([batch, 1, width])
        };
        let sequence = Tensor::cat(
            vec![
                mark(&self.sos_embed),
                self.projection.forward(clap),
                mark(&self.eos_embed),
                mark(&self.sos_embed_1),
                self.projection_1.forward(t5),
                mark(&self.eos_embed_1),
            ],
            1,
        );
        let mask = t5_mask
            .iter()
            .map(|t5| {
                let marks = [true; 4].into_iter();
                marks
                    .chain(t5.iter().copied())
                    .chain(std::iter::once(true))
                    .collect()
            })
            .collect();
        (sequence, mask)
    }
}
