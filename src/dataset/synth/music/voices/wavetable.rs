//! Instruments with periodic tones.

use std::{collections::BTreeMap, f32::consts::TAU};

use super::{
    super::{RATE, harmony::hertz},
    BLOCK, Envelope, Note, SINE, TABLE, TOP, increment, read, sample_at, tone,
};

/// The rate of a vibrato in Hz.
const VIBRATO: f32 = 5.5;

/// One period at the start of a note, and what it turns into.
struct Tables {
    early: Vec<f32>,
    late: Vec<f32>,
}

/// A wavetable instrument: tables per semitone, made when first needed.
pub struct Wavetable<F> {
    spectrum: F,
    brightness: f32,
    fade: f32,
    vibrato: f32,
    tables: BTreeMap<i32, Tables>,
}

impl<F: Fn(usize, f32) -> f32> Wavetable<F> {
    /// An instrument with the amplitudes `spectrum(partial, Hz)` times [`tone`], which grow
    /// darker with the time constant `fade` in seconds.
    pub fn new(brightness: f32, fade: f32, spectrum: F) -> Self {
        Self {
            spectrum,
            brightness,
            fade,
            vibrato: 0.0,
            tables: BTreeMap::new(),
        }
    }

    /// The same instrument with a vibrato of so many cents up and down, which sets in slowly.
    pub fn with_vibrato(self, cents: f32) -> Self {
        Self {
            vibrato: cents,
            ..self
        }
    }

    /// Adds a note.
    pub fn play(&mut self, sound: &mut [f32], note: Note, envelope: Envelope) {
        let spectrum = &self.spectrum;
        let brightness = self.brightness;
        let semitone = note.midi.round() as i32;
        let tables = self.tables.entry(semitone).or_insert_with(|| {
            let frequency = hertz(semitone as f32);
            let period = |brightness: f32| {
                period(frequency, |partial, hz| {
                    spectrum(partial, hz) * tone(brightness, partial, hz)
                })
            };
            Tables {
                early: period(brightness),
                late: period((brightness - 0.15).max(0.0)),
            }
        });
        let start = sample_at(note.at).min(sound.len());
        let length = sample_at(note.held + 4.0 * envelope.release);
        let end = start.saturating_add(length).min(sound.len());
        let step = increment(hertz(note.midi));
        let mut phase = 0u32;
        let gains = |t: f32| {
            let level = note.gain * envelope.level(t, note.held);
            let early = (-t / self.fade).exp();
            (level * early, level * (1.0 - early))
        };
        let mut from = gains(0.0);
        for (block, out) in sound[start..end].chunks_mut(BLOCK).enumerate() {
            let t = block as f32 * BLOCK as f32 / RATE;
            let bend = self.vibrato * (t / 0.25).min(1.0) * (TAU * VIBRATO * t).sin();
            let step = (step as f32 * (bend / 1200.0).exp2()) as u32;
            let to = gains((block + 1) as f32 * BLOCK as f32 / RATE);
            let slope = (
                (to.0 - from.0) / BLOCK as f32,
                (to.1 - from.1) / BLOCK as f32,
            );
            let (mut a, mut b) = from;
            for x in out {
                *x += a * read(&tables.early, phase) + b * read(&tables.late, phase);
                a += slope.0;
                b += slope.1;
                phase = phase.wrapping_add(step);
            }
            from = to;
        }
    }
}

/// One period with the given amplitudes at multiples of `frequency`, with RMS 1.
///
/// Phases grow with the square of the partial (Schroeder 1970), for a low crest factor.
pub(super) fn period(frequency: f32, amplitude: impl Fn(usize, f32) -> f32) -> Vec<f32> {
    let mut table = vec![0.0; TABLE];
    let count = (TOP / frequency) as usize;
    let mut power = 0.0;
    for partial in 1..=count {
        let a = amplitude(partial, partial as f32 * frequency);
        if partial > 1 && a * a < 1e-8 * power {
            continue;
        }
        power += a * a / 2.0;
        let mut at = TABLE * partial * partial / (2 * count.max(1));
        for x in &mut table {
            *x += a * SINE[at & (TABLE - 1)];
            at += partial;
        }
    }
    let scale = 1.0 / power.max(1e-20).sqrt();
    table.iter_mut().for_each(|x| *x *= scale);
    table
}
