//! What is played when: the onsets, their chords, melody and accents, for all families.

use super::{
    MusicFactors,
    dice::Dice,
    harmony::{Chord, Key, nearest},
};

/// The first onset in seconds.
pub const FIRST: f32 = 0.03;

/// The least time in seconds from the last onset to the end.
const LAST: f32 = 0.1;

/// About how long a chord lasts, in seconds.
const CHORD: f32 = 1.28;

/// How far the melody may go from its centre, in semitones.
const RANGE: i32 = 8;

/// The steps of a repeated pattern.
const PATTERN: usize = 4;

/// One onset.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its time in seconds.
    pub at: f32,
    /// The time to the next onset in seconds.
    pub gap: f32,
    /// The chord under it.
    pub chord: Chord,
    /// Whether the chord begins here.
    pub strong: bool,
    /// The melody's MIDI note.
    pub melody: i32,
    /// The MIDI notes of the accompaniment, from none (bare) to three (full chords), root first.
    pub inner: Vec<i32>,
    /// The accent, a linear gain of at most 1.
    pub accent: f32,
}

impl Step {
    /// The melody and the accompaniment.
    pub fn notes(&self) -> impl Iterator<Item = i32> {
        std::iter::once(self.melody).chain(self.inner.iter().copied())
    }
}

/// Writes the steps of a piece of so many seconds.
pub fn write(factors: &MusicFactors, seconds: f32, dice: &mut Dice) -> Vec<Step> {
    let key = Key::new(factors.tonic, factors.mode);
    let times = onsets(factors, seconds, dice);
    let per_chord = ((CHORD * factors.rate).round() as usize).max(2);
    let chords = key.progression(times.len().div_ceil(per_chord), dice);
    let accompaniment = (3.0 * factors.harmony + 0.99 * dice.unit()) as usize;
    let accents: [f32; PATTERN] = std::array::from_fn(|at| {
        if at == 0 {
            0.0
        } else {
            dice.between(-9.0, -3.0)
        }
    });
    let mut walk = Walk::new(factors, key);
    let mut steps = Vec::with_capacity(times.len());
    for (index, (at, gap)) in times.iter().copied().enumerate() {
        let chord = chords[index / per_chord];
        let edge = match index {
            0 => Edge::Opening,
            1 => Edge::Second,
            _ if index + 1 == times.len() => Edge::Closing,
            _ => Edge::None,
        };
        let melody = walk.next(index, chord, edge, dice);
        let decibels = if dice.chance(factors.regularity) {
            accents[index % PATTERN]
        } else {
            dice.between(-9.0, 0.0)
        };
        steps.push(Step {
            at,
            gap,
            chord,
            strong: index % per_chord == 0,
            melody,
            inner: accompany(chord, melody, factors.register - 2.0, accompaniment),
            accent: decibels_to_gain(decibels * factors.dynamics),
        });
    }
    steps
}

/// A gain in decibels as a factor.
pub fn decibels_to_gain(decibels: f32) -> f32 {
    10f32.powf(decibels / 20.0)
}

/// Onsets and the times to the next ones: a pulse, or intervals that vary by a factor of up to 2.
fn onsets(factors: &MusicFactors, seconds: f32, dice: &mut Dice) -> Vec<(f32, f32)> {
    let pulse = 1.0 / factors.rate;
    let count = ((seconds - FIRST - LAST) * factors.rate).ceil().max(1.0) as usize;
    let spread = 0.4 * (1.0 - factors.regularity);
    let mut gaps: Vec<f32> = (0..count)
        .map(|_| (spread * dice.normal()).exp().clamp(0.6, 1.7))
        .collect();
    let scale = pulse * count as f32 / gaps.iter().sum::<f32>();
    let mut at = FIRST;
    gaps.iter_mut()
        .map(|gap| {
            let onset = (at, *gap * scale);
            at += onset.1;
            onset
        })
        .filter(|(at, _)| *at <= FIRST || *at < seconds - LAST)
        .collect()
}

/// `count` notes of a chord near `centre` that are not the melody's.
fn accompany(chord: Chord, melody: i32, centre: f32, count: usize) -> Vec<i32> {
    let [root, third, fifth] = chord.classes;
    let order = match count {
        0 | 1 => [root, fifth, third],
        _ => [root, third, fifth],
    };
    let notes = order.iter().map(|class| nearest(*class, centre));
    notes.filter(|note| *note != melody).take(count).collect()
}

/// Where a note stands in the piece, if that decides it.
#[derive(Clone, Copy, PartialEq)]
enum Edge {
    Opening,
    Second,
    Closing,
    None,
}

/// A random walk over scale and chord tones around the register, which may repeat a pattern.
struct Walk {
    key: Key,
    centre: f32,
    regularity: f32,
    rate: f32,
    last: i32,
    /// The moves of the pattern in semitones.
    moves: Vec<i32>,
}

impl Walk {
    fn new(factors: &MusicFactors, key: Key) -> Self {
        let centre = factors.register + 1.0;
        Self {
            key,
            centre,
            regularity: factors.regularity,
            rate: factors.rate,
            last: centre.round() as i32,
            moves: Vec::with_capacity(PATTERN),
        }
    }

    fn next(&mut self, index: usize, chord: Chord, edge: Edge, dice: &mut Dice) -> i32 {
        let middle = self.centre.round() as i32;
        let candidates: Vec<i32> = (middle - RANGE..=middle + RANGE)
            .filter(|note| self.key.holds(*note))
            .collect();
        let place = index % PATTERN;
        let wanted = self
            .moves
            .get(place)
            .filter(|_| dice.chance(self.regularity));
        let target = wanted.map(|step| self.last + step);
        let weights: Vec<f32> = candidates
            .iter()
            .map(|note| self.weight(*note, chord, edge, target))
            .collect();
        let note = candidates
            .get(dice.weighted(&weights))
            .copied()
            .unwrap_or(middle);
        if self.moves.len() < PATTERN {
            self.moves.push(note - self.last);
        }
        self.last = note;
        note
    }

    fn weight(&self, note: i32, chord: Chord, edge: Edge, target: Option<i32>) -> f32 {
        let is = |degree| i32::from(self.key.class(degree)) == note.rem_euclid(12);
        let tone = match edge {
            Edge::Opening | Edge::Closing if is(0) => 1.0,
            Edge::Closing if is(2) => 1.0,
            Edge::Second if is(2) => 1.0,
            Edge::Opening | Edge::Second | Edge::Closing => 0.01,
            // Tonic and third are what a listener hears the key by.
            Edge::None if chord.holds(note) && (is(0) || is(2)) => 2.0,
            Edge::None if chord.holds(note) && is(5) => 1.5,
            Edge::None if chord.holds(note) => 1.0,
            // Passing notes, in fast music.
            Edge::None => 0.02 * self.rate,
        };
        let away = (note as f32 - self.centre) / 4.5;
        let step = (note - target.unwrap_or(self.last)).abs() as f32;
        let near = if target.is_some() {
            (-2.0 * step).exp()
        } else if step == 0.0 {
            0.25
        } else {
            (-step / 5.0).exp()
        };
        tone * (-0.5 * away * away).exp() * near
    }
}
