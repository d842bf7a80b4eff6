//! How AudioLDM 2's training cuts music for the log-mel spectrograms that its VAE was trained on.
//!
//! A training item is made in the order of these functions: [`centre_and_normalise`] the track,
//! take an [`excerpt`], [`fit`] it to `frames * 160` samples, [`normalise_peak`],
//! [`Spectrogram::compute`], [`fit`] to `frames * 64` values.
//! [`training_item`] does all but the excerpt.

use super::{peak, spectrogram::Spectrogram};
use crate::Result;

/// The frames of a training item of so many seconds: `trunc(seconds * 102.4)`, 1024 for 10 s.
pub fn frames(seconds: f64) -> usize {
    (seconds * 102.4) as usize
}

/// Subtracts the mean and scales the peak to one half: `0.5 w / (max|w| + 1e-8)`.
///
/// The whole track, before an excerpt is taken.
pub fn centre_and_normalise(samples: &[f32]) -> Vec<f32> {
    let mean = samples.iter().map(|x| f64::from(*x)).sum::<f64>() / samples.len().max(1) as f64;
    let centred = samples.iter().map(|x| f64::from(*x) - mean);
    let peak = centred.clone().fold(0.0, |peak: f64, x| peak.max(x.abs()));
    let scale = 0.5 / (peak + 1e-8);
    centred.map(|x| (x * scale) as f32).collect()
}

/// Scales the peak to one half, `0.5 w / max|w|`; silence stays silence.
///
/// The excerpt, after it has its length. (The reference turns the NaN that silence makes into 0,
/// and clips to ±1, which changes nothing here.)
pub fn normalise_peak(samples: &[f32]) -> Vec<f32> {
    let peak = f64::from(peak(samples));
    if peak == 0.0 {
        return vec![0.0; samples.len()];
    }
    let scaled = samples.iter().map(|x| (0.5 * f64::from(*x) / peak) as f32);
    scaled.collect()
}

/// The samples from `start` to `end` in seconds, as far as the sound goes.
pub fn excerpt(samples: &[f32], sample_rate: u32, start: f64, end: f64) -> &[f32] {
    let at = |seconds: f64| ((seconds * f64::from(sample_rate)) as usize).min(samples.len());
    let (start, end) = (at(start), at(end));
    &samples[start.min(end)..end]
}

/// The values cut or filled up with 0 to `length`.
pub fn fit(values: &[f32], length: usize) -> Vec<f32> {
    let mut values = values[..values.len().min(length)].to_vec();
    values.resize(length, 0.0);
    values
}

/// A training item of `frames` frames, `[frames, bands]`, from an excerpt of a track at the spectrogram's sample
/// rate that [`centre_and_normalise`] has been through.
///
/// A short excerpt is followed by silence, one of no samples is silence.
pub fn training_item(plan: &Spectrogram, excerpt: &[f32], frames: usize) -> Result<Vec<f32>> {
    let config = plan.config();
    let samples = normalise_peak(&fit(excerpt, frames.saturating_mul(config.hop)));
    Ok(fit(
        &plan.compute(&samples)?,
        frames.saturating_mul(config.bands()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{
        fixtures::{distance, trace},
        spectrogram::SpectrogramConfig,
    };

    const BANDS: usize = 64;

    fn plan() -> Spectrogram {
        Spectrogram::new(&SpectrogramConfig::audioldm()).unwrap()
    }

    #[test]
    fn the_spectrogram_is_that_of_the_reference() {
        let (_, wave) = trace("mel.wave");
        let (shape, expected) = trace("mel.raw");
        assert_eq!(shape, [1, 1, 128, BANDS]);
        let ours = plan().compute(&wave).unwrap();
        assert_eq!(ours.len(), 129 * BANDS);
        // Both sides compute in f64 and round to f32 once.
        let error = distance(&ours[..expected.len()], &expected);
        assert!(error < 1e-6, "{error}");
    }

    #[test]
    fn a_training_item_is_that_of_the_reference() {
        let (_, wave) = trace("wave");
        let (shape, expected) = trace("mel.normalised");
        let count = frames(wave.len() as f64 / 16_000.0);
        assert_eq!(shape, [1, 1, count, BANDS]);
        let ours = training_item(&plan(), &centre_and_normalise(&wave), count).unwrap();
        // As above, and f32 between the two normalisations.
        let error = distance(&ours, &expected);
        assert!(error < 1e-5, "{error}");
    }

    #[test]
    fn a_plan_serves_many_sounds() {
        let (_, wave) = trace("mel.wave");
        let plan = plan();
        let first = plan.compute(&wave).unwrap();
        plan.compute(&wave[..5000]).unwrap();
        assert_eq!(plan.clone().compute(&wave).unwrap(), first);
    }

    #[test]
    fn frames_are_counted_as_in_training() {
        assert_eq!(frames(10.0), 1024);
        assert_eq!(frames(2.6), 266);
        assert_eq!(frames(-1.0), 0);
        assert_eq!(frames(f64::NAN), 0);
    }

    #[test]
    fn silence_is_the_floor() {
        let plan = plan();
        let ours = training_item(&plan, &[], 8).unwrap();
        assert_eq!(ours.len(), 8 * BANDS);
        assert!(ours.iter().all(|x| *x == 1e-5f64.ln() as f32));
    }

    #[test]
    fn too_short_and_not_a_number_are_refused() {
        let plan = plan();
        assert!(plan.compute(&[0.0; 512]).is_err());
        assert!(plan.compute(&[0.0; 513]).is_ok());
        assert!(plan.compute(&[f32::NAN; 4000]).is_err());
        assert!(training_item(&plan, &[0.1; 4000], 0).is_err());
    }

    #[test]
    fn peaks_come_to_one_half() {
        let ours = centre_and_normalise(&[1.0, 3.0, 2.0]);
        assert!(
            ours.iter()
                .zip([-0.5, 0.5, 0.0])
                .all(|(a, b)| (a - b).abs() < 1e-6)
        );
        assert_eq!(normalise_peak(&[0.2, -0.1]), [0.5, -0.25]);
        assert_eq!(normalise_peak(&[0.0, 0.0]), [0.0, 0.0]);
        assert_eq!(centre_and_normalise(&[0.3, 0.3]), [0.0, 0.0]);
        assert!(centre_and_normalise(&[]).is_empty());
    }

    #[test]
    fn excerpts_end_with_the_sound() {
        let sound = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(excerpt(&sound, 2, 0.5, 1.5), [2.0, 3.0]);
        assert_eq!(excerpt(&sound, 2, 1.0, 20.0), [3.0, 4.0]);
        assert!(excerpt(&sound, 2, 10.0, 20.0).is_empty());
        assert!(excerpt(&sound, 2, 1.5, 0.5).is_empty());
        assert_eq!(fit(&sound, 2), [1.0, 2.0]);
        assert_eq!(fit(&sound[..1], 2), [1.0, 0.0]);
    }
}
