//! Instruments: band-limited wavetables, plucked strings, FM bells, drums.
//!
//! All add to a clip of 16 kHz; `at` and durations are in seconds, gains linear.

mod bell;
mod drums;
mod plucked;
mod wavetable;

use std::{f32::consts::TAU, sync::LazyLock};

use super::RATE;

pub use bell::bell;
pub use drums::{hit, kick};
pub use plucked::pluck;
pub use wavetable::Wavetable;

/// The samples of a wavetable, a power of two.
const TABLE: usize = 2048;
const TABLE_BITS: u32 = TABLE.ilog2();

/// Nothing is synthesised above, in Hz.
const TOP: f32 = 7000.0;

/// The samples between two values of an envelope.
const BLOCK: usize = 32;

static SINE: LazyLock<Vec<f32>> = LazyLock::new(|| {
    (0..TABLE)
        .map(|i| (TAU * i as f32 / TABLE as f32).sin())
        .collect()
});

/// The cut-off of a brightness in Hz, the same for all families.
pub fn cutoff(brightness: f32) -> f32 {
    420.0 * 15f32.powf(brightness)
}

/// The gain of a partial by its number and frequency: a tilt relative to the fundamental, from
/// -15 dB to -3 dB an octave, and a second-order low-pass at [`cutoff`].
pub fn tone(brightness: f32, partial: usize, frequency: f32) -> f32 {
    let tilt = (partial as f32).powf((12.0 * brightness - 15.0) / 6.02);
    let above = frequency / cutoff(brightness);
    let edge = ((TOP - frequency) / 700.0).clamp(0.0, 1.0);
    tilt * edge / (1.0 + above.powi(4)).sqrt()
}

/// Attack, exponential decay towards a sustained level, release.
#[derive(Debug, Clone, Copy)]
pub struct Envelope {
    /// The rise in seconds.
    pub attack: f32,
    /// The time constant of the decay in seconds.
    pub decay: f32,
    /// The level it decays to.
    pub sustain: f32,
    /// The time constant after the note in seconds.
    pub release: f32,
}

impl Envelope {
    /// The level at `t` of a note that is held for `held` seconds.
    fn level(&self, t: f32, held: f32) -> f32 {
        let rise = (t / self.attack).min(1.0);
        let rise = rise * rise * (3.0 - 2.0 * rise);
        let since = (t - self.attack).max(0.0);
        let body = self.sustain + (1.0 - self.sustain) * (-since / self.decay).exp();
        rise * body * (-(t - held).max(0.0) / self.release).exp()
    }
}

/// A note to be played.
#[derive(Debug, Clone, Copy)]
pub struct Note {
    /// Its beginning in seconds.
    pub at: f32,
    /// How long it is held in seconds.
    pub held: f32,
    /// Its MIDI number, with fractions for detuning.
    pub midi: f32,
    /// Its gain.
    pub gain: f32,
}

impl Note {
    /// The same note, detuned by so many cents.
    pub fn detuned(self, cents: f32) -> Self {
        let midi = self.midi + cents / 100.0;
        Self { midi, ..self }
    }

    /// The same note with so many times the gain.
    pub fn louder(self, factor: f32) -> Self {
        let gain = self.gain * factor;
        Self { gain, ..self }
    }
}

/// The sample at a time in seconds.
fn sample_at(seconds: f32) -> usize {
    (seconds * RATE) as usize
}

/// The increment for each sample of a phase of 2^32 to the period.
fn increment(frequency: f32) -> u32 {
    (frequency / RATE * 2f32.powi(32)) as u32
}

/// A table at a phase of 2^32 to the period, linearly interpolated.
#[inline]
fn read(table: &[f32], phase: u32) -> f32 {
    let index = (phase >> (32 - TABLE_BITS)) as usize;
    let part = (phase << TABLE_BITS) as f32 * 2f32.powi(-32);
    let here = table[index & (TABLE - 1)];
    let next = table[(index + 1) & (TABLE - 1)];
    here + part * (next - here)
}
