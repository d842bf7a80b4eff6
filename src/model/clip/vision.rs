//! The vision tower with its projection: a picture becomes a vector.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};

use super::layer::{EncoderLayer, LayerSizes, flops};
use crate::{
    Result,
    model::{
        MAX_DEPTH, MAX_IMAGE, MAX_WIDTH, check_multiple, check_sizes,
        layers::{Conv2d, LayerNorm, Linear, l2_normalise},
        params::Params,
        trace::Trace,
    },
    ops::{Activation, Kernels},
    tensors::Init,
};

/// Sizes of the vision tower, as in `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipConfig {
    /// Width of a token.
    pub hidden_size: usize,
    /// Hidden width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Side of the square picture in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Width of the embedding.
    pub projection_dim: usize,
    /// QuickGELU for OpenAI's weights, GELU for most others.
    pub hidden_act: Activation,
    /// Constant of every LayerNorm.
    pub layer_norm_eps: f64,
    /// Whether the embedding is brought to unit length, as ImageBind's is (our setting; the paper
    /// does not say).
    pub normalise: bool,
}

impl Default for ClipConfig {
    /// ViT-B/32 as OpenAI published it.
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            image_size: 224,
            patch_size: 32,
            projection_dim: 512,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
            normalise: true,
        }
    }
}

impl ClipConfig {
    /// Refuses sizes that make no network.
    pub fn check(&self) -> Result<()> {
        let network = "CLIP";
        check_sizes(
            network,
            &[
                ("image_size", self.image_size, MAX_IMAGE),
                ("patch_size", self.patch_size, self.image_size),
                ("hidden_size", self.hidden_size, MAX_WIDTH),
                ("intermediate_size", self.intermediate_size, MAX_WIDTH),
                ("num_hidden_layers", self.num_hidden_layers, MAX_DEPTH),
                ("projection_dim", self.projection_dim, MAX_WIDTH),
            ],
        )?;
        let heads = ("num_attention_heads", self.num_attention_heads);
        check_multiple(network, ("hidden_size", self.hidden_size), heads)
    }

    fn patches(&self) -> usize {
        (self.image_size / self.patch_size).pow(2)
    }

    /// Floating-point operations for one picture.
    pub fn flops(&self) -> u64 {
        let (n, c) = (self.patches() as u64 + 1, self.hidden_size as u64);
        let stem = 2 * n * c * 3 * (self.patch_size as u64).pow(2);
        stem + self.num_hidden_layers as u64 * flops(self.layer(), n)
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
pub struct ClipVision<B: Backend> {
    patch_embedding: Conv2d<B>,
    class_embedding: Param<Tensor<B, 1>>,
    position_embedding: Param<Tensor<B, 2>>,
    pre_norm: LayerNorm<B>,
    layers: Vec<EncoderLayer<B>>,
    post_norm: LayerNorm<B>,
    projection: Linear<B>,
    normalise: bool,
}

impl<B: Kernels> ClipVision<B> {
    /// Reads all parameters.
    pub fn load(p: &Params<B>, config: &ClipConfig) -> Result<Self> {
        config.check()?;
        let (width, eps) = (config.hidden_size, config.layer_norm_eps);
        let model = p.at("vision_model");
        let input = model.at("embeddings");
        Ok(Self {
            patch_embedding: Conv2d::load(
                &input.at("patch_embedding"),
                [3, width],
                config.patch_size,
                config.patch_size,
                0,
                false,
            )?,
            class_embedding: input.get("class_embedding", [width], Init::Uniform(0.02))?,
            position_embedding: input.get(
                "position_embedding.weight",
                [config.patches() + 1, width],
                Init::Uniform(0.02),
            )?,
            // The published name is spelt like this.
            pre_norm: LayerNorm::load(&model.at("pre_layrnorm"), width, eps)?,
            layers: (0..config.num_hidden_layers)
                .map(|i| EncoderLayer::load(&model.at("encoder.layers").at(i), config.layer()))
                .collect::<Result<_>>()?,
            post_norm: LayerNorm::load(&model.at("post_layernorm"), width, eps)?,
            projection: Linear::load_no_bias(
                &p.at("visual_projection"),
                width,
                config.projection_dim,
            )?,
            normalise: config.normalise,
        })
    }

    /// `pixels [batch, 3, size, size]`, normalised, to `[batch, projection]`.
    pub fn forward(&self, pixels: Tensor<B, 4>, trace: &mut Trace<B>) -> Tensor<B, 2> {
        let [batch, ..] = pixels.dims();
        let patches: Tensor<B, 3> = self
            .patch_embedding
            .forward(pixels)
            .flatten(2, 3)
            .swap_dims(1, 2);
        let [_, _, width] = patches.dims();
        let class = self.class_embedding.val().reshape([1, 1, width]);
        let class = class.expand([batch, 1, width]);
        let x = Tensor::cat(vec![class, patches], 1);
        let x = x + self.position_embedding.val().unsqueeze::<3>();
        let mut x = self.pre_norm.forward(x);
        trace.record("clip.embeddings", &x);
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x, None);
            trace.record(format_args!("clip.blocks.{i}"), &x);
        }
        let pooled = self.post_norm.forward(x.narrow(1, 0, 1));
        let embedding = self.projection.forward(pooled).squeeze_dim(1);
        if self.normalise {
            l2_normalise(embedding)
        } else {
            embedding
        }
    }
}
