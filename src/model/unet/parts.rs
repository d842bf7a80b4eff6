//! What the UNet is made of: resnets with a time embedding and transformers over two streams.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};

use super::{Context, config::Level};
use crate::{
    Result,
    model::{
        layers::{GroupNorm, LayerNorm, Linear},
        params::Params,
        resnet::{Resnet, ResnetConfig},
    },
    ops::{Activation, Kernels, merge_heads, split_heads},
};

/// GroupNorm of a transformer: not the one of the resnets.
const TRANSFORMER_EPS: f64 = 1e-6;
const LAYER_NORM_EPS: f64 = 1e-5;

/// A resnet and the transformers behind it.
#[derive(Module, Debug)]
pub(super) struct Layer<B: Backend> {
    resnet: Resnet<B>,
    attentions: Transformers<B>,
}

impl<B: Kernels> Layer<B> {
    /// Reads `resnets` and `attentions` of one level; `inputs` are the channels that each resnet takes.
    pub fn load_list(
        p: &Params<B>,
        inputs: impl IntoIterator<Item = usize>,
        level: &Level,
        shared: ResnetConfig,
    ) -> Result<Vec<Self>> {
        let (resnets, attentions) = (p.at("resnets"), p.at("attentions"));
        let layer = |(j, inputs)| {
            let first = j * level.contexts.len();
            Ok(Self {
                resnet: Resnet::load(&resnets.at(j), inputs, level.channels, shared)?,
                attentions: Transformers::load(&attentions, first, level, shared.groups)?,
            })
        };
        inputs.into_iter().enumerate().map(layer).collect()
    }

    pub fn forward(
        &self,
        x: Tensor<B, 4>,
        time: &Tensor<B, 2>,
        context: &Context<B>,
    ) -> Tensor<B, 4> {
        self.attentions
            .forward(self.resnet.forward(x, Some(time)), context)
    }
}

/// The transformers behind one resnet.
#[derive(Module, Debug)]
pub(super) struct Transformers<B: Backend> {
    list: Vec<Transformer<B>>,
}

impl<B: Kernels> Transformers<B> {
    /// Reads the transformers `first, first + 1, ..` under `attentions`.
    pub fn load(p: &Params<B>, first: usize, level: &Level, groups: usize) -> Result<Self> {
        let list = (0..level.contexts.len())
            .map(|i| Transformer::load(&p.at(first + i), i, level, groups))
            .collect::<Result<_>>()?;
        Ok(Self { list })
    }

    pub fn forward(&self, x: Tensor<B, 4>, context: &Context<B>) -> Tensor<B, 4> {
        let list = self.list.iter();
        list.fold(x, |x, transformer| transformer.forward(x, context))
    }
}

/// Where the second attention of a transformer looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    /// At the latent itself.
    Itself,
    /// At the Language-of-Audio tokens.
    Audio,
    /// At the prompt's states.
    Text,
}

/// A transformer over the pixels of `[batch, channels, rows, columns]`.
#[derive(Module, Debug)]
struct Transformer<B: Backend> {
    norm: GroupNorm<B>,
    proj_in: Linear<B>,
    blocks: Vec<TransformerBlock<B>>,
    proj_out: Linear<B>,
}

impl<B: Kernels> Transformer<B> {
    fn load(p: &Params<B>, index: usize, level: &Level, groups: usize) -> Result<Self> {
        let channels = level.channels;
        // The library's rule: the first two entries read stream 0, later ones stream 1.
        let (stream, width) = match level.contexts[index] {
            None => (Stream::Itself, channels),
            Some(width) if index <= 1 => (Stream::Audio, width),
            Some(width) => (Stream::Text, width),
        };
        let blocks = p.at("transformer_blocks");
        Ok(Self {
            norm: GroupNorm::load(&p.at("norm"), channels, groups, TRANSFORMER_EPS)?,
            proj_in: Linear::load_pointwise(&p.at("proj_in"), channels, channels)?,
            blocks: (0..level.blocks)
                .map(|i| TransformerBlock::load(&blocks.at(i), level, stream, width))
                .collect::<Result<_>>()?,
            proj_out: Linear::load_pointwise(&p.at("proj_out"), channels, channels)?,
        })
    }

