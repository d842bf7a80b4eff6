//! Products of matrices, four numbers at once: the micro-kernel of Goto & van de Geijn, "Anatomy of High-Performance
//! Matrix Multiplication", 2008, as BLIS arranges it (Van Zee & van de Geijn, 2015).
//!
//! Both matrices lie in panels: four rows of the left one, or eight columns of the right one, side by side. A tile of
//! four by eight sums stays in registers: with two vectors of the right panel and a number of the left one these fit the
//! sixteen registers that engines have for WebAssembly on most machines.

use burn::tensor::Tensor;
use wide::f32x4;

use super::{
    Cpu, owned,
    vector::{LANES, load, store},
    with_values,
};

/// Whether products are computed here: in WebAssembly, where every sum is then added up in an order that neither batch nor
/// rows change, so that work can be cut into parts without changing a bit. Natively burn's products have registers of two or
/// four times the width.
pub(super) const OWN: bool = cfg!(target_family = "wasm");

/// Rows of a tile, and of a panel of the left matrix.
pub(super) const ROWS: usize = LANES;
/// Columns of a tile, and of a panel of the right matrix.
pub(super) const COLUMNS: usize = 2 * LANES;
/// Products that are summed before the next panels are read: 24 KiB of both stay in the nearest cache.
const DEPTH: usize = 512;
/// Numbers of a left matrix that lie in panels at once.
const BLOCK: usize = 1 << 16;

/// A matrix of lines (rows of a left one, columns of a right one) of `depth` numbers, `N` of them side by side:
/// `[lines / N, depth, N]`. What is missing of the last panel is zeros.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Panels<const N: usize> {
    depth: usize,
    lines: usize,
    values: Vec<[f32; N]>,
}

/// Right matrices of one shape, as products read them.
#[derive(Debug, Clone)]
pub(super) enum Matrices {
    /// For the products of this module.
    Panels(Vec<Right>),
    /// For burn's, `[count, depth, columns]`.
    Tensor(Tensor<Cpu, 3>),
}

impl Matrices {
    /// Of columns `[count, columns, depth]`.
    pub fn of_lines(lines: Tensor<Cpu, 3>) -> Self {
        let [_, columns, depth] = lines.dims();
        if !OWN {
            return Self::Tensor(lines.swap_dims(1, 2));
        }
        Self::panels(lines, |from| Right::of_lines(from, depth, columns, depth))
    }

    /// Of rows `[count, depth, columns]`.
    pub fn of_places(places: Tensor<Cpu, 3>) -> Self {
        let [_, depth, columns] = places.dims();
        if !OWN {
            return Self::Tensor(places);
        }
        Self::panels(places, |from| {
            Right::of_places(from, columns, columns, depth)
        })
    }

    fn panels(matrices: Tensor<Cpu, 3>, make: impl Fn(&[f32]) -> Right) -> Self {
        let [_, rows, columns] = matrices.dims();
        let each = (rows * columns).max(1);
        Self::Panels(with_values(matrices, |values| {
            values.chunks_exact(each).map(make).collect()
        }))
    }

    /// The products of `left [count, rows, depth]` with each, `[count, rows, columns]`.
    pub fn product(&self, left: Tensor<Cpu, 3>) -> Vec<f32> {
        let matrices = match self {
            Self::Tensor(right) => return owned(left.matmul(right.clone())),
            Self::Panels(matrices) => matrices,
        };
        let [_, rows, depth] = left.dims();
        let columns = matrices.first().map_or(0, |right| right.lines);
        let mut y = vec![0.0; matrices.len() * rows * columns];
        with_values(left, |left| {
            for (number, right) in matrices.iter().enumerate() {
                let left = &left[number * rows * depth..][..rows * depth];
                let y = &mut y[number * rows * columns..][..rows * columns];
                add_product_of_rows(left, right, y);
            }
        });
        y
    }
}

/// Adds the product of the rows `left`, which lie behind each other, with `right` to `y`.
fn add_product_of_rows(left: &[f32], right: &Right, y: &mut [f32]) {
    let (depth, columns) = (right.depth, right.lines);
    if depth == 0 || columns == 0 {
        return;
    }
    // Panels of so many rows stay in the second cache.
    let rows = (BLOCK / depth).next_multiple_of(ROWS);
    for (left, y) in left.chunks(rows * depth).zip(y.chunks_mut(rows * columns)) {
        let left = Left::of_lines(left, depth, left.len() / depth, depth);
        add_product(&left, right, y, columns);
    }
}

/// Adds `x weight^T` to `y`, which has a row for each of `x [.., in]`; `weight [out, in]`.
pub(super) fn add_linear(x: &[f32], weight: &[f32], inputs: usize, y: &mut [f32]) {
    let outputs = weight.len() / inputs.max(1);
    let right = Right::of_lines(weight, inputs, outputs, inputs);
    add_product_of_rows(x, &right, y);
}

/// A left matrix.
pub(super) type Left = Panels<ROWS>;
/// A right matrix.
pub(super) type Right = Panels<COLUMNS>;

impl<const N: usize> Panels<N> {
    /// Of zeros.
    pub fn zeros(lines: usize, depth: usize) -> Self {
        Self {
            depth,
            lines,
            values: vec![[0.0; N]; lines.div_ceil(N) * depth],
        }
    }

