//! Whether a picture's own piece is closer to it than another picture's.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::material::Material;
use crate::tensors::cosine;

/// Shares of random triplets (a picture, its piece, another's piece) in which the ImageBind score is
/// higher for its own piece.
#[derive(Debug, Serialize)]
pub struct Matching {
    /// Triplets.
    pub triplets: usize,
    /// Generated pieces.
    pub generated: f64,
    /// Pieces generated with an aligner that was never trained.
    pub untrained: f64,
    /// The music that really belongs to the pictures.
    pub ceiling: f64,
}

impl Matching {
    pub(super) fn measure(material: &Material, triplets: usize) -> Self {
        let pictures = &material.pictures;
        let share = |sounds: &[Vec<f32>]| won(&pictures[..sounds.len()], sounds, triplets);
        Self {
            triplets,
            generated: share(&material.made.embeddings),
            untrained: share(&material.untrained.embeddings),
            ceiling: share(&material.paired.embeddings),
        }
    }
}

fn won(pictures: &[Vec<f32>], sounds: &[Vec<f32>], triplets: usize) -> f64 {
    let count = pictures.len();
    if count < 2 || triplets == 0 {
        return 0.0;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let wins = (0..triplets).filter(|_| {
        let own = rng.random_range(0..count);
        let other = (own + rng.random_range(1..count)) % count;
        cosine(&pictures[own], &sounds[own]) > cosine(&pictures[own], &sounds[other])
    });
    wins.count() as f64 / triplets as f64
}
