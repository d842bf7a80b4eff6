//! Whether music is in a key.

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::{Estimate, material::Material};
use crate::metrics::{estimators::pitch_classes, key::estimate_key};

/// How often the pitch classes of a piece are permuted.
const PERMUTATIONS: usize = 20;

/// Correlations of pieces' pitch classes with the profile of the key that fits best: see [`estimate_key`]. Means over
/// pieces.
#[derive(Debug, Serialize)]
pub struct Tonality {
    /// Generated pieces.
    pub generated: Estimate,
    /// The same pieces with their pitch classes in random orders: what correlation is left without a key.
    pub permuted: Estimate,
    /// The music that belongs to the pictures, through the VAE and the vocoder.
    pub resynthesised: Estimate,
    /// The music that belongs to the pictures.
    pub real: Estimate,
}

impl Tonality {
    pub(super) fn measure(material: &Material) -> Self {
        let classes = |sounds: &[Vec<f32>]| -> Vec<[f32; 12]> {
            sounds
                .iter()
                .map(|samples| pitch_classes(samples))
                .collect()
        };
        let fit = |classes: &[f32; 12]| f64::from(estimate_key(classes).correlation);
        let all = |classes: &[[f32; 12]]| Estimate::of(classes.iter().map(fit));
        let generated = classes(&material.made.samples);
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let permuted = generated.iter().map(|classes| {
            let mut classes = *classes;
            let each = (0..PERMUTATIONS).map(|_| {
                classes.shuffle(&mut rng);
                fit(&classes)
            });
            each.sum::<f64>() / PERMUTATIONS as f64
        });
        Self {
            permuted: Estimate::of(permuted),
            generated: all(&generated),
            resynthesised: all(&classes(&material.resynthesised.samples)),
            real: all(&classes(&material.paired.samples)),
        }
    }
}
