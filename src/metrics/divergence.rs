//! How differently two sounds spread over frequencies.

use crate::{
    Error, Result,
    audio::{SAMPLE_RATE, Sound, stft::Stft},
};

/// The frame length and hop.
const FRAMES: (usize, usize) = (2048, 512);
/// The smallest power, and how far below the largest levels are cut, in dB.
const LEAST: f64 = 1e-5;
const RANGE_DB: f64 = 80.0;

/// The Kullback-Leibler divergence of the distributions over frequency bins of an original and of what was made for it,
/// in nats, as ArtToMus' authors compute it.
///
/// ```text
/// L[t, k] = max(20 log10(P[t, k] / max P), -80)      P = |X|^2, at least 1e-5
/// p[k] = sum over t of L[t, k], divided by the sum over all
/// sum over k of p[k] ln(p[k] / q[k])                 p of the original, q of what was made
/// ```
///
/// with `X` of frames of 2048 samples every 512 under a periodic Hann window, zeros around the ends. Powers are treated
/// as if they were magnitudes, and levels, which are all negative, as if they were weights: quiet bins count most. Each
/// sound is taken at its own sample rate, so that bins of different rates stand for different frequencies; give both
/// at one rate to compare the same ones.
///
/// Fails for sounds that have no samples, or one level only, such as silence.
pub fn spectral_divergence(original: &[f32], made: &[f32]) -> Result<f64> {
    let (p, q) = (distribution(original)?, distribution(made)?);
    let pairs = p.iter().zip(&q).filter(|(p, _)| **p > 0.0);
    let sum: f64 = pairs.map(|(p, q)| p * (p / q).ln()).sum();
    match sum.is_finite() {
        true => Ok(sum.max(0.0)),
        false => Err(Error::input(
            "a frequency of the music is always as loud as its loudest one",
            "give music, not a test tone",
        )),
    }
}

/// The same with both sounds at 16 kHz, whatever their rates.
pub fn resampled_divergence(original: &Sound, made: &Sound) -> Result<f64> {
    let [original, made] = [original, made].map(|sound| sound.clone().resampled(SAMPLE_RATE));
    spectral_divergence(&original?, &made?)
}

/// The share of each bin of the sum of all levels.
fn distribution(samples: &[f32]) -> Result<Vec<f64>> {
    let (n_fft, hop) = FRAMES;
    if samples.is_empty() || samples.iter().any(|x| !x.is_finite()) {
        return Err(Error::input(
            "the sound has no samples, or some that are not numbers",
            "export it again from the program that made it",
        ));
    }
    let mut padded = vec![0.0; samples.len() + n_fft];
    for (value, sample) in padded[n_fft / 2..].iter_mut().zip(samples) {
        *value = f64::from(*sample);
    }
    let mut powers: Vec<Vec<f64>> = Vec::new();
    Stft::new(n_fft, hop).each_inside(&padded, |_, frame| {
        powers.push(frame.iter().map(|bin| bin.norm_sqr()).collect());
    })?;
    let loudest = powers
        .iter()
        .flatten()
        .fold(LEAST, |most, power| most.max(*power));
    let mut sums = vec![0.0; n_fft / 2 + 1];
    for frame in &powers {
        for (sum, power) in sums.iter_mut().zip(frame) {
            let level = 20.0 * (power.max(LEAST) / loudest).log10();
            *sum += level.max(-RANGE_DB);
        }
    }
    let total: f64 = sums.iter().sum();
    if total == 0.0 {
        return Err(Error::input(
            "the sound is silent",
            "leave it out, or make it again with another seed",
        ));
    }
    Ok(sums.into_iter().map(|sum| sum / total).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sounds_have_no_divergence_and_silence_is_refused() {
        let noise = crate::random::standard_normal(1, 0, 9000);
        assert_eq!(spectral_divergence(&noise, &noise).unwrap(), 0.0);
        // Levels are relative to the loudest, so loudness does not matter.
        let quiet: Vec<f32> = noise.iter().map(|x| 0.5 * x).collect();
        assert!(spectral_divergence(&noise, &quiet).unwrap() < 1e-9);
        let tone: Vec<f32> = (0..9000).map(|n| (n as f32 * 0.2).sin()).collect();
        let (there, back) = (
            spectral_divergence(&noise, &tone).unwrap(),
            spectral_divergence(&tone, &noise).unwrap(),
        );
        assert!(there > 1e-3 && back > 1e-3 && there != back);
        let error = spectral_divergence(&noise, &[0.0; 9000]).unwrap_err();
        assert!(error.message().contains("silent"));
        assert!(spectral_divergence(&noise, &[]).is_err());
        let sound = |sample_rate| Sound {
            sample_rate,
            samples: noise.clone(),
        };
        assert!(resampled_divergence(&sound(16_000), &sound(32_000)).unwrap() > 0.0);
    }
}
