//! The Fréchet distance of two sets of embeddings.

use crate::{Error, Result};

/// A matrix by its rows.
type Rows = Vec<Vec<f64>>;

/// Variances below this share of the largest are rounding errors.
const NEGLIGIBLE: f64 = 1e-13;

/// The most steps of the QL algorithm for an eigenvalue; three are usual.
const MAX_STEPS: usize = 60;

/// The Fréchet distance of the normal distributions that two sets of vectors suggest, in the squared
/// unit of the vectors.
///
/// ```text
/// |mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2))
/// ```
///
/// with means `mu` and sample covariances `S` (divided by `n - 1`): Dowson and Landau, 1982; Heusel
/// et al., "GANs trained by a two time-scale update rule", 2017, for pictures; Kilgour et al.,
/// "Fréchet audio distance", 2019, for sounds. The trace of the root is the sum of the roots of the
/// eigenvalues of the symmetric `S_a^(1/2) S_b S_a^(1/2)`, those below 0 counting as 0, and so does a
/// distance below 0. Few vectors make it too large: two sets of `n` vectors of `d` independent numbers
/// of variance 1 are apart by about `d^2 / (2 n)`.
///
/// Fails if a side has fewer than two vectors, or vectors differ in length or have numbers that are
/// not finite.
///
/// ```
/// use art2mus::metrics::frechet::frechet_distance;
///
/// let a = [vec![0.0], vec![2.0]];
/// let b = [vec![5.0], vec![7.0]];
/// assert!((frechet_distance(&a, &b)? - 25.0).abs() < 1e-9);
/// # Ok::<(), art2mus::Error>(())
/// ```
pub fn frechet_distance(a: &[Vec<f32>], b: &[Vec<f32>]) -> Result<f64> {
    check(a, b)?;
    let ((mean_a, a), (mean_b, b)) = (centred(a), centred(b));
    let squares = mean_a.iter().zip(&mean_b).map(|(a, b)| (a - b).powi(2));
    let means: f64 = squares.sum();
    let trace = |rows: &Rows| rows.iter().map(|row| dot(row, row)).sum::<f64>();
    let distance = means + trace(&a) + trace(&b) - 2.0 * root_trace(&factor(a), &factor(b))?;
    Ok(distance.max(0.0))
}

fn check(a: &[Vec<f32>], b: &[Vec<f32>]) -> Result<()> {
    if a.len() < 2 || b.len() < 2 {
        return Err(Error::input(
            format!("there are {} and {} embeddings", a.len(), b.len()),
            "compare sets of at least two",
        ));
    }
    let mut all = a.iter().chain(b);
    if all.clone().any(|vector| vector.len() != a[0].len()) {
        return Err(Error::input(
            "the embeddings differ in length",
            "make them all with the same model",
        ));
    }
    if all.any(|vector| vector.iter().any(|x| !x.is_finite())) {
        return Err(Error::input(
            "the embeddings have values that are not numbers",
            "check the sounds that they were made from",
        ));
    }
    Ok(())
}

/// The mean, and rows `F` with `F^T F = S`: the deviations divided by `sqrt(n - 1)`.
fn centred(vectors: &[Vec<f32>]) -> (Vec<f64>, Rows) {
    let mut mean = vec![0.0; vectors[0].len()];
    for vector in vectors {
        for (mean, x) in mean.iter_mut().zip(vector) {
            *mean += f64::from(*x) / vectors.len() as f64;
        }
    }
    let scale = 1.0 / ((vectors.len() - 1) as f64).sqrt();
    let rows = vectors.iter().map(|vector| {
        let pairs = vector.iter().zip(&mean);
        pairs.map(|(x, m)| (f64::from(*x) - m) * scale).collect()
    });
    let rows = rows.collect();
    (mean, rows)
}

