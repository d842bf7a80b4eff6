//! Magnitudes in bins from magnitudes in mel bands.

use crate::{Result, audio::filterbank::Filterbank};

/// The least squares end when the gradient has fallen to this share of the right side's.
const TOLERANCE: f64 = 1e-5;

/// The most steps of the least squares for a frame.
const MAX_STEPS: usize = 1000;

/// The mel filterbank, to be inverted.
pub(super) struct InverseMel {
    bank: Filterbank,
    /// `[bands, bins]`: magnitudes in bands times this are the least-squares solution of least norm.
    inverse: Vec<f32>,
    /// No eigenvalue of `A^T A` is larger.
    bound: f64,
}

impl InverseMel {
    pub(super) fn new(
        n_fft: usize,
        sample_rate: u32,
        bands: usize,
        highest: Option<f64>,
    ) -> Result<Self> {
        let bank = Filterbank::slaney(n_fft, sample_rate as usize, bands, highest);
        // The largest sum of a row of the non-negative A^T A.
        let sums: Vec<f64> = bank.sums(&vec![1.0; bank.bins()], |x| *x).collect();
        let mut rows = vec![0.0; bank.bins()];
        bank.add_transposed(&sums, &mut rows);
        Ok(Self {
            inverse: bank.pseudo_inverse()?,
            bank,
            bound: rows.into_iter().fold(0.0, f64::max),
        })
    }

    /// The magnitudes `[frames, bins]` of a log-mel spectrogram.
    pub(super) fn linear(&self, log_mel: &[f32]) -> Vec<f64> {
        let frames = log_mel.chunks_exact(self.bank.len());
        frames.flat_map(|frame| self.solve(frame)).collect()
    }

    /// Non-negative least squares for a frame: Nesterov's accelerated projected gradient, which
    /// starts again when it turns back (O'Donoghue and Candès, 2015).
    fn solve(&self, log_mel: &[f32]) -> Vec<f64> {
        let target: Vec<f64> = log_mel.iter().map(|x| f64::from(*x).exp()).collect();
        let bins = self.bank.bins();
        let mut x = vec![0.0; bins];
        for (row, target) in self.inverse.chunks_exact(bins).zip(&target) {
            for (x, weight) in x.iter_mut().zip(row) {
                *x += f64::from(*weight) * target;
            }
        }
        x.iter_mut().for_each(|x| *x = x.max(0.0));
        let mut right = vec![0.0; bins];
        self.bank.add_transposed(&target, &mut right);
        let enough = TOLERANCE.powi(2) * right.iter().map(|x| x * x).sum::<f64>();
        let (mut ahead, mut speed, mut gradient) = (x.clone(), 1.0f64, vec![0.0; bins]);
        for _ in 0..MAX_STEPS {
            self.gradient(&ahead, &target, &mut gradient);
            // What a step can change: at 0 there is no way down.
            let open = ahead.iter().zip(&gradient);
            let open = open.map(|(x, g)| if *x > 0.0 { *g } else { g.min(0.0) });
            if open.map(|g| g * g).sum::<f64>() <= enough {
                break;
            }
            let next_speed = 0.5 + (0.25 + speed * speed).sqrt();
            let share = (speed - 1.0) / next_speed;
            let mut turn = 0.0;
            for ((x, ahead), g) in x.iter_mut().zip(&mut ahead).zip(&gradient) {
                let next = (*ahead - g / self.bound).max(0.0);
                turn += (*ahead - next) * (next - *x);
                *ahead = (next + share * (next - *x)).max(0.0);
                *x = next;
            }
            speed = if turn > 0.0 { 1.0 } else { next_speed };
        }
        ahead
    }

    /// `A^T (A x - target)`.
    fn gradient(&self, x: &[f64], target: &[f64], gradient: &mut [f64]) {
        let sums = self.bank.sums(x, |x| *x);
        let residuals: Vec<f64> = sums.zip(target).map(|(sum, target)| sum - target).collect();
        gradient.fill(0.0);
        self.bank.add_transposed(&residuals, gradient);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::spectrogram::{Spectrogram, SpectrogramConfig};

    #[test]
    fn the_magnitudes_have_the_mel_bands_and_are_not_negative() {
        // Two notes and an octave of the one, beginning with a click.
        let wave = |n: usize, hz: f32| (n as f32 * hz * std::f32::consts::TAU / 16_000.0).cos();
        let sample = |n| 0.2 * (wave(n, 220.0) + wave(n, 277.0) + wave(n, 1760.0));
        let sound: Vec<f32> = (0..3000)
            .map(|n| if n < 900 { 0.0 } else { sample(n) })
            .collect();
        let log_mel = Spectrogram::new(&SpectrogramConfig::audioldm()).unwrap();
        let log_mel = log_mel.compute(&sound).unwrap();
        let bank = InverseMel::new(1024, 16_000, 64, None).unwrap();
        for log_mel in log_mel.chunks_exact(64) {
            let magnitudes = bank.solve(log_mel);
            assert!(magnitudes.iter().all(|x| *x >= 0.0));
            let (mut error, mut norm) = (0.0, 0.0);
            for (sum, target) in bank.bank.sums(&magnitudes, |x| *x).zip(log_mel) {
                let target = f64::from(*target).exp();
                error += (sum - target).powi(2);
                norm += target * target;
            }
            assert!((error / norm).sqrt() < 1e-3, "{}", (error / norm).sqrt());
        }
    }
}
