//! Convolutions as products: the weight `[out, in * taps]` with a matrix that has a column for each output and a row
//! for each number that it reads (Chellapilla, Puri & Simard, "High Performance Convolutional Neural Networks for
//! Document Processing", 2006), of which only some panels are there at a time.

use burn::tensor::{Tensor, TensorData};

use super::{
    Conv1dGeometry, Conv2dGeometry, Cpu, Epilogue, each_chunk,
    product::{COLUMNS, Left, Right, add_product},
    winograd::start,
    with_values,
};
use crate::ops::{Activation, activate};

/// Numbers of the right matrix that are there at once.
const BLOCK: usize = 1 << 16;

/// See [`crate::ops::Kernels::conv1d`].
pub(super) fn conv1d(
    x: Tensor<Cpu, 3>,
    weight: Tensor<Cpu, 3>,
    epilogue: Epilogue<Cpu, 3>,
    geometry: Conv1dGeometry,
) -> Tensor<Cpu, 3> {
    let Conv1dGeometry {
        stride,
        padding,
        dilation,
    } = geometry;
    let epilogue = Epilogue {
        bias: epilogue.bias,
        shift: epilogue.shift,
        activation: epilogue.activation,
        residual: epilogue.residual.map(|residual| residual.unsqueeze_dim(2)),
    };
    let grid = Grid {
        stride: [1, stride],
        padding: [0, padding],
        dilation: [1, dilation],
    };
    let y = convolve(x.unsqueeze_dim(2), weight.unsqueeze_dim(2), epilogue, grid);
    y.squeeze_dim(2)
}

/// See [`crate::ops::Kernels::conv2d`].
pub(super) fn conv2d(
    x: Tensor<Cpu, 4>,
    weight: Tensor<Cpu, 4>,
    epilogue: Epilogue<Cpu, 4>,
    Conv2dGeometry { stride, padding }: Conv2dGeometry,
) -> Tensor<Cpu, 4> {
    let grid = Grid {
        stride,
        padding,
        dilation: [1; 2],
    };
    convolve(x, weight, epilogue, grid)
}

/// Steps between outputs, zeros on both sides, distances of taps: `[rows, columns]` each.
#[derive(Debug, Clone, Copy)]
struct Grid {
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
}

fn convolve(
    x: Tensor<Cpu, 4>,
    weight: Tensor<Cpu, 4>,
    epilogue: Epilogue<Cpu, 4>,
    grid: Grid,
) -> Tensor<Cpu, 4> {
    let ([batch, inputs, rows, columns], device) = (x.dims(), x.device());
    let [outputs, _, kernel @ ..] = weight.dims();
    let size = [rows, columns];
    let out = [0, 1].map(|side| {
        let reach = grid.dilation[side] * (kernel[side] - 1);
        (size[side] + 2 * grid.padding[side]).saturating_sub(reach + 1) / grid.stride[side] + 1
    });
    let shape = [batch, outputs, out[0], out[1]];
    // The residual comes behind an activation.
    let (activation, mut epilogue) = (epilogue.activation, epilogue);
    let residual = match activation {
        Activation::None => None,
        _ => epilogue.residual.take(),
    };
    let mut y = start(epilogue, shape);

    let depth = inputs * kernel[0] * kernel[1];
    let left = with_values(weight, |weight| {
        Left::of_lines(weight, depth, outputs, depth)
    });
    let reads = Reads {
        size,
        kernel,
        columns: out[1],
        grid,
    };
    let area = out[0] * out[1];
    let count = (BLOCK / depth.max(1)).next_multiple_of(COLUMNS);
    with_values(x, |x| {
        let inputs = x.chunks(inputs * rows * columns);
        each_chunk(&mut y, (outputs * area).max(1), |item, y| {
            let x = inputs.clone().nth(item).unwrap_or_default();
            for first in (0..area).step_by(count) {
                let right = reads.columns_of(x, first..area.min(first + count));
                add_product(&left, &right, &mut y[first..], area);
            }
        });
    });
    let y = activate(
        Tensor::from_data(TensorData::new(y, shape), &device),
        activation,
    );
    crate::ops::plain::onto(y, residual)
}

/// Where outputs read.
#[derive(Debug, Clone, Copy)]
struct Reads {
    /// Of the input, and of the kernel.
    size: [usize; 2],
    kernel: [usize; 2],
    /// Of the output.
    columns: usize,
    grid: Grid,
}

