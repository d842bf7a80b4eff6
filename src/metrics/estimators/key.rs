//! Pitch classes and mode.

use super::pitch::{LOWEST, strengths};
use crate::metrics::key::correlation;

/// How much the pitch classes above the tonic belong to a major and to a minor key.
///
/// In the order of Krumhansl and Kessler (1982), but with the same weights for both modes and none
/// outside the scale: on synthetic music the rank correlation with the mode is 0.79, and 0.74
/// with their profiles (0.87 is the most that two equally frequent modes allow).
const MAJOR: [f32; 12] = [3.0, 0.0, 1.0, 0.0, 2.0, 1.5, 0.0, 2.0, 0.0, 1.5, 0.0, 0.7];
const MINOR: [f32; 12] = [3.0, 0.0, 1.0, 2.0, 0.0, 1.5, 0.0, 2.0, 1.5, 0.0, 0.7, 0.0];

/// The compression of a pitch class's strength.
const COMPRESSION: f32 = 0.7;

/// The correlation of the pitch classes with the best major key, less that with the best minor
/// key (Krumhansl 1990, with other profiles): positive is major. 0 for silence.
pub fn majorness(samples: &[f32]) -> f32 {
    let classes = pitch_classes(samples).map(|x| x.powf(COMPRESSION));
    let best = |profile: &[f32; 12]| {
        let tonics = (0..12).map(|tonic| correlation(&classes, profile, tonic));
        tonics.fold(-1.0, f32::max)
    };
    best(&MAJOR) - best(&MINOR)
}

/// How strongly each pitch class sounds, C first, in no unit; 0 for silence.
pub fn pitch_classes(samples: &[f32]) -> [f32; 12] {
    let mut classes = [0.0; 12];
    for (tone, strength) in strengths(samples).iter().enumerate() {
        classes[(LOWEST + tone) % 12] += strength;
    }
    classes
}
