//! Sound from a log-mel spectrogram without a network: the bar that a vocoder has to pass.
//!
//! ```text
//! log-mel ── exp ── non-negative least squares ── magnitudes ── fast Griffin-Lim ── sound
//! ```

mod inverse_mel;

use std::f64::consts::TAU;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use realfft::num_complex::Complex;

use crate::{
    Error, Result,
    audio::{
        mel::{HOP, MEL_BINS},
        stft::{InverseStft, Stft},
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
    let sound = self::sound(&magnitudes, seed)?;
    let sound = sound.iter().skip(FFT / 2).take(samples);
    Ok(sound.map(|x| *x as f32).collect())
}

/// The sound of magnitudes `[frames, 513]`, from half a frame before the first sample that counts.
fn sound(magnitudes: &[f64], seed: u64) -> Result<Vec<f64>> {
    let frames = magnitudes.len() / BINS;
    let (forward, inverse) = (Stft::new(FFT, HOP), InverseStft::new(FFT, HOP, frames));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let random = |_| Complex::from_polar(1.0, rng.random_range(0.0..TAU));
    let mut phases: Vec<Complex<f64>> = (0..magnitudes.len()).map(random).collect();
    let mut last = vec![Complex::default(); magnitudes.len()];
    let mut sound = vec![0.0; inverse.samples()];
    for step in 0..=ITERATIONS {
        // The sound that comes nearest to the magnitudes with these phases.
        let bins = |number: usize, bins: &mut [Complex<f64>]| {
            let place = number * BINS..(number + 1) * BINS;
            let wanted = magnitudes[place.clone()].iter().zip(&phases[place]);
            for (bin, (magnitude, x)) in bins.iter_mut().zip(wanted) {
                // A bin of 0 has no phase: it stays 0.
                *bin = x * (magnitude / x.norm_sqr().sqrt().max(1e-100));
            }
        };
        inverse.write(frames, bins, &mut sound)?;
        if step == ITERATIONS {
            break;
        }
        // Its spectrum, and ahead of it by the momentum.
        forward.each_inside(&sound, |number, bins| {
            let place = number * BINS..(number + 1) * BINS;
            let before = last[place.clone()].iter_mut().zip(&mut phases[place]);
            for ((last, ahead), bin) in before.zip(bins) {
                *ahead = bin + (bin - *last) * MOMENTUM;
                *last = *bin;
            }
        })?;
    }
    Ok(sound)
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
