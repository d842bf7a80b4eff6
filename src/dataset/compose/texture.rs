//! Textures: who plays what of a piece's rhythm and harmony.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    BASS, Brief, HARMONY, MELODY, Note, Span,
    harmony::Chord,
    melody::{self, span_at},
    plan::Plan,
};

/// How far melody, harmony and bass lie from the register, in semitones.
const MELODY_ABOVE: f32 = 10.0;
const HARMONY_ABOVE: f32 = 0.5;
const BASS_ABOVE: f32 = -11.0;
/// Onsets per second up to which all voices can move together.
const CHORALE: f32 = 2.6;
/// Quarter notes that a tone of a broken chord rings on where tones die away.
const RING: f64 = 1.0;

/// How the voices go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texture {
    /// All voices move together.
    Chorale,
    /// A melody over chords that are held.
    Song,
    /// A melody on beats over broken chords.
    Figuration,
    /// Melody and harmony take turns.
    Dialogue,
}

impl Texture {
    /// One that suits the brief.
    pub fn draw(brief: &Brief, rng: &mut ChaCha8Rng) -> Self {
        let weights = match (brief.sustained, brief.rate < CHORALE) {
            (true, true) => [5, 3, 0, 1],
            (true, false) => [0, 4, 2, 2],
            (false, true) => [2, 2, 3, 1],
            (false, false) => [0, 2, 5, 2],
        };
        let all = [Self::Chorale, Self::Song, Self::Figuration, Self::Dialogue];
        let mut left = rng.random_range(0..weights.iter().sum::<u32>());
        for (texture, weight) in all.into_iter().zip(weights) {
            if left < weight {
                return texture;
            }
            left -= weight;
        }
        Self::Song
    }

    /// Writes all notes; velocities are not yet right.
    pub fn write(
        self,
        brief: &Brief,
        plan: &Plan,
        spans: &[Span],
        onsets: &[f64],
        rng: &mut ChaCha8Rng,
    ) -> Vec<Note> {
        let mut writer = Writer {
            end: plan.quarters(),
            notes: Vec::new(),
        };
        let starts: Vec<f64> = onsets
            .iter()
            .copied()
            .filter(|at| (span_at(spans, *at).start - at).abs() < 1e-6)
            .collect();
        let share = |keep: &dyn Fn(usize, f64) -> bool| -> Vec<f64> {
            let all = onsets.iter().copied().enumerate();
            all.filter(|(i, at)| keep(*i, *at))
                .map(|(_, at)| at)
                .collect()
        };
        let (sung, harmony, bass) = match self {
            Self::Chorale => (onsets.to_vec(), onsets.to_vec(), onsets.to_vec()),
            Self::Song => (onsets.to_vec(), starts.clone(), starts),
            Self::Figuration => (
                share(&|i, at| plan.on_beat(at) || i == 0),
                onsets.to_vec(),
                starts,
            ),
            Self::Dialogue => {
                let even = share(&|i, at| i % 2 == 0 || plan.bar_of(at) + 1 == plan.bars);
                let odd = share(&|i, at| i % 2 == 1 || span_at(spans, at).start == at);
                (even, odd, starts)
            }
        };
        let centre = brief.register + MELODY_ABOVE;
        let pitches = melody::write(plan, spans, &sung, centre, rng);
        for (i, pitch) in pitches.into_iter().enumerate() {
            writer.layer(&sung, i, MELODY, &[pitch], 0.0);
        }
        self.write_harmony(brief, spans, &harmony, &mut writer, rng);
        let mut low = brief.register + BASS_ABOVE;
        for (i, at) in bass.iter().enumerate() {
            let chord = span_at(spans, *at).chord;
            // Now and then in its first inversion, never at either end.
            let inner = i > 0 && i + 1 < bass.len() && !chord.is_tonic();
            let member = usize::from(inner && rng.random_range(0..4) == 0);
            let near = low + 0.5 * (brief.register + BASS_ABOVE - low);
            let pitch = chord.member(member, near);
            low = pitch as f32;
            writer.layer(&bass, i, BASS, &[pitch], 0.0);
        }
        writer.notes
    }

    fn write_harmony(
        self,
        brief: &Brief,
        spans: &[Span],
        onsets: &[f64],
        writer: &mut Writer,
        rng: &mut ChaCha8Rng,
    ) {
        let centre = brief.register + HARMONY_ABOVE;
        let broken = self == Self::Figuration;
        let shape = rng.random_range(0..FIGURES.len());
        let ring = if brief.sustained { 0.0 } else { RING };
        let mut voicing = Vec::new();
        let (mut under, mut turn) = (f64::NAN, 0);
        for (i, at) in onsets.iter().enumerate() {
            let span = span_at(spans, *at);
            if span.start != under {
                voicing = lead(&voicing, span.chord, centre);
                (under, turn) = (span.start, 0);
            }
            if broken {
                let figure = FIGURES[shape];
                let place = figure[turn % figure.len()] % voicing.len();
                writer.layer(onsets, i, HARMONY, &[voicing[place]], ring);
            } else {
                writer.layer(onsets, i, HARMONY, &voicing, 0.0);
            }
            turn += 1;
        }
    }
}

/// In which order the notes of a broken chord come, the lowest being 0.
const FIGURES: [&[usize]; 5] = [
    &[0, 1, 2, 1],
    &[0, 2, 1, 2],
    &[0, 1, 2],
    &[2, 1, 0, 1],
    &[0, 1, 2, 2, 1],
];

/// The position of a chord, lowest note first, whose notes lie nearest to those before and to the centre.
fn lead(before: &[i32], chord: Chord, centre: f32) -> Vec<i32> {
    // Each member may lie below or above; a seventh takes the place of the fifth.
    let members: [usize; 3] = if chord.size() == 4 {
        [0, 1, 3]
    } else {
        [0, 1, 2]
    };
    let mut best: (f32, Vec<i32>) = (f32::INFINITY, Vec::new());
    for octaves in 0..27 {
        let shifts = [octaves % 3, octaves / 3 % 3, octaves / 9].map(|shift| 12 * (shift - 1));
        let mut pitches: Vec<i32> = members
            .iter()
            .zip(shifts)
            .map(|(member, shift)| chord.member(*member, centre) + shift)
            .collect();
        pitches.sort_unstable();
        let moved: f32 = before
            .iter()
            .zip(&pitches)
            .map(|(a, b)| (a - b).abs() as f32)
            .sum();
        let mean = pitches.iter().sum::<i32>() as f32 / pitches.len() as f32;
        let width = (pitches[2] - pitches[0]) as f32;
        let narrow = if pitches.windows(2).any(|two| two[1] - two[0] < 3) {
            3.0
        } else {
            0.0
        };
        let cost = moved + 1.5 * (mean - centre).abs() + (width - 9.0).max(0.0) + narrow;
        if cost < best.0 {
            best = (cost, pitches);
        }
    }
    best.1
}

/// Collects notes.
struct Writer {
    /// The end of the piece in quarter notes.
    end: f64,
    notes: Vec<Note>,
}

impl Writer {
    /// What a layer plays at its onset `index`: until the next one, and for `ring` quarter notes on.
    fn layer(&mut self, onsets: &[f64], index: usize, part: u16, pitches: &[i32], ring: f64) {
        let onset = onsets[index];
        let next = onsets.get(index + 1).copied().unwrap_or(self.end);
        for pitch in pitches {
            self.notes.push(Note {
                onset,
                duration: (next + ring).min(self.end) - onset,
                pitch: (*pitch).clamp(0, 127) as u8,
                velocity: 80,
                part,
            });
        }
    }
}
