//! What changes with the picture, and what with the seed.

use serde::Serialize;

use super::{
    Estimate, Listener, PICTURE,
    material::{Material, generate},
};
use crate::{
    Result,
    dataset::paint::{PictureFactors, Style, paint},
    image::Picture,
    metrics::{
        estimators::{majorness, onset_envelope},
        rank::{auc, auc_standard_error, pearson, spearman, standard_error},
    },
    ops::Kernels,
    weights::Bundle,
};

/// The warmth of the pictures of a minimal pair, on the painter's scale.
const COOL_AND_WARM: [f32; 2] = [0.15, 0.85];
/// Added to the seed of a picture's first piece.
const OTHER_SEED: u64 = 1_000_000;

/// Mode and rhythm over pictures and seeds.
#[derive(Debug, Serialize)]
pub struct Variation {
    /// Pictures with a second piece, and minimal pairs.
    pub pictures: usize,
    /// How often the warm picture of a minimal pair, which differs in warmth alone, has the more major piece.
    pub mode: Area,
    /// Spearman's correlation of the majorness of two seeds' pieces over the pictures.
    pub mode_of_two_seeds: f64,
    /// Its standard error.
    pub mode_standard_error: f64,
    /// Correlation of the onset envelopes of two pictures' pieces with one seed.
    pub rhythm_of_one_seed: Estimate,
    /// The same of two seeds' pieces of one picture.
    pub rhythm_of_one_picture: Estimate,
    /// The same of the music that belongs to two pictures.
    pub rhythm_of_real_music: Estimate,
}

/// An area under a curve of receiver operating characteristics.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Area {
    /// The area.
    pub auc: f64,
    /// Its standard error.
    pub standard_error: f64,
}

impl Variation {
    pub(super) fn measure<B: Kernels>(
        material: &Material,
        bundle: &Bundle,
        device: &B::Device,
        count: usize,
        listener: &dyn Listener,
    ) -> Result<Self> {
        let count = count.min(material.painted.len());
        let painted = &material.painted[..count];
        let others = generate::<B>(bundle, painted, None, OTHER_SEED, device)?.0;
        let mut exchanged = painted.to_vec();
        exchanged.rotate_left(1.min(count));
        let exchanged = generate::<B>(bundle, &exchanged, None, 0, device)?.0;
        let [cool, warm] = COOL_AND_WARM.map(|warmth| -> Result<Vec<Vec<f32>>> {
            let pictures = (0..count).map(|pair| minimal(pair, warmth));
            let pictures = pictures.collect::<Result<Vec<_>>>()?;
            Ok(generate::<B>(bundle, &pictures, None, 0, device)?.0)
        });
        let (cool, warm) = (cool?, warm?);
        for number in 0..count {
            let seed = number as u64;
            let next = (number + 1) % count;
            for (set, picture, seed, made) in [
                ("other-seeds", number, OTHER_SEED + seed, &others),
                ("next-picture", next, seed, &exchanged),
                ("cool", number, seed, &cool),
                ("warm", number, seed, &warm),
            ] {
                listener.sound(set, picture, Some(seed), &made[number])?;
            }
        }
        let area = auc(&modes(&warm), &modes(&cool));
        let first = &material.made.samples[..count];
        let agreement = spearman(&modes(first), &modes(&others));
        let real = &material.paired.samples[..count];
        let mut others_real = real.to_vec();
        others_real.rotate_left(1.min(count));
        Ok(Self {
            pictures: count,
            mode: Area {
                auc: area,
                standard_error: auc_standard_error(area, count, count),
            },
            mode_of_two_seeds: agreement,
            mode_standard_error: standard_error(agreement, count),
            rhythm_of_one_seed: rhythm(first, &exchanged),
            rhythm_of_one_picture: rhythm(first, &others),
            rhythm_of_real_music: rhythm(real, &others_real),
        })
    }
}

/// A picture of minimal pair `pair`.
fn minimal(pair: usize, warmth: f32) -> Result<Picture> {
    let factors = PictureFactors {
        style: Style::ALL[pair % Style::ALL.len()],
        brightness: 0.5,
        contrast: 0.5,
        saturation: 0.5,
        warmth,
        density: 0.5,
        hardness: 0.75,
        regularity: 0.3,
        composition: 0.5,
    };
    let painted = paint(&factors, pair as u64, PICTURE as u32);
    Picture::from_rgb(painted.into_raw(), PICTURE, PICTURE)
}

fn modes(sounds: &[Vec<f32>]) -> Vec<f64> {
    let each = sounds.iter().map(|samples| majorness(samples));
    each.map(f64::from).collect()
}

fn rhythm(a: &[Vec<f32>], b: &[Vec<f32>]) -> Estimate {
    let envelope = |samples: &[f32]| -> Vec<f64> {
        let envelope = onset_envelope(samples);
        envelope.into_iter().map(f64::from).collect()
    };
    let pairs = a.iter().zip(b);
    Estimate::of(pairs.map(|(a, b)| pearson(&envelope(a), &envelope(b))))
}
