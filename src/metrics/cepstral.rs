//! How far two log-mel spectrograms are apart: mel-cepstral distortion.
//!
//! Spectrograms are rows of natural logarithms, one row a frame; `bands` numbers make a row. Those of power give
//! decibels as they are; of amplitudes, as HiFi-GAN's are, decibels come out halved.

use crate::{Error, Result};

/// The cepstral coefficients that count, from the first on: the 0th is loudness.
const COEFFICIENTS: usize = 13;
/// Decibels of a natural logarithm of power.
const DECIBELS: f64 = 10.0 / std::f64::consts::LN_10;

/// How frames of two spectrograms are paired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alignment {
    /// By their number, as far as both go.
    Time,
    /// By dynamic time warping: each frame has one or more partners in the same order, so that all pairs together are
    /// nearest (Sakoe and Chiba, "Dynamic Programming Algorithm Optimization for Spoken Word Recognition", 1978).
    Warped,
}

/// Mel-cepstral distortion in dB: the mean over pairs of frames of `10 / ln 10 sqrt(2 sum d^2)`, where `d` are the
/// differences of the coefficients 1 to 13 of the cosine transform `c[k] = mean over n of x[n] cos(pi k (n + 1/2) / bands)`.
///
/// Kubichek, "Mel-Cepstral Distance Measure for Objective Speech Quality Assessment", 1993. With this transform a row is
/// `c[0] + 2 sum of c[k] cos(..)`, so a ripple of 1 dB over the bands counts as its effective value, 0.71 dB.
pub fn cepstral_distortion(a: &[f32], b: &[f32], bands: usize, by: Alignment) -> Result<f64> {
    check(a, b, bands)?;
    let (a, b) = (cepstra(a, bands), cepstra(b, bands));
    Ok(match by {
        Alignment::Time => {
            let pairs = a.iter().zip(&b).map(|(a, b)| distortion(a, b));
            pairs.sum::<f64>() / a.len().min(b.len()) as f64
        }
        Alignment::Warped => warped(&a, &b),
    })
}

/// Both must have whole frames, at least one, of numbers.
fn check(a: &[f32], b: &[f32], bands: usize) -> Result<()> {
    let whole = |x: &[f32]| !x.is_empty() && x.len().is_multiple_of(bands);
    let finite = a.iter().chain(b).all(|x| x.is_finite());
    if bands > COEFFICIENTS && whole(a) && whole(b) && finite {
        return Ok(());
    }
    Err(Error::input(
        format!(
            "spectrograms of {} and {} numbers cannot be compared as frames of {bands} bands",
            a.len(),
            b.len()
        ),
        format!("give whole frames of more than {COEFFICIENTS} finite numbers"),
    ))
}

/// The coefficients that count, of every frame.
fn cepstra(mel: &[f32], bands: usize) -> Vec<[f64; COEFFICIENTS]> {
    let step = std::f64::consts::PI / bands as f64;
    let table: Vec<f64> = (1..=COEFFICIENTS)
        .flat_map(|k| (0..bands).map(move |n| (step * k as f64 * (n as f64 + 0.5)).cos()))
        .collect();
    let frame = |row: &[f32]| {
        std::array::from_fn(|k| {
            let cosines = &table[k * bands..][..bands];
            let products = row.iter().zip(cosines).map(|(x, c)| f64::from(*x) * c);
            products.sum::<f64>() / bands as f64
        })
    };
    mel.chunks_exact(bands).map(frame).collect()
}

/// Of two frames, in dB.
fn distortion(a: &[f64; COEFFICIENTS], b: &[f64; COEFFICIENTS]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (a - b).powi(2));
    DECIBELS * (2.0 * squares.sum::<f64>()).sqrt()
}

