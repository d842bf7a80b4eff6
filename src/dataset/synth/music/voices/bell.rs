//! Bells.

use std::f32::consts::TAU;

use super::{
    super::{RATE, harmony::hertz},
    BLOCK, Envelope, Note, SINE, TOP, cutoff, increment, read, sample_at, tone,
};

/// A bell by frequency modulation at three times the pitch (Chowning 1973), with a partial
/// of a struck bar at 2.76 times; `ring` is the time constant of the decay in seconds.
pub fn bell(sound: &mut [f32], note: Note, brightness: f32, ring: f32) {
    const RATIO: f32 = 3.0;
    const BAR: f32 = 2.76;
    // The pitch itself, which a large index would take from the carrier.
    const STRIKE: f32 = 0.5;
    let frequency = hertz(note.midi);
    // Carson's rule puts the highest partial at f (1 + ratio (index + 1)).
    let most = ((TOP / frequency - 1.0) / RATIO - 1.0).max(0.05);
    let reach = ((cutoff(brightness) / frequency - 1.0) / RATIO).max(0.0);
    let index = (0.04 + 0.4 * brightness * brightness + 0.6 * reach * brightness)
        .min(4.0)
        .min(most);
    let start = sample_at(note.at).min(sound.len());
    let length = sample_at(note.held + 0.4);
    let end = start.saturating_add(length).min(sound.len());
    let (step, side, bar) = (
        increment(frequency),
        increment(RATIO * frequency),
        increment(BAR * frequency),
    );
    let (mut phase, mut modulator, mut struck) = (0u32, 0u32, 0u32);
    let shape = Envelope {
        attack: 0.003,
        decay: ring,
        sustain: 0.0,
        release: 0.1,
    };
    let bar_gain = 0.5 * tone(brightness, 3, BAR * frequency);
    for (block, out) in sound[start..end].chunks_mut(BLOCK).enumerate() {
        let t = block as f32 * BLOCK as f32 / RATE;
        let next = t + BLOCK as f32 / RATE;
        let mut level = note.gain * shape.level(t, note.held);
        let slope = (note.gain * shape.level(next, note.held) - level) / BLOCK as f32;
        let index = index * (0.35 + 0.65 * (-t / (0.5 * ring)).exp());
        let depth = index / TAU * 2f32.powi(32);
        let bar_level = bar_gain * (-t / (0.2 * ring)).exp();
        for x in out {
            let offset = (depth * read(&SINE, modulator)) as i64 as u32;
            let tone = read(&SINE, phase.wrapping_add(offset));
            *x += level * (tone + STRIKE * read(&SINE, phase) + bar_level * read(&SINE, struck));
            level += slope;
            phase = phase.wrapping_add(step);
            modulator = modulator.wrapping_add(side);
            struck = struck.wrapping_add(bar);
        }
    }
}
