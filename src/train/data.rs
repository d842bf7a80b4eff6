//! What training learns from: pairs made on the fly.

use crate::{
    Result,
    audio::{
        SAMPLE_RATE, fbank,
        mel::{HOP, MEL_BINS, MelSpectrogram, fit},
    },
    dataset::synth::{Pair, Split},
    image::{self, Picture},
};

/// Makes items of one length.
#[derive(Debug, Clone)]
pub struct Data {
    /// Frames of a piece.
    pub frames: usize,
    spectrogram: MelSpectrogram,
}

/// A piece and its log-mel spectrogram, or a part of both.
#[derive(Debug, Clone)]
pub struct Sound {
    /// `[160 frames]`.
    pub samples: Vec<f32>,
    /// `[frames, 64]`.
    pub mel: Vec<f32>,
}

impl Data {
    /// Pieces of `frames` frames.
    pub fn new(frames: usize) -> Self {
        Self {
            frames,
            spectrogram: MelSpectrogram::new(),
        }
    }

    /// The music of a pair. Nothing is normalised: loudness is one of the factors.
    pub fn sound(&self, pair: &Pair) -> Result<Sound> {
        let length = self.frames * HOP;
        let samples = pair.compose(length as f64 / f64::from(SAMPLE_RATE));
        let samples = fit(&samples, length);
        let mel = fit(&self.spectrogram.compute(&samples)?, self.frames * MEL_BINS);
        Ok(Sound { samples, mel })
    }

    /// Parts of `frames` frames, `count` of them: two of each piece, at places that follow from the
    /// step.
    pub fn parts(&self, step: usize, count: usize, frames: usize) -> Result<Vec<Sound>> {
        let pieces = count.div_ceil(2);
        let mut parts = Vec::with_capacity(count);
        for piece in 0..pieces {
            let index = (step * pieces + piece) as u64;
            let pair = Pair::draw(Split::Training, index);
            let sound = self.sound(&pair)?;
            let room = self.frames.saturating_sub(frames) / 2;
            for half in 0..2.min(count - 2 * piece) {
                // The pair's seed is as good as any other number.
                let place = (pair.seed.rotate_left(half as u32 * 8 + 3) as usize) % (room + 1);
                parts.push(sound.part(half * room + place, frames));
            }
        }
        Ok(parts)
    }

    /// Pixels as the vision trunk takes them, `[3, size, size]`.
    pub fn pixels(&self, pair: &Pair, size: usize) -> Result<Vec<f32>> {
        let painted = pair.paint(size as u32);
        let picture = Picture::from_rgb(painted.into_raw(), size, size)?;
        Ok(image::preprocess(&picture, size))
    }

    /// Filterbanks as the audio trunk takes them, `[3, 128, 204]`.
    pub fn clips(&self, samples: &[f32]) -> Result<Vec<f32>> {
        fbank::clips(samples, SAMPLE_RATE)
    }
}

impl Sound {
    /// `frames` frames from frame `start` on.
    fn part(&self, start: usize, frames: usize) -> Self {
        Self {
            samples: self.samples[start * HOP..(start + frames) * HOP].to_vec(),
            mel: self.mel[start * MEL_BINS..(start + frames) * MEL_BINS].to_vec(),
        }
    }
}
