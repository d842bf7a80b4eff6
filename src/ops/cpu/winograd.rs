//! Convolutions of 3 by 3 with a quarter of the products: Winograd's F(4x4, 3x3), after Lavin & Gray,
//! "Fast Algorithms for Convolutional Neural Networks", 2016.
//!
//! A tile of 4 by 4 outputs reads 6 by 6 inputs `d` and is `A^T [(G g G^T) * (B^T d B)] A` for weights
//! `g`: 36 products for each pair of channels, in place of 144. Over all tiles they are 36 products of
//! matrices. The points are 0, s, -s, 2s, -2s and infinity with `s^2 = 1/2`, which rounds half as much as
//! with 0, 1, -1, 2, -2.

use burn::tensor::{Tensor, TensorData};
use wide::f32x4;

use super::{
    Conv2dGeometry, Cpu, Epilogue, map, owned,
    product::Matrices,
    vector::{LANES, load, store},
    with_values,
};

/// The side of a tile of outputs, and of the inputs that it reads.
const SIDE: usize = 4;
const REACH: usize = 6;
/// Products of a tile.
const PLACES: usize = REACH * REACH;
/// Tiles that are computed at once: what lies between the steps stays small, and each thread has some.
const TILES: usize = 128;

/// Whether a convolution can be computed so, and is worth it.
pub(super) fn pays(x: [usize; 4], weight: [usize; 4], geometry: Conv2dGeometry) -> bool {
    let [_, inputs, rows, columns] = x;
    // Of one item: what is made of it does not depend on what is beside it.
    let tiles = rows.div_ceil(SIDE) * columns.div_ceil(SIDE);
    geometry.is_three_by_three(weight) && tiles >= 8 && inputs >= 8 && weight[0] >= 8
}

/// A convolution with bias, shift and residual; without an activation.
pub(super) fn conv2d(
    x: Tensor<Cpu, 4>,
    weight: Tensor<Cpu, 4>,
    epilogue: Epilogue<Cpu, 4>,
) -> Tensor<Cpu, 4> {
    let [batch, inputs, rows, columns] = x.dims();
    let [outputs, ..] = weight.dims();
    let device = x.device();
    let shape = [batch, outputs, rows, columns];
    let mut y = start(epilogue, shape);

    let size = Size {
        inputs,
        outputs,
        rows,
        columns,
    };
    let weights = with_values(weight, |weight| size.spread_weights(weight));
    let lines: Vec<Line> = (0..batch)
        .flat_map(|item| (0..rows.div_ceil(SIDE)).map(move |line| Line { item, line }))
        .collect();
    let strips: Vec<&[Line]> = lines.chunks((TILES / size.across()).max(1)).collect();
    let sums = with_values(x, |x| map(&strips, |lines| size.strip(x, &weights, lines)));
    for (lines, sums) in strips.into_iter().zip(sums) {
        size.add(lines, &sums, &mut y);
    }
    Tensor::from_data(TensorData::new(y, shape), &device)
}

/// What is added to the sums: they begin with it.
pub(super) fn start(epilogue: Epilogue<Cpu, 4>, shape: [usize; 4]) -> Vec<f32> {
    let [batch, outputs, rows, columns] = shape;
    let mut y = match epilogue.residual {
        Some(residual) => owned(residual),
        None => vec![0.0; batch * outputs * rows * columns],
    };
    let list = |x: Option<Vec<f32>>, length| x.unwrap_or_else(|| vec![0.0; length]);
    let bias = list(epilogue.bias.map(owned), outputs);
    let shift = list(epilogue.shift.map(owned), batch * outputs);
    for (plane, y) in y.chunks_exact_mut(rows * columns).enumerate() {
        let value = bias[plane % outputs] + shift[plane];
        y.iter_mut().for_each(|y| *y += value);
    }
    y
}

/// A row of tiles of one item.
#[derive(Debug, Clone, Copy)]
struct Line {
    item: usize,
    line: usize,
}

/// The sizes of a convolution.
#[derive(Debug, Clone, Copy)]
struct Size {
    inputs: usize,
    outputs: usize,
    rows: usize,
    columns: usize,
}

impl Size {
    /// Tiles in a line.
    fn across(self) -> usize {
        self.columns.div_ceil(SIDE)
    }

    /// Columns that the tiles of a line read.
    fn width(self) -> usize {
        SIDE * self.across() + REACH - SIDE
    }

    /// Channels with those that fill the last four.
    fn padded(self) -> [usize; 2] {
        [self.inputs, self.outputs].map(|count| count.next_multiple_of(LANES))
    }

