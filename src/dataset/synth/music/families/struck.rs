//! Families of struck and plucked tones, which decay by themselves.

use super::{
    super::{
        dice::Dice,
        harmony::hertz,
        score::Step,
        voices::{Envelope, Note, Wavetable, bell, pluck},
    },
    Part,
};

/// Struck tones: chords where the harmony changes, arpeggios between.
pub fn piano(part: &Part, sound: &mut [f32]) {
    let struck = |midi: i32, gap: f32| Envelope {
        attack: 0.004,
        // High strings ring for a shorter time.
        decay: (9.0 / hertz(midi as f32).sqrt() + 0.35 * gap).clamp(0.2, 1.4),
        sustain: 0.0,
        release: 0.08,
    };
    let mut voice = Wavetable::new(part.factors.brightness, 0.5, |partial, _| {
        // Struck at an eighth of the string.
        let node = (std::f32::consts::PI * partial as f32 / 8.0).sin().abs();
        0.3 + 0.7 * node
    });
    for (index, step) in part.steps.iter().enumerate() {
        for (place, midi) in chosen(step, index, part.factors.rate) {
            let note = Note {
                at: step.at,
                held: 1.6 * step.gap,
                midi: midi as f32,
                gain: step.accent * if place == 0 { 1.0 } else { 0.6 },
            };
            voice.play(sound, note, struck(midi, step.gap));
        }
    }
}

/// The notes of a step: all of slow music and of a new chord, otherwise the melody and one more.
fn chosen(step: &Step, index: usize, rate: f32) -> impl Iterator<Item = (usize, i32)> {
    let full = step.strong || rate < 2.0;
    let others = step.inner.len().max(1);
    step.notes()
        .enumerate()
        .filter(move |(place, _)| full || *place == 0 || place - 1 == index % others)
}

/// Picked strings, with strums where the harmony changes.
pub fn strings(part: &Part, dice: &mut Dice, sound: &mut [f32]) {
    let brightness = part.factors.brightness;
    for (index, step) in part.steps.iter().enumerate() {
        for (place, midi) in chosen(step, index, part.factors.rate) {
            let note = Note {
                at: step.at + 0.004 * place as f32,
                held: 1.5 * step.gap,
                midi: midi as f32,
                gain: step.accent * if place == 0 { 1.0 } else { 0.6 },
            };
            let ring = (0.5 + 0.3 * step.gap) * (72.0 / midi as f32).clamp(0.7, 1.5);
            pluck(sound, note, brightness, ring, dice);
        }
    }
}

/// Bells that ring into each other.
pub fn bells(part: &Part, sound: &mut [f32]) {
    let brightness = part.factors.brightness;
    for (index, step) in part.steps.iter().enumerate() {
        for (place, midi) in chosen(step, index, part.factors.rate) {
            let note = Note {
                at: step.at,
                held: 1.8 * step.gap + 0.2,
                midi: midi as f32,
                gain: step.accent * if place == 0 { 1.0 } else { 0.55 },
            };
            bell(sound, note, brightness, 0.35 + 0.5 * step.gap);
        }
    }
}
