//! What the audio trunk takes of a sound.

use serde::{Deserialize, Serialize};

use super::AudioConfig;
use crate::{
    Result,
    audio::{
        fbank, resample,
        spectrogram::{Spectrogram, SpectrogramConfig},
    },
};

/// What a clip of the audio trunk is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AudioInput {
    /// Three filterbanks of two seconds each: the published model.
    #[default]
    Filterbanks,
    /// The spectrogram that the vocoder takes, `frames` of it at a time, as many times as it has them.
    Spectrogram {
        /// What is subtracted from its values first.
        mean: f64,
        /// What they are divided by then.
        scale: f64,
    },
}

impl AudioInput {
    /// Whether it is that of the published model.
    pub fn is_published(&self) -> bool {
        *self == Self::Filterbanks
    }
}

/// Makes clips of sounds.
#[derive(Debug, Clone)]
pub struct SoundInput {
    /// Rows (frequency) and columns (time) of a clip.
    shape: [usize; 2],
    /// Mean and scale, where clips are of the spectrogram.
    spectrogram: Option<(Spectrogram, f64, f64)>,
}

impl SoundInput {
    /// For the trunk `config`, in a model with the spectrogram `spectrogram`.
    pub fn new(config: &AudioConfig, spectrogram: &SpectrogramConfig) -> Result<Self> {
        let plan = match config.input {
            AudioInput::Filterbanks => None,
            AudioInput::Spectrogram { mean, scale } => {
                Some((Spectrogram::new(spectrogram)?, mean, scale))
            }
        };
        Ok(Self {
            shape: [config.mel_bins, config.frames],
            spectrogram: plan,
        })
    }

    /// The clips of a sound, `[clips, 1, bands, frames]`; how many, their length says.
    pub fn clips(&self, samples: &[f32], sample_rate: u32) -> Result<Vec<f32>> {
        let Some((plan, mean, scale)) = &self.spectrogram else {
            return fbank::clips(samples, sample_rate);
        };
        let [bands, frames] = self.shape;
        let config = plan.config();
        let resampled;
        let samples = if sample_rate == config.sample_rate {
            samples
        } else {
            resampled = resample::resample(samples, sample_rate, config.sample_rate)?;
            &resampled
        };
        // A clip at least, and whole ones.
        let count = (samples.len() / config.hop / frames).max(1);
        let values = plan.compute(&crate::audio::mel::fit(
            samples,
            count * frames * config.hop,
        ))?;
        let mut clips = Vec::with_capacity(count * bands * frames);
        for clip in values.chunks_exact(bands * frames).take(count) {
            for band in 0..bands {
                let column = clip.iter().skip(band).step_by(bands);
                clips.extend(column.map(|value| ((f64::from(*value) - mean) / scale) as f32));
            }
        }
        Ok(clips)
    }

    /// How many clips `values` are, for one sound or several.
    pub fn count(&self, values: &[f32]) -> usize {
        values.len() / self.shape.iter().product::<usize>().max(1)
    }

    /// Rows (frequency) and columns (time) of a clip.
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Everything that decides what clips are, for the key of a cache.
    pub fn describe(&self) -> serde_json::Value {
        let spectrogram = self.spectrogram.as_ref();
        let spectrogram = spectrogram.map(|(plan, mean, scale)| (plan.config(), mean, scale));
        serde_json::json!([self.shape, spectrogram])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_is_the_spectrogram_turned_and_standardised() {
        let spectrogram = SpectrogramConfig::mel(16_000, 160, 8, 512);
        let config = AudioConfig {
            mel_bins: 8,
            frames: 10,
            patch: 2,
            stride: 2,
            input: AudioInput::Spectrogram {
                mean: -5.0,
                scale: 2.0,
            },
            ..AudioConfig::huge()
        };
        let input = SoundInput::new(&config, &spectrogram).unwrap();
        let sound = crate::random::standard_normal(1, 0, 3600);
        // 22.5 frames are two clips.
        let clips = input.clips(&sound, 16_000).unwrap();
        assert_eq!(input.count(&clips), 2);
        let values = Spectrogram::new(&spectrogram)
            .unwrap()
            .compute(&sound[..3200])
            .unwrap();
        for (clip, frame, band) in [(0, 0, 0), (0, 9, 7), (1, 3, 5)] {
            let expected = (values[(clip * 10 + frame) * 8 + band] + 5.0) / 2.0;
            assert!((clips[(clip * 8 + band) * 10 + frame] - expected).abs() < 1e-6);
        }
        // A short sound is one clip.
        assert_eq!(input.count(&input.clips(&sound[..700], 16_000).unwrap()), 1);
    }
}
