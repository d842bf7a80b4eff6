//! What is done to a whole clip: room, swells, filters, fades, level.

use std::f32::consts::{PI, TAU};

use super::{MusicFactors, RATE, dice::Dice, score::decibels_to_gain};
use crate::audio::rms;

/// The early reflections: delay in samples (11 to 53 ms) and gain.
const REFLECTIONS: [(usize, f32); 5] = [
    (179, 0.16),
    (293, 0.13),
    (419, 0.11),
    (613, 0.08),
    (853, 0.06),
];

/// The recirculating delays of the reverberation (Schroeder 1962) in samples.
const COMBS: [usize; 2] = [1117, 1381];

/// Above, a sample is bent; it stays below the second.
const KNEE: f32 = 0.9;
const CEILING: f32 = 0.98;

/// The samples that share a gain of the limiter: 4 ms.
const BLOCK: usize = 64;

/// Finishes a clip.
pub fn finish(sound: Vec<f32>, factors: &MusicFactors, dice: &mut Dice) -> Vec<f32> {
    let mut sound = room(&sound);
    swell(&mut sound, factors.dynamics, dice);
    clean(&mut sound);
    fade(&mut sound);
    level(&sound, decibels_to_gain(factors.loudness))
}

/// Early reflections and a little reverberation.
fn room(dry: &[f32]) -> Vec<f32> {
    let mut wet = dry.to_vec();
    for (delay, gain) in REFLECTIONS {
        for (y, x) in wet.iter_mut().skip(delay).zip(dry) {
            *y += gain * x;
        }
    }
    for delay in COMBS {
        let mut line = vec![0.0f32; delay];
        let mut soft = 0.0;
        for (samples, wet) in dry.chunks(delay).zip(wet.chunks_mut(delay)) {
            for ((x, y), memory) in samples.iter().zip(wet).zip(&mut line) {
                soft += 0.5 * (*memory - soft);
                *y += 0.1 * *memory;
                *memory = x + 0.6 * soft;
            }
        }
    }
    wet
}

/// Slow swells of up to 10 dB.
fn swell(sound: &mut [f32], dynamics: f32, dice: &mut Dice) {
    let period = dice.between(2.5, 5.0) * RATE;
    let phase = dice.unit();
    let gain = |n: f32| {
        let wave = 0.5 - 0.5 * (TAU * (n / period + phase)).cos();
        decibels_to_gain(-10.0 * dynamics * wave)
    };
    let mut from = gain(0.0);
    for (block, samples) in sound.chunks_mut(BLOCK).enumerate() {
        let to = gain(((block + 1) * BLOCK) as f32);
        let slope = (to - from) / BLOCK as f32;
        for (n, x) in samples.iter_mut().enumerate() {
            *x *= from + slope * n as f32;
        }
        from = to;
    }
}

/// A high-pass at 25 Hz and a low-pass at 7 kHz, Butterworth of second order.
fn clean(sound: &mut [f32]) {
    let root = 0.5f32.sqrt();
    let section = |hz: f32| {
        let w = TAU * hz / RATE;
        (w.cos(), w.sin() * root)
    };
    let (high_cos, high_alpha) = section(25.0);
    let high = Biquad::new((1.0 + high_cos) / 2.0, -1.0, high_cos, high_alpha);
    let (low_cos, low_alpha) = section(7000.0);
    let low = Biquad::new((1.0 - low_cos) / 2.0, 1.0, low_cos, low_alpha);
    for mut filter in [high, low] {
        sound.iter_mut().for_each(|x| *x = filter.next(*x));
    }
}

/// A second-order section of the audio EQ cookbook (Bristow-Johnson).
struct Biquad {
    b: [f32; 3],
    a: [f32; 2],
    state: [f32; 2],
}

impl Biquad {
    /// Numerator `outer (1 + 2 sign z + z^2)`.
    fn new(outer: f32, sign: f32, cos: f32, alpha: f32) -> Self {
        let scale = 1.0 / (1.0 + alpha);
        Self {
            b: [outer, 2.0 * sign * outer, outer].map(|b| b * scale),
            a: [-2.0 * cos * scale, (1.0 - alpha) * scale],
            state: [0.0; 2],
        }
    }

    fn next(&mut self, x: f32) -> f32 {
        let y = self.b[0] * x + self.state[0];
        self.state[0] = self.b[1] * x - self.a[0] * y + self.state[1];
        self.state[1] = self.b[2] * x - self.a[1] * y;
        y
    }
}

/// Fades in over 5 ms and out over 50 ms, with raised cosines.
fn fade(sound: &mut [f32]) {
    let ramp = |n: usize, count: usize| 0.5 - 0.5 * (PI * n as f32 / count as f32).cos();
    let (rise, fall) = (80, 800);
    for (n, x) in sound.iter_mut().take(rise).enumerate() {
        *x *= ramp(n, rise);
    }
    for (n, x) in sound.iter_mut().rev().take(fall).enumerate() {
        *x *= ramp(n, fall);
    }
}

/// Brings a clip to an RMS, with peaks below [`CEILING`].
fn level(sound: &[f32], target: f32) -> Vec<f32> {
    let mut gain = 1.0;
    let mut out = sound.to_vec();
    let peaks: Vec<f32> = sound
        .chunks(BLOCK)
        .map(|block| block.iter().fold(0.0, |peak: f32, x| peak.max(x.abs())))
        .collect();
    for _ in 0..16 {
        let now = rms(&out);
        let ratio = target / now;
        // Silence stays silence.
        if now < 1e-9 || (ratio - 1.0).abs() < 1e-3 {
            break;
        }
        gain *= ratio;
        out = limit(sound, &peaks, gain);
    }
    out
}

/// Applies a gain that yields around peaks, then a soft knee.
fn limit(sound: &[f32], peaks: &[f32], gain: f32) -> Vec<f32> {
    const REACH: usize = 3;
    let wanted: Vec<f32> = peaks
        .iter()
        .map(|peak| gain * (KNEE / (gain * peak).max(1e-12)).min(1.0))
        .collect();
    let around = |values: &[f32], at: usize, fold: fn(&[f32]) -> f32| {
        let end = (at + REACH + 1).min(values.len());
        fold(&values[at.saturating_sub(REACH)..end])
    };
    let lowest = |values: &[f32]| values.iter().fold(f32::INFINITY, |a, b| a.min(*b));
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    let held: Vec<f32> = (0..wanted.len())
        .map(|at| around(&wanted, at, lowest))
        .collect();
    let gains: Vec<f32> = (0..held.len()).map(|at| around(&held, at, mean)).collect();
    let mut out = Vec::with_capacity(sound.len());
    for (block, samples) in sound.chunks(BLOCK).enumerate() {
        let from = gains[block];
        let slope = (gains.get(block + 1).unwrap_or(&from) - from) / BLOCK as f32;
        let bent = samples
            .iter()
            .enumerate()
            .map(|(n, x)| bend(x * (from + slope * n as f32)));
        out.extend(bent);
    }
    out
}

fn bend(x: f32) -> f32 {
    let over = x.abs() - KNEE;
    if over <= 0.0 {
        return x;
    }
    let room = CEILING - KNEE;
    (KNEE + room * (over / room).tanh()).copysign(x)
}
