//! Items as networks take them: pixels, spectrograms, clips. All of it on the CPU.

use super::{CommentForm, Source};
use crate::{
    Error, Result,
    audio::{
        mel::{self, fit},
        spectrogram::{Spectrogram, SpectrogramConfig},
    },
    image,
    model::imagebind::SoundInput,
    text::ClipTokenizer,
};

/// Seconds of a track that training takes, as in the paper.
const EXCERPT: [f64; 2] = [10.0, 20.0];

/// How sound becomes a spectrogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MelRecipe {
    /// The beginning of the piece as it is: for networks that loudness means something to.
    Raw,
    /// AudioLDM's: the track is centred and its peak brought to one half, seconds 10 to 20 are taken, and
    /// their peak is brought to one half again.
    Normalised,
}

/// How a comment becomes the ids of a text tower.
#[derive(Debug, Clone)]
pub struct TextInput {
    /// The tower's vocabulary.
    pub tokenizer: ClipTokenizer,
    /// What of a comment is said.
    pub form: CommentForm,
}

/// What an item is made into.
#[derive(Debug, Clone)]
pub struct Preprocessor {
    /// Side of the pixels that the picture becomes, if it is wanted.
    pub image_size: Option<usize>,
    /// Whether spectrograms are wanted.
    pub mel: bool,
    /// What makes clips for an audio trunk, if they are wanted.
    pub clips: Option<SoundInput>,
    /// What makes ids of comments, if they are wanted.
    pub texts: Option<TextInput>,
    /// Frames of a piece.
    pub frames: usize,
    /// How sound becomes a spectrogram.
    pub recipe: MelRecipe,
    spectrogram: Spectrogram,
}

/// An item as networks take it; what is not wanted is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Features {
    /// `[3, size, size]`.
    pub pixels: Vec<f32>,
    /// `[frames, bands]`.
    pub mel: Vec<f32>,
    /// `[clips, bands, frames]`, as the audio trunk takes them.
    pub clips: Vec<f32>,
    /// The ids of the comment, as a text tower takes them.
    pub ids: Vec<u32>,
}

impl TextInput {
    /// The ids of the comment of item `index` of `source`.
    pub fn ids(&self, source: &dyn Source, index: usize) -> Result<Vec<u32>> {
        let comment = source.captions(index).comment.ok_or_else(|| {
            Error::input(
                "it has no comment",
                "write what a person says of it as its comment",
            )
        })?;
        Ok(self.tokenizer.encode(&self.form.text(&comment)?))
    }
}

impl Preprocessor {
    /// Pieces of `frames` frames of `spectrogram`, of which nothing is wanted yet.
    pub fn new(frames: usize, recipe: MelRecipe, spectrogram: &SpectrogramConfig) -> Result<Self> {
        Ok(Self {
            image_size: None,
            mel: false,
            clips: None,
            texts: None,
            frames,
            recipe,
            spectrogram: Spectrogram::new(spectrogram)?,
        })
    }

    /// The spectrogram.
    pub fn spectrogram(&self) -> &SpectrogramConfig {
        self.spectrogram.config()
    }

    /// Reads item `index` of `source`.
    pub fn features(&self, source: &dyn Source, index: usize) -> Result<Features> {
        let mut features = Features::default();
        if let Some(texts) = &self.texts {
            features.ids = texts.ids(source, index)?;
        }
        if let Some(size) = self.image_size {
            features.pixels = image::preprocess(&source.picture(index)?, size);
        }
        if self.mel || self.clips.is_some() {
            let samples = self.music(source, index)?;
            if self.mel {
                features.mel = self.log_mel(&samples)?;
            }
            features.clips = self.clips(&samples)?;
        }
        Ok(features)
    }

    /// The music of item `index` of `source`, at the spectrogram's sample rate.
    pub fn music(&self, source: &dyn Source, index: usize) -> Result<Vec<f32>> {
        source
            .music(index)?
            .resampled(self.spectrogram().sample_rate)
    }

    /// The spectrogram `[frames, bands]` of a sound at its sample rate.
    pub fn log_mel(&self, samples: &[f32]) -> Result<Vec<f32>> {
        match self.recipe {
            MelRecipe::Raw => {
                let mel = self.spectrogram.compute(&self.piece(samples))?;
                Ok(fit(&mel, self.frames * self.spectrogram().bands()))
            }
            MelRecipe::Normalised => {
                let track = mel::centre_and_normalise(samples);
                let rate = self.spectrogram().sample_rate;
                let excerpt = mel::excerpt(&track, rate, EXCERPT[0], EXCERPT[1]);
                mel::training_item(&self.spectrogram, excerpt, self.frames)
            }
        }
    }

    /// The clips of a sound at the spectrogram's sample rate, for the audio trunk; none where there is no trunk.
    pub fn clips(&self, samples: &[f32]) -> Result<Vec<f32>> {
        let Some(input) = &self.clips else {
            return Ok(Vec::new());
        };
        let rate = self.spectrogram().sample_rate;
        match self.recipe {
            MelRecipe::Raw => input.clips(&self.piece(samples), rate),
            MelRecipe::Normalised => input.clips(samples, rate),
        }
    }

    /// The beginning of a sound, of the length of a piece.
    pub fn piece(&self, samples: &[f32]) -> Vec<f32> {
        fit(samples, self.frames * self.spectrogram().hop)
    }

    /// Everything that decides what an item becomes, for the key of a cache; a vocabulary belongs to the weights.
    pub fn describe(&self) -> serde_json::Value {
        let mut described = serde_json::json!({
            "image_size": self.image_size,
            "mel": self.mel,
            "clips": self.clips.as_ref().map(SoundInput::describe),
            "spectrogram": self.spectrogram(),
            "frames": self.frames,
            "recipe": self.recipe,
        });
        // Caches of networks that read no texts keep their names.
        if let Some(texts) = &self.texts {
            described["texts"] = serde_json::json!(texts.form);
        }
        described
    }
}
