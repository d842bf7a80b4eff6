//! Texts to conditions: tokenizers, CLAP, T5, the projection model and GPT-2.
//!
//! A bundle holds the conditions of its fixed prompts, so this runs when a checkpoint is converted,
//! and when a person asks for another prompt.

use burn::tensor::Tensor;
use tokenizers::Tokenizer;

use crate::{
    Error, Result,
    model::{
        clap::{ClapText, ClapTextConfig},
        gpt2::{Gpt2, Gpt2Config},
        mask::KeyMask,
        params::{Params, Plan},
        projection::{ProjectionConfig, ProjectionModel},
        t5::{T5Config, T5Encoder},
        trace::Trace,
    },
    ops::Kernels,
    systems::art_to_mus::{TextConditions, config, kind, stage},
    tensors::{HostTensor, read},
    weights::{Bundle, NegativePrefix},
};

/// The paper's support prompt.
pub const PROMPT: &str = "Music representing the content of this artwork";
/// The paper's negative prompt.
pub const NEGATIVE_PROMPT: &str = "Low quality";
/// The role of CLAP's tokenizer among a bundle's assets.
pub const CLAP_TOKENIZER: &str = "tokenizer";
/// The role of T5's tokenizer.
pub const T5_TOKENIZER: &str = "tokenizer_2";
/// T5's `model_max_length`.
const T5_MAX_TOKENS: usize = 128;
/// CLAP's `model_max_length`.
const CLAP_MAX_TOKENS: usize = 512;
const T5_PAD: u32 = 0;

/// A tokenizer as `tokenizer.json` describes it, without padding and truncation of its own.
#[derive(Debug, Clone)]
pub struct TextTokenizer {
    inner: Tokenizer,
    longest: usize,
}

impl TextTokenizer {
    /// CLAP's: `<s> .. </s>`.
    pub fn clap(json: &[u8]) -> Result<Self> {
        Self::new(json, CLAP_MAX_TOKENS)
    }

    /// T5's: `.. </s>`.
    pub fn t5(json: &[u8]) -> Result<Self> {
        Self::new(json, T5_MAX_TOKENS)
    }

    fn new(json: &[u8], longest: usize) -> Result<Self> {
        let mut inner = Tokenizer::from_bytes(json).map_err(|e| {
            Error::format(
                format!("a tokenizer.json cannot be read ({e})"),
                "use the tokenizer that belongs to the checkpoint",
            )
        })?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|e| {
            Error::internal(format!("the tokenizer does not work without limits ({e})"))
        })?;
        Ok(Self { inner, longest })
    }

    /// The ids of `text` with its marks. Longer texts lose their end, never their end mark.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.inner.encode(text, true).map_err(|e| {
            Error::input(
                format!("the prompt cannot be split into tokens ({e})"),
                "use a simpler prompt",
            )
        })?;
        Ok(truncate(encoding.get_ids().to_vec(), self.longest))
    }
}

/// At most `length` ids, the last of which stays the last.
fn truncate(mut ids: Vec<u32>, length: usize) -> Vec<u32> {
    if let Some(&end) = ids.last()
        && ids.len() > length
    {
        ids.truncate(length.saturating_sub(1));
        ids.push(end);
    }
    ids
}

/// The text networks of a checkpoint.
#[derive(Debug)]
pub struct TextEncoders<B: Kernels> {
    /// CLAP's text branch.
    pub clap: ClapText<B>,
    /// T5's encoder.
    pub t5: T5Encoder<B>,
    /// Puts both into one sequence.
    pub projection: ProjectionModel<B>,
    /// Translates the sequence into the Language of Audio.
    pub gpt2: Gpt2<B>,
    /// CLAP's tokenizer.
    pub clap_tokenizer: TextTokenizer,
    /// T5's tokenizer.
    pub t5_tokenizer: TextTokenizer,
}

/// A network's parameters and its configuration.
pub type NetworkSource<'a, B, C> = (Params<'a, B>, C);

impl<B: Kernels> TextEncoders<B> {
    /// Reads the networks; `tokenizers` are the two `tokenizer.json`, CLAP's and T5's.
    pub fn load(
        clap: NetworkSource<B, ClapTextConfig>,
        t5: NetworkSource<B, T5Config>,
        projection: NetworkSource<B, ProjectionConfig>,
        gpt2: NetworkSource<B, Gpt2Config>,
        tokenizers: [&[u8]; 2],
    ) -> Result<Self> {
        let widths = [
            (clap.1.projection_dim, projection.1.text_encoder_dim),
            (t5.1.d_model, projection.1.text_encoder_1_dim),
            (gpt2.1.n_embd, projection.1.langauge_model_dim),
        ];
        if widths.iter().any(|(one, other)| one != other) {
            return Err(Error::format(
                "the text networks do not have the widths that the projection model joins",
                "convert parts that belong together",
            ));
        }
        Ok(Self {
            clap: ClapText::load(&clap.0, &clap.1)?,
            t5: T5Encoder::load(&t5.0, &t5.1)?,
            projection: ProjectionModel::load(&projection.0, &projection.1)?,
            gpt2: Gpt2::load(&gpt2.0, &gpt2.1)?,
            clap_tokenizer: TextTokenizer::clap(tokenizers[0])?,
            t5_tokenizer: TextTokenizer::t5(tokenizers[1])?,
        })
    }

