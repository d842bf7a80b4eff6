//! Filterbanks: triangles over the bins of a Fourier transform, on Slaney's and on Kaldi's mel scale and on a
//! logarithmic one.

use crate::{Error, Result};

/// A filterbank: for each band the bins that it weighs.
#[derive(Debug, Clone)]
pub struct Filterbank {
    /// For each band the first bin and the weights from there on; all other weights are 0.
    bands: Vec<(usize, Vec<f64>)>,
    bins: usize,
}

impl Filterbank {
    /// `count` triangles from 0 Hz to `highest`, or half of `sample_rate`, in Hz between edges that are evenly spaced on
    /// Slaney's mel scale, each with area 1: librosa's default, over the `n_fft / 2 + 1` bins of a frame.
    pub fn slaney(n_fft: usize, sample_rate: usize, count: usize, highest: Option<f64>) -> Self {
        let top = slaney_mel(highest.unwrap_or(sample_rate as f64 / 2.0));
        let edge = |n: usize| slaney_hz(top * n as f64 / (count + 1) as f64);
        let bin = sample_rate as f64 / n_fft as f64;
        let bins = n_fft / 2 + 1;
        let band = |i: usize| {
            let (left, centre, right) = (edge(i), edge(i + 1), edge(i + 2));
            nonzero((0..bins).map(|k| {
                let f = bin * k as f64;
                triangle(f, [left, centre, right]) * 2.0 / (right - left)
            }))
        };
        Self {
            bands: (0..count).map(band).collect(),
            bins,
        }
    }

    /// `count` triangles from `lowest` to `highest` Hz, in mel (`1127 ln(1 + f / 700)`) and not scaled by area;
    /// the bin at half the sampling rate has no weight: `torchaudio.compliance.kaldi.fbank`.
    pub fn kaldi(
        n_fft: usize,
        sample_rate: usize,
        count: usize,
        [lowest, highest]: [f64; 2],
    ) -> Self {
        let mel = |hz: f64| 1127.0 * (hz / 700.0).ln_1p();
        let low = mel(lowest);
        let step = (mel(highest) - low) / (count + 1) as f64;
        let bin = sample_rate as f64 / n_fft as f64;
        let band = |i: usize| {
            let edges = [0, 1, 2].map(|n| low + (i + n) as f64 * step);
            nonzero((0..n_fft / 2).map(|k| triangle(mel(bin * k as f64), edges)))
        };
        Self {
            bands: (0..count).map(band).collect(),
            bins: n_fft / 2 + 1,
        }
    }

    /// A triangle around each of `middles`, in Hz, to the next band on a scale of `per_octave` bands an octave, but
    /// at least to the next bin: the lowest bands of a scale may lie closer together than bins do.
    pub fn log(n_fft: usize, sample_rate: usize, middles: &[f64], per_octave: usize) -> Self {
        let ratio = (1.0 / per_octave as f64).exp2();
        let bin = sample_rate as f64 / n_fft as f64;
        let bins = n_fft / 2 + 1;
        let band = |middle: &f64| {
            let edges = [
                (middle / ratio).min(middle - bin),
                *middle,
                (middle * ratio).max(middle + bin),
            ];
            nonzero((0..bins).map(|k| triangle(bin * k as f64, edges)))
        };
        Self {
            bands: middles.iter().map(band).collect(),
            bins,
        }
    }

    /// Band `band`: the first bin and the weights from there on; all other weights are 0.
    pub fn band(&self, band: usize) -> (usize, &[f64]) {
        let (first, weights) = &self.bands[band];
        (*first, weights)
    }

    /// Samples of the transform.
    pub fn n_fft(&self) -> usize {
        2 * (self.bins - 1)
    }

    /// The number of bands.
    pub fn len(&self) -> usize {
        self.bands.len()
    }

    /// Whether there are no bands.
    pub fn is_empty(&self) -> bool {
        self.bands.is_empty()
    }

    /// The number of bins.
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// The sum of each band, of the values that `value` gives for the elements of `spectrum`, one a bin.
    pub fn sums<'a, T>(
        &'a self,
        spectrum: &'a [T],
        value: impl Fn(&T) -> f64 + 'a,
    ) -> impl Iterator<Item = f64> + 'a {
        self.bands.iter().map(move |(first, weights)| {
            let bins = spectrum[*first..].iter();
            bins.zip(weights).map(|(x, w)| value(x) * w).sum()
        })
    }

    /// Adds `A^T values` to `bins`, for the filterbank as a matrix `A [bands, bins]`.
    pub fn add_transposed(&self, values: &[f64], bins: &mut [f64]) {
        for ((first, weights), value) in self.bands.iter().zip(values) {
            for (bin, weight) in bins[*first..].iter_mut().zip(weights) {
                *bin += weight * value;
            }
        }
    }

    /// The weights as a matrix `[bins, bands]`.
    pub fn matrix(&self) -> Vec<f32> {
        let mut matrix = vec![0.0; self.bins * self.len()];
        for (band, (first, weights)) in self.bands.iter().enumerate() {
            for (i, weight) in weights.iter().enumerate() {
                matrix[(first + i) * self.len() + band] = *weight as f32;
            }
        }
        matrix
    }

    /// The Moore-Penrose inverse, `A^T (A A^T)^-1` for `A [bands, bins]`, as a matrix `[bands, bins]` that values
    /// in bands are multiplied with from the left. Fails where a band has no bin of its own.
    pub fn pseudo_inverse(&self) -> Result<Vec<f32>> {
        let (count, bins) = (self.len(), self.bins);
        let mut a = vec![vec![0.0; bins]; count];
        for (row, (first, weights)) in a.iter_mut().zip(&self.bands) {
            row[*first..first + weights.len()].copy_from_slice(weights);
        }
        let dot = |x: &[f64], y: &[f64]| -> f64 { x.iter().zip(y).map(|(x, y)| x * y).sum() };
        let mut gram: Vec<Vec<f64>> = a
            .iter()
            .map(|x| a.iter().map(|y| dot(x, y)).collect())
            .collect();
        cholesky(&mut gram)
            .ok_or_else(|| Error::internal("the filterbank has bands that no bin belongs to"))?;
        // Column by column: the solution of (A A^T) x = column of A.
        let mut inverse = vec![0.0; count * bins];
        for bin in 0..bins {
            let mut x: Vec<f64> = a.iter().map(|row| row[bin]).collect();
            for i in 0..count {
                let known: f64 = dot(&gram[i][..i], &x[..i]);
                x[i] = (x[i] - known) / gram[i][i];
            }
            for i in (0..count).rev() {
                let known: f64 = (i + 1..count).map(|j| gram[j][i] * x[j]).sum();
                x[i] = (x[i] - known) / gram[i][i];
            }
            for (band, value) in x.into_iter().enumerate() {
                inverse[band * bins + bin] = value as f32;
            }
        }
        Ok(inverse)
    }
}