    /// Of lines that lie `stride` apart, each of whose numbers lie together.
    pub fn of_lines(from: &[f32], stride: usize, lines: usize, depth: usize) -> Self {
        let mut panels = Self::zeros(lines, depth);
        if depth == 0 {
            return panels;
        }
        for (number, panel) in panels.values.chunks_exact_mut(depth).enumerate() {
            for first in (0..N).step_by(LANES) {
                let line = |i: usize| {
                    let line = number * N + first + i;
                    (line < lines).then(|| &from[line * stride..][..depth])
                };
                turn(std::array::from_fn(line), panel, first);
            }
        }
        panels
    }

    /// The panels, `[depth, N]` each.
    pub fn panels_mut(&mut self) -> impl Iterator<Item = &mut [[f32; N]]> {
        self.values.chunks_exact_mut(self.depth.max(1))
    }

    /// Of lines whose numbers lie `stride` apart, those of equal place together.
    pub fn of_places(from: &[f32], stride: usize, lines: usize, depth: usize) -> Self {
        let mut panels = Self::zeros(lines, depth);
        for place in 0..depth {
            let values = &from[place * stride..][..lines];
            for (number, part) in values.chunks(N).enumerate() {
                panels.values[number * depth + place][..part.len()].copy_from_slice(part);
            }
        }
        panels
    }
}

/// Writes four lines into places `first` and on of a panel.
#[inline(always)]
fn turn<const N: usize>(lines: [Option<&[f32]>; LANES], panel: &mut [[f32; N]], first: usize) {
    let (fours, rest) = panel.as_chunks_mut::<LANES>();
    let whole = fours.len() * LANES;
    for (number, four) in fours.iter_mut().enumerate() {
        let load =
            |line: Option<&[f32]>| line.map_or(f32x4::ZERO, |line| load(line, number * LANES));
        let turned = f32x4::transpose(lines.map(load));
        for (to, values) in four.iter_mut().zip(turned) {
            store(to, first, values);
        }
    }
    for (to, at) in rest.iter_mut().zip(whole..) {
        for (to, line) in to[first..].iter_mut().zip(lines) {
            *to = line.map_or(0.0, |line| line[at]);
        }
    }
}

/// Adds the product of both to `y`, whose rows, one for each line of `left`, lie `stride` apart and begin with
/// a column for each line of `right`.
pub(super) fn add_product(left: &Left, right: &Right, y: &mut [f32], stride: usize) {
    let (depth, columns) = (left.depth, right.lines);
    assert_eq!(depth, right.depth, "the matrices do not fit");
    if depth == 0 || columns == 0 {
        return;
    }
    for first in (0..depth).step_by(DEPTH) {
        let part = first..depth.min(first + DEPTH);
        for (number, right) in right.values.chunks_exact(depth).enumerate() {
            let right = &right[part.clone()];
            let at = number * COLUMNS;
            let width = (columns - at).min(COLUMNS);
            let rows = y.chunks_mut(ROWS * stride);
            for (left, y) in left.values.chunks_exact(depth).zip(rows) {
                let sums = tile(&left[part.clone()], right);
                for (y, sums) in y.chunks_mut(stride).zip(sums) {
                    add(&mut y[at..at + width], sums);
                }
            }
        }
    }
}

/// The products of two panels.
#[inline(always)]
fn tile(left: &[[f32; ROWS]], right: &[[f32; COLUMNS]]) -> [[f32x4; 2]; ROWS] {
    let mut sums = [[f32x4::ZERO; 2]; ROWS];
    for (left, right) in left.iter().zip(right) {
        let right = [load(right, 0), load(right, LANES)];
        for (sums, x) in sums.iter_mut().zip(left) {
            let x = f32x4::splat(*x);
            sums[0] += x * right[0];
            sums[1] += x * right[1];
        }
    }
    sums
}

#[inline(always)]
fn add(y: &mut [f32], sums: [f32x4; 2]) {
    if let [left, right] = y.as_chunks_mut::<LANES>().0 {
        *left = (f32x4::from(*left) + sums[0]).to_array();
        *right = (f32x4::from(*right) + sums[1]).to_array();
    } else {
        let sums = sums.iter().flat_map(f32x4::as_array);
        y.iter_mut().zip(sums).for_each(|(y, sum)| *y += sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::standard_normal;

    #[test]
    fn equals_the_sum() {
        // Whole tiles; rows, columns and depths that are none; more depth than is summed at once; parts of larger matrices.
        for (rows, depth, columns, more) in [
            (4, 8, 8, 0),
            (1, 1, 1, 0),
            (5, 7, 9, 3),
            (6, 3, 12, 1),
            (7, 2 * DEPTH + 3, 21, 2),
            (3, 4, 0, 0),
            (2, 0, 3, 0),
        ] {
            let x = standard_normal(1, 1, rows * (depth + more));
            let matrix = standard_normal(2, 1, depth * (columns + more));
            let start = standard_normal(3, 1, rows * columns);
            let element = |at: usize, column: usize| matrix[at * (columns + more) + column];
            let turned: Vec<f32> = (0..columns * depth)
                .map(|i| element(i % depth, i / depth))
                .collect();
            let left = Left::of_lines(&x, depth + more, rows, depth);
            let right = Right::of_places(&matrix, columns + more, columns, depth);
            assert_eq!(Right::of_lines(&turned, depth, columns, depth), right);
            let mut y = start.clone();
            add_product(&left, &right, &mut y, columns);
            for (i, found) in y.iter().enumerate() {
                let (row, column) = (i / columns, i % columns);
                let term =
                    |at| f64::from(x[row * (depth + more) + at]) * f64::from(element(at, column));
                let expected = f64::from(start[i]) + (0..depth).map(term).sum::<f64>();
                let error = (f64::from(*found) - expected).abs();
                assert!(error < 1e-4, "{rows} x {depth} x {columns}: {error}");
            }
        }
    }
}
