//! Onsets.

use super::{RATE, spectrum::frames};

/// The samples of a frame, and from a frame to the next: 10 ms.
const SIZE: usize = 512;
const HOP: usize = 160;

/// The bands, evenly spaced in logarithm of frequency, and their edges in Hz.
const BANDS: usize = 30;
const LOWEST: f32 = 55.0;
const HIGHEST: f32 = 7000.0;

/// How far the logarithm of power reaches below a loud frame: 35 dB.
const DEPTH: f32 = 3000.0;

/// The frames over which power has to rise, so that soft attacks count.
const LAG: usize = 3;

/// An onset is the highest within so many frames on either side, ...
const NEAR: usize = 4;
/// ... rises over the mean of so many on either side by this factor ...
const WIDE: usize = 20;
const OVER_MEAN: f32 = 1.15;
/// ... and this share of the piece's strong onsets, and over what noise makes.
const OVER_STRONG: f32 = 0.25;
const LEAST: f32 = 1.0;

/// The least time between onsets in frames.
const APART: usize = 6;

/// Note onsets per second; 0 for silence.
///
/// They are peaks of the spectral flux: the summed rises of log power in bands over 30 ms (with
/// the adaptive threshold of Bello et al. 2005 and the lag of SuperFlux, Böck and Widmer 2013).
pub fn note_rate(samples: &[f32]) -> f32 {
    let seconds = samples.len() as f32 / RATE;
    if seconds == 0.0 {
        return 0.0;
    }
    count_peaks(&onset_envelope(samples)) as f32 / seconds
}

/// How much begins at each time, in steps of 10 ms and in no unit: the spectral flux of [`note_rate`].
pub fn onset_envelope(samples: &[f32]) -> Vec<f32> {
    flux(&bands(samples))
}

/// The power of each frame in each band. A frame of silence leads, for a sound that begins at
/// once.
fn bands(samples: &[f32]) -> Vec<[f32; BANDS]> {
    let mut led = vec![0.0; SIZE];
    led.extend_from_slice(samples);
    let octaves = (HIGHEST / LOWEST).log2();
    let place = |bin: usize| {
        let hz = bin as f32 * RATE / SIZE as f32;
        (hz / LOWEST).log2() / octaves * BANDS as f32
    };
    let places: Vec<f32> = (0..=SIZE / 2).map(place).collect();
    let band = |frame: Vec<f32>| {
        let mut bands = [0.0; BANDS];
        for (x, place) in frame.iter().zip(&places) {
            if (0.0..BANDS as f32).contains(place) {
                bands[*place as usize] += x * x;
            }
        }
        bands
    };
    frames(&led, SIZE, HOP).into_iter().map(band).collect()
}

/// The rises of log power, relative to a loud frame and smoothed over three frames.
fn flux(bands: &[[f32; BANDS]]) -> Vec<f32> {
    let powers = bands.iter().map(|bands| bands.iter().sum::<f32>());
    let loud = quantile(powers.collect(), 0.9).max(1e-10);
    let logs: Vec<[f32; BANDS]> = bands
        .iter()
        .map(|bands| bands.map(|power| (1.0 + DEPTH * power / loud).ln()))
        .collect();
    let rise = |(now, before): (&[f32; BANDS], &[f32; BANDS])| -> f32 {
        now.iter()
            .zip(before)
            .map(|(now, before)| (now - before).max(0.0))
            .sum()
    };
    let rises: Vec<f32> = logs.iter().skip(LAG).zip(&logs).map(rise).collect();
    let at = |index: usize| rises.get(index).copied().unwrap_or_default();
    (0..rises.len())
        .map(|t| 0.25 * at(t.wrapping_sub(1)) + 0.5 * at(t) + 0.25 * at(t + 1))
        .collect()
}

fn count_peaks(flux: &[f32]) -> usize {
    let strong = quantile(flux.to_vec(), 0.97);
    let around =
        |t: usize, reach: usize| &flux[t.saturating_sub(reach)..(t + reach + 1).min(flux.len())];
    let mut count = 0;
    let mut last = None;
    for (t, here) in flux.iter().enumerate() {
        let wide = around(t, WIDE);
        let mean = wide.iter().sum::<f32>() / wide.len() as f32;
        let peak = around(t, NEAR).iter().all(|x| x <= here);
        let high = *here > LEAST.max(OVER_MEAN * mean + OVER_STRONG * strong);
        if peak && high && last.is_none_or(|last| t - last >= APART) {
            count += 1;
            last = Some(t);
        }
    }
    count
}

/// The value that this share of the values is below; 0 if there are none.
fn quantile(mut values: Vec<f32>, share: f32) -> f32 {
    values.sort_by(f32::total_cmp);
    let at = (values.len() as f32 * share) as usize;
    values.get(at).copied().unwrap_or_default()
}