    /// `G g G^T` of all pairs of channels of weights `[out, in, 3, 3]`: 36 matrices, padded with zeros.
    fn spread_weights(self, weights: &[f32]) -> Matrices {
        let [inputs, outputs] = self.padded();
        let mut spread = vec![0.0; PLACES * outputs * inputs];
        for (output, own) in weights.chunks_exact(self.inputs * 9).enumerate() {
            for (group, taps) in own.chunks(LANES * 9).enumerate() {
                let tap = |i: usize| {
                    f32x4::from(std::array::from_fn(|lane| {
                        taps.get(lane * 9 + i).copied().unwrap_or(0.0)
                    }))
                };
                let columns = [0, 1, 2].map(|c| spread_three([tap(c), tap(3 + c), tap(6 + c)]));
                for row in 0..REACH {
                    let places = spread_three(columns.map(|column| column[row]));
                    for (column, value) in places.into_iter().enumerate() {
                        let place = (row * REACH + column) * outputs + output;
                        store(&mut spread, place * inputs + group * LANES, value);
                    }
                }
            }
        }
        let spread = TensorData::new(spread, [PLACES, outputs, inputs]);
        Matrices::of_lines(Tensor::from_data(spread, &Default::default()))
    }

    /// The sums of some lines, `[out, lines * 4, across * 4]`.
    fn strip(self, x: &[f32], weights: &Matrices, lines: &[Line]) -> Vec<f32> {
        let [inputs, outputs] = self.padded();
        let tiles = lines.len() * self.across();
        let mut spread = vec![0.0; PLACES * tiles * inputs];
        for (number, line) in lines.iter().enumerate() {
            let rows = self.channels_last(x, *line);
            self.spread(rows, &mut spread, tiles, number * self.across());
        }
        let spread = TensorData::new(spread, [PLACES, tiles, inputs]);
        let products = weights.product(Tensor::from_data(spread, &Default::default()));
        let mut sums = vec![0.0; outputs * tiles * SIDE * SIDE];
        for tile in 0..tiles {
            self.gather(&products, tiles, tile, &mut sums);
        }
        sums
    }

    /// The rows that a line reads, `[6, width, in]`, with zeros outside of the image.
    fn channels_last(self, x: &[f32], Line { item, line }: Line) -> Vec<f32> {
        let [inputs, _] = self.padded();
        let mut out = vec![0.0; REACH * self.width() * inputs];
        let area = self.rows * self.columns;
        for (number, out) in out.chunks_exact_mut(self.width() * inputs).enumerate() {
            let row = (SIDE * line + number).wrapping_sub(1);
            if row >= self.rows {
                continue;
            }
            let start = item * self.inputs * area + row * self.columns;
            for channel in (0..self.inputs).step_by(LANES) {
                for column in (0..self.columns).step_by(LANES) {
                    let load = |lane: usize| {
                        let channel = channel + lane;
                        if channel >= self.inputs {
                            return f32x4::ZERO;
                        }
                        let at = start + channel * area + column;
                        let left = (self.columns - column).min(LANES);
                        if left == LANES {
                            return load(x, at);
                        }
                        f32x4::from(std::array::from_fn(
                            |i| if i < left { x[at + i] } else { 0.0 },
                        ))
                    };
                    let block = f32x4::transpose(std::array::from_fn(load));
                    // A column of zeros comes before them.
                    for (i, value) in block.into_iter().enumerate() {
                        store(out, (column + i + 1) * inputs + channel, value);
                    }
                }
            }
        }
        out
    }

    /// `B^T d B` of the tiles of a line to `[36, tiles, in]`, the first of them being `first`.
    fn spread(self, mut rows: Vec<f32>, out: &mut [f32], tiles: usize, first: usize) {
        let [inputs, _] = self.padded();
        let row = self.width() * inputs;
        for at in (0..row).step_by(LANES) {
            let values = std::array::from_fn(|i| load(&rows, i * row + at));
            for (i, value) in spread_six(values).into_iter().enumerate() {
                store(&mut rows, i * row + at, value);
            }
        }
        for (place, row) in rows.chunks_exact(row).enumerate() {
            for tile in 0..self.across() {
                for channel in (0..inputs).step_by(LANES) {
                    let at = SIDE * tile * inputs + channel;
                    let values = spread_six(std::array::from_fn(|i| load(row, at + i * inputs)));
                    for (column, value) in values.into_iter().enumerate() {
                        let place = (place * REACH + column) * tiles + first + tile;
                        store(out, place * inputs + channel, value);
                    }
                }
            }
        }
    }