/// The mean over the pairs of the cheapest path from the first pair to the last; of paths of one cost the shortest.
fn warped(a: &[[f64; COEFFICIENTS]], b: &[[f64; COEFFICIENTS]]) -> f64 {
    // Of the best path to each pair of the row before: its cost and its pairs.
    let mut before: Vec<(f64, usize)> = Vec::new();
    for (i, a) in a.iter().enumerate() {
        let mut row: Vec<(f64, usize)> = Vec::with_capacity(b.len());
        for (j, b) in b.iter().enumerate() {
            let ways = [
                row.last().copied(),
                before.get(j).copied(),
                j.checked_sub(1).and_then(|j| before.get(j).copied()),
            ];
            let cheaper = |x: &(f64, usize), y: &(f64, usize)| {
                x.0.total_cmp(&y.0).then_with(|| x.1.cmp(&y.1))
            };
            let best = ways.into_iter().flatten().min_by(cheaper);
            let (cost, pairs) = best.filter(|_| i + j > 0).unwrap_or((0.0, 0));
            row.push((cost + distortion(a, b), pairs + 1));
        }
        before = row;
    }
    before
        .last()
        .map_or(0.0, |(cost, pairs)| cost / *pairs as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BANDS: usize = 40;

    /// Frames without a pattern.
    fn spectrogram(seed: u64, frames: usize) -> Vec<f32> {
        crate::random::standard_normal(seed, 3, frames * BANDS)
    }

    fn time(a: &[f32], b: &[f32]) -> f64 {
        cepstral_distortion(a, b, BANDS, Alignment::Time).unwrap()
    }

    fn warp(a: &[f32], b: &[f32]) -> f64 {
        cepstral_distortion(a, b, BANDS, Alignment::Warped).unwrap()
    }

    #[test]
    fn a_ripple_counts_as_its_effective_value() {
        let a = spectrogram(1, 7);
        let ripple = |amplitude: f64, order: usize| -> Vec<f32> {
            let wave = |n: usize| {
                let turn = std::f64::consts::PI * order as f64 * (n as f64 + 0.5) / BANDS as f64;
                (amplitude * turn.cos()) as f32
            };
            let each = a.iter().enumerate();
            each.map(|(at, x)| x + wave(at % BANDS)).collect()
        };
        let level = 0.8 * DECIBELS / 2f64.sqrt();
        for order in [1, 5, 13] {
            let b = ripple(0.8, order);
            assert!((time(&a, &b) - level).abs() < 1e-4, "{order}");
        }
        // What is finer than 13 ripples, and loudness, are not counted.
        let louder: Vec<f32> = a.iter().map(|x| x + 2.0).collect();
        for b in [ripple(0.8, 14), louder] {
            assert!(time(&a, &b) < 1e-4);
        }
    }

    #[test]
    fn warping_finds_what_was_stretched() {
        let a = spectrogram(1, 12);
        // Each frame twice, and the last one five times.
        let frames: Vec<&[f32]> = a.chunks_exact(BANDS).collect();
        let mut slow: Vec<f32> = frames
            .iter()
            .flat_map(|frame| [*frame, *frame].concat())
            .collect();
        slow.extend(frames[11].repeat(3));
        assert!(warp(&a, &slow) < 1e-9 && warp(&slow, &a) < 1e-9);
        assert!(time(&a, &slow) > 1.0);
        // Warping is never worse than pairing by time where both have as many frames.
        for seed in 2..6 {
            let b = spectrogram(seed, 12);
            assert!(warp(&a, &b) <= time(&a, &b) + 1e-9);
            assert!((warp(&a, &b) - warp(&b, &a)).abs() < 1e-9);
        }
    }

    /// All paths of two short spectrograms, one by one.
    #[test]
    fn warping_finds_the_cheapest_path() {
        fn all(
            costs: &[Vec<f64>],
            i: usize,
            j: usize,
            cost: f64,
            pairs: usize,
            best: &mut (f64, usize),
        ) {
            let (cost, pairs) = (cost + costs[i][j], pairs + 1);
            if i + 1 == costs.len() && j + 1 == costs[0].len() {
                if (cost, pairs) < *best {
                    *best = (cost, pairs);
                }
                return;
            }
            for (next_i, next_j) in [(i, j + 1), (i + 1, j), (i + 1, j + 1)] {
                if next_i < costs.len() && next_j < costs[0].len() {
                    all(costs, next_i, next_j, cost, pairs, best);
                }
            }
        }
        for seed in 1..20 {
            let (a, b) = (spectrogram(seed, 4), spectrogram(seed + 100, 5));
            let (ours, theirs) = (cepstra(&a, BANDS), cepstra(&b, BANDS));
            let row = |a| theirs.iter().map(|b| distortion(a, b)).collect();
            let costs: Vec<Vec<f64>> = ours.iter().map(row).collect();
            let mut best = (f64::INFINITY, 0);
            all(&costs, 0, 0, 0.0, 0, &mut best);
            assert!((warp(&a, &b) - best.0 / best.1 as f64).abs() < 1e-9);
        }
    }

    #[test]
    fn what_is_no_spectrogram_is_refused() {
        let a = spectrogram(1, 2);
        let mut broken = a.clone();
        broken[3] = f32::NAN;
        for (a, b, bands) in [
            (&a[..], &[][..], BANDS),
            (&a[..], &a[1..], BANDS),
            (&a[..], &broken[..], BANDS),
            (&a[..], &a[..], 10),
        ] {
            for by in [Alignment::Time, Alignment::Warped] {
                let error = cepstral_distortion(a, b, bands, by).unwrap_err();
                assert!(error.to_string().contains("cannot be compared"), "{error}");
            }
        }
    }
}
