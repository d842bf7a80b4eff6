//! What the generated music is like, whatever its picture.

use serde::Serialize;

use super::material::Material;
use crate::{
    Result,
    audio::{peak, rms_db},
    dataset::material::pair::asked_loudness,
    metrics::frechet::frechet_distance,
};

/// Quieter pieces count as silence, in dBFS.
const SILENCE: f32 = -55.0;
/// A peak from here on counts as clipping.
const CLIPPING: f32 = 0.99;
/// A mean from here on, relative to the RMS, counts as DC.
const DC: f64 = 0.02;

/// Quality.
#[derive(Debug, Serialize)]
pub struct Quality {
    /// Fréchet distances between sets of audio embeddings (unit vectors).
    pub frechet: Frechet,
    /// Pieces.
    pub pieces: usize,
    /// Pieces below -55 dBFS.
    pub silent: usize,
    /// Pieces whose peak is 0.99 or more.
    pub clipped: usize,
    /// Pieces whose mean is 2 % of their RMS or more.
    pub dc: usize,
    /// Mean absolute distance of a piece's loudness from what the picture asks for, dB.
    pub loudness_error_db: f64,
    /// Mean signed distance, dB.
    pub loudness_bias_db: f64,
}

/// Fréchet distances from test music, all of as many pieces.
#[derive(Debug, Serialize)]
pub struct Frechet {
    /// Generated music.
    pub generated: f64,
    /// Other music of the same kind: the best that can be expected.
    pub music: f64,
    /// Music that the composer makes of the pictures by rule.
    pub rule: f64,
    /// Music through the VAE and the vocoder.
    pub resynthesised: f64,
    /// White noise.
    pub noise: f64,
    /// Silence.
    pub silence: f64,
}

impl Quality {
    pub(super) fn measure(material: &Material) -> Result<Self> {
        let reference = &material.reference.embeddings;
        let distance = |set: &[Vec<f32>]| frechet_distance(set, reference);
        let made = &material.made.samples;
        let asked = material
            .pairs
            .iter()
            .map(|pair| asked_loudness(&pair.picture.ranks));
        let errors: Vec<f64> = made
            .iter()
            .zip(asked)
            .map(|(samples, asked)| f64::from(rms_db(samples) - asked))
            .collect();
        let count = errors.len().max(1) as f64;
        let offset = |samples: &&Vec<f32>| {
            let length = samples.len().max(1) as f64;
            let mean = samples.iter().map(|x| f64::from(*x)).sum::<f64>() / length;
            let square = samples.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / length;
            mean.abs() >= DC * square.sqrt().max(1e-9)
        };
        Ok(Self {
            frechet: Frechet {
                generated: distance(&material.made.embeddings)?,
                music: distance(&material.paired.embeddings)?,
                rule: distance(&material.ruled.embeddings)?,
                resynthesised: distance(&material.resynthesised.embeddings)?,
                noise: distance(&material.noise)?,
                silence: distance(&material.silence)?,
            },
            pieces: made.len(),
            silent: made
                .iter()
                .filter(|samples| rms_db(samples) < SILENCE)
                .count(),
            clipped: made
                .iter()
                .filter(|samples| peak(samples) >= CLIPPING)
                .count(),
            dc: made.iter().filter(offset).count(),
            loudness_error_db: errors.iter().map(|e| e.abs()).sum::<f64>() / count,
            loudness_bias_db: errors.iter().sum::<f64>() / count,
        })
    }
}
