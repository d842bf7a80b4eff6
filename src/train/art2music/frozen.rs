//! What is not trained: towers and vocoder of a bundle, or towers of our own.

use std::collections::BTreeMap;

use crate::{
    Error, Result,
    checkpoint::Checkpoint,
    dataset::{CommentForm, FrozenNetworks, MelRecipe, Preprocessor, TextInput, stage_digests},
    model::{
        clip::{ClipConfig, ClipText, ClipTextConfig, ClipVision},
        params::Params,
        vocoder::VocoderConfig,
    },
    ops::Kernels,
    systems::{
        art_to_mus::PictureEncoder,
        art2music::{self, Networks, kind, stage},
        vocoder_of,
    },
    tensors::{Prefixed, TensorSource},
    text::{CLIP_MERGES, ClipTokenizer},
    weights::{Bundle, StageWeights},
};

/// Where the towers' weights are; names begin with their kinds.
#[allow(clippy::large_enum_variant, reason = "there is one of it")]
enum TowerSource {
    /// In the stages of a bundle.
    Bundle {
        vision: StageWeights,
        text: StageWeights,
    },
    /// Both in the file of a finished part.
    Run(Checkpoint),
}

/// The networks that stay as they are.
pub struct Frozen {
    /// Picture to embedding.
    pub vision: ClipConfig,
    /// Comment to embedding.
    pub text: ClipTextConfig,
    /// The vocabulary of comments.
    pub merges: String,
    towers: TowerSource,
    /// Log-mel to sound.
    pub vocoder: VocoderConfig,
    vocoder_weights: StageWeights,
    /// What tells the towers' weights from others, by what a person calls them.
    tower_digests: BTreeMap<String, String>,
    /// The same of the vocoder.
    vocoder_digests: BTreeMap<String, String>,
}

impl Frozen {
    /// The towers of `bundle`, and the vocoder of `vocoder`, which may be of any system.
    pub fn of_bundle(bundle: &Bundle, vocoder: &Bundle) -> Result<Self> {
        let manifest = bundle.manifest();
        let (networks, _) = art2music::check(manifest)?;
        let load = |name: &str| pollster::block_on(bundle.load(name, &mut |_| ()));
        let merges = pollster::block_on(bundle.asset(CLIP_MERGES))?;
        let merges = String::from_utf8(merges).map_err(|_| {
            Error::format(
                "the bundle's merges are no text",
                "convert the checkpoint again",
            )
        })?;
        let towers = TowerSource::Bundle {
            vision: load(stage::ENCODE)?,
            text: load(stage::TEXT)?,
        };
        let digests = stage_digests(manifest, |name| {
            [stage::ENCODE, stage::TEXT].contains(&name)
        });
        Self::new(
            (networks.vision, networks.text),
            merges,
            (towers, digests),
            vocoder,
        )
    }

    /// Finished towers of our own: their weights, which `digest` tells from others, and their vocabulary.
    pub fn of_run(
        (vision, text): (ClipConfig, ClipTextConfig),
        merges: String,
        (weights, digest): (Checkpoint, String),
        vocoder: &Bundle,
    ) -> Result<Self> {
        let digests = BTreeMap::from([("the part towers".to_string(), digest)]);
        let towers = (TowerSource::Run(weights), digests);
        Self::new((vision, text), merges, towers, vocoder)
    }

    fn new(
        (vision, text): (ClipConfig, ClipTextConfig),
        merges: String,
        (towers, tower_digests): (TowerSource, BTreeMap<String, String>),
        vocoder: &Bundle,
    ) -> Result<Self> {
        let (config, vocoder_weights) = vocoder_of(vocoder)?;
        Ok(Self {
            vision,
            text,
            merges,
            towers,
            vocoder: config,
            vocoder_weights,
            tower_digests,
            vocoder_digests: stage_digests(vocoder.manifest(), |name| name == stage::VOCODE),
        })
    }

    /// What tells the towers' weights from others, by what a person calls them.
    pub fn tower_digests(&self) -> BTreeMap<String, String> {
        self.tower_digests.clone()
    }

    /// The same of the vocoder.
    pub fn vocoder_digests(&self) -> BTreeMap<String, String> {
        self.vocoder_digests.clone()
    }

    /// The towers' weights, as they encode items of which a cache keeps what they give.
    pub(super) fn weights(&self) -> Vec<String> {
        let mut weights: Vec<String> = self.tower_digests.values().cloned().collect();
        weights.push(self.merges.clone());
        weights
    }

    fn source(&self, kind: &str) -> &dyn TensorSource {
        match &self.towers {
            TowerSource::Bundle { vision, text } => match kind {
                kind::CLIP_VISION => vision,
                _ => text,
            },
            TowerSource::Run(file) => file,
        }
    }

    /// The tensors of the vision tower, without its kind.
    pub fn vision_weights(&self) -> Prefixed<'_> {
        self.prefixed(kind::CLIP_VISION)
    }

    /// The tensors of the text tower, without its kind.
    pub fn text_weights(&self) -> Prefixed<'_> {
        self.prefixed(kind::CLIP_TEXT)
    }

    fn prefixed(&self, kind: &'static str) -> Prefixed<'_> {
        Prefixed {
            source: self.source(kind),
            prefix: kind,
        }
    }

    /// The tensors of the vocoder, without its kind.
    pub fn vocoder_weights(&self) -> Prefixed<'_> {
        Prefixed {
            source: &self.vocoder_weights,
            prefix: crate::systems::vocoder_kind(&self.vocoder),
        }
    }

    /// The tokenizer of comments.
    pub fn tokenizer(&self) -> Result<ClipTokenizer> {
        ClipTokenizer::new(&self.merges, self.text.max_position_embeddings)
    }

    /// The towers, which give embeddings of pictures and comments, beside spectrograms of `frames` frames.
    pub fn encoders<B: Kernels>(
        &self,
        frames: usize,
        form: CommentForm,
        device: &B::Device,
    ) -> Result<FrozenNetworks<B>> {
        let spectrogram = Networks::spectrogram(&self.vocoder);
        let mut preprocessor = Preprocessor::new(frames, MelRecipe::Raw, &spectrogram)?;
        preprocessor.image_size = Some(self.vision.image_size);
        preprocessor.mel = true;
        preprocessor.texts = Some(TextInput {
            tokenizer: self.tokenizer()?,
            form,
        });
        let (vision, text) = (self.vision_weights(), self.text_weights());
        let vision = ClipVision::load(&Params::new(&vision, device), &self.vision)?;
        Ok(FrozenNetworks {
            pictures: Some(PictureEncoder::Clip(vision)),
            texts: Some(ClipText::load(&Params::new(&text, device), &self.text)?),
            mels: true,
            latents: None,
            sounds: None,
            tokens: None,
            preprocessor,
            device: device.clone(),
        })
    }
}