/// Rows with the same `F^T F`, no more than there are columns.
fn factor(rows: Rows) -> Rows {
    let columns = rows[0].len();
    if rows.len() <= columns {
        return rows;
    }
    let mut product = vec![vec![0.0; columns]; columns];
    for row in &rows {
        for (i, x) in row.iter().enumerate() {
            for (sum, y) in product[i].iter_mut().zip(row) {
                *sum += x * y;
            }
        }
    }
    // Cholesky's decomposition that takes the largest variance that is left first.
    let mut left: Vec<f64> = (0..columns).map(|i| product[i][i]).collect();
    let least = NEGLIGIBLE * left.iter().fold(0.0, |max: f64, x| max.max(*x));
    let mut factor: Rows = Vec::with_capacity(columns);
    for _ in 0..columns {
        let largest = (0..columns).max_by(|i, j| left[*i].total_cmp(&left[*j]));
        let Some(pivot) = largest.filter(|i| left[*i] > least) else {
            break;
        };
        let mut row = product[pivot].clone();
        for known in &factor {
            subtract(&mut row, known[pivot], known);
        }
        let scale = 1.0 / left[pivot].sqrt();
        for (x, left) in row.iter_mut().zip(&mut left) {
            *x *= scale;
            *left -= *x * *x;
        }
        left[pivot] = 0.0;
        factor.push(row);
    }
    factor
}

/// `tr((S_a S_b)^(1/2))` for `S_a = A^T A` and `S_b = B^T B`.
///
/// With the singular value decomposition of `A`, `S_a^(1/2) S_b S_a^(1/2)` is `A S_b A^T` in other
/// coordinates, but for eigenvalues of 0; and that is `M M^T` for `M = A B^T`.
fn root_trace(a: &Rows, b: &Rows) -> Result<f64> {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let product: Rows = short
        .iter()
        .map(|x| long.iter().map(|y| dot(x, y)).collect())
        .collect();
    let mut gram = vec![vec![0.0; short.len()]; short.len()];
    for i in 0..short.len() {
        for j in 0..=i {
            gram[i][j] = dot(&product[i], &product[j]);
            gram[j][i] = gram[i][j];
        }
    }
    let eigenvalues = eigenvalues(gram)?;
    Ok(eigenvalues.iter().map(|x| x.max(0.0).sqrt()).sum())
}

/// The eigenvalues of a symmetric matrix in no order: Householder's reflections make it tridiagonal,
/// then the QL algorithm with implicit shifts (Golub and Van Loan, "Matrix Computations", 8.3).
fn eigenvalues(mut matrix: Rows) -> Result<Vec<f64>> {
    let n = matrix.len();
    // `beside[i]` stands between `diagonal[i]` and the next.
    let (mut diagonal, mut beside) = (vec![0.0; n], vec![0.0; n]);
    for last in (0..n).rev() {
        let mut v = matrix.pop().unwrap_or_default();
        diagonal[last] = v[last];
        v.truncate(last);
        let Some(end) = v.last().copied() else { break };
        let norm = dot(&v, &v).sqrt();
        beside[last - 1] = norm;
        if norm == 0.0 {
            continue;
        }
        // The reflection I - v v^T / h takes the row to (0, ..., 0, ∓norm); signs do not matter.
        v[last - 1] += norm.copysign(end);
        let h = norm * (norm + end.abs());
        let mut p: Vec<f64> = matrix.iter().map(|row| dot(&row[..last], &v) / h).collect();
        let half = dot(&p, &v) / (2.0 * h);
        subtract(&mut p, half, &v);
        for (i, row) in matrix.iter_mut().enumerate() {
            subtract(&mut row[..last], p[i], &v);
            subtract(&mut row[..last], v[i], &p);
        }
    }
    for first in 0..n {
        let mut steps = 0;
        loop {
            let negligible = |i: &usize| {
                let scale = diagonal[*i].abs() + diagonal[*i + 1].abs();
                beside[*i].abs() <= f64::EPSILON * scale
            };
            let block = (first..n - 1).find(negligible).unwrap_or(n - 1);
            if block == first {
                break;
            }
            if steps == MAX_STEPS {
                return Err(Error::internal("the eigenvalues do not converge"));
            }
            steps += 1;
            ql_step(&mut diagonal, &mut beside, first, block);
        }
    }
    Ok(diagonal)
}

