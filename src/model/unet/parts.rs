//! What the UNet is made of: resnets with a time embedding and transformers over two streams.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};

use super::{Context, config::Level};
use crate::{
    Result,
    model::{
        layers::{GroupNorm, LayerNorm, Linear, SelfProjection},
        params::Params,
        resnet::{Resnet, ResnetConfig},
    },
    ops::{Kernels, merge_heads, split_heads},
};

/// Keys and values of one cross-attention: the same in every step.
#[derive(Debug, Clone)]
pub(super) struct KeyValue<B: Backend> {
    /// `[batch, heads, tokens, dim]`.
    keys: Tensor<B, 4>,
    /// The same shape.
    values: Tensor<B, 4>,
    /// What padding adds to the scores.
    bias: Option<Tensor<B, 4>>,
}

/// The keys and values of all cross-attentions, in order of use.
pub(super) type KeyValues<'a, B> = std::slice::Iter<'a, KeyValue<B>>;

/// GroupNorm of a transformer: not the one of the resnets.
const TRANSFORMER_EPS: f64 = 1e-6;
const LAYER_NORM_EPS: f64 = 1e-5;

/// A resnet and the transformers behind it.
#[derive(Module, Debug)]
pub(super) struct ResnetAttention<B: Backend> {
    resnet: Resnet<B>,
    attentions: Transformers<B>,
}

impl<B: Kernels> ResnetAttention<B> {
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
        keys: &mut KeyValues<'_, B>,
    ) -> Tensor<B, 4> {
        self.attentions
            .forward(self.resnet.forward(x, Some(time)), keys)
    }

    /// Adds the keys of these attentions to `keys`.
    pub fn read(&self, context: &Context<B>, keys: &mut Vec<KeyValue<B>>) {
        self.attentions.read(context, keys);
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

    pub fn forward(&self, x: Tensor<B, 4>, keys: &mut KeyValues<'_, B>) -> Tensor<B, 4> {
        let list = self.list.iter();
        list.fold(x, |x, transformer| transformer.forward(x, keys))
    }

    /// Adds the keys of these attentions to `keys`.
    pub fn read(&self, context: &Context<B>, keys: &mut Vec<KeyValue<B>>) {
        let blocks = self.list.iter().flat_map(|transformer| &transformer.blocks);
        keys.extend(blocks.filter_map(|block| block.attn2.read(context)));
    }
}

/// Where the second attention of a transformer looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
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
        let stream = if index <= 1 {
            Stream::Audio
        } else {
            Stream::Text
        };
        let context = level.contexts[index].map(|width| (stream, width));
        let blocks = p.at("transformer_blocks");
        Ok(Self {
            norm: GroupNorm::load(&p.at("norm"), channels, groups, TRANSFORMER_EPS)?,
            proj_in: Linear::load_pointwise(&p.at("proj_in"), channels, channels)?,
            blocks: (0..level.blocks)
                .map(|i| TransformerBlock::load(&blocks.at(i), level, context))
                .collect::<Result<_>>()?,
            proj_out: Linear::load_pointwise(&p.at("proj_out"), channels, channels)?,
        })
    }

    fn forward(&self, x: Tensor<B, 4>, keys: &mut KeyValues<'_, B>) -> Tensor<B, 4> {
        let tokens = self.norm.forward_to_tokens(x.clone());
        let mut tokens = self.proj_in.forward(tokens);
        for block in &self.blocks {
            tokens = block.forward(tokens, keys);
        }
        self.proj_out.forward_onto_channels(tokens, x)
    }
}

/// Self-attention, a second attention, a gated feed-forward layer.
#[derive(Module, Debug)]
struct TransformerBlock<B: Backend> {
    norm1: LayerNorm<B>,
    attn1: SelfAttention<B>,
    norm2: LayerNorm<B>,
    attn2: SecondAttention<B>,
    norm3: LayerNorm<B>,
    ff_in: Linear<B>,
    ff_out: Linear<B>,
}

impl<B: Kernels> TransformerBlock<B> {
    /// `context` is what the second attention reads and its width; without one it is a self-attention.
    fn load(p: &Params<B>, level: &Level, context: Option<(Stream, usize)>) -> Result<Self> {
        let channels = level.channels;
        let norm = |name| LayerNorm::load(&p.at(name), channels, LAYER_NORM_EPS);
        let attn2 = p.at("attn2");
        Ok(Self {
            norm1: norm("norm1")?,
            attn1: SelfAttention::load(&p.at("attn1"), level)?,
            norm2: norm("norm2")?,
            attn2: match context {
                None => SecondAttention::Itself(SelfAttention::load(&attn2, level)?),
                Some((stream, width)) => {
                    SecondAttention::Other(CrossAttention::load(&attn2, level, stream, width)?)
                }
            },
            norm3: norm("norm3")?,
            ff_in: Linear::load(&p.at("ff.net.0.proj"), channels, 8 * channels)?,
            ff_out: Linear::load(&p.at("ff.net.2"), 4 * channels, channels)?,
        })
    }