/// The height at `x` of a triangle between its left end, its peak of 1 and its right end.
fn triangle(x: f64, [left, centre, right]: [f64; 3]) -> f64 {
    let rising = (x - left) / (centre - left);
    let falling = (right - x) / (right - centre);
    rising.min(falling).max(0.0)
}

/// The stretch of weights that are not 0, and where it starts.
fn nonzero(weights: impl Iterator<Item = f64>) -> (usize, Vec<f64>) {
    let weights: Vec<f64> = weights.collect();
    let first = weights.iter().position(|w| *w != 0.0).unwrap_or(0);
    let end = weights
        .iter()
        .rposition(|w| *w != 0.0)
        .map_or(first, |last| last + 1);
    (first, weights[first..end].to_vec())
}

/// Slaney's mel scale is linear to 1000 Hz (15 mel) and logarithmic above.
const LINEAR_STEP: f64 = 200.0 / 3.0;
const CORNER_HZ: f64 = 1000.0;
const CORNER_MEL: f64 = 15.0;

/// The width of a mel above the corner, in natural logarithms of Hz.
fn log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

fn slaney_mel(hz: f64) -> f64 {
    if hz < CORNER_HZ {
        hz / LINEAR_STEP
    } else {
        CORNER_MEL + (hz / CORNER_HZ).ln() / log_step()
    }
}

fn slaney_hz(mel: f64) -> f64 {
    if mel < CORNER_MEL {
        mel * LINEAR_STEP
    } else {
        CORNER_HZ * ((mel - CORNER_MEL) * log_step()).exp()
    }
}

/// Puts the Cholesky factor of a symmetric matrix into its lower half; `None` if there is none.
fn cholesky(matrix: &mut [Vec<f64>]) -> Option<()> {
    for i in 0..matrix.len() {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| matrix[i][k] * matrix[j][k]).sum();
            let rest = matrix[i][j] - known;
            matrix[i][j] = if i == j {
                (rest > 0.0).then(|| rest.sqrt())?
            } else {
                rest / matrix[j][j]
            };
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pseudo_inverse_keeps_bands() {
        let bank = Filterbank::slaney(1024, 16_000, 64, None);
        let (matrix, inverse) = (bank.matrix(), bank.pseudo_inverse().unwrap());
        let (bins, bands) = (bank.bins(), bank.len());
        for i in 0..bands {
            for j in 0..bands {
                let product: f64 = (0..bins)
                    .map(|k| f64::from(inverse[i * bins + k]) * f64::from(matrix[k * bands + j]))
                    .sum();
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!((product - expected).abs() < 1e-4, "{i} {j} {product}");
            }
        }
    }

    #[test]
    fn sums_and_the_transposed_are_those_of_the_matrix() {
        let bank = Filterbank::kaldi(64, 16_000, 5, [20.0, 8000.0]);
        let spectrum: Vec<f64> = (0..bank.bins()).map(|k| (k as f64 * 0.7).sin()).collect();
        let matrix = bank.matrix();
        let weight = |bin: usize, band: usize| f64::from(matrix[bin * bank.len() + band]);
        for (band, sum) in bank.sums(&spectrum, |x| *x).enumerate() {
            let expected: f64 = (0..bank.bins())
                .map(|k| weight(k, band) * spectrum[k])
                .sum();
            assert!((sum - expected).abs() < 1e-6);
        }
        let values = [1.0, -2.0, 3.0, 0.5, 4.0];
        let mut bins = vec![0.0; bank.bins()];
        bank.add_transposed(&values, &mut bins);
        for (bin, found) in bins.iter().enumerate() {
            let expected: f64 = (0..bank.len()).map(|b| weight(bin, b) * values[b]).sum();
            assert!((found - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn a_band_without_a_bin_has_no_inverse() {
        assert!(
            Filterbank::slaney(16, 16_000, 64, None)
                .pseudo_inverse()
                .is_err()
        );
    }
}
