//! Loudness: a wanted RMS with peaks that stay below full scale, the same for all pieces.

use super::{
    RATE, Stereo,
    filter::{Biquad, fade},
};
use crate::audio::rms;

/// Above, a sample is bent; it stays below the second.
const KNEE: f32 = 0.85;
const CEILING: f32 = 0.95;
/// The samples that share a gain of the limiter, and how many of them it sees ahead: 4 ms, 16 ms.
const BLOCK: usize = 192;
const REACH: usize = 4;
/// Fades at both ends in samples: 2 ms and 60 ms.
const RISE: usize = 96;
const FALL: usize = 2880;
/// What nobody hears, in Hz.
const LOWEST: f32 = 25.0;

/// Decibels as a factor.
pub fn gain(decibels: f32) -> f32 {
    10f32.powf(decibels / 20.0)
}

/// Fades both ends and brings the RMS of both channels together to `loudness_db` dBFS.
///
/// Peaks that are too high then are lowered by a limiter that sees ahead, both channels alike, and the gain is
/// raised until the RMS is right. Silence stays silence.
pub fn finish(sound: &mut Stereo, loudness_db: f32) {
    for channel in [&mut sound.left, &mut sound.right] {
        Biquad::high_pass(LOWEST, RATE as f32).run(channel);
        fade(channel, RISE, FALL);
    }
    let peaks: Vec<f32> = sound
        .left
        .chunks(BLOCK)
        .zip(sound.right.chunks(BLOCK))
        .map(|(left, right)| {
            left.iter()
                .chain(right)
                .fold(0.0, |peak: f32, x| peak.max(x.abs()))
        })
        .collect();
    let target = gain(loudness_db);
    let mut raised = 1.0;
    let mut out = sound.clone();
    for _ in 0..12 {
        let ratio = target / rms(&out.mono().samples).max(1e-9);
        // Silence, or near enough.
        if ratio > 1e6 || (ratio - 1.0).abs() < 2e-3 {
            break;
        }
        raised *= ratio;
        let gains = gains(&peaks, raised);
        out.left = limit(&sound.left, &gains);
        out.right = limit(&sound.right, &gains);
    }
    *sound = out;
}

/// The gain of each block: `raised`, or what keeps the peaks around it below the knee.
fn gains(peaks: &[f32], raised: f32) -> Vec<f32> {
    let wanted: Vec<f32> = peaks
        .iter()
        .map(|peak| raised * (KNEE / (raised * peak).max(1e-12)).min(1.0))
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
    (0..held.len()).map(|at| around(&held, at, mean)).collect()
}

fn limit(samples: &[f32], gains: &[f32]) -> Vec<f32> {
    let mut out = Vec::with_capacity(samples.len());
    for (block, samples) in samples.chunks(BLOCK).enumerate() {
        let from = gains[block];
        let slope = (gains.get(block + 1).unwrap_or(&from) - from) / BLOCK as f32;
        let bent = samples.iter().enumerate();
        out.extend(bent.map(|(n, x)| bend(x * (from + slope * n as f32))));
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
