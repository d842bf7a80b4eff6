//! ImageBind's audio trunk: clips of sound become one vector, for ranking and for scores.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};

use super::{
    AudioInput,
    block::{Block, BlockConfig, EPS, flops},
};
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

/// LayerNorm of the audio stem: the only one of ImageBind with this constant.
const STEM_EPS: f64 = 1e-5;
/// `exp(log_logit_scale)` is clipped here.
const MAX_SCALE: f32 = 100.0;

/// Sizes of the audio trunk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AudioConfig {
    /// Mel bins of a clip.
    pub mel_bins: usize,
    /// Frames of a clip.
    pub frames: usize,
    /// Side of a patch.
    pub patch: usize,
    /// Distance between patches.
    pub stride: usize,
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
    /// What a clip is.
    #[serde(default, skip_serializing_if = "AudioInput::is_published")]
    pub input: AudioInput,
}

impl AudioConfig {
    /// The published model.
    pub fn huge() -> Self {
        Self {
            mel_bins: 128,
            frames: 204,
            patch: 16,
            stride: 10,
            width: 768,
            depth: 12,
            heads: 12,
            mlp: 3072,
            embedding: 1024,
            input: AudioInput::Filterbanks,
        }
    }

    /// Refuses sizes that make no network.
    pub fn check(&self) -> Result<()> {
        let network = "ImageBind's audio trunk";
        check_sizes(
            network,
            &[
                ("mel_bins", self.mel_bins, MAX_IMAGE),
                ("frames", self.frames, MAX_IMAGE),
                ("patch", self.patch, self.mel_bins.min(self.frames)),
                ("stride", self.stride, MAX_IMAGE),
                ("width", self.width, MAX_WIDTH),
                ("depth", self.depth, MAX_DEPTH),
                ("mlp", self.mlp, MAX_WIDTH),
                ("embedding", self.embedding, MAX_WIDTH),
            ],
        )?;
        check_multiple(network, ("width", self.width), ("heads", self.heads))
    }

    fn patches(&self) -> usize {
        self.grid().into_iter().product()
    }

    /// Rows (frequency) and columns (time) of the patches of a clip.
    pub fn grid(&self) -> [usize; 2] {
        [self.mel_bins, self.frames].map(|length| (length - self.patch) / self.stride + 1)
    }

    /// Floating-point operations for `clips` clips.
    pub fn flops(&self, clips: usize) -> u64 {
        let patch = (self.patch * self.patch) as u64;
        let stem = 2 * self.patches() as u64 * patch * self.width as u64;
        let blocks = self.depth as u64 * flops(self.patches() + 1, self.width, self.mlp);
        clips as u64 * (stem + blocks)
    }
}

/// The network. Parameter names begin with `modality_`.
#[derive(Module, Debug)]
pub struct AudioTrunk<B: Backend> {
    stem: Conv2d<B>,
    stem_norm: LayerNorm<B>,
    cls_token: Param<Tensor<B, 3>>,
    pos_embed: Param<Tensor<B, 3>>,
    blocks: Vec<Block<B>>,
    head_norm: LayerNorm<B>,
    head: Linear<B>,
    scale: f32,
    patches: usize,
}

/// What the trunk makes of sounds.
#[derive(Debug, Clone)]
pub struct AudioFeatures<B: Backend> {
    /// `[sounds, embedding]`.
    pub embedding: Tensor<B, 2>,
    /// The patches in front of the last block, `[sounds * clips, patches, width]`.
    pub tokens: Tensor<B, 3>,
}

impl<B: Kernels> AudioTrunk<B> {
    /// Reads all parameters.
    pub fn load(p: &Params<B>, config: &AudioConfig) -> Result<Self> {
        config.check()?;
        let width = config.width;
        let input = p.at("modality_preprocessors.audio");
        let trunk = p.at("modality_trunks.audio");
        let head = p.at("modality_heads.audio");
        let post = p.at("modality_postprocessors.audio.1");
        let block = BlockConfig {
            width,
            heads: config.heads,
            mlp: config.mlp,
            extra_token: true,
        };
        let ln_20 = Init::Constant(20f32.ln());
        let log_scale = post.values("log_logit_scale", &[], ln_20)?;
        let patches = config.patches();
        Ok(Self {
            stem: Conv2d::load(
                &input.at("rgbt_stem.proj"),
                [1, width],
                config.patch,
                config.stride,
                0,
                false,
            )?,
            stem_norm: LayerNorm::load(&input.at("rgbt_stem.norm_layer"), width, STEM_EPS)?,
            cls_token: input.get("cls_token", [1, 1, width], Init::Constant(0.0))?,
            pos_embed: input.get(
                "pos_embedding_helper.pos_embed",
                [1, patches + 1, width],
                Init::Uniform(0.02),
            )?,
            patches,
            blocks: (0..config.depth)
                .map(|i| Block::load(&trunk.at("blocks").at(i), block))
                .collect::<Result<_>>()?,
            head_norm: LayerNorm::load(&head.at("0"), width, EPS)?,
            head: Linear::load_no_bias(&head.at("2"), width, config.embedding)?,
            scale: log_scale
                .first()
                .map_or(1.0, |log| log.exp().min(MAX_SCALE)),
        })
    }

    /// The clips of one sound, `[clips, 1, mel bins, frames]`, to its embedding `[1, embedding]`:
    /// the mean of the clips' unit vectors times the logit scale, not normalised again.
    pub fn forward(&self, clips: Tensor<B, 4>, trace: &mut Trace<B>) -> Tensor<B, 2> {
        let [count, ..] = clips.dims();
        self.forward_with_tokens(clips, count, trace).embedding
    }

    /// The same for several sounds of `each` clips, `[sounds each, 1, mel bins, frames]`, with the
    /// tokens that the embedding is read from.
    pub fn forward_with_tokens(
        &self,
        clips: Tensor<B, 4>,
        each: usize,
        trace: &mut Trace<B>,
    ) -> AudioFeatures<B> {
        let [count, ..] = clips.dims();
        let patches: Tensor<B, 3> = self.stem.forward(clips).flatten(2, 3).swap_dims(1, 2);
        let patches = self.stem_norm.forward(patches);
        let [_, _, width] = patches.dims();
        let cls = self.cls_token.val().expand([count, 1, width]);
        let mut x = Tensor::cat(vec![cls, patches], 1) + self.pos_embed.val();
        let mut tokens = x.clone();
        for (i, block) in self.blocks.iter().enumerate() {
            tokens = x;
            x = block.forward(tokens.clone(), None);
            trace.record(format_args!("imagebind.audio.blocks.{i}"), &x);
        }
        let x = self.head_norm.forward(x.narrow(1, 0, 1));
        let vectors: Tensor<B, 2> = l2_normalise(self.head.forward(x).squeeze_dim(1));
        let [_, embedding] = vectors.dims();
        let by_sound = (vectors * self.scale).reshape([count / each, each, embedding]);
        AudioFeatures {
            embedding: by_sound.mean_dim(1).squeeze_dim(1),
            tokens: tokens.narrow(1, 1, self.patches),
        }
    }
}
