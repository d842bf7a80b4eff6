//! Correlation, of values and of ranks, and what it is worth.

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// Spearman's rank correlation, from -1 to 1: Pearson's correlation of the ranks.
///
/// ```text
/// rho = sum (r - mean r)(s - mean s) / sqrt(sum (r - mean r)^2 * sum (s - mean s)^2)
/// ```
///
/// Equal values share the mean of their ranks. 0 if a side is constant or there are fewer than two
/// pairs; what the longer side has more is left out. NaN ranks beyond the infinity of its sign.
///
/// ```
/// use art2mus::metrics::rank::spearman;
///
/// assert_eq!(spearman(&[1.0, 2.0, 3.0], &[1.0, 10.0, 100.0]), 1.0);
/// ```
pub fn spearman(x: &[f64], y: &[f64]) -> f64 {
    let [x, y] = both_ranks(x, y);
    pearson(&x, &y)
}

/// The standard error of a rank correlation of `n` pairs.
///
/// ```text
/// (1 - rho^2) sqrt((1 + rho^2 / 2) / (n - 3))
/// ```
///
/// The root is the standard error of `atanh(rho)` by Bonett and Wright, "Sample size requirements
/// for estimating Pearson, Kendall and Spearman correlations", 2000; the factor before it, the
/// derivative of `tanh`, brings it to the scale of `rho`. It holds for normally distributed pairs and
/// `|rho|` below 0.95. Infinite for three pairs or fewer, of which nothing can be said.
pub fn standard_error(rho: f64, n: usize) -> f64 {
    if n <= 3 {
        return f64::INFINITY;
    }
    let square = rho.powi(2).min(1.0);
    (1.0 - square) * ((1.0 + square / 2.0) / (n - 3) as f64).sqrt()
}

/// The mean of [`spearman`], with its sign, over `shuffles` random orders of `y`: what correlation
/// remains if the pairing means nothing. 0 for no shuffles.
///
/// It is near 0: its standard deviation is `1 / sqrt((n - 1) shuffles)` for `n` pairs. The same seed
/// gives the same orders.
pub fn shuffled_control(x: &[f64], y: &[f64], shuffles: usize, seed: u64) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // An order does not change ranks.
    let [x, mut y] = both_ranks(x, y);
    let each = (0..shuffles).map(|_| {
        y.shuffle(&mut rng);
        pearson(&x, &y)
    });
    each.sum::<f64>() / shuffles.max(1) as f64
}

/// The area under the curve of receiver operating characteristics: how often a value of `positive` is above one of
/// `negative`, equal ones counting half (Mann and Whitney, 1947). 0.5 if a side is empty.
///
/// ```
/// use art2mus::metrics::rank::auc;
///
/// assert_eq!(auc(&[2.0, 3.0], &[1.0, 2.0]), 0.875);
/// ```
pub fn auc(positive: &[f64], negative: &[f64]) -> f64 {
    let count = positive.len() * negative.len();
    if count == 0 {
        return 0.5;
    }
    let all = positive
        .iter()
        .flat_map(|above| negative.iter().map(move |below| (above, below)));
    let won = all.map(|(above, below)| match above.total_cmp(below) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    });
    won.sum::<f64>() / count as f64
}

/// The standard error of an [`auc`] of so many values on each side: Hanley and McNeil, "The meaning and use of the
/// area under a receiver operating characteristic curve", 1982. Infinite if a side is empty.
pub fn auc_standard_error(auc: f64, positive: usize, negative: usize) -> f64 {
    if positive == 0 || negative == 0 {
        return f64::INFINITY;
    }
    let (above, below) = (positive as f64, negative as f64);
    let square = auc * auc;
    let (first, second) = (auc / (2.0 - auc), 2.0 * square / (1.0 + auc));
    let variance =
        auc * (1.0 - auc) + (above - 1.0) * (first - square) + (below - 1.0) * (second - square);
    (variance / (above * below)).max(0.0).sqrt()
}

/// The ranks of both sides, as far as there are pairs.
fn both_ranks(x: &[f64], y: &[f64]) -> [Vec<f64>; 2] {
    let pairs = x.len().min(y.len());
    [ranks(&x[..pairs]), ranks(&y[..pairs])]
}