    /// Reads the text networks of a bundle that has them.
    pub async fn from_bundle(bundle: &Bundle, device: &B::Device) -> Result<Self> {
        let weights = bundle.load(stage::TEXT, &mut |_| {}).await?;
        let language = bundle.load(stage::CONDITION, &mut |_| {}).await?;
        let params = [&weights, &language].map(|weights| Params::new(weights, device));
        Self::build(bundle, params).await
    }

    /// Refuses a bundle whose text networks cannot be built. No weights are read.
    pub async fn check(bundle: &Bundle, device: &B::Device) -> Result<()> {
        let plan = Plan::default();
        let params = [Params::new(&plan, device), Params::new(&plan, device)];
        Self::build(bundle, params).await.map(drop)
    }

    /// Builds the text networks from the parameters of the stages `text` and `condition`.
    async fn build(bundle: &Bundle, [text, condition]: [Params<'_, B>; 2]) -> Result<Self> {
        let manifest = bundle.manifest();
        let entry = manifest.stage(stage::TEXT)?;
        let gpt2 = config(manifest.stage(stage::CONDITION)?, kind::GPT2)?;
        Self::load(
            (text.at(kind::CLAP_TEXT), config(entry, kind::CLAP_TEXT)?),
            (text.at(kind::T5), config(entry, kind::T5)?),
            (text.at(kind::PROJECTION), config(entry, kind::PROJECTION)?),
            (condition.at(kind::GPT2), gpt2),
            [
                &bundle.asset(CLAP_TOKENIZER).await?,
                &bundle.asset(T5_TOKENIZER).await?,
            ],
        )
    }

    /// The conditions of a prompt and a negative prompt.
    pub async fn conditions(
        &self,
        prompt: &str,
        negative: &str,
        prefix: NegativePrefix,
    ) -> Result<TextConditions> {
        let ids = self.t5_tokenizer.encode(prompt)?;
        let length = ids.len();
        let (negative_ids, negative_mask) = self.t5_ids(negative, length)?;
        let masks = vec![vec![true; length], negative_mask];
        let states = self
            .t5
            .forward(&[ids, negative_ids.clone()], &masks, &mut Trace::off())?;
        let (t5, t5_mask) = match prefix {
            NegativePrefix::Single => {
                let (ids, mask) = self.t5_ids(negative, 1)?;
                let mask = vec![mask];
                let states = self.t5.forward(&[ids], &mask, &mut Trace::off())?;
                (states, mask)
            }
            NegativePrefix::Padded => (states.clone().narrow(0, 1, 1), vec![masks[1].clone()]),
        };
        let tokens = self.language_of_audio(negative, t5, &t5_mask)?;
        let mask = |row: &[bool]| HostTensor {
            shape: vec![1, length],
            values: row
                .iter()
                .map(|&counts| f32::from(u8::from(counts)))
                .collect(),
        };
        Ok(TextConditions {
            prompt_states: host(states.clone().narrow(0, 0, 1)).await?,
            prompt_mask: mask(&masks[0]),
            negative_states: host(states.narrow(0, 1, 1)).await?,
            negative_mask: mask(&masks[1]),
            negative_tokens: host(tokens).await?,
        })
    }

    /// A text through CLAP, the projection model (with `t5 [1, tokens, width]`) and GPT-2.
    pub fn language_of_audio(
        &self,
        text: &str,
        t5: Tensor<B, 3>,
        t5_mask: &KeyMask,
    ) -> Result<Tensor<B, 3>> {
        let ids = self.clap_tokenizer.encode(text)?;
        let clap = self.clap.forward(&ids, &mut Trace::off())?;
        let (sequence, mask) = self.projection.forward(clap, t5, t5_mask);
        self.gpt2.generate(sequence, Some(&mask))
    }

    /// T5's ids of `text`, cut or padded to `length`, and which of them count.
    fn t5_ids(&self, text: &str, length: usize) -> Result<(Vec<u32>, Vec<bool>)> {
        let mut ids = truncate(self.t5_tokenizer.encode(text)?, length);
        let mut mask = vec![true; ids.len()];
        ids.resize(length, T5_PAD);
        mask.resize(length, false);
        Ok((ids, mask))
    }
}

async fn host<B: Kernels>(tensor: Tensor<B, 3>) -> Result<HostTensor> {
    let shape = tensor.dims().to_vec();
    let values = read(tensor).await?;
    Ok(HostTensor { shape, values })
}
