//! Changing the sample rate with a windowed sinc, as torchaudio's `resample` does by default.
//!
//! With the rates reduced to `from` and `to` and `base = 0.99 * min(from, to)`, output sample `j` is
//!
//! ```text
//! sum over k of x[k] * base/from * sinc(t) * cos(pi t / 12)^2,   t = base * (k/from - j/to), |t| < 6
//! ```
//!
//! where `sinc(t) = sin(pi t) / (pi t)` and samples outside the signal are 0: a Hann window over six
//! zero crossings on each side and a cut-off at 0.99 of the lower Nyquist frequency.

use std::f64::consts::PI;

use crate::{Error, ErrorKind, Result};

/// The zero crossings of the sinc on each side.
const CROSSINGS: f64 = 6.0;

/// The cut-off, relative to the lower of the two Nyquist frequencies.
const ROLLOFF: f64 = 0.99;

/// The most samples that come out: 2 GiB, or 9 hours at 16 kHz.
const MAX_SAMPLES: u64 = 1 << 29;

/// The most weights that are kept; beyond it they are computed anew for each sample.
const MAX_TABLE: u64 = 1 << 22;

/// The samples at `to` Hz instead of `from` Hz: `ceil(samples * to / from)` of them.
///
/// Equal rates give the samples as they are. Fails for a rate of 0 and for results beyond 2^29
/// samples.
///
/// ```
/// let second = art2mus::audio::resample::resample(&[0.0; 44_100], 44_100, 16_000)?;
/// assert_eq!(second.len(), 16_000);
/// # Ok::<(), art2mus::Error>(())
/// ```
pub fn resample(samples: &[f32], from: u32, to: u32) -> Result<Vec<f32>> {
    if from == 0 || to == 0 {
        return Err(Error::input(
            "a sound has a sample rate of 0 Hz",
            "give its rate in samples per second",
        ));
    }
    if from == to {
        return Ok(samples.to_vec());
    }
    let divisor = greatest_common_divisor(from, to);
    let (from, to) = (u64::from(from / divisor), u64::from(to / divisor));
    let count = u64::try_from(samples.len())
        .ok()
        .and_then(|length| length.checked_mul(to))
        .map(|length| length.div_ceil(from))
        .filter(|count| *count <= MAX_SAMPLES)
        .ok_or_else(too_long)?;
    let filter = Filter::new(from, to);

    // Output `j` lies at `j * from / to` of the input; only the fraction decides on the weights.
    let position = |j: u64| ((j * from / to) as i64, (j * from % to) as f64 / to as f64);
    let fits = (filter.width() * to as f64) < MAX_TABLE as f64 && to <= count;
    let table: Vec<Taps> = if fits {
        (0..to).map(|j| filter.taps(position(j).1)).collect()
    } else {
        Vec::new()
    };
    let out = (0..count).map(|j| {
        let (whole, fraction) = position(j);
        match table.get((j % to) as usize) {
            Some(taps) => taps.sum(samples, whole),
            None => filter.sum(samples, whole, fraction),
        }
    });
    Ok(out.collect())
}

/// The shape of the filter, over a distance in input samples.
struct Filter {
    /// `base / from`: how far `t` goes in an input sample.
    step: f64,
}

impl Filter {
    fn new(from: u64, to: u64) -> Self {
        let (from, to) = (from as f64, to as f64);
        Self {
            step: ROLLOFF * from.min(to) / from,
        }
    }

    /// The input samples that one output sample is made of.
    fn width(&self) -> f64 {
        2.0 * CROSSINGS / self.step + 1.0
    }

    /// The weight of the input sample at `distance` from the output sample.
    fn weight(&self, distance: f64) -> f64 {
        let t = distance * self.step;
        let window = (PI * t / (2.0 * CROSSINGS)).cos().powi(2);
        let sinc = if t == 0.0 {
            1.0
        } else {
            (PI * t).sin() / (PI * t)
        };
        self.step * window * sinc
    }

    /// The first and last input sample, from the one at or before the output sample, that count.
    fn span(&self, fraction: f64) -> (i64, i64) {
        let reach = CROSSINGS / self.step;
        (
            (fraction - reach).ceil() as i64,
            (fraction + reach).floor() as i64,
        )
    }

    fn taps(&self, fraction: f64) -> Taps {
        let (first, last) = self.span(fraction);
        let weights = (first..=last).map(|k| self.weight(k as f64 - fraction));
        Taps {
            first,
            weights: weights.collect(),
        }
    }

    /// What [`Taps::sum`] gives, without a table.
    fn sum(&self, samples: &[f32], whole: i64, fraction: f64) -> f32 {
        let (first, last) = self.span(fraction);
        let end = samples.len() as i64 - 1 - whole;
        let sum: f64 = (first.max(-whole)..=last.min(end))
            .filter_map(|k| {
                let sample = samples.get(usize::try_from(whole + k).ok()?)?;
                Some(f64::from(*sample) * self.weight(k as f64 - fraction))
            })
            .sum();
        sum as f32
    }
}

/// The weights for one fraction of an input sample.
struct Taps {
    /// Where the weights start, from the input sample at or before the output sample.
    first: i64,
    weights: Vec<f64>,
}

