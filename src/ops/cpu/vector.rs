//! Functions of four numbers at once.

use wide::{f32x4, i32x4};

/// Numbers that are computed together.
pub(super) const LANES: usize = 4;

/// The four numbers from `at` on.
#[inline(always)]
pub(super) fn load(from: &[f32], at: usize) -> f32x4 {
    let values = &from[at..at + LANES];
    f32x4::from([values[0], values[1], values[2], values[3]])
}

/// Writes four numbers from `at` on.
#[inline(always)]
pub(super) fn store(to: &mut [f32], at: usize, value: f32x4) {
    to[at..at + LANES].copy_from_slice(value.as_array());
}

/// Powers of two whose exponents lie outside of -126 to 126 are no normal numbers, or nearly so.
const RANGE: f32 = 126.0;
/// 1.5 times `2^23`: a small number added to it is rounded to a whole one, which its last bits are then.
const WHOLE: f32 = 12_582_912.0;
/// `(ln 2)^k / k!`, from the sixth power down: the Taylor series of `2^r`.
const SERIES: [f32; 7] = [
    1.540_353e-4,
    1.333_355_8e-3,
    9.618_129e-3,
    5.550_411e-2,
    0.240_226_5,
    std::f32::consts::LN_2,
    1.0,
];

/// `2^x` with an error of at most a millionth of it, for `x` from -126 to 126; outside, that of the nearer
/// end. What is no number may come out as one.
///
/// The library's own function treats all special cases and takes twice as long.
#[inline(always)]
pub(super) fn exp2(x: f32x4) -> f32x4 {
    let x = x.fast_max(f32x4::from(-RANGE)).fast_min(f32x4::from(RANGE));
    let bits = x + WHOLE;
    let rest = x - (bits - WHOLE);
    let [first, others @ ..] = SERIES.map(f32x4::from);
    let series = others
        .into_iter()
        .fold(first, |sum, term| sum * rest + term);
    let exponent: i32x4 = bytemuck::cast(bits);
    let power: f32x4 = bytemuck::cast((exponent + i32x4::from(127)) << 23);
    series * power
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
pub(super) fn sigmoid(x: f32x4) -> f32x4 {
    f32x4::ONE / (exp2(x * -std::f32::consts::LOG2_E) + 1.0)
}

/// `tanh(x) = 2 sigmoid(2 x) - 1`, with an absolute error of some ten-millionths.
#[inline(always)]
pub(super) fn tanh(x: f32x4) -> f32x4 {
    sigmoid(x + x) * 2.0 - 1.0
}

/// `x sigmoid(x)`.
#[inline(always)]
pub(super) fn silu(x: f32x4) -> f32x4 {
    x / (exp2(x * -std::f32::consts::LOG2_E) + 1.0)
}

/// The error function after Abramowitz and Stegun, 7.1.26: the factors of the powers of `t`, highest first.
const ERF: [f32; 5] = [
    1.061_405_4,
    -1.453_152,
    1.421_413_7,
    -0.284_496_74,
    0.254_829_6,
];

/// `x Phi(x)`, with an absolute error of `Phi` below `2e-7`.
#[inline(always)]
pub(super) fn gelu(x: f32x4) -> f32x4 {
    let size = x.abs();
    let z = size * std::f32::consts::FRAC_1_SQRT_2;
    let t = f32x4::ONE / (z * 0.327_591_1 + 1.0);
    let series = ERF
        .into_iter()
        .fold(f32x4::ZERO, |sum, factor| (sum + factor) * t);
    // The share of the normal distribution beyond `size`.
    let tail = series * exp2(z * z * -std::f32::consts::LOG2_E) * 0.5;
    x.fast_max(f32x4::ZERO) - size * tail
}

/// Matrices `[rows, columns]`, as many as there are in `from`, with rows and columns exchanged.
pub(super) fn turned(from: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let area = (rows * columns).max(1);
    let mut to = vec![0.0; from.len()];
    for (from, to) in from.chunks_exact(area).zip(to.chunks_exact_mut(area)) {
        let [whole_rows, whole_columns] = [rows, columns].map(|count| count / LANES * LANES);
        for row in (0..whole_rows).step_by(LANES) {
            for column in (0..whole_columns).step_by(LANES) {
                let four = |i: usize| load(from, (row + i) * columns + column);
                let fours = f32x4::transpose(std::array::from_fn(four));
                for (i, four) in fours.into_iter().enumerate() {
                    store(to, (column + i) * rows + row, four);
                }
            }
        }
        for row in 0..rows {
            let first = if row < whole_rows { whole_columns } else { 0 };
            for column in first..columns {
                to[column * rows + row] = from[row * columns + column];
            }
        }
    }
    to
}

/// Sums of many numbers lose no accuracy when only so many are summed in 32 bits.
const RUN: usize = 1024;

/// The sum over `of` each value.
pub(super) fn sum(values: &[f32], of: impl Fn(f32x4) -> f32x4) -> f64 {
    let runs = values.chunks(RUN).map(|run| {
        let (fours, rest) = run.as_chunks::<LANES>();
        let sum = fours.iter().map(|four| of(f32x4::from(*four)));
        let sum = sum.fold(f32x4::ZERO, |all, one| all + one).reduce_add();
        let rest = rest.iter().map(|x| of(f32x4::from(*x)).to_array()[0]);
        f64::from(sum + rest.sum::<f32>())
    });
    runs.sum()
}

/// Puts what `of` gives in the place of each value.
pub(super) fn each(values: &mut [f32], of: impl Fn(f32x4) -> f32x4) {
    let (fours, rest) = values.as_chunks_mut::<LANES>();
    for four in fours {
        *four = of(f32x4::from(*four)).to_array();
    }
    for x in rest {
        *x = of(f32x4::from(*x)).to_array()[0];
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Cpu, *};
    use burn::tensor::Tensor;

    #[test]
    fn matrices_are_turned() {
        for [count, rows, columns] in [[1, 4, 8], [3, 5, 7], [2, 1, 9], [2, 9, 1], [1, 0, 3]] {
            let values: Vec<f32> = (0..count * rows * columns).map(|i| i as f32).collect();
            let expected = (0..values.len()).map(|i| {
                let (item, at) = (i / (rows * columns), i % (rows * columns));
                values[item * rows * columns + at % rows * columns + at / rows]
            });
            assert_eq!(turned(&values, rows, columns), expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn functions_are_right() {
        for i in -12600..=12600 {
            let x = i as f32 / 100.0;
            let (found, expected) = (exp2(f32x4::from(x)).to_array()[0], f64::from(x).exp2());
            let error = (f64::from(found) / expected - 1.0).abs();
            assert!(error < 1e-6, "2^{x} is {found}, not {expected}");
        }
        assert!(exp2(f32x4::from(f32::NEG_INFINITY)).to_array()[0] < 2e-38);
        assert!(silu(f32x4::from(-1e30)).to_array()[0].abs() < 1e-7);
        assert!(silu(f32x4::from(f32::NAN)).is_nan().any());
        for i in -1000..=1000 {
            let x = i as f32 / 100.0;
            let tensor = Tensor::<Cpu, 1>::from_floats([x], &Default::default());
            let expected = burn::tensor::activation::gelu(tensor).into_scalar();
            let found = gelu(f32x4::from(x)).to_array()[0];
            assert!(
                (found - expected).abs() < 1e-6,
                "gelu({x}) is {found}, not {expected}"
            );
            let found = tanh(f32x4::from(x)).to_array()[0];
            assert!((found - x.tanh()).abs() < 1e-6, "tanh({x}) is {found}");
        }
        assert_eq!(gelu(f32x4::from(1e20)).to_array()[0], 1e20);
        assert!(gelu(f32x4::from(f32::NAN)).is_nan().any());
        assert_eq!(silu(f32x4::from(200.0)).to_array()[0], 200.0);
    }
}
