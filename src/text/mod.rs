//! Texts to what music is conditioned on: tokenizers, CLAP, T5 and the projection model.
//!
//! A bundle holds the conditions of its fixed prompts, so this runs when a checkpoint is converted,
//! and when a person asks for another prompt. What it gives for the language model, that one translates where it is.

mod bpe;
mod charsmap;
mod clip;
#[cfg(feature = "train")]
mod learn;
mod tokenizer;
mod unigram;
#[cfg(feature = "native")]
mod wordpiece;

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};

use crate::{
    Error, Result,
    model::{
        clap::{ClapText, ClapTextConfig},
        params::Params,
        projection::{ProjectionConfig, ProjectionModel},
        t5::{T5Config, T5Encoder},
        trace::Trace,
    },
    ops::Kernels,
    tensors::HostTensor,
    weights::NegativePrefix,
};

pub use clip::{CLIP_MERGES, ClipTokenizer, merges_of};
#[cfg(feature = "train")]
pub use learn::learn_merges;
pub use tokenizer::{CLAP_TOKENIZER, T5_TOKENIZER, TextTokenizer, Tokenizers};
#[cfg(feature = "native")]
pub use wordpiece::WordPiece;

/// The paper's support prompt.
pub const PROMPT: &str = "Music representing the content of this artwork";
/// The paper's negative prompt.
pub const NEGATIVE_PROMPT: &str = "Low quality";

/// The configurations of the text networks.
#[derive(Debug, Clone, PartialEq)]
pub struct TextEncodersConfig {
    /// CLAP's text branch.
    pub clap: ClapTextConfig,
    /// T5's encoder.
    pub t5: T5Config,
    /// What puts both into one sequence.
    pub projection: ProjectionConfig,
}

impl TextEncodersConfig {
    /// The networks must fit each other and a language model that takes vectors of `width`.
    pub fn check(&self, width: usize) -> Result<()> {
        self.clap.check()?;
        let widths = [
            (self.clap.projection_dim, self.projection.text_encoder_dim),
            (self.t5.d_model, self.projection.text_encoder_1_dim),
            (width, self.projection.langauge_model_dim),
        ];
        if widths.iter().all(|(one, other)| one == other) {
            return Ok(());
        }
        Err(Error::format(
            "the text networks do not have the widths that the projection model joins",
            "convert parts that belong together",
        ))
    }

    /// Floating-point operations for a prompt and a negative prompt of about `tokens` tokens.
    pub fn flops(&self, tokens: usize) -> u64 {
        2 * self.t5.flops(tokens) + self.clap.flops(tokens)
    }
}

/// The text networks of a checkpoint.
#[derive(Module, Debug)]
pub struct TextEncoders<B: Backend> {
    /// CLAP's text branch.
    pub clap: ClapText<B>,
    /// T5's encoder.
    pub t5: T5Encoder<B>,
    /// Puts both into one sequence.
    pub projection: ProjectionModel<B>,
}

/// Vectors of tokens, and which of them count.
#[derive(Debug, Clone, PartialEq)]
pub struct Masked {
    /// `[1, tokens, width]`.
    pub states: HostTensor,
    /// `[1, tokens]`, 1 or 0.
    pub mask: HostTensor,
}

impl Masked {
    async fn read<B: Kernels>(states: Tensor<B, 3>, counts: &[bool]) -> Result<Self> {
        let values = counts.iter().map(|&counts| f32::from(u8::from(counts)));
        Ok(Self {
            mask: HostTensor {
                shape: vec![1, counts.len()],
                values: values.collect(),
            },
            states: HostTensor::read(states).await?,
        })
    }
}

/// What the text networks make of a prompt and a negative prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedTexts {
    /// T5's states of the prompt.
    pub prompt: Masked,
    /// T5's states of the negative prompt, at the prompt's length.
    pub negative: Masked,
    /// What the language model translates the negative prompt from.
    pub prefix: Masked,
}

impl<B: Kernels> TextEncoders<B> {
    /// Reads the networks from the parameters of CLAP, T5 and the projection model.
    pub fn load(
        [clap, t5, projection]: [Params<B>; 3],
        config: &TextEncodersConfig,
    ) -> Result<Self> {
        Ok(Self {
            clap: ClapText::load(&clap, &config.clap)?,
            t5: T5Encoder::load(&t5, &config.t5)?,
            projection: ProjectionModel::load(&projection, &config.projection)?,
        })
    }

    /// Encodes a prompt and a negative prompt, whose `prefix` is as long as that says.
    pub async fn encode(
        &self,
        tokenizers: &Tokenizers,
        prompt: &str,
        negative: &str,
        prefix: NegativePrefix,
    ) -> Result<EncodedTexts> {
        let ids = tokenizers.t5.encode(prompt);
        let length = ids.len();
        let (negative_ids, negative_mask) = tokenizers.t5_ids(negative, length);
        let masks = vec![vec![true; length], negative_mask];
        let states = self
            .t5
            .forward(&[ids, negative_ids], &masks, &mut Trace::off())?;
        let (t5, t5_mask) = match prefix {
            NegativePrefix::Single => {
                let (ids, mask) = tokenizers.t5_ids(negative, 1);
                let mask = vec![mask];
                let states = self.t5.forward(&[ids], &mask, &mut Trace::off())?;
                (states, mask)
            }
            NegativePrefix::Padded => (states.clone().narrow(0, 1, 1), vec![masks[1].clone()]),
        };
        let ids = tokenizers.clap.encode(negative);
        let clap = self.clap.forward(&ids, &mut Trace::off())?;
        let (sequence, sequence_mask) = self.projection.forward(clap, t5, &t5_mask);
        Ok(EncodedTexts {
            prompt: Masked::read(states.clone().narrow(0, 0, 1), &masks[0]).await?,
            negative: Masked::read(states.narrow(0, 1, 1), &masks[1]).await?,
            prefix: Masked::read(sequence, &sequence_mask[0]).await?,
        })
    }
}
