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

/// Neighbours share one part in so many of the rows that the networks learnt, and a window may be longer than that by
/// as much: long music then costs little more than its length, where halves would cost twice as much.
const SHARED: usize = 8;

impl Windows {
    /// Windows over `total` rows for networks that learnt `rows`; one where that is enough. All begin at multiples of
    /// `grid`.
    pub fn new(total: usize, rows: Option<usize>, grid: usize) -> Self {
        let learnt = rows.unwrap_or(total).max(1);
        let shared = learnt / SHARED;
        let count = total.saturating_sub(shared).div_ceil(learnt).max(1);
        let mut rows = (total + (count - 1) * shared).div_ceil(count);
        rows += (total - rows) % grid;
        let steps = (total - rows) / grid;
        let start = |i: usize| steps * i / (count - 1).max(1) * grid;
        Self {
            starts: (0..count).map(start).collect(),
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
        if self.count() == 1 {
            return parts.into_iter().next().expect("there is a window");
        }
        let rows = self.rows * factor;
        let mut joined: Option<Tensor<B, 4>> = None;
        let parts = parts.into_iter().zip(&self.starts);
        for ((part, start), weights) in parts.zip(self.weights(factor)) {
            let weights = TensorData::new(weights, [1, 1, rows, 1]);
            let weights = Tensor::<B, 4>::from_data(weights, &part.device());
            let part = part * weights;
            joined = Some(match joined {
                None => part,
                Some(before) => {
                    let start = start * factor;
                    let shared = before.dims()[2] - start;
                    let both =
                        before.clone().narrow(2, start, shared) + part.clone().narrow(2, 0, shared);
                    let rest = part.narrow(2, shared, rows - shared);
                    Tensor::cat(vec![before.narrow(2, 0, start), both, rest], 2)
                }
            });
        }
        joined.expect("there is a window")
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
    fn windows_cover_everything_share_rows_and_cost_little() {
        for (total, learnt) in [
            (181, 160),
            (320, 160),
            (469, 160),
            (938, 160),
            (7, 4),
            (5, 1),
        ] {
            let windows = Windows::new(total, Some(learnt), 1);
            let (rows, shared) = (windows.rows, learnt / SHARED);
            assert!(
                windows.count() > 1 && rows <= learnt + shared,
                "{windows:?}"
            );
            assert_eq!(windows.starts[0], 0);
            assert_eq!(windows.starts.last().unwrap() + rows, total);
            for pair in windows.starts.windows(2) {
                assert!(pair[1] > pair[0] && pair[1] + shared <= pair[0] + rows);
                assert!(
                    pair[1] >= pair[0] + rows / 2,
                    "more than two windows share a row"
                );
            }
            let cost = (windows.count() * rows) as f64 / total as f64;
            assert!(cost < 1.0 + 1.5 / SHARED as f64, "{cost} for {total}");
        }
        assert_eq!(Windows::new(100, None, 1).count(), 1);
        assert_eq!(Windows::new(100, Some(160), 8).rows, 100);
        for total in [160, 161, 180] {
            let windows = Windows::new(total, Some(160), 8);
            assert_eq!((windows.count(), windows.rows), (1, total));
        }
    }

    #[test]
    fn windows_begin_on_a_grid() {
        for total in 161..1000 {
            let windows = Windows::new(total, Some(160), 8);
            assert!(windows.starts.iter().all(|start| start % 8 == 0));
            assert!(windows.rows <= 160 + 20 + 8);
            assert_eq!(windows.starts.last().unwrap() + windows.rows, total);
            for pair in windows.starts.windows(2) {
                assert!(pair[1] > pair[0] && pair[1] + 12 <= pair[0] + windows.rows);
            }
        }
    }

    #[test]
    fn what_windows_agree_on_comes_back() {
        let device = Default::default();
        let values = crate::random::standard_normal(1, 0, 2 * 3 * 80 * 4);
        let x =
            Tensor::<Cpu, 4>::from_data(TensorData::new(values.clone(), [2, 3, 80, 4]), &device);
        let windows = Windows::new(80, Some(16), 4);
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
        let windows = Windows::new(2, Some(2), 1);
        let same = windows.blend(vec![windows.part(&x, 0)], 1);
        assert_eq!(same.into_data().to_vec::<f32>().unwrap(), [1.5, 0.3]);
    }
}
