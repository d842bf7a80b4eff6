//! Sound from a log-mel spectrogram without a network: the bar that a vocoder has to pass.
//!
//! ```text
//! log-mel ── exp ── non-negative least squares ── magnitudes ── fast Griffin-Lim ── sound
//! ```

mod inverse_mel;

use std::{f64::consts::TAU, sync::Arc};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use realfft::{ComplexToReal, FftError, RealFftPlanner, RealToComplex, num_complex::Complex};

use crate::{
    Error, Result,
    audio::{
        mel::{HOP, MEL_BINS},
        stft,
    },
};
use inverse_mel::InverseMel;

/// The samples of a frame, as in [`crate::audio::mel`].
const FFT: usize = 1024;

/// The bins of a frame.
const BINS: usize = FFT / 2 + 1;

/// The steps of Griffin-Lim.
const ITERATIONS: usize = 60;

/// The share of the last change that is added to each spectrum.
const MOMENTUM: f64 = 0.99;

/// The largest value of a log-mel spectrogram that is accepted; full scale gives less than 4.
const LARGEST: f32 = 30.0;

/// The sound at 16 kHz of a log-mel spectrogram `[frames, 64]` of [`crate::audio::mel`]: frames of
/// 1024 samples every 160, the first one around sample 0, natural logarithms of magnitudes.
///
/// The magnitudes `x` of each frame minimise `|A x - exp(log_mel)|^2` with `x >= 0` for the
/// filterbank `A [64, 513]`; the mel bands of a sound are met to within 1e-3 of `|exp(log_mel)|`.
/// There are many such `x`; this is the one that is reached from the least-squares solution of least
/// norm. Then come 60 steps of the fast Griffin-Lim algorithm (Perraudin, Balazs and Søndergaard, "A
/// fast Griffin-Lim algorithm", 2013), with random phases to begin with:
///
/// ```text
/// c_n = STFT(inverse(x t_(n-1) / |t_(n-1)|)),   t_n = c_n + 0.99 (c_n - c_(n-1))
/// ```
///
/// where the inverse adds up the windowed frames and divides by the sum of the squared windows
/// (Griffin and Lim, 1984). The same seed gives the same sound. Peaks may exceed 1.
///
/// Fails if values are missing or are no such logarithms, or if `samples` is more than the frames
/// reach: `160 (frames - 1) + 512`.
pub fn griffin_lim(log_mel: &[f32], samples: usize, seed: u64) -> Result<Vec<f32>> {
    let frames = log_mel.len() / MEL_BINS;
    if frames == 0 || !log_mel.len().is_multiple_of(MEL_BINS) {
        return Err(Error::input(
            format!("the log-mel spectrogram has {} values", log_mel.len()),
            format!("give one or more frames of {MEL_BINS}"),
        ));
    }
    if !log_mel.iter().all(|x| x.is_finite() && *x < LARGEST) {
        return Err(Error::input(
            "the log-mel spectrogram has values that are no logarithms of magnitudes",
            "compute it with the function of this crate",
        ));
    }
    let reach = HOP * (frames - 1) + FFT / 2;
    if samples > reach {
        return Err(Error::input(
            format!("{frames} frames do not reach {samples} samples"),
            format!("ask for {reach} or fewer"),
        ));
    }
    let magnitudes = InverseMel::new()?.linear(log_mel);
    let sound = Transform::new().sound(&magnitudes, seed)?;
    let sound = sound.iter().skip(FFT / 2).take(samples);
    Ok(sound.map(|x| *x as f32).collect())
}

/// The transform of frames and back.
struct Transform {
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
    window: Vec<f64>,
}

impl Transform {
    fn new() -> Self {
        let mut planner = RealFftPlanner::new();
        Self {
            forward: planner.plan_fft_forward(FFT),
            inverse: planner.plan_fft_inverse(FFT),
            window: stft::hann(FFT),
        }
    }

