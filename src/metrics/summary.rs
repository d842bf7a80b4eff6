//! What a set of numbers is like, and how sure its mean is.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// Where quantiles are taken.
pub const QUANTILES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

/// The share of bootstrap means that an interval holds.
const CONFIDENCE: f64 = 0.95;
/// Samples of the bootstrap.
const RESAMPLES: usize = 2000;

/// Extremes, moments and quantiles of a set of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// How many numbers there are.
    pub count: usize,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
    /// The standard deviation, of a sample: divided by `count - 1`.
    pub deviation: f64,
    /// Quantiles at [`QUANTILES`].
    pub quantiles: [f64; 7],
}

impl Summary {
    /// Of `values`; none if there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let mean = mean(values);
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self {
            count: values.len(),
            min,
            max,
            mean,
            deviation: (squares / (values.len() - 1).max(1) as f64).sqrt(),
            quantiles: QUANTILES.map(|share| quantile(&sorted, share)),
        })
    }
}

/// The quantile of ascending values, between two of which it lies on a line (Hyndman and Fan's type 7); 0 for none.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share.clamp(0.0, 1.0) * sorted.len().saturating_sub(1) as f64;
    let (low, part) = (place.floor() as usize, place.fract());
    let at = |index: usize| sorted.get(index).or(sorted.last()).copied().unwrap_or(0.0);
    at(low) + part * (at(low + 1) - at(low))
}

/// The mean; 0 for no values.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// A figure with its interval of 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The figure itself.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Of a mean: the percentiles of the means of 2000 samples with replacement, drawn from a fixed seed (Efron, "Bootstrap
    /// methods: another look at the jackknife", 1979).
    pub fn of_mean(values: &[f64]) -> Self {
        let means = |picks: &[usize]| {
            picks.iter().map(|i| values[*i]).sum::<f64>() / picks.len().max(1) as f64
        };
        Self::of(values.len(), RESAMPLES, |picks| Some(means(picks))).unwrap_or(Self {
            value: 0.0,
            low: 0.0,
            high: 0.0,
        })
    }

    /// Of any `figure` of `count` items, which is given the places of the items that a sample picks: all of them in order,
    /// then `resamples` samples with replacement. A sample whose figure is none is left out; none if that of all items is.
    pub fn of(
        count: usize,
        resamples: usize,
        mut figure: impl FnMut(&[usize]) -> Option<f64>,
    ) -> Option<Self> {
        let mut picks: Vec<usize> = (0..count).collect();
        let value = figure(&picks)?;
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut figures = Vec::with_capacity(resamples);
        if count > 0 {
            for _ in 0..resamples {
                picks
                    .iter_mut()
                    .for_each(|pick| *pick = rng.random_range(0..count));
                figures.extend(figure(&picks));
            }
        }
        figures.sort_by(f64::total_cmp);
        let end = |share| match figures.is_empty() {
            true => value,
            false => quantile(&figures, share),
        };
        let outside = (1.0 - CONFIDENCE) / 2.0;
        Some(Self {
            value,
            low: end(outside),
            high: end(1.0 - outside),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_those_of_small_sets() {
        let summary = Summary::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((summary.min, summary.max, summary.mean), (1.0, 4.0, 2.5));
        assert!((summary.deviation - (5.0f64 / 3.0).sqrt()).abs() < 1e-12);
        // As numpy.quantile gives them.
        assert_eq!(summary.quantiles[3], 2.5);
        assert_eq!(summary.quantiles[2], 1.75);
        assert_eq!(Summary::of(&[7.0]).unwrap().deviation, 0.0);
        assert_eq!(Summary::of(&[]), None);
    }

    /// The interval of a mean of many independent values is about 1.96 standard errors wide on either side.
    #[test]
    fn intervals_of_means_are_as_wide_as_theory_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let values: Vec<f64> = (0..400).map(|_| rng.random_range(0.0..1.0)).collect();
        let interval = Interval::of_mean(&values);
        let error = Summary::of(&values).unwrap().deviation / 20.0;
        for end in [
            interval.value - interval.low,
            interval.high - interval.value,
        ] {
            assert!((end / (1.96 * error) - 1.0).abs() < 0.1, "{end} {error}");
        }
        assert_eq!(Interval::of_mean(&values), interval);
        assert_eq!(Interval::of_mean(&[2.0]).high, 2.0);
        assert_eq!(Interval::of(3, 10, |_| None), None);
    }
}