    fn forward(&self, x: Tensor<B, 4>, context: &Context<B>) -> Tensor<B, 4> {
        let [batch, channels, rows, columns] = x.dims();
        let tokens: Tensor<B, 3> = self
            .norm
            .forward(x.clone())
            .reshape([batch, channels, rows * columns])
            .swap_dims(1, 2);
        let mut tokens = self.proj_in.forward(tokens);
        for block in &self.blocks {
            tokens = block.forward(tokens, context);
        }
        let out = self.proj_out.forward(tokens).swap_dims(1, 2);
        x + out.reshape([batch, channels, rows, columns])
    }
}

/// Self-attention, a second attention, a gated feed-forward layer.
#[derive(Module, Debug)]
struct TransformerBlock<B: Backend> {
    norm1: LayerNorm<B>,
    attn1: Attention<B>,
    norm2: LayerNorm<B>,
    attn2: Attention<B>,
    norm3: LayerNorm<B>,
    ff_value: Linear<B>,
    ff_gate: Linear<B>,
    ff_out: Linear<B>,
    #[module(skip)]
    stream: Stream,
}

impl<B: Kernels> TransformerBlock<B> {
    fn load(p: &Params<B>, level: &Level, stream: Stream, width: usize) -> Result<Self> {
        let channels = level.channels;
        let norm = |name| LayerNorm::load(&p.at(name), channels, LAYER_NORM_EPS);
        let attention = |name, width| Attention::load(&p.at(name), channels, width, level.heads);
        // GEGLU: the value first, the gate second.
        let ff_in = p.at("ff.net.0.proj");
        let [ff_value, ff_gate] =
            Linear::load_parts(&ff_in, channels, 4 * channels, "weight", "bias")?;
        Ok(Self {
            norm1: norm("norm1")?,
            attn1: attention("attn1", channels)?,
            norm2: norm("norm2")?,
            attn2: attention("attn2", width)?,
            norm3: norm("norm3")?,
            ff_value,
            ff_gate,
            ff_out: Linear::load(&p.at("ff.net.2"), 4 * channels, channels)?,
            stream,
        })
    }

    fn forward(&self, x: Tensor<B, 3>, context: &Context<B>) -> Tensor<B, 3> {
        let h = self.norm1.forward(x.clone());
        let x = self.attn1.forward_onto(h.clone(), h, None, x);
        let h = self.norm2.forward(x.clone());
        let (keys, bias) = match self.stream {
            Stream::Itself => (h.clone(), None),
            Stream::Audio => (context.audio.clone(), None),
            Stream::Text => (context.text.clone(), context.text_bias.clone()),
        };
        let x = self.attn2.forward_onto(h, keys, bias, x);
        let h = self.norm3.forward(x.clone());
        let value = self.ff_value.forward(h.clone());
        let gate = self.ff_gate.forward_with(h, Activation::Gelu);
        self.ff_out.forward_onto(value * gate, x)
    }
}

/// Attention of a transformer block; queries, keys and values have no bias.
#[derive(Module, Debug)]
struct Attention<B: Backend> {
    to_q: Linear<B>,
    to_k: Linear<B>,
    to_v: Linear<B>,
    to_out: Linear<B>,
    heads: usize,
}

impl<B: Kernels> Attention<B> {
    fn load(p: &Params<B>, channels: usize, context: usize, heads: usize) -> Result<Self> {
        Ok(Self {
            to_q: Linear::load_no_bias(&p.at("to_q"), channels, channels)?,
            to_k: Linear::load_no_bias(&p.at("to_k"), context, channels)?,
            to_v: Linear::load_no_bias(&p.at("to_v"), context, channels)?,
            to_out: Linear::load(&p.at("to_out.0"), channels, channels)?,
            heads,
        })
    }

    /// `x [batch, tokens, channels]` attends to `context [batch, keys, width]`; what comes out is added to
    /// `residual`.
    fn forward_onto(
        &self,
        x: Tensor<B, 3>,
        context: Tensor<B, 3>,
        bias: Option<Tensor<B, 4>>,
        residual: Tensor<B, 3>,
    ) -> Tensor<B, 3> {
        let [_, _, channels] = x.dims();
        let q = split_heads(self.to_q.forward(x), self.heads);
        let k = split_heads(self.to_k.forward(context.clone()), self.heads);
        let v = split_heads(self.to_v.forward(context), self.heads);
        let scale = ((channels / self.heads) as f64).powf(-0.5);
        let heard = merge_heads(B::attend(q, k, v, bias, scale));
        self.to_out.forward_onto(heard, residual)
    }
}
