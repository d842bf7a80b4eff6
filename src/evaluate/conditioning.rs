//! Whether the music follows the picture, factor by factor.

use serde::Serialize;

use super::material::Material;
use crate::{
    audio::rms_db,
    dataset::material::Pair,
    metrics::{
        estimators::{brightness, majorness, note_rate, register},
        rank::{shuffled_control, spearman, standard_error},
    },
};

/// Shuffles of the control.
const SHUFFLES: usize = 20;

/// A factor of music, how it is heard, and the factor of the picture that it follows.
struct Factor {
    name: &'static str,
    estimate: fn(&[f32]) -> f32,
    picture: fn(&Pair) -> f32,
}

const FACTORS: [Factor; 5] = [
    Factor {
        name: "note rate",
        estimate: note_rate,
        picture: |pair| pair.picture.ranks.edges,
    },
    Factor {
        name: "brightness",
        estimate: brightness,
        picture: |pair| pair.picture.ranks.contrast,
    },
    Factor {
        name: "loudness",
        estimate: rms_db,
        picture: |pair| pair.picture.ranks.chroma,
    },
    Factor {
        name: "register",
        estimate: register,
        picture: |pair| pair.picture.ranks.lightness,
    },
    Factor {
        name: "mode",
        estimate: majorness,
        picture: |pair| pair.picture.ranks.warmth,
    },
];

/// One factor.
#[derive(Debug, Serialize)]
pub struct Correlation {
    /// The factor of the music.
    pub factor: &'static str,
    /// Spearman's rank correlation of what is heard in the generated piece with the picture's factor.
    pub generated: f64,
    /// The same for pieces made of the embedding of the picture's music instead of the picture: what
    /// the prior alone can do.
    pub from_music: Option<f64>,
    /// The same for music that the composer makes of the picture by rule.
    pub rule: f64,
    /// The same on the music that really belongs to the picture: no model can be better on average.
    pub ceiling: f64,
    /// The standard error of `generated`.
    pub standard_error: f64,
}

/// All factors.
#[derive(Debug, Serialize)]
pub struct Conditioning {
    /// One by one.
    pub factors: Vec<Correlation>,
    /// The mean of the correlations.
    pub mean: f64,
    /// The mean without pictures.
    pub mean_from_music: Option<f64>,
    /// The mean by rule.
    pub mean_rule: f64,
    /// The mean of the ceilings.
    pub mean_ceiling: f64,
    /// The mean of the signed correlations after the pictures were shuffled, 20 times.
    pub shuffled: f64,
}

impl Conditioning {
    pub(super) fn measure(material: &Material) -> Self {
        let mut shuffled = 0.0;
        let count = FACTORS.len() as f64;
        let each = FACTORS.iter().enumerate().map(|(i, factor)| {
            let wanted: Vec<f64> = material
                .pairs
                .iter()
                .map(|pair| f64::from((factor.picture)(pair)))
                .collect();
            let heard = |samples: &[Vec<f32>]| -> Vec<f64> {
                let values = samples.iter().map(|sound| (factor.estimate)(sound));
                values.map(f64::from).collect()
            };
            let made = heard(&material.made.samples);
            let real = heard(&material.paired.samples);
            let ruled = heard(&material.ruled.samples);
            let retold = heard(&material.retold);
            shuffled += shuffled_control(&made, &wanted, SHUFFLES, i as u64) / count;
            let generated = spearman(&made, &wanted);
            Correlation {
                factor: factor.name,
                generated,
                from_music: (!retold.is_empty()).then(|| spearman(&retold, &wanted)),
                rule: spearman(&ruled, &wanted),
                ceiling: spearman(&real, &wanted),
                standard_error: standard_error(generated, wanted.len()),
            }
        });
        let factors: Vec<Correlation> = each.collect();
        let mean = |of: fn(&Correlation) -> f64| factors.iter().map(of).sum::<f64>() / count;
        Self {
            mean: mean(|factor| factor.generated),
            mean_from_music: factors
                .iter()
                .map(|factor| factor.from_music)
                .sum::<Option<f64>>()
                .map(|sum| sum / count),
            mean_rule: mean(|factor| factor.rule),
            mean_ceiling: mean(|factor| factor.ceiling),
            factors,
            shuffled,
        }
    }
}
