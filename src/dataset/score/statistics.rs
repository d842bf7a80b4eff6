//! What is measured on notes.

use serde::{Deserialize, Serialize};

use super::{KeyEstimate, Sounding, estimate_key};

/// Notes that begin within so many seconds are one onset.
const TOGETHER: f64 = 0.03;
/// Intervals between onsets that can be a pulse, in seconds.
const PULSE: [f64; 2] = [0.1, 1.5];

/// What music is like, measured on its notes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NoteStatistics {
    /// How many notes there are.
    pub notes: u32,
    /// Onsets per second; notes that begin within 30 ms are one onset.
    pub onset_rate: f32,
    /// The mean MIDI note number, weighted with durations.
    pub mean_pitch: f32,
    /// How many notes sound at once on average, where any does.
    pub voices: f32,
    /// The largest share of onsets that another one follows after one and the same interval of 0.1 to 1.5
    /// seconds: 1 for a steady pulse.
    pub regularity: f32,
    /// The key of the durations by pitch class.
    pub key: KeyEstimate,
    /// When the first note begins, in seconds.
    pub first_onset: f32,
    /// The longest time in which nothing sounds, in seconds.
    pub longest_rest: f32,
}

impl NoteStatistics {
    /// Measures notes, which are in the order of their beginnings, in `seconds` of music.
    pub fn measure(notes: &[Sounding], seconds: f64) -> Self {
        let mut classes = [0.0f32; 12];
        let (mut pitches, mut total) = (0.0, 0.0);
        let (mut covered, mut until, mut rest) = (0.0, 0.0f64, 0.0f64);
        for note in notes {
            let end = (note.start + note.duration).min(seconds);
            let duration = (end - note.start).max(0.0);
            classes[usize::from(note.pitch % 12)] += duration as f32;
            pitches += duration * f64::from(note.pitch);
            total += duration;
            rest = rest.max(note.start - until);
            covered += (end - note.start.max(until)).max(0.0);
            until = until.max(end);
        }
        rest = rest.max(seconds - until);
        let onsets = onsets(notes);
        Self {
            notes: notes.len() as u32,
            onset_rate: (onsets.len() as f64 / seconds.max(1e-3)) as f32,
            mean_pitch: if total > 0.0 {
                (pitches / total) as f32
            } else {
                60.0
            },
            voices: if covered > 0.0 {
                (total / covered) as f32
            } else {
                0.0
            },
            regularity: regularity(&onsets),
            key: estimate_key(&classes),
            first_onset: notes.first().map_or(seconds, |note| note.start) as f32,
            longest_rest: rest as f32,
        }
    }
}

/// The times at which notes begin, in order.
fn onsets(notes: &[Sounding]) -> Vec<f64> {
    let mut onsets: Vec<f64> = Vec::with_capacity(notes.len());
    for note in notes {
        if onsets
            .last()
            .is_none_or(|last| note.start > last + TOGETHER)
        {
            onsets.push(note.start);
        }
    }
    onsets
}

/// See [`NoteStatistics::regularity`].
fn regularity(onsets: &[f64]) -> f32 {
    const CELLS: usize = 1 + (PULSE[1] / TOGETHER) as usize;
    let mut counts = [0u32; CELLS + 1];
    for (i, onset) in onsets.iter().enumerate() {
        let mut seen = CELLS + 1;
        for later in &onsets[i + 1..] {
            let interval = later - onset;
            if interval > PULSE[1] {
                break;
            }
            let cell = (interval / TOGETHER) as usize;
            // Two onsets in a cell count once.
            if interval >= PULSE[0] && cell != seen {
                counts[cell] += 1;
                seen = cell;
            }
        }
    }
    // An interval may fall on the edge of two cells.
    let best = counts
        .windows(2)
        .map(|two| two[0] + two[1])
        .max()
        .unwrap_or(0);
    let pairs = onsets.len().saturating_sub(1).max(1);
    (best as f32 / pairs as f32).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::score::Mode;

    fn notes(all: &[(f64, f64, u8)]) -> Vec<Sounding> {
        let note = |&(start, duration, pitch)| Sounding {
            start,
            duration,
            pitch,
            velocity: 80,
            voice: 0,
        };
        all.iter().map(note).collect()
    }

    #[test]
    fn a_scale_has_its_key_pulse_and_pitch() {
        // C, D, E, F, G, A, B, C; tonic, third and fifth are longer.
        let scale = [60, 62, 64, 65, 67, 69, 71, 72];
        let all: Vec<(f64, f64, u8)> = scale
            .iter()
            .enumerate()
            .map(|(i, pitch)| {
                let long = matches!(pitch % 12, 0 | 4 | 7);
                (0.5 * i as f64, if long { 0.5 } else { 0.25 }, *pitch)
            })
            .collect();
        let found = NoteStatistics::measure(&notes(&all), 4.0);
        assert_eq!((found.key.tonic, found.key.mode), (0, Mode::Major));
        assert!(
            found.key.correlation > 0.85 && found.key.mode_margin > 0.1,
            "{found:?}"
        );
        assert_eq!(
            (found.notes, found.onset_rate, found.regularity),
            (8, 2.0, 1.0)
        );
        assert!((found.mean_pitch - 66.0).abs() < 1.0 && (found.voices - 1.0).abs() < 1e-6);
        assert!((found.longest_rest - 0.25).abs() < 1e-6);
    }

    #[test]
    fn chords_are_one_onset_and_several_voices() {
        let found = NoteStatistics::measure(
            &notes(&[
                (0.0, 1.0, 57),
                (0.0, 1.0, 60),
                (0.01, 0.99, 64),
                (1.3, 0.7, 57),
            ]),
            2.0,
        );
        assert_eq!((found.key.tonic, found.key.mode), (9, Mode::Minor));
        assert_eq!(found.onset_rate, 1.0);
        assert!((found.voices - 3.69 / 1.7).abs() < 1e-3, "{found:?}");
        assert!((found.longest_rest - 0.3).abs() < 1e-6);
    }

    #[test]
    fn free_rhythm_is_less_regular_than_a_pulse() {
        let at = [0.0, 0.31, 0.83, 1.02, 1.95, 2.21, 2.97, 3.68, 3.84];
        let all: Vec<_> = at.iter().map(|at| (*at, 0.2, 60)).collect();
        assert!(NoteStatistics::measure(&notes(&all), 4.0).regularity < 0.5);
        let nothing = NoteStatistics::measure(&[], 4.0);
        assert_eq!((nothing.onset_rate, nothing.longest_rest), (0.0, 4.0));
    }
}
