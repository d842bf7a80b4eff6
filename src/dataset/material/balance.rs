//! Weights under which some features of items average to nothing.

/// Steps of the descent, and their size.
const STEPS: usize = 4000;
const RATE: f64 = 0.2;
/// The largest multiplier.
const LARGEST: f64 = 20.0;
/// How strongly weights are held near to each other where the features cannot all vanish.
const HOLD: f64 = 3e-3;

/// Weights, one an item and 1 on average, that are as even as can be while the weighted mean of every feature
/// is about 0.
///
/// They have the form `exp(l . f)` (maximum entropy: Jaynes, "Information theory and statistical mechanics",
/// 1957; for tables it is known as raking), where `l` minimises `log(mean(exp(l . f))) + HOLD / 2 |l|^2`.
pub fn weights<const N: usize>(features: &[[f64; N]]) -> Vec<f64> {
    let mut multipliers = [0.0; N];
    let mut weights = vec![1.0; features.len()];
    for _ in 0..STEPS {
        let share = 1.0 / features.len() as f64;
        let mut means = [0.0; N];
        for (weight, features) in weights.iter().zip(features) {
            for (mean, feature) in means.iter_mut().zip(features) {
                *mean += share * weight * feature;
            }
        }
        for (multiplier, mean) in multipliers.iter_mut().zip(means) {
            let step = RATE * (mean + HOLD * *multiplier);
            *multiplier = (*multiplier - step).clamp(-LARGEST, LARGEST);
        }
        for (weight, features) in weights.iter_mut().zip(features) {
            let exponent: f64 = features.iter().zip(multipliers).map(|(f, l)| f * l).sum();
            *weight = exponent.exp();
        }
        let mean = share * weights.iter().sum::<f64>();
        weights.iter_mut().for_each(|weight| *weight /= mean);
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weighted_means_vanish() {
        // Points of a tilted cloud: the product of both coordinates is positive on average.
        let points: Vec<[f64; 2]> = (0..200)
            .map(|i| {
                let (a, b) = ((f64::from(i) * 0.7).sin(), (f64::from(i) * 1.3).cos());
                [a, 0.6 * a + 0.4 * b]
            })
            .collect();
        let features: Vec<[f64; 3]> = points.iter().map(|[a, b]| [*a, *b, a * b]).collect();
        let weights = weights(&features);
        let mean = |place: usize, weights: &[f64]| {
            let sum: f64 = weights
                .iter()
                .zip(&features)
                .map(|(w, f)| w * f[place])
                .sum();
            sum / features.len() as f64
        };
        assert!(mean(2, &vec![1.0; 200]) > 0.2);
        for place in 0..3 {
            assert!(
                mean(place, &weights).abs() < 0.04,
                "{place} {}",
                mean(place, &weights)
            );
        }
        let average = weights.iter().sum::<f64>() / 200.0;
        assert!((average - 1.0).abs() < 1e-9 && weights.iter().all(|weight| *weight > 0.0));
        assert!(super::weights::<1>(&[]).is_empty());
    }
}
