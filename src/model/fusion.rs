//! Gated residual fusion: the embeddings of a picture and of a text become one vector.
//!
//! Hong et al., "Art2Music: Generating Music for Art Images with Multi-modal Feeling Alignment", 2025.

use burn::{
    module::Module,
    tensor::{Tensor, activation::sigmoid, backend::Backend},
};
use serde::{Deserialize, Serialize};

use super::{MAX_WIDTH, check_sizes, layers::Linear, params::Params, trace::Trace};
use crate::{
    Result,
    ops::{Activation, Kernels},
};

/// Sizes of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FusionConfig {
    /// Width of either embedding.
    pub embedding: usize,
    /// Hidden width.
    pub hidden: usize,
    /// Width of the result.
    pub features: usize,
}

impl Default for FusionConfig {
    /// The paper's.
    fn default() -> Self {
        Self {
            embedding: 1024,
            hidden: 512,
            features: 512,
        }
    }
}

impl FusionConfig {
    /// Refuses sizes that make no network.
    pub fn check(&self) -> Result<()> {
        check_sizes(
            "the fusion",
            &[
                ("embedding", self.embedding, MAX_WIDTH / 2),
                ("hidden", self.hidden, MAX_WIDTH),
                ("features", self.features, MAX_WIDTH),
            ],
        )
    }

    /// Floating-point operations.
    pub fn flops(&self) -> u64 {
        let [e, h, f] = [self.embedding, self.hidden, self.features].map(|n| n as u64);
        2 * (2 * e * h + h * f + f * f + e * f)
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Fusion<B: Backend> {
    hidden: Linear<B>,
    out: Linear<B>,
    gate: Linear<B>,
    residual: Linear<B>,
}

impl<B: Kernels> Fusion<B> {
    /// Reads all parameters: `linear.0`, `linear.2`, `gate.0`, `residual`.
    pub fn load(p: &Params<B>, config: &FusionConfig) -> Result<Self> {
        config.check()?;
        let FusionConfig {
            embedding,
            hidden,
            features,
        } = *config;
        Ok(Self {
            hidden: Linear::load(&p.at("linear.0"), 2 * embedding, hidden)?,
            out: Linear::load(&p.at("linear.2"), hidden, features)?,
            gate: Linear::load(&p.at("gate.0"), features, features)?,
            residual: Linear::load(&p.at("residual"), embedding, features)?,
        })
    }

    /// `text` and `picture`, each `[batch, embedding]`, to `[batch, features]`: `g o + (1 - g) r` with
    /// `o = W2 relu(W1 [text; picture] + b1) + b2`, `g = sigmoid(Wg o + bg)` and `r = Wr text + br`.
    pub fn forward(
        &self,
        text: Tensor<B, 2>,
        picture: Tensor<B, 2>,
        trace: &mut Trace<B>,
    ) -> Tensor<B, 2> {
        let both = Tensor::cat(vec![text.clone(), picture], 1);
        let out = self.hidden.forward_with(both, Activation::Relu);
        let out = self.out.forward(out);
        let gate = sigmoid(self.gate.forward(out.clone()));
        trace.record("fusion.gate", &gate);
        let residual = self.residual.forward(text);
        let fused = residual.clone() + gate * (out - residual);
        trace.record("fusion.features", &fused);
        fused
    }
}
