//! Sound from a spectrogram without a network: the bar that a vocoder has to pass.
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
        spectrogram::{BandInverse, FrequencyScale, SpectrogramConfig},
        stft::{InverseStft, Stft},
    },
};
use inverse_mel::InverseMel;

/// The samples of a frame where bands are not made of one transform.
const LOG_FRAME: usize = 1024;

/// The steps of Griffin-Lim.
const ITERATIONS: usize = 60;

/// The share of the last change that is added to each spectrum.
const MOMENTUM: f64 = 0.99;

/// The largest value of a spectrogram that is accepted; full scale gives less than 4.
const LARGEST: f32 = 30.0;

/// The sound of a spectrogram `[frames, bands]` of [`crate::audio::spectrogram`], the first frame around sample 0.
///
/// On the mel scale the magnitudes `x` of each frame minimise `|A x - exp(log_mel)|^2` with `x >= 0` for the
/// filterbank `A [bands, bins]`; the mel bands of a sound are met to within 1e-3 of `|exp(log_mel)|`.
/// There are many such `x`; this is the one that is reached from the least-squares solution of least
/// norm. On the logarithmic scale they are what [`BandInverse`] gives. Then come 60 steps of the fast Griffin-Lim algorithm (Perraudin, Balazs and Søndergaard, "A
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
/// reach: `hop (frames - 1) + n_fft / 2`.
pub fn griffin_lim(
    config: &SpectrogramConfig,
    values: &[f32],
    samples: usize,
    seed: u64,
) -> Result<Vec<f32>> {
    config.check()?;
    let bands = config.bands();
    let frames = values.len() / bands;
    if frames == 0 || !values.len().is_multiple_of(bands) {
        return Err(Error::input(
            format!("the spectrogram has {} values", values.len()),
            format!("give one or more frames of {bands}"),
        ));
    }
    if !values.iter().all(|x| x.is_finite() && *x < LARGEST) {
        return Err(Error::input(
            "the spectrogram has values that are no logarithms of magnitudes",
            "compute it with the function of this crate",
        ));
    }
    if config.padding.is_some() {
        return Err(Error::unsupported(
            "frames that are not centred have no way back",
            "give a spectrogram without padding",
        ));
    }
    let n_fft = match config.scale {
        FrequencyScale::Mel { n_fft, .. } => n_fft,
        FrequencyScale::Log { .. } => LOG_FRAME,
    };
    let reach = config.hop * (frames - 1) + n_fft / 2;
    if samples > reach {
        return Err(Error::input(
            format!("{frames} frames do not reach {samples} samples"),
            format!("ask for {reach} or fewer"),
        ));
    }
    let magnitudes = match config.scale {
        FrequencyScale::Mel { highest, .. } => {
            InverseMel::new(n_fft, config.sample_rate, bands, highest)?.linear(values)
        }
        FrequencyScale::Log { .. } => spread(&BandInverse::new(config, n_fft)?, values, bands),
    };
    let sound = self::sound(&magnitudes, [n_fft, config.hop], seed)?;
    let sound = sound.iter().skip(n_fft / 2).take(samples);
    Ok(sound.map(|x| *x as f32).collect())
}

/// The magnitudes `[frames, bins]` of a spectrogram of powers.
fn spread(inverse: &BandInverse, values: &[f32], bands: usize) -> Vec<f64> {
    let bins = inverse.matrix.len() / bands;
    let frames = values.chunks_exact(bands).map(|frame| {
        let mut powers = vec![0.0; bins];
        for (value, row) in frame.iter().zip(inverse.matrix.chunks_exact(bins)) {
            let power = (f64::from(*value) * inverse.power).exp();
            let weights = powers.iter_mut().zip(row);
            weights.for_each(|(sum, weight)| *sum += power * f64::from(*weight));
        }
        powers
    });
    frames
        .flatten()
        .map(|x| x.powf(1.0 / inverse.power))
        .collect()
}

/// The sound of magnitudes `[frames, bins]`, from half a frame before the first sample that counts.
fn sound(magnitudes: &[f64], [n_fft, hop]: [usize; 2], seed: u64) -> Result<Vec<f64>> {
    let width = n_fft / 2 + 1;
    let frames = magnitudes.len() / width;
    let (forward, inverse) = (Stft::new(n_fft, hop), InverseStft::new(n_fft, hop, frames));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let random = |_| Complex::from_polar(1.0, rng.random_range(0.0..TAU));
    let mut phases: Vec<Complex<f64>> = (0..magnitudes.len()).map(random).collect();
    let mut last = vec![Complex::default(); magnitudes.len()];
    let mut sound = vec![0.0; inverse.samples()];
    for step in 0..=ITERATIONS {
        // The sound that comes nearest to the magnitudes with these phases.
        let bins = |number: usize, bins: &mut [Complex<f64>]| {
            let place = number * width..(number + 1) * width;
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
            let place = number * width..(number + 1) * width;
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
    use crate::audio::spectrogram::Spectrogram;

    fn chord(samples: usize) -> Vec<f32> {
        let wave = |n: usize, hz: f32| (std::f32::consts::TAU * hz * n as f32 / 16_000.0).sin();
        let sample = |n| [220.0, 277.0, 330.0, 1760.0].map(|hz| 0.1 * wave(n, hz));
        (0..samples).map(|n| sample(n).iter().sum()).collect()
    }

    fn mel(samples: &[f32]) -> Vec<f32> {
        let plan = Spectrogram::new(&SpectrogramConfig::audioldm()).unwrap();
        plan.compute(samples).unwrap()
    }

    fn griffin_lim(values: &[f32], samples: usize, seed: u64) -> Result<Vec<f32>> {
        super::griffin_lim(&SpectrogramConfig::audioldm(), values, samples, seed)
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
