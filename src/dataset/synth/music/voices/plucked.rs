//! Plucked strings.

use std::f32::consts::PI;

use super::{
    super::{RATE, dice::Dice, harmony::hertz},
    Note, TABLE, sample_at, tone,
    wavetable::period,
};

/// A plucked string: Karplus and Strong (1983) with the fractional delay and the adjustable
/// decay of Jaffe and Smith (1983).
///
/// It starts from one band-limited period, plucked at a fifth of its length; `ring` is the time
/// constant of the decay in seconds.
pub fn pluck(sound: &mut [f32], note: Note, brightness: f32, ring: f32, dice: &mut Dice) {
    let frequency = hertz(note.midi);
    let blend = 0.5 * (1.0 - 0.9 * brightness) * (300.0 / frequency).powi(2).min(1.0);
    let delay = RATE / frequency - blend;
    let whole = (delay - 0.3).max(2.0) as usize;
    let part = delay - whole as f32;
    let allpass = (1.0 - part) / (1.0 + part);
    let mut line = string(frequency, brightness, whole, dice);
    let loss = (-1.0 / (ring * frequency)).exp();
    let damp = (-1.0 / (0.05 * RATE)).exp();
    let start = sample_at(note.at).min(sound.len());
    let held = sample_at(note.held);
    let end = start
        .saturating_add(held + sample_at(0.25))
        .min(sound.len());
    let (mut before, mut input, mut output) = (0.0, 0.0, 0.0);
    let mut at = 0;
    let mut gain = note.gain;
    for (n, x) in sound[start..end].iter_mut().enumerate() {
        let here = line[at];
        *x += gain * here;
        let smooth = loss * (here + blend * (before - here));
        before = here;
        output = allpass * (smooth - output) + input;
        input = smooth;
        line[at] = output;
        at = if at + 1 == line.len() { 0 } else { at + 1 };
        if n > held {
            gain *= damp;
        }
    }
}

/// The first period of a string, with RMS 1.
fn string(frequency: f32, brightness: f32, length: usize, dice: &mut Dice) -> Vec<f32> {
    let spot = dice.between(0.16, 0.24);
    let table = period(frequency, |partial, hz| {
        (PI * partial as f32 * spot).sin().abs().max(0.1) * tone(brightness, partial, hz)
    });
    (0..length)
        .map(|i| table[i * TABLE / length.max(1)])
        .collect()
}
