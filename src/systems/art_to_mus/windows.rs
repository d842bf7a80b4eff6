//! Latents that are longer than what the networks learnt: overlapping windows, blended.
//!
//! At every step the UNet predicts in each window, and where windows overlap the predictions are averaged, so that
//! all windows agree on one piece (Bar-Tal et al., "MultiDiffusion: Fusing Diffusion Paths for Controlled Image
//! Generation", 2023). A window weighs most in its middle, so there is no seam.

use burn::tensor::{Tensor, TensorData, backend::Backend};

/// Where windows lie in a latent of more rows, and how they are blended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Windows {
    /// The first row of each.
    starts: Vec<usize>,
    /// Rows of each.
    rows: usize,
    /// Rows of all.
    total: usize,
}

impl Windows {
    /// Windows of at most `rows` rows over `total` rows, that overlap by half or more; one where that is enough.
    pub fn new(total: usize, rows: Option<usize>) -> Self {
        let rows = rows.map_or(total, |rows| rows.clamp(1, total.max(1)));
        let room = total.saturating_sub(rows);
        let steps = room.div_ceil((rows / 2).max(1));
        let start = |i: usize| room * i / steps.max(1);
        Self {
            starts: (0..=steps).map(start).collect(),
            rows,
            total,
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// Rows of a window.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Rows of all.
    pub fn total(&self) -> usize {
        self.total
    }

    /// The part of `x [batch, channels, total, columns]` in window `index`.
    pub fn part<B: Backend>(&self, x: &Tensor<B, 4>, index: usize) -> Tensor<B, 4> {
        if self.count() == 1 {
            return x.clone();
        }
        x.clone().narrow(2, self.starts[index], self.rows)
    }

    /// Blends what was made of each window: `parts [batch, channels, factor rows, columns]` to `[batch, channels,
    /// factor total, columns]`.
    pub fn blend<B: Backend>(&self, parts: Vec<Tensor<B, 4>>, factor: usize) -> Tensor<B, 4> {
        let weights = self.weights(factor);
        let (rows, total) = (self.rows * factor, self.total * factor);
        let parts = parts.into_iter().zip(&self.starts).zip(&weights);
        let shares = parts.map(|((part, start), weights)| {
            if self.count() == 1 {
                return part;
            }
            let before = start * factor;
            let data = TensorData::new(weights.clone(), [1, 1, rows, 1]);
            let weights = Tensor::<B, 4>::from_data(data, &part.device());
            (part * weights).pad((0, 0, before, total - before - rows), 0.0)
        });
        shares
            .reduce(|sum, share| sum + share)
            .expect("there is a window")
    }

    /// The weight of each row of each window; those of a row add up to 1.
    fn weights(&self, factor: usize) -> Vec<Vec<f32>> {
        let (rows, total) = (self.rows * factor, self.total * factor);
        // A triangle that is nowhere 0, so that rows of one window only keep their value.
        let shape = |row: usize| (row + 1).min(rows - row) as f32;
        let mut sums = vec![0.0; total];
        for start in &self.starts {
            for row in 0..rows {
                sums[start * factor + row] += shape(row);
            }
        }
        let each = self.starts.iter().map(|start| {
            let row = |row: usize| shape(row) / sums[start * factor + row];
            (0..rows).map(row).collect()
        });
        each.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Cpu;

    #[test]
    fn windows_cover_everything_and_overlap_by_half() {
        for (total, rows) in [
            (160, 160),
            (161, 160),
            (320, 160),
            (938, 160),
            (7, 4),
            (5, 1),
        ] {
            let windows = Windows::new(total, Some(rows));
            assert_eq!(windows.starts[0], 0);
            assert_eq!(windows.starts.last().unwrap() + rows, total);
            for pair in windows.starts.windows(2) {
                assert!(pair[1] > pair[0] && pair[1] - pair[0] <= (rows / 2).max(1));
            }
        }
        assert_eq!(Windows::new(100, None).count(), 1);
        assert_eq!(Windows::new(100, Some(160)).rows, 100);
    }

    #[test]
    fn what_windows_agree_on_comes_back() {
        let device = Default::default();
        let values = crate::random::standard_normal(1, 0, 2 * 3 * 50 * 4);
        let x =
            Tensor::<Cpu, 4>::from_data(TensorData::new(values.clone(), [2, 3, 50, 4]), &device);
        let windows = Windows::new(50, Some(16));
        assert!(windows.count() > 4);
        let parts = (0..windows.count()).map(|i| windows.part(&x, i)).collect();
        let back = windows.blend(parts, 1).into_data().to_vec::<f32>().unwrap();
        for (a, b) in back.iter().zip(&values) {
            assert!((a - b).abs() < 1e-5);
        }
    }

    #[test]
    fn one_window_changes_no_bit() {
        let device = Default::default();
        let x = Tensor::<Cpu, 4>::from_floats([[[[1.5], [0.3]]]], &device);
        let windows = Windows::new(2, Some(2));
        let same = windows.blend(vec![windows.part(&x, 0)], 1);
        assert_eq!(same.into_data().to_vec::<f32>().unwrap(), [1.5, 0.3]);
    }
}