    /// The sound of magnitudes `[frames, 513]`, from half a frame before the first sample that
    /// counts.
    fn sound(&self, magnitudes: &[f64], seed: u64) -> Result<Vec<f64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let random = |_| Complex::from_polar(1.0, rng.random_range(0.0..TAU));
        let mut phases: Vec<Complex<f64>> = (0..magnitudes.len()).map(random).collect();
        let mut last = vec![Complex::default(); magnitudes.len()];
        let scale = self.scale(magnitudes.len() / BINS);
        let mut sound = vec![0.0; scale.len()];
        for _ in 0..ITERATIONS {
            self.synthesise(magnitudes, &phases, &scale, &mut sound)?;
            self.analyse(&sound, &mut last, &mut phases)?;
        }
        self.synthesise(magnitudes, &phases, &scale, &mut sound)?;
        Ok(sound)
    }

    /// What each sample of added frames is multiplied with: one over the sum of the squared windows,
    /// and over the frame length, which the inverse transform leaves in.
    fn scale(&self, frames: usize) -> Vec<f64> {
        let mut sum = vec![0.0; HOP * (frames - 1) + FFT];
        for frame in 0..frames {
            for (sum, w) in sum[frame * HOP..].iter_mut().zip(&self.window) {
                *sum += w * w;
            }
        }
        // Only the outermost samples, which are cut off, are below the floor.
        sum.iter()
            .map(|sum| 1.0 / (sum.max(1e-3) * FFT as f64))
            .collect()
    }

    /// The sound that comes nearest to `magnitudes` with the phases of `spectrum`.
    fn synthesise(
        &self,
        magnitudes: &[f64],
        spectrum: &[Complex<f64>],
        scale: &[f64],
        sound: &mut [f64],
    ) -> Result<()> {
        let mut bins = self.inverse.make_input_vec();
        let mut frame = self.inverse.make_output_vec();
        let mut scratch = self.inverse.make_scratch_vec();
        sound.fill(0.0);
        let frames = magnitudes
            .chunks_exact(BINS)
            .zip(spectrum.chunks_exact(BINS));
        for (at, (magnitudes, spectrum)) in frames.enumerate() {
            for ((bin, magnitude), x) in bins.iter_mut().zip(magnitudes).zip(spectrum) {
                // A bin of 0 has no phase: it stays 0.
                *bin = x * (magnitude / x.norm_sqr().sqrt().max(1e-100));
            }
            // The first and the last bin of a real signal are real.
            bins[0].im = 0.0;
            bins[BINS - 1].im = 0.0;
            self.inverse
                .process_with_scratch(&mut bins, &mut frame, &mut scratch)
                .map_err(transform_failed)?;
            let windowed = frame.iter().zip(&self.window).map(|(x, w)| x * w);
            for (sum, x) in sound[at * HOP..].iter_mut().zip(windowed) {
                *sum += x;
            }
        }
        sound
            .iter_mut()
            .zip(scale)
            .for_each(|(x, scale)| *x *= scale);
        Ok(())
    }

    /// Puts the spectrum of the sound into `last`, and ahead of it by the momentum into `ahead`.
    fn analyse(
        &self,
        sound: &[f64],
        last: &mut [Complex<f64>],
        ahead: &mut [Complex<f64>],
    ) -> Result<()> {
        let mut frame = self.forward.make_input_vec();
        let mut bins = self.forward.make_output_vec();
        let mut scratch = self.forward.make_scratch_vec();
        let frames = last
            .chunks_exact_mut(BINS)
            .zip(ahead.chunks_exact_mut(BINS));
        for (at, (last, ahead)) in frames.enumerate() {
            let samples = sound[at * HOP..].iter().zip(&self.window);
            for (x, (sample, w)) in frame.iter_mut().zip(samples) {
                *x = sample * w;
            }
            self.forward
                .process_with_scratch(&mut frame, &mut bins, &mut scratch)
                .map_err(transform_failed)?;
            for ((ahead, last), bin) in ahead.iter_mut().zip(last).zip(&bins) {
                *ahead = bin + (bin - *last) * MOMENTUM;
                *last = *bin;
            }
        }
        Ok(())
    }
}

/// Transforms fail on wrong lengths only, which are ours.
fn transform_failed(error: FftError) -> Error {
    Error::internal("a Fourier transform got the wrong length").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::mel::MelSpectrogram;

    fn chord(samples: usize) -> Vec<f32> {
        let wave = |n: usize, hz: f32| (std::f32::consts::TAU * hz * n as f32 / 16_000.0).sin();
        let sample = |n| [220.0, 277.0, 330.0, 1760.0].map(|hz| 0.1 * wave(n, hz));
        (0..samples).map(|n| sample(n).iter().sum()).collect()
    }

    fn mel(samples: &[f32]) -> Vec<f32> {
        MelSpectrogram::new().compute(samples).unwrap()
    }

    #[test]
    fn the_sound_has_the_spectrogram_it_was_made_from() {
        let sound = chord(8000);
        let log_mel = mel(&sound);
        let made = griffin_lim(&log_mel, 8000, 1).unwrap();
        assert_eq!(made.len(), 8000);
        let again = mel(&made);
        let pairs = log_mel.iter().zip(&again).filter(|(a, _)| **a > -4.0);
        let (count, sum) = pairs.fold((0, 0.0), |(n, sum), (a, b)| (n + 1, sum + (a - b).abs()));
        assert!(sum / (count as f32) < 0.25, "{}", sum / count as f32);
    }

    #[test]
    fn seeds_decide_the_phases() {
        let log_mel = mel(&chord(2000));
        let made = |seed| griffin_lim(&log_mel, 2000, seed).unwrap();
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
    }

    #[test]
    fn silence_stays_silent() {
        let made = griffin_lim(&mel(&[0.0; 1600]), 1600, 1).unwrap();
        assert!(made.iter().all(|x| x.abs() < 1e-4));
    }

    #[test]
    fn spectrograms_of_other_forms_are_refused() {
        assert!(griffin_lim(&[], 0, 1).is_err());
        assert!(griffin_lim(&[0.0; 63], 0, 1).is_err());
        assert!(griffin_lim(&[f32::NAN; 64], 100, 1).is_err());
        assert!(griffin_lim(&[1e9; 64], 100, 1).is_err());
        assert!(griffin_lim(&[0.0; 64], 513, 1).is_err());
        assert_eq!(griffin_lim(&[-5.0; 64], 512, 1).unwrap().len(), 512);
    }
}
