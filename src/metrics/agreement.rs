//! How far several raters agree.

use std::collections::BTreeMap;

/// What a difference between two ratings means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Only the order of ratings counts.
    Ordinal,
    /// Differences count.
    Interval,
}

/// Krippendorff's alpha of units with the ratings that each was given: 1 is perfect agreement, 0 what chance gives, and
/// less is systematic disagreement.
///
/// ```text
/// 1 - D_o / D_e
/// D_o = 1/n sum over units of sum over pairs of its ratings of d(a, b) / (m - 1)      m ratings of the unit
/// D_e = 1/(n (n - 1)) sum over pairs of all n ratings of d(a, b)
/// ```
///
/// with `d = (a - b)^2` for intervals, and for orders the square of how many ratings lie from `a` to `b`, both ends counting
/// half. Units with fewer than two ratings say nothing. None where no unit is left, or all ratings are equal. Krippendorff,
/// "Content analysis", 2004; it takes missing ratings as they are.
pub fn krippendorff_alpha(units: &[Vec<u8>], scale: Scale) -> Option<f64> {
    let units: Vec<&Vec<u8>> = units.iter().filter(|unit| unit.len() > 1).collect();
    let mut counts: BTreeMap<u8, f64> = BTreeMap::new();
    for rating in units.iter().flat_map(|unit| unit.iter()) {
        *counts.entry(*rating).or_default() += 1.0;
    }
    let n: f64 = counts.values().sum();
    let difference = |a: u8, b: u8| match scale {
        Scale::Interval => (f64::from(a) - f64::from(b)).powi(2),
        Scale::Ordinal if a == b => 0.0,
        Scale::Ordinal => {
            let between: f64 = counts
                .range(a.min(b)..=a.max(b))
                .map(|(_, count)| count)
                .sum();
            (between - (counts[&a] + counts[&b]) / 2.0).powi(2)
        }
    };
    let observed = units.iter().map(|unit| {
        let pairs = unit.iter().flat_map(|a| unit.iter().map(move |b| (*a, *b)));
        let sum: f64 = pairs.map(|(a, b)| difference(a, b)).sum();
        sum / (unit.len() - 1) as f64
    });
    let observed = observed.sum::<f64>() / n;
    let expected = counts.iter().flat_map(|(a, of_a)| {
        let difference = &difference;
        counts
            .iter()
            .map(move |(b, of_b)| of_a * of_b * difference(*a, *b))
    });
    let expected = expected.sum::<f64>() / (n * (n - 1.0));
    (expected > 0.0).then(|| 1.0 - observed / expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Krippendorff, "Computing Krippendorff's alpha-reliability", 2011: four observers, twelve units.
    #[test]
    fn the_published_example_has_the_published_values() {
        let observers = [
            "1 2 3 3 2 1 4 1 2 . . .",
            "1 2 3 3 2 2 4 1 2 5 . 3",
            ". 3 3 3 2 3 4 2 2 5 1 .",
            "1 2 3 3 2 4 4 1 2 5 1 .",
        ];
        let mut units = vec![Vec::new(); 12];
        for observer in observers {
            for (unit, rating) in units.iter_mut().zip(observer.split(' ')) {
                unit.extend(rating.parse::<u8>());
            }
        }
        let alpha = |scale| (1000.0 * krippendorff_alpha(&units, scale).unwrap()).round();
        assert_eq!(
            (alpha(Scale::Ordinal), alpha(Scale::Interval)),
            (815.0, 849.0)
        );
    }

    #[test]
    fn agreement_needs_ratings_that_differ() {
        let perfect = [vec![1, 1], vec![5, 5, 5], vec![3]];
        assert_eq!(krippendorff_alpha(&perfect, Scale::Interval), Some(1.0));
        assert_eq!(
            krippendorff_alpha(&[vec![2, 2], vec![2, 2]], Scale::Ordinal),
            None
        );
        assert_eq!(
            krippendorff_alpha(&[vec![1], vec![5]], Scale::Ordinal),
            None
        );
        let opposed = krippendorff_alpha(&[vec![1, 5], vec![5, 1]], Scale::Interval);
        assert!(opposed.unwrap() < 0.0);
    }
}
