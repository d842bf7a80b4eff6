//! Brightness, and the spectra that all estimators share.

use realfft::num_complex::Complex;

use super::{RATE, register};
use crate::audio::stft::Stft;

/// The samples of a frame for brightness, and from a frame to the next.
const SIZE: usize = 1024;
const HOP: usize = 512;

/// The share of the power below the roll-off.
const ROLL_OFF: f32 = 0.99;

/// From here to half the sampling rate, in Hz, there is taken to be noise only.
const NOISE_FROM: f32 = 7500.0;

/// How many octaves of roll-off an octave of register accounts for.
///
/// 0.4 to 0.6 are equal within 0.01 in the correlation with the brightness of synthetic music:
/// roll-off grows with pitch, but by less, as the highest partials are bound by the instrument.
const PER_OCTAVE: f32 = 0.5;

/// Brightness in octaves: the spectral roll-off above 1 kHz, below which lie 99 % of the power
/// (Tzanetakis and Cook 2002, with 85 %), less half the octaves of [`register`] above middle C.
///
/// White noise is measured above 7.5 kHz and subtracted twice before. -1 to 2 is usual, 0 is for
/// silence.
pub fn brightness(samples: &[f32]) -> f32 {
    let mut power = vec![0.0; SIZE / 2 + 1];
    for frame in frames(samples, SIZE, HOP) {
        for (sum, x) in power.iter_mut().zip(frame) {
            *sum += x * x;
        }
    }
    let bin = RATE / SIZE as f32;
    let top = power.split_off((NOISE_FROM / bin) as usize);
    let noise = 2.0 * top.iter().sum::<f32>() / top.len().max(1) as f32;
    power.iter_mut().for_each(|x| *x = (*x - noise).max(0.0));
    let mut left = ROLL_OFF * power.iter().sum::<f32>();
    let reached = power.iter().position(|x| {
        left -= x;
        left < 0.0
    });
    reached.map_or(0.0, |at| {
        let octaves = (at.max(1) as f32 * bin / 1000.0).log2();
        octaves - PER_OCTAVE * (register(samples) - 60.0) / 12.0
    })
}

/// The magnitudes of frames of `size` samples under a Hann window, `hop` samples apart, where a
/// sine of amplitude 1 has 1. Zeros fill the last frame. None for a sound with samples that are not numbers.
pub(super) fn frames(samples: &[f32], size: usize, hop: usize) -> Vec<Vec<f32>> {
    // The window adds up to half its length.
    let scale = 4.0 / size as f64;
    let magnitudes = |bins: Vec<Complex<f64>>| {
        let bins = bins.iter().map(|x| (scale * x.norm()) as f32);
        bins.collect()
    };
    let spectrum = Stft::from_start(size, hop).spectrum(samples);
    let frames = spectrum.unwrap_or_default().into_iter();
    frames.map(magnitudes).collect()
}