    /// `A^T m A` of a tile of products `[36, tiles, out]` to its place in the sums.
    fn gather(self, products: &[f32], tiles: usize, tile: usize, sums: &mut [f32]) {
        let [_, outputs] = self.padded();
        let columns = SIDE * self.across();
        let (line, across) = (tile / self.across(), tile % self.across());
        let corner = SIDE * (line * columns + across);
        let area = tiles * SIDE * SIDE;
        for output in (0..outputs).step_by(LANES) {
            let tall: [[f32x4; SIDE]; REACH] = std::array::from_fn(|column| {
                gather_six(std::array::from_fn(|row| {
                    let place = (row * REACH + column) * tiles + tile;
                    load(products, place * outputs + output)
                }))
            });
            for row in 0..SIDE {
                let by_column = gather_six(tall.map(|column| column[row]));
                let by_output = f32x4::transpose(by_column);
                for (lane, value) in by_output.into_iter().enumerate() {
                    let at = (output + lane) * area + corner + row * columns;
                    store(sums, at, value);
                }
            }
        }
    }

    /// Adds the sums of some lines to `y [batch, out, rows, columns]`.
    fn add(self, lines: &[Line], sums: &[f32], y: &mut [f32]) {
        let columns = SIDE * self.across();
        let lengths = lines.len() * SIDE * columns;
        for (output, sums) in sums.chunks(lengths).take(self.outputs).enumerate() {
            for (Line { item, line }, sums) in lines.iter().zip(sums.chunks(SIDE * columns)) {
                let plane = (item * self.outputs + output) * self.rows;
                let rows = SIDE * line..self.rows.min(SIDE * line + SIDE);
                for (row, sums) in rows.zip(sums.chunks(columns)) {
                    let own = &mut y[(plane + row) * self.columns..][..self.columns];
                    for (y, sum) in own.iter_mut().zip(sums) {
                        *y += sum;
                    }
                }
            }
        }
    }
}

/// The second of the points, whose square is 1/2.
const S: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// `G g`.
#[inline(always)]
fn spread_three([a, b, c]: [f32x4; 3]) -> [f32x4; REACH] {
    let (near, far) = ((a * 2.0 + c) * (-1.0 / 3.0), (a * 0.5 + c) * (1.0 / 3.0));
    let odd = b * (S / 3.0);
    [
        a,
        near - odd - odd,
        near + odd + odd,
        far + odd,
        far - odd,
        c,
    ]
}

/// `B^T d`.
#[inline(always)]
fn spread_six([a, b, c, d, e, f]: [f32x4; REACH]) -> [f32x4; REACH] {
    let (near, far) = (e - c * 2.0, e - c * 0.5);
    let (near_odd, far_odd) = ((d - b * 2.0) * S, (d * 2.0 - b) * S);
    [
        a - c * 2.5 + e,
        near + near_odd,
        near - near_odd,
        far + far_odd,
        far - far_odd,
        b - d * 2.5 + f,
    ]
}

/// `A^T m`.
#[inline(always)]
fn gather_six([a, b, c, d, e, f]: [f32x4; REACH]) -> [f32x4; SIDE] {
    let (near, far) = (b + c, d + e);
    let (near_odd, far_odd) = ((b - c) * S, (d - e) * S);
    [
        a + near + far,
        near_odd + far_odd * 2.0,
        near * 0.5 + far * 2.0,
        near_odd * 0.5 + far_odd * 4.0 + f,
    ]
}

#[cfg(test)]
mod tests {
    use super::{super::tests::numbers, *};
    use crate::ops::{Kernels, WeightRef, plain};

    #[test]
    fn equals_the_direct_sum() {
        let geometry = Conv2dGeometry {
            stride: [1; 2],
            padding: [1; 2],
        };
        // Whole tiles, one row and column more or less, more tiles than are computed at once.
        for (i, (x, outputs)) in [
            ([2, 8, 16, 8], 8),
            ([1, 17, 17, 21], 9),
            ([3, 9, 15, 19], 20),
            ([1, 64, 8, 64], 32),
            ([2, 8, 100, 65], 8),
        ]
        .into_iter()
        .enumerate()
        {
            let [batch, inputs, rows, columns] = x;
            let weight = [outputs, inputs, 3, 3];
            assert!(pays(x, weight, geometry));
            let (x, weight) = (numbers(x, 1), numbers(weight, 2));
            let epilogue = || Epilogue {
                bias: (i != 0).then(|| numbers([outputs], 3)),
                shift: (i != 1).then(|| numbers([batch, outputs], 4)),
                residual: (i != 2).then(|| numbers([batch, outputs, rows, columns], 5)),
                ..Epilogue::bias(None)
            };
            let found = Cpu::conv2d(
                x.clone(),
                WeightRef::Dense(weight.clone()),
                epilogue(),
                geometry,
            );
            let expected = plain::conv2d(x, weight, epilogue(), geometry);
            let largest = expected.clone().abs().max().into_scalar();
            let error = (found - expected).abs().max().into_scalar() / largest;
            assert!(error < 5e-6, "{i}: {error}");
        }
    }
}
