//! How far the spectra of two sounds are apart.
//!
//! Both measures take an original and what was made of it, mono at 16 kHz, cut the longer one to the
//! length of the other, and are 0 for equal sounds. They compare magnitudes `|X[t, k]|` of frame `t`
//! and bin `k` of [`Stft`] (periodic Hann window, not normalised, ends mirrored), never phases.

use crate::{Result, audio::stft::Stft};

/// The frame length and hop of [`log_spectral_distance`].
const DISTANCE_FRAMES: (usize, usize) = (1024, 256);

/// The smallest magnitude in [`log_spectral_distance`]: -60 dB.
const DISTANCE_FLOOR: f64 = 1e-3;

/// The frame lengths and hops of [`multi_resolution`].
const RESOLUTIONS: [(usize, usize); 3] = [(512, 128), (1024, 256), (2048, 512)];

/// The smallest magnitude in [`multi_resolution`].
const RESOLUTION_FLOOR: f64 = 1e-5;

/// The log-spectral distance in dB: frames of 1024 samples every 256.
///
/// ```text
/// mean over t of sqrt(mean over k of (L[t, k] - M[t, k])^2),   L = 20 log10(max(|X|, 1e-3))
/// ```
///
/// with `L` of the original and `M` of what was made. After Gray and Markel, "Distance measures for
/// speech processing", 1976. Sounds of 512 samples or less are refused.
///
/// ```
/// use art2mus::metrics::spectral::log_spectral_distance;
///
/// let tone: Vec<f32> = (0..4096).map(|n| (n as f32 * 0.3).sin()).collect();
/// assert_eq!(log_spectral_distance(&tone, &tone)?, 0.0);
/// # Ok::<(), art2mus::Error>(())
/// ```
pub fn log_spectral_distance(original: &[f32], made: &[f32]) -> Result<f64> {
    let [original, made] = magnitudes(original, made, DISTANCE_FRAMES, DISTANCE_FLOOR)?;
    let frames = original.iter().zip(&made).map(|(original, made)| {
        let pairs = original.iter().zip(made);
        let squares = pairs.map(|(a, b)| (20.0 * (a / b).log10()).powi(2));
        (squares.sum::<f64>() / original.len() as f64).sqrt()
    });
    Ok(frames.sum::<f64>() / original.len() as f64)
}

/// The multi-resolution spectral distance, without a unit.
///
/// ```text
/// mean over (512, 128), (1024, 256), (2048, 512) of  |A - B|_F / |A|_F + mean |ln A - ln B|
/// ```
///
/// with `A` the magnitudes of the original, `B` those of what was made, and `|A|_F` the root of the
/// sum of squares: spectral convergence and log-magnitude distance of Yamamoto et al., "Parallel
/// WaveGAN", 2020. All magnitudes are raised to at least 1e-5, in both terms, so that silence has a
/// finite distance; a made silence therefore gets `1 + mean ln(A / 1e-5)`. (The training loss of
/// the same name has a floor of 3.2e-5 and no mirrored ends, and comes out slightly different.)
/// Sounds of 1024 samples or less are refused.
pub fn multi_resolution(original: &[f32], made: &[f32]) -> Result<f64> {
    let mut sum = 0.0;
    for resolution in RESOLUTIONS {
        let [original, made] = magnitudes(original, made, resolution, RESOLUTION_FLOOR)?;
        let (mut difference, mut norm, mut logarithms) = (0.0, 0.0, 0.0);
        for (a, b) in original.iter().flatten().zip(made.iter().flatten()) {
            difference += (a - b).powi(2);
            norm += a.powi(2);
            logarithms += (a / b).ln().abs();
        }
        let count = original.iter().map(Vec::len).sum::<usize>();
        sum += (difference / norm).sqrt() + logarithms / count as f64;
    }
    Ok(sum / RESOLUTIONS.len() as f64)
}

/// The magnitudes of both sounds at their common length, `[frames][bins]`, at least `floor`.
fn magnitudes(
    original: &[f32],
    made: &[f32],
    (n_fft, hop): (usize, usize),
    floor: f64,
) -> Result<[Vec<Vec<f64>>; 2]> {
    let length = original.len().min(made.len());
    let stft = Stft::new(n_fft, hop);
    let of = |samples: &[f32]| -> Result<Vec<Vec<f64>>> {
        let mut frames = Vec::with_capacity(1 + length / hop);
        stft.each(samples, |frame| {
            let bins = frame.iter().map(|x| x.norm_sqr().sqrt().max(floor));
            frames.push(bins.collect());
        })?;
        Ok(frames)
    };
    Ok([of(&original[..length])?, of(&made[..length])?])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loud in every bin of every frame, the same each time.
    fn noise(length: usize) -> Vec<f32> {
        let mut state = 1u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as f32 / u32::MAX as f32 - 0.5
        };
        (0..length).map(next).collect()
    }

    #[test]
    fn equal_sounds_are_not_apart() {
        let sound = noise(6000);
        assert_eq!(log_spectral_distance(&sound, &sound).unwrap(), 0.0);
        // What the longer one has more is not heard.
        let mut longer = sound.clone();
        longer.extend(noise(900));
        assert_eq!(multi_resolution(&sound, &longer).unwrap(), 0.0);
    }

    #[test]
    fn half_the_level_is_6_db_and_a_half_and_ln_2() {
        let sound = noise(6000);
        let half: Vec<f32> = sound.iter().map(|x| 0.5 * x).collect();
        let distance = log_spectral_distance(&sound, &half).unwrap();
        assert!((distance - 20.0 * 2f64.log10()).abs() < 1e-6, "{distance}");
        let distance = multi_resolution(&sound, &half).unwrap();
        assert!(
            (distance - 0.5 - 2f64.ln()).abs() < 1e-6,
            "{distance}: a floor was reached"
        );
    }

    #[test]
    fn silence_is_at_the_floor() {
        let (sound, silence) = (noise(6000), vec![0.0; 6000]);
        assert_eq!(log_spectral_distance(&silence, &silence).unwrap(), 0.0);
        assert_eq!(multi_resolution(&silence, &silence).unwrap(), 0.0);
        let up = log_spectral_distance(&silence, &sound).unwrap();
        let down = log_spectral_distance(&sound, &silence).unwrap();
        assert!((up - down).abs() < 1e-9 && up > 60.0, "{up} {down}");
        assert!(multi_resolution(&silence, &sound).unwrap().is_finite());
        assert!(multi_resolution(&sound, &silence).unwrap() > 10.0);
    }

    #[test]
    fn short_sounds_are_refused() {
        assert!(log_spectral_distance(&noise(512), &noise(9000)).is_err());
        assert!(multi_resolution(&noise(9000), &noise(1024)).is_err());
        assert!(multi_resolution(&noise(1025), &noise(1025)).is_ok());
        assert!(log_spectral_distance(&[], &[]).is_err());
    }
}