impl Taps {
    /// The weighted sum around input sample `whole`; what lies outside the signal is 0.
    fn sum(&self, samples: &[f32], whole: i64) -> f32 {
        let start = whole + self.first;
        let skipped = usize::try_from(-start).unwrap_or(0);
        let weights = self.weights.iter().skip(skipped);
        let samples = samples.iter().skip(usize::try_from(start).unwrap_or(0));
        let sum: f64 = weights.zip(samples).map(|(w, x)| w * f64::from(*x)).sum();
        sum as f32
    }
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn too_long() -> Error {
    Error::new(
        ErrorKind::Limits,
        "the sound is too long to change its sample rate",
        "give a shorter part of it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize) -> Vec<f32> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0
        };
        (0..count).map(|_| next() as f32).collect()
    }

    fn sine(frequency: f64, rate: u32, count: usize) -> Vec<f32> {
        let step = 2.0 * PI * frequency / f64::from(rate);
        (0..count).map(|i| (step * i as f64).sin() as f32).collect()
    }

    /// torchaudio's `_get_sinc_resample_kernel` and `_apply_sinc_resample_kernel`, step by step:
    /// kernels as wide as all phases need, the padded signal, a strided convolution.
    fn torchaudio(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
        let divisor = greatest_common_divisor(from, to);
        let (orig, new) = ((from / divisor) as usize, (to / divisor) as usize);
        let base = orig.min(new) as f64 * 0.99;
        let width = (6.0 * orig as f64 / base).ceil() as usize;
        let target = (new * samples.len()).div_ceil(orig);
        let mut padded = vec![0.0; width];
        padded.extend(samples.iter().map(|x| f64::from(*x)));
        padded.extend(vec![0.0; width + orig]);
        let mut out = Vec::new();
        for start in (0..).step_by(orig) {
            if start + 2 * width + orig > padded.len() {
                break;
            }
            for phase in 0..new {
                let mut sum = 0.0;
                for k in 0..2 * width + orig {
                    let idx = (k as f64 - width as f64) / orig as f64;
                    let t = ((idx - phase as f64 / new as f64) * base).clamp(-6.0, 6.0);
                    let window = (t * PI / 6.0 / 2.0).cos().powi(2);
                    let t = t * PI;
                    let sinc = if t == 0.0 { 1.0 } else { t.sin() / t };
                    sum += padded[start + k] * sinc * window * base / orig as f64;
                }
                out.push(sum as f32);
            }
        }
        out.truncate(target);
        out
    }

    #[test]
    fn samples_are_those_of_torchaudio() {
        let wave = noise(700);
        for (from, to) in [
            (44_100, 16_000),
            (48_000, 16_000),
            (22_050, 16_000),
            (8_000, 16_000),
            (16_000, 44_100),
            (11_025, 16_000),
        ] {
            let (ours, theirs) = (
                resample(&wave, from, to).unwrap(),
                torchaudio(&wave, from, to),
            );
            assert_eq!(ours.len(), theirs.len(), "{from} to {to}");
            for (a, b) in ours.iter().zip(&theirs) {
                // The same sums in f64 in another order, rounded to f32 once.
                assert!((a - b).abs() < 1e-6, "{from} to {to}: {a} {b}");
            }
        }
    }

    #[test]
    fn the_table_changes_nothing() {
        // 16001 phases for 700 samples: computed anew. The same signal, long enough for a table.
        let wave = noise(700);
        let few = resample(&wave, 44_101, 16_001).unwrap();
        let mut long = wave.clone();
        long.resize(50_000, 0.0);
        let many = resample(&long, 44_101, 16_001).unwrap();
        assert!(many.len() > 16_001 && few.len() < 16_001);
        for (a, b) in few.iter().zip(&many) {
            assert!((a - b).abs() < 1e-6);
        }
    }

    #[test]
    fn a_tone_keeps_its_pitch_and_level() {
        let ours = resample(&sine(1000.0, 44_100, 44_100), 44_100, 16_000).unwrap();
        let exact = sine(1000.0, 16_000, 16_000);
        assert_eq!(ours.len(), exact.len());
        for (a, b) in ours.iter().zip(&exact).skip(100).take(15_800) {
            // Six zero crossings leave a ripple of about a thousandth in the pass band.
            assert!((a - b).abs() < 3e-3, "{a} {b}");
        }
    }

    #[test]
    fn what_is_too_high_is_removed() {
        let ours = resample(&sine(12_000.0, 44_100, 44_100), 44_100, 16_000).unwrap();
        assert!(crate::audio::peak(&ours[100..15_900]) < 0.01);
    }

    #[test]
    fn equal_rates_and_no_samples_are_trivial() {
        assert_eq!(resample(&[0.5, -0.5], 16_000, 16_000).unwrap(), [0.5, -0.5]);
        assert!(resample(&[], 44_100, 16_000).unwrap().is_empty());
    }

    #[test]
    fn wild_rates_end() {
        assert!(resample(&[1.0], 0, 16_000).is_err());
        assert!(resample(&[1.0], 16_000, 0).is_err());
        assert_eq!(resample(&noise(5000), u32::MAX, 16_000).unwrap().len(), 1);
        let error = resample(&noise(200_000), 1, u32::MAX).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limits);
    }
}
