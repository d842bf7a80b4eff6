//! Sound: music files, resampling, and the two spectrograms that networks take.
//!
//! Samples in, values out: nothing here opens a file or knows of a network. Samples are `f32`, full
//! scale is ±1, and one `Vec` is one channel. Sums run in `f64`.

#[cfg(feature = "native")]
pub mod decode;
pub mod fbank;
pub mod filterbank;
pub mod mel;
pub mod partials;
pub mod resample;
pub mod spectrogram;
pub mod stft;
#[cfg(feature = "native")]
pub mod vggish;
pub mod wav;

use crate::{Error, Result};

/// The sample rate of every sound that networks take and give, in Hz.
pub const SAMPLE_RATE: u32 = 16_000;

/// What [`rms_db`] gives for silence, in dB.
pub const SILENCE_DB: f32 = -120.0;

/// A sound of one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Sound {
    /// Samples per second.
    pub sample_rate: u32,
    /// The samples; full scale is ±1.
    pub samples: Vec<f32>,
}

impl Sound {
    /// The samples at `sample_rate`.
    pub fn resampled(self, sample_rate: u32) -> Result<Vec<f32>> {
        if self.sample_rate == sample_rate {
            return Ok(self.samples);
        }
        resample::resample(&self.samples, self.sample_rate, sample_rate)
    }
}

/// The largest absolute sample, 0 for no samples. Samples that are not numbers count as 0.
pub fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, x| x.abs().max(peak))
}

/// The root of the mean square, 0 for no samples.
pub fn rms(samples: &[f32]) -> f32 {
    mean_square(samples).sqrt() as f32
}

/// The level in dB below full scale: `20 log10(sqrt(mean(x^2)))`, never below [`SILENCE_DB`].
///
/// A square wave of ±1 has 0 dB, a sine -3.01 dB.
pub fn rms_db(samples: &[f32]) -> f32 {
    let level = 10.0 * mean_square(samples).log10();
    (level as f32).max(SILENCE_DB)
}

fn mean_square(samples: &[f32]) -> f64 {
    let energy: f64 = samples.iter().map(|x| f64::from(*x).powi(2)).sum();
    energy / samples.len().max(1) as f64
}

/// Fails if a sample is infinite or not a number, which would spoil everything made from it.
fn check_finite(samples: &[f32]) -> Result<()> {
    if samples.iter().all(|x| x.is_finite()) {
        return Ok(());
    }
    Err(Error::input(
        "the sound has samples that are not numbers",
        "export it again from the program that made it",
    ))
}

/// The fast Fourier transforms of the spectrograms fail on wrong lengths only, which are ours.
fn transform_failed(error: realfft::FftError) -> Error {
    Error::internal("a Fourier transform got the wrong length").with_source(error)
}

#[cfg(test)]
pub(crate) mod fixtures {
    //! The golden values that the PyTorch reference made.

    /// A tensor of `trace-audio.safetensors`: its shape and values.
    pub(crate) fn trace(name: &str) -> (Vec<usize>, Vec<f32>) {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/trace-audio.safetensors"
        );
        let file = std::fs::read(path).unwrap();
        let trace = safetensors::SafeTensors::deserialize(&file).unwrap();
        let tensor = trace.tensor(name).unwrap();
        let values = tensor.data().chunks_exact(4);
        let values = values.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
        (tensor.shape().to_vec(), values.collect())
    }

    /// `|a - b| / |b|`.
    pub(crate) fn distance(a: &[f32], b: &[f32]) -> f64 {
        assert_eq!(a.len(), b.len());
        let square = |x: f32| f64::from(x).powi(2);
        let difference: f64 = a.iter().zip(b).map(|(a, b)| square(a - b)).sum();
        (difference / b.iter().map(|b| square(*b)).sum::<f64>()).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_absolute() {
        assert_eq!(peak(&[0.25, -0.75, 0.5]), 0.75);
        assert_eq!(peak(&[]), 0.0);
        assert_eq!(peak(&[f32::NAN, -0.5]), 0.5);
    }

    #[test]
    fn levels_are_in_decibels() {
        assert!((rms(&[0.3, -0.4]) - 0.125f32.sqrt()).abs() < 1e-7 && rms(&[]) == 0.0);
        assert!(rms_db(&[1.0, -1.0]).abs() < 1e-6);
        assert!((rms_db(&[0.1, -0.1]) + 20.0).abs() < 1e-4);
        assert_eq!(rms_db(&[]), SILENCE_DB);
        assert_eq!(rms_db(&[0.0; 8]), SILENCE_DB);
    }

    #[test]
    fn samples_that_are_not_numbers_are_found() {
        assert!(check_finite(&[0.0, 2.0]).is_ok());
        assert!(check_finite(&[0.0, f32::NAN]).is_err());
        assert!(check_finite(&[f32::NEG_INFINITY]).is_err());
    }
}