impl Reads {
    /// The matrix of some outputs of the item `x [in, rows, columns]`.
    fn columns_of(self, x: &[f32], outputs: std::ops::Range<usize>) -> Right {
        let Self {
            size, kernel, grid, ..
        } = self;
        let area = size[0] * size[1];
        let inputs = x.len() / area.max(1);
        let mut right = Right::zeros(outputs.len(), inputs * kernel[0] * kernel[1]);
        for (panel, first) in right.panels_mut().zip(outputs.clone().step_by(COLUMNS)) {
            let count = (outputs.end - first).min(COLUMNS);
            // The place of the first tap of each output, in the padded input.
            let corners: [[usize; 2]; COLUMNS] = std::array::from_fn(|i| {
                let at = first + i;
                [
                    at / self.columns * grid.stride[0],
                    at % self.columns * grid.stride[1],
                ]
            });
            let together =
                count == COLUMNS && grid.stride[1] == 1 && corners[0][0] == corners[COLUMNS - 1][0];
            let planes = panel.chunks_exact_mut(kernel[0] * kernel[1]);
            for (places, plane) in planes.zip(x.chunks_exact(area)) {
                for (tap, to) in places.iter_mut().enumerate() {
                    let tap = [
                        tap / kernel[1] * grid.dilation[0],
                        tap % kernel[1] * grid.dilation[1],
                    ];
                    // Beyond the input on either side, numbers are as large as they can be.
                    let place = |corner: [usize; 2]| {
                        [0, 1]
                            .map(|side| (corner[side] + tap[side]).wrapping_sub(grid.padding[side]))
                    };
                    let [row, column] = place(corners[0]);
                    if together && row < size[0] && column < size[1] && column + COLUMNS <= size[1]
                    {
                        let from = &plane[row * size[1] + column..][..COLUMNS];
                        to.copy_from_slice(from);
                        continue;
                    }
                    for (to, corner) in to.iter_mut().zip(&corners[..count]) {
                        let [row, column] = place(*corner);
                        if row < size[0] && column < size[1] {
                            *to = plane[row * size[1] + column];
                        }
                    }
                }
            }
        }
        right
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::numbers, *};
    use crate::ops::plain;

    #[test]
    fn equals_the_plain_form() {
        // One tap, steps, kernels larger than what they step over, outputs that are no whole panels.
        for (i, (x, weight, stride, padding)) in [
            ([2, 5, 9, 20], [7, 5, 1, 1], [1, 1], [0, 0]),
            ([1, 3, 8, 8], [4, 3, 3, 3], [2, 2], [1, 1]),
            ([2, 2, 5, 3], [3, 2, 3, 3], [1, 1], [1, 1]),
            ([1, 1, 7, 31], [9, 1, 5, 4], [1, 3], [2, 0]),
            ([1, 300, 3, 120], [2, 300, 1, 3], [1, 1], [0, 2]),
        ]
        .into_iter()
        .enumerate()
        {
            let geometry = Conv2dGeometry { stride, padding };
            let (x, weight) = (numbers(x, 1), numbers(weight, 2));
            let plainly = |epilogue| plain::conv2d(x.clone(), weight.clone(), epilogue, geometry);
            let shape = plainly(Epilogue::bias(None)).dims();
            for activation in [Activation::None, Activation::Relu] {
                let epilogue = || Epilogue {
                    bias: (i != 0).then(|| numbers([shape[1]], 3)),
                    shift: (i != 1).then(|| numbers([shape[0], shape[1]], 4)),
                    residual: (i != 2).then(|| numbers(shape, 5)),
                    activation,
                };
                let found = conv2d(x.clone(), weight.clone(), epilogue(), geometry);
                let error = (found - plainly(epilogue())).abs().max().into_scalar();
                assert!(error < 1e-4, "{i}: {error}");
            }
        }
    }

    #[test]
    fn of_one_dimension_equals_the_plain_form() {
        for (x, weight, stride, padding, dilation) in [
            ([2, 5, 40], [7, 5, 7], 1, 3, 1),
            ([1, 3, 41], [8, 3, 11], 1, 25, 5),
            ([1, 4, 33], [2, 4, 3], 2, 0, 3),
        ] {
            let geometry = Conv1dGeometry {
                stride,
                padding,
                dilation,
            };
            let (x, weight) = (numbers(x, 1), numbers(weight, 2));
            let epilogue = || Epilogue::bias(Some(numbers([weight.dims()[0]], 3)));
            let found = conv1d(x.clone(), weight.clone(), epilogue(), geometry);
            let expected = plain::conv1d(x.clone(), weight.clone(), epilogue(), geometry);
            let error = (found - expected).abs().max().into_scalar();
            assert!(error < 1e-4, "{error}");
        }
    }
}
