//! A composer of short pieces: phrases of four bars with cadences, in the common practice's harmony.
//!
//! ```text
//! Brief ─ Plan (metre, bars, grid) ─┬ rhythm ─┬ melody ─┐
//!                                   └ harmony ┴ texture ┴ Score
//! ```
//!
//! Chords follow their functions (tonic, predominant, dominant), inner voices take the shortest way, and a
//! melody repeats and varies its first bar. Minor keys have the raised leading tone over dominants.

mod harmony;
mod melody;
mod plan;
#[cfg(test)]
mod tests;
mod texture;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use self::{
    harmony::{Key, progression},
    plan::Plan,
    texture::Texture,
};
use super::score::{Bar, Mode, Note, Part, Score, Tempo};

/// What a piece is to be like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Brief {
    /// The mode.
    pub mode: Mode,
    /// The pitch class of the tonic.
    pub tonic: u8,
    /// Onsets per second.
    pub rate: f32,
    /// The mean pitch as a MIDI note number.
    pub register: f32,
    /// From 0 (every bar has a rhythm of its own) to 1 (a steady pulse).
    pub regularity: f32,
    /// Whether tones can be held: if not, they are rather broken up.
    pub sustained: bool,
    /// Seconds of a beat; when left out, whole bars fill the length.
    pub pulse: Option<f64>,
}

/// The parts of a piece, in their order.
const PARTS: [&str; 3] = ["Melody", "Harmony", "Bass"];
const MELODY: u16 = 0;
const HARMONY: u16 = 1;
const BASS: u16 = 2;

/// A chord and how long it holds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Span {
    chord: harmony::Chord,
    /// In quarter notes.
    start: f64,
    end: f64,
}

/// Composes a piece whose bars fill about `seconds`, or where the brief has a pulse, whole phrases that reach beyond
/// them. The same brief and seed give the same piece.
pub fn compose(brief: &Brief, seconds: f64, seed: u64) -> Score {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let plan = Plan::draw(brief, seconds, &mut rng);
    let key = Key::new(brief.tonic, brief.mode);
    let spans = spans(&plan, key, &mut rng);
    let onsets = plan.onsets(brief, &mut rng);
    let texture = Texture::draw(brief, &mut rng);
    let mut notes = texture.write(brief, &plan, &spans, &onsets, &mut rng);
    for note in &mut notes {
        note.velocity = velocity(note, &plan);
    }
    let bars = (0..plan.bars).map(|bar| Bar {
        start: bar as f64 * plan.bar_length(),
        length: plan.bar_length(),
        metre: plan.metre,
    });
    let score = Score {
        title: format!("Piece {seed}"),
        composer: String::new(),
        parts: PARTS
            .map(|name| Part {
                name: name.to_string(),
                program: 0,
                percussion: false,
            })
            .to_vec(),
        notes,
        bars: bars.collect(),
        tempi: vec![Tempo {
            start: 0.0,
            quarters_per_minute: 60.0 * plan.quarters() / plan.seconds,
        }],
    };
    score.in_order()
}

/// The chords of all phrases: one or two a bar.
fn spans(plan: &Plan, key: Key, rng: &mut ChaCha8Rng) -> Vec<Span> {
    let mut spans = Vec::new();
    let phrases = plan.bars.div_ceil(plan.phrase);
    let length = plan.bar_length() / plan.chords as f64;
    for phrase in 0..phrases {
        let bars = plan.phrase.min(plan.bars - phrase * plan.phrase);
        let last = phrase + 1 == phrases;
        for chord in progression(key, bars * plan.chords, last, rng) {
            let start = spans.len() as f64 * length;
            spans.push(Span {
                chord,
                start,
                end: start + length,
            });
        }
    }
    spans
}

/// Accents on bars and beats, a phrase that swells and falls, and a melody in front.
fn velocity(note: &Note, plan: &Plan) -> u8 {
    let in_bar = note.onset.rem_euclid(plan.bar_length());
    let accent = match () {
        () if in_bar < 1e-6 => 8.0,
        () if in_bar.rem_euclid(plan.beat_length()) < 1e-6 => 3.0,
        () => 0.0,
    };
    let phrase = plan.bar_length() * plan.phrase as f64;
    let arch = (std::f64::consts::PI * (note.onset / phrase).fract()).sin();
    let front = match note.part {
        MELODY => 8.0,
        BASS => 0.0,
        _ => -8.0,
    };
    (66.0 + accent + 10.0 * arch + front)
        .round()
        .clamp(1.0, 127.0) as u8
}
