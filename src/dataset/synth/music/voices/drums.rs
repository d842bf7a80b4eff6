//! Drums.

use std::f32::consts::TAU;

use super::{super::RATE, cutoff};

/// A kick drum from the start of `out`: a falling sine.
pub fn kick(out: &mut [f32], gain: f32) {
    let mut phase = 0.0f32;
    for (n, x) in out.iter_mut().take(2400).enumerate() {
        let t = n as f32 / RATE;
        phase += TAU * (50.0 + 90.0 * (-t / 0.02).exp()) / RATE;
        *x += gain * (t / 0.002).min(1.0) * (-t / 0.035).exp() * phase.sin();
    }
}

/// A snare or a hat from the start of `out`: `noise` below the cut-off of the brightness, with a
/// time constant of `decay` seconds.
pub fn hit(out: &mut [f32], noise: &[f32], brightness: f32, gain: f32, decay: f32) {
    let pole = 1.0 - (-TAU * cutoff(brightness) / RATE).exp();
    let (mut once, mut twice) = (0.0, 0.0);
    let fall = (-1.0 / (decay * RATE)).exp();
    let mut level = gain * (0.4 + brightness);
    for (x, noise) in out.iter_mut().zip(noise) {
        once += pole * (noise - once);
        twice += pole * (once - twice);
        *x += level * twice;
        level *= fall;
    }
}