/// One step of the QL algorithm on the block from `first` to `last`.
fn ql_step(diagonal: &mut [f64], beside: &mut [f64], first: usize, last: usize) {
    let slope = (diagonal[first + 1] - diagonal[first]) / (2.0 * beside[first]);
    let root = slope.hypot(1.0).copysign(slope);
    let mut g = diagonal[last] - diagonal[first] + beside[first] / (slope + root);
    let (mut sine, mut cosine, mut shift) = (1.0, 1.0, 0.0);
    for i in (first..last).rev() {
        let (f, b) = (sine * beside[i], cosine * beside[i]);
        let r = f.hypot(g);
        beside[i + 1] = r;
        if r == 0.0 {
            // The block falls into two.
            diagonal[i + 1] -= shift;
            beside[last] = 0.0;
            return;
        }
        (sine, cosine) = (f / r, g / r);
        g = diagonal[i + 1] - shift;
        let r = (diagonal[i] - g) * sine + 2.0 * cosine * b;
        shift = sine * r;
        diagonal[i + 1] = g + shift;
        g = cosine * r - b;
    }
    diagonal[first] -= shift;
    beside[first] = g;
    beside[last] = 0.0;
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// `x - factor * y`, in place.
fn subtract(x: &mut [f64], factor: f64, y: &[f64]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x -= factor * y;
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn random(count: usize, length: usize, seed: u64) -> Vec<Vec<f32>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut vector = || (0..length).map(|_| rng.random_range(-1.0..1.0)).collect();
        (0..count).map(|_| vector()).collect()
    }

    fn shifted(vectors: &[Vec<f32>], scale: f32, shift: f32) -> Vec<Vec<f32>> {
        let of = |vector: &Vec<f32>| vector.iter().map(|x| scale * x + shift).collect();
        vectors.iter().map(of).collect()
    }

    /// More vectors than numbers in each, and fewer.
    #[test]
    fn scaling_and_shifting_have_known_distances() {
        for (count, length) in [(50, 8), (6, 40), (2, 3), (9, 9)] {
            let a = random(count, length, 1);
            assert!(frechet_distance(&a, &a).unwrap() < 1e-5);
            let (_, rows) = centred(&a);
            let trace: f64 = rows.iter().map(|row| dot(row, row)).sum();
            // (3 - 1)^2 tr(S), and the means.
            let distance = frechet_distance(&a, &shifted(&a, 3.0, 0.0)).unwrap();
            let mean = centred(&a).0;
            let expected = 4.0 * (trace + dot(&mean, &mean));
            assert!((distance / expected - 1.0).abs() < 1e-5, "{distance}");
            let distance = frechet_distance(&a, &shifted(&a, 1.0, 2.0)).unwrap();
            assert!((distance / (4.0 * length as f64) - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn the_distance_is_symmetric_whatever_the_counts() {
        let (a, b) = (random(30, 12, 1), shifted(&random(7, 12, 2), 1.5, 0.3));
        let (there, back) = (frechet_distance(&a, &b), frechet_distance(&b, &a));
        let (there, back) = (there.unwrap(), back.unwrap());
        assert!(there > 1.0 && (there - back).abs() < 1e-6, "{there} {back}");
    }

    #[test]
    fn eigenvalues_of_the_second_difference_are_known() {
        // In coordinates that make it a full matrix: Q T Q with the reflection Q = I - 2/n 1 1^T.
        let n = 12;
        let t = |i: usize, j: usize| match i.abs_diff(j) {
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        };
        let q = |i, j| f64::from(u8::from(i == j)) - 2.0 / n as f64;
        let product = |f: &dyn Fn(usize, usize) -> f64, g: &dyn Fn(usize, usize) -> f64| -> Rows {
            let cell = |i, j| (0..n).map(|k| f(i, k) * g(k, j)).sum();
            (0..n)
                .map(|i| (0..n).map(|j| cell(i, j)).collect())
                .collect()
        };
        let left = product(&q, &t);
        let full = product(&|i, j| left[i][j], &q);
        let mut found = eigenvalues(full).unwrap();
        found.sort_by(f64::total_cmp);
        for (k, found) in found.into_iter().enumerate() {
            let angle = (k + 1) as f64 * std::f64::consts::PI / (n + 1) as f64;
            assert!((found - (2.0 - 2.0 * angle.cos())).abs() < 1e-12);
        }
        assert_eq!(eigenvalues(vec![vec![0.0; 3]; 3]).unwrap(), [0.0; 3]);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let a = random(4, 3, 1);
        assert!(frechet_distance(&a, &a[..1]).is_err());
        assert!(frechet_distance(&a, &random(4, 2, 1)).is_err());
        assert!(frechet_distance(&a, &[vec![0.0; 3], vec![f32::NAN; 3]]).is_err());
        let empty = [vec![], vec![]];
        assert_eq!(frechet_distance(&empty, &empty).unwrap(), 0.0);
        let constant = [vec![1.0], vec![1.0]];
        assert_eq!(frechet_distance(&constant, &constant).unwrap(), 0.0);
    }
}