/// The place of each value in ascending order, from 1; the mean place for equal values.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    // Equality, not the total order: -0 and 0 are equal.
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = before as f64 + (equal.len() + 1) as f64 / 2.0;
        for index in equal {
            ranks[*index] = rank;
        }
        before += equal.len();
    }
    ranks
}

/// Pearson's correlation, from -1 to 1; 0 if a side is constant. What the longer side has more is left out.
pub fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let pairs = x.len().min(y.len());
    let (x, y) = (&x[..pairs], &y[..pairs]);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        let (x, y) = (x - mean_x, y - mean_y);
        xx += x * x;
        yy += y * y;
        xy += x * y;
    }
    let scale = (xx * yy).sqrt();
    if scale > 0.0 {
        (xy / scale).clamp(-1.0, 1.0)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    #[test]
    fn equal_values_share_their_ranks() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        assert_eq!(ranks(&[0.0, -0.0]), [1.5, 1.5]);
        assert!(ranks(&[]).is_empty());
    }

    /// The value with ties is that of the documentation of SciPy's `spearmanr`.
    #[test]
    fn known_correlations() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(spearman(&x, &x.map(f64::exp)), 1.0);
        assert_eq!(spearman(&x, &x.map(|x| -x)), -1.0);
        assert_eq!(spearman(&x, &[2.0; 5]), 0.0);
        assert_eq!(spearman(&x, &[]), 0.0);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(
            spearman(&x, &[5.0, 6.0, 7.0, 8.0, 7.0]),
            0.820_782_681_668_123_3,
        );
        near(spearman(&x, &[2.0, 1.0, 4.0, 3.0, 5.0]), 0.8);
    }

    #[test]
    fn more_pairs_say_more() {
        assert!((standard_error(0.0, 103) - 0.1).abs() < 1e-12);
        let error = standard_error(0.6, 103);
        assert!((error - 0.64 * 0.1 * 1.18f64.sqrt()).abs() < 1e-12);
        assert_eq!(standard_error(1.0, 50), 0.0);
        assert_eq!(standard_error(0.5, 3), f64::INFINITY);
    }

    /// The spread of the estimate over many samples is its standard error.
    #[test]
    fn the_error_is_that_of_normal_pairs() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let (n, repeats) = (60, 1500);
        let estimates: Vec<f64> = (0..repeats)
            .map(|_| {
                let x: Vec<f64> = (0..n).map(|_| normal()).collect();
                let y: Vec<f64> = x
                    .iter()
                    .map(|x| 0.7 * x + 0.51f64.sqrt() * normal())
                    .collect();
                spearman(&x, &y)
            })
            .collect();
        let mean = estimates.iter().sum::<f64>() / repeats as f64;
        let squares = estimates.iter().map(|rho| (rho - mean).powi(2));
        let spread = (squares.sum::<f64>() / repeats as f64).sqrt();
        let expected = standard_error(mean, n);
        assert!((spread / expected - 1.0).abs() < 0.1, "{spread} {expected}");
    }

    #[test]
    fn areas_count_pairs() {
        assert_eq!(auc(&[1.0, 2.0], &[3.0]), 0.0);
        assert_eq!(auc(&[1.0], &[1.0]), 0.5);
        assert_eq!(auc(&[], &[1.0]), 0.5);
        // Without a difference it is that of Mann and Whitney's statistic without ties.
        let error = auc_standard_error(0.5, 20, 30);
        let expected = (51.0 / (12.0 * 20.0 * 30.0f64)).sqrt();
        assert!((error / expected - 1.0).abs() < 0.02, "{error} {expected}");
        assert_eq!(auc_standard_error(1.0, 20, 20), 0.0);
    }

    #[test]
    fn nothing_is_left_of_shuffled_pairs() {
        let x: Vec<f64> = (0..100).map(f64::from).collect();
        let control = shuffled_control(&x, &x, 200, 3);
        // Four standard deviations.
        assert!(control.abs() < 4.0 / (99.0 * 200f64).sqrt(), "{control}");
        assert_eq!(control, shuffled_control(&x, &x, 200, 3));
        assert_ne!(control, shuffled_control(&x, &x, 200, 4));
        assert_eq!(shuffled_control(&x, &x, 0, 3), 0.0);
    }
}
