//! Music in any key from a network that knows one tonic.
//!
//! On a logarithmic frequency scale a transposition is a shift of bands. So a model that learnt its pieces on one
//! tonic needs a twelfth of the pieces to learn what a key is; which tonic sounds is decided between the VAE and the
//! vocoder. A picture decides it by its hue, on the circle of fifths ([`tonic_of`]); it can also be asked for.

use crate::{
    Fault, Result,
    audio::spectrogram::{FrequencyScale, SpectrogramConfig},
    tensors::HostTensor,
};

/// Fewest and most semitones that a piece can be transposed by.
pub const SEMITONES: std::ops::RangeInclusive<i32> = -6..=6;

/// What bands lose from one to the next where there is nothing to shift in, in natural logarithms.
const DECAY: f32 = 0.15;

/// The tonic of a hue, as its rank among paintings, 0 to 1: each twelfth has one, and neighbours are a fifth apart.
/// 0 is C.
pub fn tonic_of(hue: f32) -> u8 {
    let twelfth = ((12.0 * hue) as u8).min(11);
    7 * twelfth % 12
}

/// The semitones from the tonic `from` to `to`, -6 to 5.
pub fn semitones(from: u8, to: u8) -> i32 {
    (i32::from(to) - i32::from(from) + 6).rem_euclid(12) - 6
}

/// The bands of a semitone; nothing on a scale that has none.
pub fn bands_of_semitone(spectrogram: &SpectrogramConfig) -> Option<usize> {
    match spectrogram.scale {
        FrequencyScale::Log { per_octave, .. } => (per_octave % 12 == 0).then_some(per_octave / 12),
        FrequencyScale::Mel { .. } => None,
    }
}

/// Shifts the bands of a spectrogram `[.., bands]` by `semitones`. What comes in at an end continues the last band
/// and falls.
pub(super) fn transpose(
    mel: &mut HostTensor,
    spectrogram: &SpectrogramConfig,
    semitones: i32,
) -> Result<()> {
    if semitones == 0 {
        return Ok(());
    }
    let each = bands_of_semitone(spectrogram).ok_or(Fault::Untransposable {})?;
    let bands = spectrogram.bands();
    let shift = (semitones.unsigned_abs() as usize * each).min(bands - 1);
    for frame in mel.values.chunks_exact_mut(bands) {
        if semitones > 0 {
            frame.copy_within(..bands - shift, shift);
            for band in (0..shift).rev() {
                frame[band] = frame[band + 1] - DECAY;
            }
        } else {
            frame.copy_within(shift.., 0);
            for band in bands - shift..bands {
                frame[band] = frame[band - 1] - DECAY;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::spectrogram::{Spectrogram, tests::log};

    #[test]
    fn a_shifted_spectrogram_is_that_of_a_transposed_sound() {
        let config = log();
        let plan = Spectrogram::new(&config).unwrap();
        let tone = |hz: f32| -> Vec<f32> {
            let turn = std::f32::consts::TAU * hz / 16_000.0;
            (0..16_000).map(|n| 0.3 * (turn * n as f32).sin()).collect()
        };
        for semitones in [-6, -1, 3, 6] {
            let mut low = HostTensor {
                shape: vec![1, 1, 63, 168],
                values: plan.compute(&tone(880.0)).unwrap(),
            };
            transpose(&mut low, &config, semitones).unwrap();
            let high = plan
                .compute(&tone(880.0 * (semitones as f32 / 12.0).exp2()))
                .unwrap();
            let peak = |row: &[f32]| (0..168).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
            for frame in [10, 30] {
                let range = frame * 168..(frame + 1) * 168;
                assert_eq!(
                    peak(&low.values[range.clone()]),
                    peak(&high[range]),
                    "{semitones}"
                );
            }
            assert!(low.values.iter().all(|x| x.is_finite()));
        }
    }

    #[test]
    fn the_nearest_way_is_taken() {
        assert_eq!(semitones(0, 7), -5);
        assert_eq!(semitones(0, 5), 5);
        assert_eq!(semitones(0, 6), -6);
        assert_eq!(semitones(9, 0), 3);
        for from in 0..12 {
            for to in 0..12 {
                let way = semitones(from, to);
                assert!(SEMITONES.contains(&way));
                assert_eq!((i32::from(from) + way).rem_euclid(12), i32::from(to));
            }
        }
    }

    #[test]
    fn every_tonic_has_a_hue() {
        let tonics: std::collections::BTreeSet<u8> =
            (0..120).map(|i| tonic_of(i as f32 / 120.0)).collect();
        assert_eq!(tonics.len(), 12);
        assert_eq!(tonic_of(1.0), tonic_of(0.99));
    }

    #[test]
    fn mel_bands_are_not_transposed() {
        let mut mel = HostTensor {
            shape: vec![1, 64],
            values: vec![0.0; 64],
        };
        let config = SpectrogramConfig::audioldm();
        assert!(transpose(&mut mel, &config, 0).is_ok());
        assert!(
            transpose(&mut mel, &config, 1)
                .unwrap_err()
                .to_string()
                .contains("leave transpose out")
        );
    }
}
