//! Keys, chords and how they follow each other.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::dataset::score::Mode;

/// Semitones above the tonic of the major, the natural minor and the melodic minor scale.
const MAJOR: [i32; 7] = [0, 2, 4, 5, 7, 9, 11];
const NATURAL: [i32; 7] = [0, 2, 3, 5, 7, 8, 10];
const MELODIC: [i32; 7] = [0, 2, 3, 5, 7, 9, 11];

/// The degree of the dominant, counted from 0.
const DOMINANT: usize = 4;

/// Where each degree leads, with weights: tonic, supertonic, mediant, subdominant, dominant, submediant.
/// The leading tone's chord is not used.
const MAJOR_PATHS: [&[(usize, u32)]; 6] = [
    &[(3, 4), (5, 3), (1, 2), (4, 3), (2, 1)],
    &[(4, 5), (3, 1)],
    &[(5, 3), (3, 2)],
    &[(4, 4), (1, 2), (0, 2)],
    &[(0, 6), (5, 2)],
    &[(1, 2), (3, 3), (4, 2)],
];
const MINOR_PATHS: [&[(usize, u32)]; 6] = [
    &[(3, 4), (5, 3), (4, 3), (2, 1), (1, 1)],
    &[(4, 1)],
    &[(5, 3), (3, 2)],
    &[(4, 4), (0, 3), (1, 1)],
    &[(0, 6), (5, 2)],
    &[(3, 3), (1, 1), (4, 2)],
];

/// A tonic and a mode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key {
    tonic: i32,
    mode: Mode,
}

/// A chord on a degree of a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chord {
    key: Key,
    /// The degree of its root, from 0: the tonic's.
    pub degree: usize,
    seventh: bool,
}

impl Key {
    /// The key on a pitch class.
    pub fn new(tonic: u8, mode: Mode) -> Self {
        Self {
            tonic: i32::from(tonic % 12),
            mode,
        }
    }

    fn chord(self, degree: usize, seventh: bool) -> Chord {
        Chord {
            key: self,
            degree,
            seventh,
        }
    }
}

impl Chord {
    /// The scale that belongs to the chord: in minor, dominants have the raised sixth and seventh.
    fn scale(self) -> &'static [i32; 7] {
        match (self.key.mode, self.degree) {
            (Mode::Major, _) => &MAJOR,
            (Mode::Minor, DOMINANT) => &MELODIC,
            (Mode::Minor, _) => &NATURAL,
        }
    }

    /// The pitch of a step of the scale: 0 is the tonic in the octave from MIDI note 0 on, 7 the next one.
    pub fn pitch(self, step: i32) -> i32 {
        let degree = step.rem_euclid(7) as usize;
        self.key.tonic + self.scale()[degree] + 12 * step.div_euclid(7)
    }

    /// The step whose pitch is nearest.
    pub fn nearest_step(self, pitch: f32) -> i32 {
        let around = ((pitch - self.key.tonic as f32) / 12.0 * 7.0).round() as i32;
        let distance = |step: &i32| ((self.pitch(*step) as f32 - pitch).abs() * 16.0) as i32;
        (around - 2..=around + 2)
            .min_by_key(distance)
            .unwrap_or(around)
    }

    /// Whether a step of the scale belongs to the chord.
    pub fn holds(self, step: i32) -> bool {
        let above = (step - self.degree as i32).rem_euclid(7);
        matches!(above, 0 | 2 | 4) || (self.seventh && above == 6)
    }

    /// The step of the chord that is nearest to a pitch.
    pub fn nearest_tone(self, pitch: f32) -> i32 {
        let around = self.nearest_step(pitch);
        let steps = (around - 3..=around + 3).filter(|step| self.holds(*step));
        let distance = |step: &i32| ((self.pitch(*step) as f32 - pitch).abs() * 16.0) as i32;
        steps.min_by_key(distance).unwrap_or(around)
    }

    /// The pitch of the root, third (1), fifth (2) or seventh (3) that is nearest to another pitch.
    pub fn member(self, member: usize, near: f32) -> i32 {
        let class = self.pitch((self.degree + 2 * member) as i32);
        class + 12 * ((near - class as f32) / 12.0).round() as i32
    }

    /// How many members there are.
    pub fn size(self) -> usize {
        if self.seventh { 4 } else { 3 }
    }

    /// Whether the chord is the tonic's.
    pub fn is_tonic(self) -> bool {
        self.degree == 0
    }
}

/// The chords of a phrase: from the tonic to a full cadence where the phrase is the last one, to a half
/// cadence elsewhere.
pub fn progression(key: Key, count: usize, last: bool, rng: &mut ChaCha8Rng) -> Vec<Chord> {
    let paths = match key.mode {
        Mode::Major => &MAJOR_PATHS,
        Mode::Minor => &MINOR_PATHS,
    };
    // What leads to the cadence: a subdominant or a supertonic.
    let before = if rng.random_range(0..3) == 0 { 1 } else { 3 };
    let ending: &[usize] = match (last, count) {
        (true, 0..=2) => &[DOMINANT, 0],
        (true, _) => &[before, DOMINANT, 0],
        (false, 0..=2) => &[0, DOMINANT],
        (false, _) => &[0, before, DOMINANT],
    };
    let free = count.saturating_sub(ending.len());
    let mut degrees = Vec::with_capacity(count);
    while degrees.len() < free {
        let next = match degrees.last() {
            None => 0,
            Some(degree) => choose(paths[*degree], rng),
        };
        degrees.push(next);
    }
    degrees.extend(&ending[ending.len().saturating_sub(count)..]);
    let seventh = |degree: usize, rng: &mut ChaCha8Rng| {
        // Of dominants and supertonics, which a seventh draws on.
        matches!(degree, 1 | DOMINANT) && rng.random_range(0..5) < 2
    };
    degrees
        .into_iter()
        .map(|degree| key.chord(degree, seventh(degree, rng)))
        .collect()
}

fn choose(weighted: &[(usize, u32)], rng: &mut ChaCha8Rng) -> usize {
    let total: u32 = weighted.iter().map(|(_, weight)| weight).sum();
    let mut left = rng.random_range(0..total);
    for (value, weight) in weighted {
        if left < *weight {
            return *value;
        }
        left -= weight;
    }
    0
}
