//! Keys, chords, progressions and where their notes lie.

use super::{Mode, dice::Dice};

/// Semitones above the tonic of the major and the natural minor scale.
const MAJOR: [u8; 7] = [0, 2, 4, 5, 7, 9, 11];
const MINOR: [u8; 7] = [0, 2, 3, 5, 7, 8, 10];

/// The middle chords of a progression of four that begins and ends on the tonic, as scale
/// degrees from 0, and their weights.
///
/// Subdominant and submediant lead: they hold the sixth degree, which tells the modes apart.
const MAJOR_MIDDLES: [([usize; 2], f32); 5] = [
    ([3, 4], 4.0),
    ([3, 3], 1.0),
    ([5, 3], 1.0),
    ([4, 3], 2.0),
    ([1, 4], 1.0),
];
const MINOR_MIDDLES: [([usize; 2], f32); 5] = [
    ([3, 4], 4.0),
    ([3, 3], 1.0),
    ([5, 3], 1.0),
    ([4, 3], 2.0),
    ([5, 4], 1.0),
];

/// A tonic and a mode.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    tonic: u8,
    mode: Mode,
}

/// A triad on a degree of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chord {
    /// The degree of its root: 0 is the tonic chord.
    pub degree: usize,
    /// The pitch classes of root, third and fifth.
    pub classes: [u8; 3],
}

impl Key {
    /// The key on a pitch class.
    pub fn new(tonic: u8, mode: Mode) -> Self {
        let tonic = tonic % 12;
        Self { tonic, mode }
    }

    /// The pitch class of a degree: 0 is the tonic, 7 again.
    pub fn class(self, degree: usize) -> u8 {
        let scale = match self.mode {
            Mode::Major => &MAJOR,
            Mode::Minor => &MINOR,
        };
        (self.tonic + scale[degree % scale.len()]) % 12
    }

    /// Whether a MIDI note belongs to the scale.
    pub fn holds(self, note: i32) -> bool {
        (0..7).any(|degree| i32::from(self.class(degree)) == note.rem_euclid(12))
    }

    /// The triad on a degree.
    pub fn chord(self, degree: usize) -> Chord {
        let classes = [0, 2, 4].map(|third| self.class(degree + third));
        Chord { degree, classes }
    }

    /// A progression of `count` chords that begins and ends on the tonic chord.
    pub fn progression(self, count: usize, dice: &mut Dice) -> Vec<Chord> {
        let middles = match self.mode {
            Mode::Major => &MAJOR_MIDDLES,
            Mode::Minor => &MINOR_MIDDLES,
        };
        let (middle, _) = middles[dice.weighted(&middles.map(|(_, weight)| weight))];
        let phrase = [0, middle[0], middle[1], 0];
        let last = count.saturating_sub(1);
        let degree = |at: usize| match at {
            _ if at == last => 0,
            _ if count == 3 => phrase[at],
            _ => phrase[at % phrase.len()],
        };
        (0..count).map(|at| self.chord(degree(at))).collect()
    }
}

impl Chord {
    /// Whether a MIDI note belongs to the chord.
    pub fn holds(&self, note: i32) -> bool {
        self.classes
            .iter()
            .any(|class| i32::from(*class) == note.rem_euclid(12))
    }
}

/// The MIDI note of a pitch class that is nearest to `centre`.
pub fn nearest(class: u8, centre: f32) -> i32 {
    let class = f32::from(class);
    (class + 12.0 * ((centre - class) / 12.0).round()) as i32
}

/// The frequency of a MIDI note in Hz, in equal temperament with A4 (69) at 440 Hz.
pub fn hertz(note: f32) -> f32 {
    440.0 * ((note - 69.0) / 12.0).exp2()
}
