//! Measures a bundle on pairs that no training has seen.
//!
//! Everything starts from [`Material`]: test pairs, the music that the bundle makes of their
//! pictures, and embeddings of all of them. Each table reads it.

mod comparison;
mod conditioning;
mod matching;
mod material;
mod packing;
mod quality;
mod resynthesis;
mod robustness;
mod tonality;
mod variation;

use serde::Serialize;

pub use comparison::{Comparison, Sounds, markdown};
pub use conditioning::Conditioning;
pub use matching::Matching;
pub use packing::{Difference, apart};
pub use quality::Quality;
pub use resynthesis::Resynthesis;
pub use robustness::Robustness;
pub use tonality::Tonality;
pub use variation::{Area, Variation};

use crate::{Result, dataset::Rendered, ops::Kernels, weights::Bundle};
use material::Material;
pub use material::PICTURE;

/// How much is measured.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Extent {
    /// Pictures that become music.
    pub pictures: usize,
    /// Pictures that become music with an untrained aligner.
    pub untrained: usize,
    /// Tracks that go through the VAE and the vocoder.
    pub tracks: usize,
    /// Triplets of matching.
    pub triplets: usize,
    /// Pictures with a second piece, and minimal pairs.
    pub variations: usize,
}

impl Default for Extent {
    fn default() -> Self {
        Self {
            pictures: 128,
            untrained: 64,
            tracks: 64,
            triplets: 1000,
            variations: 32,
        }
    }
}

/// A mean over independent values.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error: the values' standard deviation divided by the root of their number.
    pub standard_error: f64,
}

impl Estimate {
    fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count.max(1.0);
        let squares = values.iter().map(|value| (value - mean).powi(2));
        let variance = squares.sum::<f64>() / (count - 1.0).max(1.0);
        Self {
            mean,
            standard_error: (variance / count.max(1.0)).sqrt(),
        }
    }
}

/// All figures.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The model's name.
    pub model: String,
    /// How much was measured.
    pub extent: Extent,
    /// The VAE and the vocoder.
    pub resynthesis: Resynthesis,
    /// Whether music follows pictures.
    pub conditioning: Conditioning,
    /// Whether the music is in a key.
    pub tonality: Tonality,
    /// What changes with the picture, and what with the seed.
    pub variation: Variation,
    /// Whether pictures find their music.
    pub matching: Matching,
    /// What the music is like.
    pub quality: Quality,
    /// Pictures of another kind.
    pub robustness: Vec<Robustness>,
    /// Mean milliseconds of a piece on this machine, after the first.
    pub milliseconds: f64,
}

/// What hears of a measurement while it goes on.
pub trait Listener {
    /// What is being done.
    fn note(&self, text: &str);

    /// Samples that are measured, at 16 kHz: piece `number` of `set`. Pieces that were generated have a seed.
    fn sound(&self, set: &str, number: usize, seed: Option<u64>, samples: &[f32]) -> Result<()>;
}

/// Measures `bundle` on the items of `source`, whose pieces are as long as the bundle's.
pub fn evaluate<B: Kernels>(
    bundle: &Bundle,
    source: &Rendered,
    device: &B::Device,
    extent: Extent,
    listener: &dyn Listener,
) -> Result<Report> {
    let material = Material::make::<B>(bundle, source, device, extent, listener)?;
    material.tell(listener)?;
    listener.note("Resynthesis");
    let resynthesis = Resynthesis::measure(&material, extent.tracks)?;
    listener.note("Other seeds, minimal pairs");
    let variation =
        Variation::measure::<B>(&material, bundle, device, extent.variations, listener)?;
    listener.note("Conditioning, tonality, matching, quality");
    let conditioning = Conditioning::measure(&material);
    let tonality = Tonality::measure(&material);
    let matching = Matching::measure(&material, extent.triplets);
    let quality = Quality::measure(&material)?;
    listener.note("Other pictures");
    let robustness = Robustness::measure::<B>(bundle, device)?;
    Ok(Report {
        model: bundle.manifest().model.name.clone(),
        extent,
        resynthesis,
        conditioning,
        tonality,
        variation,
        matching,
        quality,
        robustness,
        milliseconds: material.milliseconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_have_the_standard_error_of_a_mean() {
        let estimate = Estimate::of([1.0, 3.0, 5.0, 7.0]);
        assert_eq!(estimate.mean, 4.0);
        assert!((estimate.standard_error - (20.0f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
        assert_eq!(Estimate::of([2.0]).standard_error, 0.0);
    }
}
