//! Models side by side, by how far their music is from the music that belongs to the same pictures.
//!
//! The figures of Hong et al., "Art2Music", 2025: mel-cepstral distortion, log-spectral distance, Fréchet audio distance and
//! cosine similarity. All are taken at 16 kHz, over the shorter of both sounds.

use serde::Serialize;

use super::Estimate;
use crate::{
    Error, Result,
    audio::spectrogram::{Spectrogram, SpectrogramConfig},
    metrics::{
        cepstral::{Alignment, cepstral_distortion},
        frechet::frechet_distance,
        spectral::log_spectral_distance,
    },
    tensors::cosine,
};

/// The figures of one model.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The model's name.
    pub model: String,
    /// Pieces.
    pub pieces: usize,
    /// Mel-cepstral distortion in dB of spectrograms of 64 mel bands, frames paired by time: see [`cepstral_distortion`].
    pub cepstral_db: Estimate,
    /// The same with frames paired by dynamic time warping.
    pub warped_cepstral_db: Estimate,
    /// Log-spectral distance in dB: see [`log_spectral_distance`].
    pub log_spectral_db: Estimate,
    /// Fréchet distance of the embeddings of all pieces: see [`frechet_distance`].
    pub frechet: f64,
    /// Cosine of a piece's embedding with that of the music that belongs to its picture.
    pub cosine: Estimate,
}

/// Sounds at 16 kHz with their embeddings.
#[derive(Debug, Clone, Default)]
pub struct Sounds {
    /// The samples of each.
    pub samples: Vec<Vec<f32>>,
    /// What an audio network makes of each.
    pub embeddings: Vec<Vec<f32>>,
}

impl Comparison {
    /// Compares what `model` has `made` with the music that belongs to the same pictures.
    pub fn measure(model: &str, music: &Sounds, made: &Sounds) -> Result<Self> {
        let count = made.samples.len();
        if count < 2
            || [
                music.samples.len(),
                music.embeddings.len(),
                made.embeddings.len(),
            ] != [count; 3]
        {
            return Err(Error::input(
                format!(
                    "{count} pieces cannot be compared with {}",
                    music.samples.len()
                ),
                "give at least two pairs",
            ));
        }
        let config = SpectrogramConfig::audioldm();
        let plan = Spectrogram::new(&config)?;
        let mut each: [Vec<f64>; 4] = Default::default();
        for (i, (own, other)) in made.samples.iter().zip(&music.samples).enumerate() {
            let length = own.len().min(other.len());
            let (own, other) = (&own[..length], &other[..length]);
            let mels = [plan.compute(other)?, plan.compute(own)?];
            let cepstral = |by| cepstral_distortion(&mels[0], &mels[1], config.bands(), by);
            each[0].push(cepstral(Alignment::Time)?);
            each[1].push(cepstral(Alignment::Warped)?);
            each[2].push(log_spectral_distance(other, own)?);
            each[3].push(cosine(&made.embeddings[i], &music.embeddings[i]).into());
        }
        let [cepstral, warped, spectral, cosines] = each.map(Estimate::of);
        Ok(Self {
            model: model.into(),
            pieces: count,
            cepstral_db: cepstral,
            warped_cepstral_db: warped,
            log_spectral_db: spectral,
            frechet: frechet_distance(&made.embeddings, &music.embeddings)?,
            cosine: cosines,
        })
    }
}

/// The figures as a table in Markdown, a row for each model: means with their standard errors.
pub fn markdown(rows: &[Comparison]) -> String {
    let mut lines = vec![
        "| model | pieces | MCD, dB | MCD (DTW), dB | LSD, dB | FAD | cosine |".to_string(),
        "|---|---|---|---|---|---|---|".to_string(),
    ];
    lines.extend(rows.iter().map(|row| {
        let value = |x: Estimate, digits: usize| {
            format!("{:.digits$} ± {:.digits$}", x.mean, x.standard_error)
        };
        format!(
            "| {} | {} | {} | {} | {} | {:.3} | {} |",
            row.model.replace('|', "\\|"),
            row.pieces,
            value(row.cepstral_db, 2),
            value(row.warped_cepstral_db, 2),
            value(row.log_spectral_db, 2),
            row.frechet,
            value(row.cosine, 3)
        )
    }));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::standard_normal;

    fn sounds(level: f32) -> Sounds {
        let each = |seed: u64, count| standard_normal(seed, 0, count);
        let louder = |mut values: Vec<f32>| {
            values.iter_mut().for_each(|x| *x *= level);
            values
        };
        Sounds {
            samples: (0..3)
                .map(|i| louder(each(i, 6000 + 100 * i as usize)))
                .collect(),
            embeddings: (0..3).map(|i| each(10 + i, 4)).collect(),
        }
    }

    #[test]
    fn equal_sounds_are_at_no_distance_and_louder_ones_only_in_level() {
        let music = sounds(1.0);
        let same = Comparison::measure("the | same", &music, &music).unwrap();
        assert_eq!(
            (same.cepstral_db.mean, same.log_spectral_db.mean),
            (0.0, 0.0)
        );
        assert!((same.cosine.mean - 1.0).abs() < 1e-6 && same.frechet < 1e-9);
        let half = Comparison::measure("half", &music, &sounds(0.5)).unwrap();
        assert!(half.cepstral_db.mean < 1e-3, "{half:?}");
        assert!(
            (half.log_spectral_db.mean - 20.0 * 2f64.log10()).abs() < 1e-3,
            "{half:?}"
        );
        let table = markdown(&[same, half]);
        assert_eq!(table.lines().count(), 4);
        assert!(
            table.contains("| the \\| same | 3 | 0.00 ± 0.00 |"),
            "{table}"
        );
        let one = Sounds {
            samples: music.samples[..1].to_vec(),
            embeddings: music.embeddings[..1].to_vec(),
        };
        assert!(Comparison::measure("one", &one, &one).is_err());
    }
}
