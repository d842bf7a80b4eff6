//! What is to be heard: notes in seconds for instruments.

use super::NoteStatistics;

/// A note of a performance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sounding {
    /// When it begins, in seconds.
    pub start: f64,
    /// How long it is held, in seconds.
    pub duration: f64,
    /// The pitch as a MIDI note number.
    pub pitch: u8,
    /// How strongly it is played, 1 to 127.
    pub velocity: u8,
    /// Who plays: a place in [`Performance::voices`].
    pub voice: u16,
}

/// An instrument of a performance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Voice {
    /// The General MIDI program, counted from 0.
    pub program: u8,
    /// Where it sits, from -1 (left) to 1 (right).
    pub pan: f32,
    /// How much louder than the others it is, in dB.
    pub gain_db: f32,
}

/// Notes in seconds, and who plays them.
#[derive(Debug, Clone, PartialEq)]
pub struct Performance {
    /// Who plays.
    pub voices: Vec<Voice>,
    /// All notes in the order of their beginnings.
    pub notes: Vec<Sounding>,
    /// The length of the whole in seconds.
    pub seconds: f64,
    /// What was measured on the notes before they were humanised.
    pub statistics: NoteStatistics,
}
