//! Items as networks take them: pixels, log-mel values, filterbanks. All of it on the CPU.

use super::Source;
use crate::{
    Result,
    audio::{
        SAMPLE_RATE, fbank,
        mel::{self, HOP, MEL_BINS, MelSpectrogram, fit},
    },
    image,
};

/// Seconds of a track that training takes, as in the paper.
const EXCERPT: [f64; 2] = [10.0, 20.0];

/// How sound becomes log-mel values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MelRecipe {
    /// The beginning of the piece as it is: for networks that loudness means something to.
    Raw,
    /// AudioLDM's: the track is centred and its peak brought to one half, seconds 10 to 20 are taken, and
    /// their peak is brought to one half again.
    Normalised,
}

/// What an item is made into.
#[derive(Debug, Clone)]
pub struct Preprocessor {
    /// Side of the pixels that the picture becomes, if it is wanted.
    pub image_size: Option<usize>,
    /// Whether log-mel values are wanted.
    pub mel: bool,
    /// Whether the filterbanks of three clips are wanted.
    pub clips: bool,
    /// Frames of a piece.
    pub frames: usize,
    /// How sound becomes log-mel values.
    pub recipe: MelRecipe,
    spectrogram: MelSpectrogram,
}

/// An item as networks take it; what is not wanted is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Features {
    /// `[3, size, size]`.
    pub pixels: Vec<f32>,
    /// `[frames, 64]`.
    pub mel: Vec<f32>,
    /// `[3, 128, 204]`.
    pub clips: Vec<f32>,
}

impl Preprocessor {
    /// Pieces of `frames` frames, of which nothing is wanted yet.
    pub fn new(frames: usize, recipe: MelRecipe) -> Self {
        Self {
            image_size: None,
            mel: false,
            clips: false,
            frames,
            recipe,
            spectrogram: MelSpectrogram::new(),
        }
    }

    /// Reads item `index` of `source`.
    pub fn features(&self, source: &dyn Source, index: usize) -> Result<Features> {
        let mut features = Features::default();
        if let Some(size) = self.image_size {
            features.pixels = image::preprocess(&source.picture(index)?, size);
        }
        if self.mel || self.clips {
            let samples = source.music(index)?.resampled()?;
            if self.mel {
                features.mel = self.log_mel(&samples)?;
            }
            if self.clips {
                features.clips = self.filterbanks(&samples)?;
            }
        }
        Ok(features)
    }

    /// The log-mel values `[frames, 64]` of a sound at 16 kHz.
    pub fn log_mel(&self, samples: &[f32]) -> Result<Vec<f32>> {
        match self.recipe {
            MelRecipe::Raw => {
                let mel = self.spectrogram.compute(&self.piece(samples))?;
                Ok(fit(&mel, self.frames * MEL_BINS))
            }
            MelRecipe::Normalised => {
                let track = mel::centre_and_normalise(samples);
                let excerpt = mel::excerpt(&track, SAMPLE_RATE, EXCERPT[0], EXCERPT[1]);
                self.spectrogram.training_item(excerpt, self.frames)
            }
        }
    }

    /// The filterbanks `[3, 128, 204]` of a sound at 16 kHz.
    pub fn filterbanks(&self, samples: &[f32]) -> Result<Vec<f32>> {
        match self.recipe {
            MelRecipe::Raw => fbank::clips(&self.piece(samples), SAMPLE_RATE),
            MelRecipe::Normalised => fbank::clips(samples, SAMPLE_RATE),
        }
    }

    /// The beginning of a sound, of the length of a piece.
    pub fn piece(&self, samples: &[f32]) -> Vec<f32> {
        fit(samples, self.frames * HOP)
    }

    /// Everything that decides what an item becomes, for the key of a cache.
    pub fn describe(&self) -> serde_json::Value {
        serde_json::json!({
            "image_size": self.image_size,
            "mel": self.mel,
            "clips": self.clips,
            "frames": self.frames,
            "recipe": self.recipe,
        })
    }
}
