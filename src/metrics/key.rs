//! The key of music, from its pitch classes.

use serde::{Deserialize, Serialize};

/// How well pitch classes above the tonic fit a major and a minor key: Krumhansl and Kessler, "Tracing the
/// dynamic changes in perceived tonal organization in a spatial representation of musical keys", 1982.
const MAJOR: [f32; 12] = [
    6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88,
];
const MINOR: [f32; 12] = [
    6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17,
];

/// The mode of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Minor.
    Minor,
    /// Major.
    Major,
}

impl Mode {
    /// The name in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }
}

/// The key that fits best.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KeyEstimate {
    /// The pitch class of the tonic: 0 is C, 11 is B.
    pub tonic: u8,
    /// The mode.
    pub mode: Mode,
    /// Pearson's correlation with the key's profile.
    pub correlation: f32,
    /// By how much the best key of this mode correlates better than the best one of the other mode.
    pub mode_margin: f32,
}

/// The best of the 24 keys for the time that each pitch class sounds.
///
/// Krumhansl and Schmuckler's algorithm: Krumhansl, "Cognitive Foundations of Musical Pitch", 1990.
pub fn estimate_key(classes: &[f32; 12]) -> KeyEstimate {
    let best = |profile: &[f32; 12]| {
        let all = (0..12u8).map(|tonic| (correlation(classes, profile, tonic.into()), tonic));
        all.fold(
            (-1.0, 0),
            |best: (f32, u8), next| {
                if next.0 > best.0 { next } else { best }
            },
        )
    };
    let (major, minor) = (best(&MAJOR), best(&MINOR));
    let (mode, (correlation, tonic), other) = match major.0 >= minor.0 {
        true => (Mode::Major, major, minor),
        false => (Mode::Minor, minor, major),
    };
    KeyEstimate {
        tonic,
        mode,
        correlation,
        mode_margin: correlation - other.0,
    }
}

/// Pearson's correlation of pitch classes with a profile on a tonic; 0 where all are equal.
pub(super) fn correlation(classes: &[f32; 12], profile: &[f32; 12], tonic: usize) -> f32 {
    let mean = |values: &[f32; 12]| values.iter().sum::<f32>() / 12.0;
    let (of_classes, of_profile) = (mean(classes), mean(profile));
    let (mut both, mut first, mut second) = (0.0, 0.0, 0.0);
    for (degree, y) in profile.iter().enumerate() {
        let x = classes[(tonic + degree) % 12] - of_classes;
        let y = y - of_profile;
        both += x * y;
        first += x * x;
        second += y * y;
    }
    let scale = (first * second).sqrt();
    if scale > 0.0 { both / scale } else { 0.0 }
}