    fn forward(&self, x: Tensor<B, 3>, keys: &mut KeyValues<'_, B>) -> Tensor<B, 3> {
        let h = self.norm1.forward(x.clone());
        let x = self.attn1.forward_onto(h, x);
        let h = self.norm2.forward(x.clone());
        let x = self.attn2.forward_onto(h, keys, x);
        let h = self.norm3.forward(x.clone());
        self.ff_out.forward_onto(self.ff_in.forward_gated(h), x)
    }
}

/// Attention of the latent to itself; queries, keys and values have no bias.
#[derive(Module, Debug)]
struct SelfAttention<B: Backend> {
    qkv: SelfProjection<B>,
    to_out: Linear<B>,
    heads: usize,
}

impl<B: Kernels> SelfAttention<B> {
    fn load(p: &Params<B>, level: &Level) -> Result<Self> {
        let channels = level.channels;
        Ok(Self {
            qkv: SelfProjection::load(p, channels)?,
            to_out: Linear::load(&p.at("to_out.0"), channels, channels)?,
            heads: level.heads,
        })
    }

    /// `residual` plus the self-attention of `x [batch, tokens, channels]`.
    fn forward_onto(&self, x: Tensor<B, 3>, residual: Tensor<B, 3>) -> Tensor<B, 3> {
        let attended = self.qkv.attend(x, self.heads);
        self.to_out.forward_onto(attended, residual)
    }
}

/// The second attention of a block.
// The tensors behind it are far larger, and modules cannot be boxed.
#[allow(clippy::large_enum_variant)]
#[derive(Module, Debug)]
enum SecondAttention<B: Backend> {
    /// To the latent.
    Itself(SelfAttention<B>),
    /// To a stream.
    Other(CrossAttention<B>),
}

impl<B: Kernels> SecondAttention<B> {
    fn forward_onto(
        &self,
        x: Tensor<B, 3>,
        keys: &mut KeyValues<'_, B>,
        residual: Tensor<B, 3>,
    ) -> Tensor<B, 3> {
        match self {
            Self::Itself(attention) => attention.forward_onto(x, residual),
            Self::Other(attention) => match keys.next() {
                Some(keys) => attention.forward_onto(x, keys, residual),
                None => unreachable!("every attention to a stream has read it"),
            },
        }
    }

    fn read(&self, context: &Context<B>) -> Option<KeyValue<B>> {
        match self {
            Self::Itself(_) => None,
            Self::Other(attention) => Some(attention.read(context)),
        }
    }
}

/// Attention of the latent to a stream; queries, keys and values have no bias.
#[derive(Module, Debug)]
struct CrossAttention<B: Backend> {
    to_q: Linear<B>,
    to_k: Linear<B>,
    to_v: Linear<B>,
    to_out: Linear<B>,
    heads: usize,
    #[module(skip)]
    stream: Stream,
}

impl<B: Kernels> CrossAttention<B> {
    fn load(p: &Params<B>, level: &Level, stream: Stream, width: usize) -> Result<Self> {
        let channels = level.channels;
        Ok(Self {
            to_q: Linear::load_no_bias(&p.at("to_q"), channels, channels)?,
            to_k: Linear::load_no_bias(&p.at("to_k"), width, channels)?,
            to_v: Linear::load_no_bias(&p.at("to_v"), width, channels)?,
            to_out: Linear::load(&p.at("to_out.0"), channels, channels)?,
            heads: level.heads,
            stream,
        })
    }

    fn read(&self, context: &Context<B>) -> KeyValue<B> {
        let (stream, bias) = match self.stream {
            Stream::Audio => (context.audio.clone(), None),
            Stream::Text => (context.text.clone(), context.text_bias.clone()),
        };
        KeyValue {
            keys: split_heads(self.to_k.forward(stream.clone()), self.heads),
            values: split_heads(self.to_v.forward(stream), self.heads),
            bias,
        }
    }

    /// `residual` plus the cross-attention of `x [batch, tokens, channels]`.
    fn forward_onto(
        &self,
        x: Tensor<B, 3>,
        keys: &KeyValue<B>,
        residual: Tensor<B, 3>,
    ) -> Tensor<B, 3> {
        let q = split_heads(self.to_q.forward(x), self.heads);
        let scale = (q.dims()[3] as f64).powf(-0.5);
        let KeyValue { keys, values, bias } = keys.clone();
        let attended = merge_heads(<B as Kernels>::attention(q, keys, values, bias, scale));
        self.to_out.forward_onto(attended, residual)
    }
}
