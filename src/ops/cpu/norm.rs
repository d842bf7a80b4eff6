//! Normalisation in two passes over memory, four numbers at once.

use super::{
    Cpu, each_chunk, owned,
    vector::{each, silu, sum},
};
use crate::ops::{Activation, activate};
use burn::tensor::{Tensor, TensorData};

/// Numbers that are worth another thread.
const PART: usize = 1 << 14;

/// See [`super::super::Kernels::group_norm`].
pub(super) fn groups(
    x: Tensor<Cpu, 4>,
    groups: usize,
    scale: Tensor<Cpu, 1>,
    shift: Tensor<Cpu, 1>,
    eps: f64,
    activation: Activation,
) -> Tensor<Cpu, 4> {
    let [_, channels, rows, columns] = x.dims();
    let (shape, device, area) = (x.dims(), x.device(), rows * columns);
    let own = channels / groups;
    let (scale, shift) = (owned(scale), owned(shift));
    let mut y = owned(x);
    each_chunk(&mut y, own * area, |group, y| {
        let (mean, factor) = moments(y, eps);
        let first = group % groups * own;
        for (channel, y) in (first..first + own).zip(y.chunks_exact_mut(area)) {
            let factor = factor * scale[channel];
            let start = shift[channel] - mean * factor;
            match activation {
                Activation::Silu => each(y, |x| silu(x * factor + start)),
                _ => each(y, |x| x * factor + start),
            }
        }
    });
    let y = Tensor::from_data(TensorData::new(y, shape), &device);
    match activation {
        Activation::Silu => y,
        other => activate(y, other),
    }
}

/// See [`super::super::Kernels::layer_norm`].
pub(super) fn rows<const D: usize>(
    x: Tensor<Cpu, D>,
    scale: Tensor<Cpu, 1>,
    shift: Tensor<Cpu, 1>,
    eps: f64,
) -> Tensor<Cpu, D> {
    let (shape, device) = (x.dims(), x.device());
    let (scale, shift) = (owned(scale), owned(shift));
    let mut y = owned(x);
    let width = scale.len().max(1);
    each_chunk(&mut y, width * (PART / width).max(1), |_, y| {
        for y in y.chunks_exact_mut(width) {
            let (mean, factor) = moments(y, eps);
            for ((y, scale), shift) in y.iter_mut().zip(&scale).zip(&shift) {
                *y = (*y - mean) * factor * scale + shift;
            }
        }
    });
    Tensor::from_data(TensorData::new(y, shape), &device)
}

/// The mean, and one over the square root of the (biased) variance and `eps`.
fn moments(values: &[f32], eps: f64) -> (f32, f32) {
    let count = values.len() as f64;
    let mean = sum(values, |x| x) / count;
    let centre = mean as f32;
    let variance = sum(values, |x| (x - centre) * (x - centre)) / count;
    (centre, (1.0 / (variance + eps).sqrt()) as f32)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::numbers, *};
    use crate::ops::plain;

    #[test]
    fn groups_equal_the_plain_form() {
        for (shape, count) in [([2, 8, 5, 7], 2), ([1, 32, 64, 33], 32), ([3, 6, 1, 1], 3)] {
            for activation in [Activation::None, Activation::Silu, Activation::Relu] {
                let x: Tensor<Cpu, 4> = numbers(shape, 1) * 50.0 + 20.0;
                let (scale, shift) = (numbers([shape[1]], 2), numbers([shape[1]], 3));
                let norm = |of: fn(_, _, _, _, _, _) -> _| {
                    of(
                        x.clone(),
                        count,
                        scale.clone(),
                        shift.clone(),
                        1e-5,
                        activation,
                    )
                };
                let error: Tensor<Cpu, 4> = norm(groups) - norm(plain::group_norm);
                let error = error.abs().max().into_scalar();
                assert!(error < 1e-5, "{shape:?}, {activation:?}: {error}");
            }
        }
    }

    #[test]
    fn rows_equal_the_plain_form() {
        for shape in [[1, 1, 1], [3, 5, 64], [2, 700, 33]] {
            let (scale, shift) = (numbers([shape[2]], 2), numbers([shape[2]], 3));
            let x: Tensor<Cpu, 3> = numbers(shape, 1) * 50.0 + 20.0;
            let found = rows(x.clone(), scale.clone(), shift.clone(), 1e-5);
            let error = found - plain::layer_norm(x, scale, shift, 1e-5);
            let error = error.abs().max().into_scalar();
            assert!(error < 1e-5, "{shape:?}: {error}");
        }
    }
}
