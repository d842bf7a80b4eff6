//! Measures a bundle on pairs that no training has seen.
//!
//! Everything starts from [`Material`]: test pairs, the music that the bundle makes of their
//! pictures, and embeddings of all of them. Each table reads it.

mod conditioning;
mod matching;
mod material;
mod packing;
mod quality;
mod resynthesis;
mod robustness;

use serde::Serialize;

pub use conditioning::Conditioning;
pub use matching::Matching;
pub use packing::{Difference, apart};
pub use quality::Quality;
pub use resynthesis::Resynthesis;
pub use robustness::Robustness;

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
}

impl Default for Extent {
    fn default() -> Self {
        Self {
            pictures: 128,
            untrained: 64,
            tracks: 64,
            triplets: 1000,
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
    /// Whether pictures find their music.
    pub matching: Matching,
    /// What the music is like.
    pub quality: Quality,
    /// Pictures of another kind.
    pub robustness: Vec<Robustness>,
    /// Mean milliseconds of a piece on this machine, after the first.
    pub milliseconds: f64,
}

/// Measures `bundle` on the items of `source`, whose pieces are as long as the bundle's; `note` hears what is
/// being done.
pub fn evaluate<B: Kernels>(
    bundle: &Bundle,
    source: &Rendered,
    device: &B::Device,
    extent: Extent,
    note: &dyn Fn(&str),
) -> Result<Report> {
    let material = Material::make::<B>(bundle, source, device, extent, note)?;
    note("Resynthesis");
    let resynthesis = Resynthesis::measure(&material, extent.tracks)?;
    note("Conditioning, matching, quality");
    let conditioning = Conditioning::measure(&material);
    let matching = Matching::measure(&material, extent.triplets);
    let quality = Quality::measure(&material)?;
    note("Other pictures");
    let robustness = Robustness::measure::<B>(bundle, device)?;
    Ok(Report {
        model: bundle.manifest().model.name.clone(),
        extent,
        resynthesis,
        conditioning,
        matching,
        quality,
        robustness,
        milliseconds: material.milliseconds,
    })
}
