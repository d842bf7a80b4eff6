//! ImageBind's vision trunk: a picture becomes a unit vector.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};

use super::block::{Block, BlockConfig, EPS, flops};
use crate::{
    Result,
    model::{
        MAX_DEPTH, MAX_IMAGE, MAX_WIDTH, check_multiple, check_sizes,
        layers::{Conv2d, LayerNorm, Linear, l2_normalise},
        params::Params,
        trace::Trace,
    },
    ops::Kernels,
    tensors::Init,
};

/// Sizes of the vision trunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisionConfig {
    /// Side of the square picture in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Frames of a clip that the stem folds together; a still picture is repeated.
    pub frames: usize,
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

impl VisionConfig {
    /// The published model.
    pub fn huge() -> Self {
        Self {
            image_size: 224,
            patch: 14,
            frames: 2,
            width: 1280,
            depth: 32,
            heads: 16,
            mlp: 5120,
            embedding: 1024,
        }
    }

    /// Refuses sizes that make no network.
    pub fn check(&self) -> Result<()> {
        let network = "ImageBind's vision trunk";
        check_sizes(
            network,
            &[
                ("image_size", self.image_size, MAX_IMAGE),
                ("patch", self.patch, self.image_size),
                ("frames", self.frames, 16),
                ("width", self.width, MAX_WIDTH),
                ("depth", self.depth, MAX_DEPTH),
                ("mlp", self.mlp, MAX_WIDTH),
                ("embedding", self.embedding, MAX_WIDTH),
            ],
        )?;
        check_multiple(network, ("width", self.width), ("heads", self.heads))
    }

    fn patches(&self) -> usize {
        (self.image_size / self.patch).pow(2)
    }

    /// Floating-point operations for one picture.
    pub fn flops(&self) -> u64 {
        let patch = 3 * (self.patch * self.patch) as u64;
        let stem = 2 * self.patches() as u64 * patch * self.width as u64;
        stem + self.depth as u64 * flops(self.patches() + 1, self.width, self.mlp)
    }
}

/// The network. Parameter names begin with `modality_`.
#[derive(Module, Debug)]
pub struct VisionTrunk<B: Backend> {
    stem: Conv2d<B>,
    cls_token: Param<Tensor<B, 3>>,
    pos_embed: Param<Tensor<B, 3>>,
    pre_norm: LayerNorm<B>,
    blocks: Vec<Block<B>>,
    head_norm: LayerNorm<B>,
    head: Linear<B>,
}

impl<B: Kernels> VisionTrunk<B> {
    /// Reads all parameters.
    pub fn load(p: &Params<B>, config: &VisionConfig) -> Result<Self> {
        config.check()?;
        let width = config.width;
        let input = p.at("modality_preprocessors.vision");
        let trunk = p.at("modality_trunks.vision");
        let head = p.at("modality_heads.vision");
        let block = BlockConfig {
            width,
            heads: config.heads,
            mlp: config.mlp,
            extra_token: false,
        };
        Ok(Self {
            stem: Self::load_stem(&input.at("rgbt_stem.proj.1"), config)?,
            cls_token: input.get("cls_token", [1, 1, width], Init::Constant(0.0))?,
            pos_embed: input.get(
                "pos_embedding_helper.pos_embed",
                [1, config.patches() + 1, width],
                Init::Uniform(0.02),
            )?,
            pre_norm: LayerNorm::load(&trunk.at("pre_transformer_layer.0"), width, EPS)?,
            blocks: (0..config.depth)
                .map(|i| Block::load(&trunk.at("blocks").at(i), block))
                .collect::<Result<_>>()?,
            head_norm: LayerNorm::load(&head.at("0"), width, EPS)?,
            head: Linear::load_no_bias(&head.at("2"), width, config.embedding)?,
        })
    }

    /// The stem is a convolution over two frames. A still picture repeats itself in both, so the
    /// kernel summed over time gives the same result from one frame.
    fn load_stem(p: &Params<B>, config: &VisionConfig) -> Result<Conv2d<B>> {
        let (width, frames, patch) = (config.width, config.frames, config.patch);
        let shape = [width, 3, frames, patch, patch];
        let fan_in = shape[1..].iter().product();
        let values = p.values("weight", &shape, Init::fan_in(fan_in))?;
        let area = patch * patch;
        let mut summed = Vec::with_capacity(width * 3 * area);
        for kernel in values.chunks_exact(frames * area) {
            summed
                .extend((0..area).map(|i| (0..frames).map(|t| kernel[t * area + i]).sum::<f32>()));
        }
        Ok(Conv2d::from_parts(
            p.make_convolution("weight", summed, [width, 3, patch, patch])?,
            None,
            config.patch,
            0,
        ))
    }

    /// `pixels [batch, 3, size, size]`, normalised, to unit vectors `[batch, embedding]`.
    pub fn forward(&self, pixels: Tensor<B, 4>, trace: &mut Trace<B>) -> Tensor<B, 2> {
        let [batch, ..] = pixels.dims();
        let patches: Tensor<B, 3> = self.stem.forward(pixels).flatten(2, 3).swap_dims(1, 2);
        let [_, _, width] = patches.dims();
        let cls = self.cls_token.val().expand([batch, 1, width]);
        let x = Tensor::cat(vec![cls, patches], 1) + self.pos_embed.val();
        trace.record("imagebind.vision.stem", &x);
        let mut x = self.pre_norm.forward(x);
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(x, None);
            trace.record(format_args!("imagebind.vision.blocks.{i}"), &x);
        }
        let x = self.head_norm.forward(x.narrow(1, 0, 1));
        l2_normalise(self.head.forward(x).squeeze_dim(1))
    }
}
