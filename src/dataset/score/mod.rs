//! Scores: notes, bars, tempo and parts, whatever file they come from, and what is measured on them.
//!
//! ```text
//! MIDI, MusicXML ─ Library ─ Catalogue of excerpts ─ arrange ─ Performance ─ render
//! ```
//!
//! A [`Score`] counts time in quarter notes; its tempo map turns them into seconds. [`Library`] reads a
//! folder of files, [`Catalogue`] lists the excerpts of its scores that are fit to be heard alone, and
//! [`arrange`](fn@arrange) makes a [`Performance`] of an excerpt: notes in seconds, for the instruments of an
//! [`Ensemble`].

mod arrange;
mod catalogue;
mod ensemble;
mod library;
mod midi;
mod musicxml;
mod names;
mod performance;
mod statistics;
#[cfg(test)]
pub(crate) mod tests;

pub use arrange::{Wishes, arrange};
pub use catalogue::{Catalogue, Excerpt, Wanted, filled};
pub use ensemble::{Ensemble, Instrument};
pub use library::{Library, read_score};
pub use names::{identities, words};
pub use performance::{Performance, Sounding, Voice};
pub use statistics::NoteStatistics;

pub use crate::metrics::key::{KeyEstimate, Mode, estimate_key};

/// Quarter notes a minute where a score does not say its tempo.
pub const DEFAULT_TEMPO: f64 = 120.0;

/// A note.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Note {
    /// When it begins, in quarter notes from the beginning of the score.
    pub onset: f64,
    /// How long it lasts, in quarter notes.
    pub duration: f64,
    /// The sounding pitch as a MIDI note number: 60 is middle C.
    pub pitch: u8,
    /// How strongly it is played, 1 to 127.
    pub velocity: u8,
    /// The place of its part in [`Score::parts`].
    pub part: u16,
}

/// What one player plays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The name in the score.
    pub name: String,
    /// The General MIDI program, counted from 0.
    pub program: u8,
    /// Whether its pitches are drums.
    pub percussion: bool,
}

/// A bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// When it begins, in quarter notes.
    pub start: f64,
    /// How long it is, in quarter notes.
    pub length: f64,
    /// Its metre: beats, and the note value of a beat (4 for quarters).
    pub metre: [u8; 2],
}

/// A change of tempo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tempo {
    /// From when on, in quarter notes.
    pub start: f64,
    /// Quarter notes a minute.
    pub quarters_per_minute: f64,
}

/// A piece of music as notes.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// The title; empty where it is not known.
    pub title: String,
    /// Who wrote it; empty where that is not known.
    pub composer: String,
    /// Who plays.
    pub parts: Vec<Part>,
    /// All notes in the order of their onsets, then of their pitches.
    pub notes: Vec<Note>,
    /// All bars, one behind the other.
    pub bars: Vec<Bar>,
    /// Changes of tempo in their order; the first one at 0.
    pub tempi: Vec<Tempo>,
}

impl Score {
    /// Brings notes and tempi into their order, and gives a score without a tempo one.
    pub(in crate::dataset) fn in_order(mut self) -> Self {
        self.notes.retain(|note| {
            note.duration > 0.0 && note.onset >= 0.0 && (note.onset + note.duration).is_finite()
        });
        self.notes.sort_by(|a, b| {
            let time = a.onset.total_cmp(&b.onset);
            time.then(a.pitch.cmp(&b.pitch)).then(a.part.cmp(&b.part))
        });
        self.tempi.retain(|tempo| {
            tempo.quarters_per_minute.is_finite()
                && (1.0..1000.0).contains(&tempo.quarters_per_minute)
        });
        self.tempi.sort_by(|a, b| a.start.total_cmp(&b.start));
        match self.tempi.first_mut() {
            Some(first) => first.start = 0.0,
            None => self.tempi.push(Tempo {
                start: 0.0,
                quarters_per_minute: DEFAULT_TEMPO,
            }),
        }
        self
    }

    /// When the last note ends, in quarter notes.
    pub fn end(&self) -> f64 {
        let ends = self.notes.iter().map(|note| note.onset + note.duration);
        ends.fold(0.0, f64::max)
    }

    /// The tempo map, to turn quarter notes into seconds.
    pub fn clock(&self) -> Clock {
        Clock::new(&self.tempi)
    }
}

/// Turns quarter notes into seconds.
#[derive(Debug, Clone)]
pub struct Clock {
    /// Where a tempo begins, in quarter notes and seconds, and the seconds of a quarter note from there on.
    pieces: Vec<(f64, f64, f64)>,
}

impl Clock {
    fn new(tempi: &[Tempo]) -> Self {
        let mut pieces: Vec<(f64, f64, f64)> = Vec::with_capacity(tempi.len());
        for tempo in tempi {
            let seconds = pieces.last().map_or(0.0, |(start, seconds, quarter)| {
                seconds + (tempo.start - start) * quarter
            });
            pieces.push((tempo.start, seconds, 60.0 / tempo.quarters_per_minute));
        }
        Self { pieces }
    }

    /// The time of `quarters` in seconds.
    pub fn seconds(&self, quarters: f64) -> f64 {
        let piece = self
            .pieces
            .partition_point(|(start, ..)| *start <= quarters);
        let piece = self.pieces.get(piece.saturating_sub(1));
        piece.map_or(0.0, |(start, seconds, quarter)| {
            seconds + (quarters - start) * quarter
        })
    }
}

/// Bars that follow the metres `(start in quarter notes, metre)` from 0 to `end`.
///
/// A metre that begins inside a bar cuts it short.
fn bars_of(metres: &[(f64, [u8; 2])], end: f64) -> Vec<Bar> {
    let mut bars = Vec::new();
    let mut metre = [4, 4];
    let mut start = 0.0;
    let mut changes = metres.iter().peekable();
    while start < end {
        while let Some((_, next)) = changes.next_if(|(at, _)| *at <= start + 1e-6) {
            metre = *next;
        }
        let whole = 4.0 * f64::from(metre[0]) / f64::from(metre[1]);
        let until = changes.peek().map_or(f64::INFINITY, |(at, _)| *at);
        let length = whole.min(until - start);
        bars.push(Bar {
            start,
            length,
            metre,
        });
        start += length;
    }
    bars
}
