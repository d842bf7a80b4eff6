//! The VAE and the vocoder against Griffin-Lim.

use serde::Serialize;

use super::material::Material;
use crate::{
    Result,
    audio::spectrogram::Spectrogram,
    metrics::{
        cepstral::{Alignment, cepstral_distortion},
        griffin_lim::griffin_lim,
        spectral::{log_spectral_distance, multi_resolution},
    },
};

/// The seed of Griffin-Lim's first phases.
const SEED: u64 = 0;

/// Distances of sounds from their originals, means over tracks.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Distances {
    /// Log-spectral distance in dB: see [`log_spectral_distance`].
    pub log_spectral_db: f64,
    /// Multi-resolution STFT loss: see [`multi_resolution`].
    pub multi_resolution: f64,
    /// Mel-cepstral distortion in dB of the model's own spectrograms, frames paired by time: see [`cepstral_distortion`].
    pub cepstral_db: f64,
    /// The same with frames paired by dynamic time warping.
    pub warped_cepstral_db: f64,
}

/// How well sound survives.
#[derive(Debug, Serialize)]
pub struct Resynthesis {
    /// Tracks.
    pub tracks: usize,
    /// Through the VAE and the vocoder.
    pub model: Distances,
    /// By Griffin-Lim from the original spectrograms: 60 iterations, momentum 0.99.
    pub griffin_lim: Distances,
}

impl Resynthesis {
    pub(super) fn measure(material: &Material, tracks: usize) -> Result<Self> {
        let tracks = tracks.min(material.paired.samples.len());
        let spectrogram = Spectrogram::new(&material.spectrogram)?;
        let (mut model, mut baseline) = (Distances::default(), Distances::default());
        let pairs = material.paired.samples.iter();
        for (original, made) in pairs.zip(&material.resynthesised.samples).take(tracks) {
            let mel = spectrogram.compute(original)?;
            model.add(original, made, tracks)?;
            model.add_cepstral(&spectrogram, &mel, made, tracks)?;
            let made = griffin_lim(&material.spectrogram, &mel, original.len(), SEED)?;
            baseline.add(original, &made, tracks)?;
            baseline.add_cepstral(&spectrogram, &mel, &made, tracks)?;
        }
        Ok(Self {
            tracks,
            model,
            griffin_lim: baseline,
        })
    }
}

impl Distances {
    fn add(&mut self, original: &[f32], made: &[f32], tracks: usize) -> Result<()> {
        self.log_spectral_db += log_spectral_distance(original, made)? / tracks as f64;
        self.multi_resolution += multi_resolution(original, made)? / tracks as f64;
        Ok(())
    }

    /// `mel` is the original's spectrogram.
    fn add_cepstral(
        &mut self,
        spectrogram: &Spectrogram,
        mel: &[f32],
        made: &[f32],
        tracks: usize,
    ) -> Result<()> {
        let (bands, made) = (spectrogram.config().bands(), spectrogram.compute(made)?);
        let distortion = |by| cepstral_distortion(mel, &made, bands, by);
        self.cepstral_db += distortion(Alignment::Time)? / tracks as f64;
        self.warped_cepstral_db += distortion(Alignment::Warped)? / tracks as f64;
        Ok(())
    }
}
