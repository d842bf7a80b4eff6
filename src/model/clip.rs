//! CLIP's vision tower with its projection: a picture becomes a 512-dimensional vector.
//!
//! Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021.
//! Parameter names are those that `transformers` writes for `CLIPVisionModelWithProjection`.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};

use super::{
    MAX_DEPTH, MAX_IMAGE, MAX_WIDTH, check_multiple, check_sizes,
    layers::{Conv2d, LayerNorm, Linear, l2_normalise},
    params::Params,
    trace::Trace,
};
use crate::{
    Result,
    ops::{Activation, Kernels, activate, merge_heads, split_heads},
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
        let m = self.intermediate_size as u64;
        let block = 2 * n * c * (4 * c + 2 * m) + 4 * n * n * c;
        let stem = 2 * n * c * 3 * (self.patch_size as u64).pow(2);
        stem + self.num_hidden_layers as u64 * block
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
                .map(|i| EncoderLayer::load(&model.at("encoder.layers").at(i), config))
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
            x = layer.forward(x);
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

/// A pre-norm transformer layer with separate projections.
#[derive(Module, Debug)]
struct EncoderLayer<B: Backend> {
    norm1: LayerNorm<B>,
    q: Linear<B>,
    k: Linear<B>,
    v: Linear<B>,
    out: Linear<B>,
    norm2: LayerNorm<B>,
    fc1: Linear<B>,
    fc2: Linear<B>,
    heads: usize,
    #[module(skip)]
    activation: Activation,
}

impl<B: Kernels> EncoderLayer<B> {
    fn load(p: &Params<B>, config: &ClipConfig) -> Result<Self> {
        let (width, eps) = (config.hidden_size, config.layer_norm_eps);
        let inner = config.intermediate_size;
        let attention = p.at("self_attn");
        let project = |name| Linear::load(&attention.at(name), width, width);
        Ok(Self {
            norm1: LayerNorm::load(&p.at("layer_norm1"), width, eps)?,
            q: project("q_proj")?,
            k: project("k_proj")?,
            v: project("v_proj")?,
            out: project("out_proj")?,
            norm2: LayerNorm::load(&p.at("layer_norm2"), width, eps)?,
            fc1: Linear::load(&p.at("mlp.fc1"), width, inner)?,
            fc2: Linear::load(&p.at("mlp.fc2"), inner, width)?,
            heads: config.num_attention_heads,
            activation: config.hidden_act,
        })
    }

    fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let [_, _, width] = x.dims();
        let h = self.norm1.forward(x.clone());
        let [q, k, v] = [&self.q, &self.k, &self.v]
            .map(|layer| split_heads(layer.forward(h.clone()), self.heads));
        let scale = ((width / self.heads) as f64).powf(-0.5);
        let attended = merge_heads(<B as Kernels>::attention(q, k, v, None, scale));
        let x = x + self.out.forward(attended);
        let h = self.fc1.forward(self.norm2.forward(x.clone()));
        x + self.fc2.forward(activate(h, self.activation))
    }
}
