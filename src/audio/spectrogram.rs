//! Spectrograms that networks take and give: which bands, how often, at which sample rate.
//!
//! AudioLDM 2's networks have 64 mel bands ([`SpectrogramConfig::audioldm`]). Their lowest bands lie 46 Hz apart, so
//! a semitone at middle C (16 Hz) is lost in them. [`FrequencyScale::Log`] has bands at equal distances on a
//! logarithmic scale instead, as in a constant-Q transform (Brown, "Calculation of a constant Q spectral
//! transform", 1991), from transforms of several lengths: long ones where semitones lie close together, short
//! ones above, where onsets are to stay sharp.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

use super::{filterbank::Filterbank, stft::Stft};
use crate::{Error, Result};

/// The magnitude below which there is silence, on the mel scale.
const MEL_FLOOR: f64 = 1e-5;
/// The amplitude below which there is silence, on the logarithmic scale: -80 dB below a full-scale sine.
const LOG_FLOOR: f64 = 1e-4;
/// The smallest magnitude that [`BandInverse`] gives.
const MAGNITUDE_FLOOR: f64 = 1e-4;
/// The original HiFi-GAN's frames, in samples, and the end of its highest band, Hz.
const HIFIGAN_FRAME: usize = 1024;
const HIFIGAN_HIGHEST: f64 = 8000.0;
/// The power of the bins of a Hann window's main lobe, by that of its peak.
const LOBE: f64 = 1.5;

/// A spectrogram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpectrogramConfig {
    /// Samples per second.
    pub sample_rate: u32,
    /// Samples from a frame to the next.
    pub hop: usize,
    /// The bands of a frame.
    pub scale: FrequencyScale,
    /// Samples that are mirrored at either end; half a frame when left out, so that frames are centred. Of the mel scale only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding: Option<usize>,
}

/// Where bands lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum FrequencyScale {
    /// Triangles on Slaney's mel scale from 0 Hz on, of magnitudes.
    Mel {
        /// How many.
        bands: usize,
        /// Samples of a frame.
        n_fft: usize,
        /// Where the highest ends, Hz; at half the sample rate when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        highest: Option<f64>,
    },
    /// Triangles at equal distances on a logarithmic scale, of powers. A full-scale sine at the middle of a band
    /// has about 1 there.
    Log {
        /// How many.
        bands: usize,
        /// The middle of the lowest, Hz.
        lowest: f64,
        /// Bands of an octave.
        per_octave: usize,
        /// The transforms, from the longest to the shortest.
        windows: Vec<Window>,
    },
}

/// A transform that some bands are made of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Samples of a frame.
    pub n_fft: usize,
    /// Bands with a middle below this many Hz and above the window before it are made of it; all others for the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
}

impl SpectrogramConfig {
    /// AudioLDM 2's: 64 mel bands, a frame of 1024 samples every 160, 16 kHz.
    pub fn audioldm() -> Self {
        Self::mel(super::SAMPLE_RATE, 160, 64, 1024)
    }

    /// Mel bands.
    pub fn mel(sample_rate: u32, hop: usize, bands: usize, n_fft: usize) -> Self {
        Self {
            sample_rate,
            hop,
            scale: FrequencyScale::Mel {
                bands,
                n_fft,
                highest: None,
            },
            padding: None,
        }
    }

    /// The original HiFi-GAN's: mel bands up to 8 kHz of frames of 1024 samples, so padded that `samples / hop` frames lie
    /// around the middle of the samples that they stand for.
    ///
    /// Kong et al., "HiFi-GAN", 2020: the authors' configurations and their `meldataset.py`.
    pub fn hifigan(sample_rate: u32, hop: usize, bands: usize) -> Self {
        let nyquist = f64::from(sample_rate) / 2.0;
        Self {
            sample_rate,
            hop,
            scale: FrequencyScale::Mel {
                bands,
                n_fft: HIFIGAN_FRAME,
                highest: Some(HIFIGAN_HIGHEST.min(nyquist)),
            },
            padding: Some(HIFIGAN_FRAME.saturating_sub(hop) / 2),
        }
    }

    /// The number of bands.
    pub fn bands(&self) -> usize {
        match self.scale {
            FrequencyScale::Mel { bands, .. } | FrequencyScale::Log { bands, .. } => bands,
        }
    }

    /// Refuses sizes that make no spectrogram.
    pub fn check(&self) -> Result<()> {
        let length = |n: usize| (16..=1 << 15).contains(&n) && n.is_multiple_of(2);
        let scale = match &self.scale {
            FrequencyScale::Mel {
                bands,
                n_fft,
                highest,
            } => {
                let nyquist = f64::from(self.sample_rate) / 2.0;
                (1..=512).contains(bands)
                    && length(*n_fft)
                    && highest.is_none_or(|highest| highest > 0.0 && highest <= nyquist)
                    && self.padding.is_none_or(|padding| padding <= n_fft / 2)
            }
            FrequencyScale::Log {
                bands,
                lowest,
                per_octave,
                windows,
            } => {
                let last = windows.len().saturating_sub(1);
                (1..=512).contains(bands)
                    && (1..=96).contains(per_octave)
                    && *lowest > 0.0
                    && self.middle(*bands, *lowest, *per_octave) < f64::from(self.sample_rate) / 2.0
                    && !windows.is_empty()
                    && windows.iter().all(|window| length(window.n_fft))
                    && windows[..last].iter().all(|window| window.below.is_some())
                    && windows[last].below.is_none()
                    && windows.is_sorted_by(|a, b| a.n_fft > b.n_fft)
                    && self.padding.is_none()
            }
        };
        if scale
            && (1..=1 << 14).contains(&self.hop)
            && (4000..=192_000).contains(&self.sample_rate)
        {
            return Ok(());
        }
        Err(Error::format(
            "the spectrogram's sizes make no spectrogram",
            "see audio::spectrogram, or configs/small.toml for sizes that work",
        ))
    }

    /// The middle of band `band`, Hz.
    fn middle(&self, band: usize, lowest: f64, per_octave: usize) -> f64 {
        lowest * (band as f64 / per_octave as f64).exp2()
    }
}

/// The plan of a spectrogram: what is the same for every sound, made once.
///
/// Frames lie around the sample they stand for (the signal is mirrored at its ends), or as the padding says, under a
/// periodic Hann window.
/// Values are natural logarithms of magnitudes (mel scale: at least 1e-5) or amplitudes (logarithmic scale: at
/// least 1e-4).
///
/// ```
/// use art2mus::audio::spectrogram::{Spectrogram, SpectrogramConfig};
///
/// let mel = Spectrogram::new(&SpectrogramConfig::audioldm())?.compute(&[0.0; 16_000])?;
/// assert_eq!(mel.len(), 101 * 64);
/// # Ok::<(), art2mus::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Spectrogram {
    config: SpectrogramConfig,
    /// Transforms with the bands that are made of each; bands follow one another.
    parts: Vec<(Stft, Filterbank)>,
}

impl Spectrogram {
    /// Makes windows, bands and the plans of the Fourier transforms.
    pub fn new(config: &SpectrogramConfig) -> Result<Self> {
        config.check()?;
        let rate = config.sample_rate as usize;
        let parts = match &config.scale {
            FrequencyScale::Mel {
                bands,
                n_fft,
                highest,
            } => {
                let padding = config.padding.unwrap_or(n_fft / 2);
                vec![(
                    Stft::mirrored(*n_fft, config.hop, padding),
                    Filterbank::slaney(*n_fft, rate, *bands, *highest),
                )]
            }
            FrequencyScale::Log {
                bands,
                lowest,
                per_octave,
                windows,
            } => {
                let middles: Vec<f64> = (0..*bands)
                    .map(|band| config.middle(band, *lowest, *per_octave))
                    .collect();
                let mut rest = middles.as_slice();
                let mut parts = Vec::new();
                for window in windows {
                    let count = window.below.map_or(rest.len(), |below| {
                        rest.iter().take_while(|middle| **middle < below).count()
                    });
                    let (own, others) = rest.split_at(count);
                    rest = others;
                    if !own.is_empty() {
                        let bank = Filterbank::log(window.n_fft, rate, own, *per_octave);
                        parts.push((Stft::new(window.n_fft, config.hop), bank));
                    }
                }
                parts
            }
        };
        Ok(Self {
            config: config.clone(),
            parts,
        })
    }

    /// What it is a plan of.
    pub fn config(&self) -> &SpectrogramConfig {
        &self.config
    }

    /// How many frames a sound of `samples` samples has: `1 + samples / hop`, where frames are centred.
    fn frames(&self, samples: usize) -> usize {
        let short = match (&self.config.scale, self.config.padding) {
            (FrequencyScale::Mel { n_fft, .. }, Some(padding)) => n_fft.saturating_sub(2 * padding),
            _ => 0,
        };
        1 + samples.saturating_sub(short) / self.config.hop
    }

    /// The spectrogram of a sound at the sample rate, `[frames, bands]`, of `1 + samples / hop` frames where they are
    /// centred.
    ///
    /// A sound that is too short to be mirrored at its ends is refused.
    pub fn compute(&self, samples: &[f32]) -> Result<Vec<f32>> {
        let bands = self.config.bands();
        let frames = self.frames(samples.len());
        let mut out = vec![0.0; frames * bands];
        let mut first = 0;
        for (stft, bank) in &self.parts {
            let mut rows = out.chunks_exact_mut(bands);
            // A full-scale sine has this magnitude at the peak of its lobe.
            let full = bank.n_fft() as f64 / 4.0;
            stft.each(samples, |spectrum| {
                let Some(row) = rows.next() else { return };
                let row = row[first..].iter_mut();
                match self.config.scale {
                    FrequencyScale::Mel { .. } => {
                        let sums = bank.sums(spectrum, |x| x.norm());
                        row.zip(sums)
                            .for_each(|(value, sum)| *value = sum.max(MEL_FLOOR).ln() as f32);
                    }
                    FrequencyScale::Log { .. } => {
                        let sums = bank.sums(spectrum, |x| x.norm_sqr());
                        row.zip(sums).for_each(|(value, sum)| {
                            let amplitude = sum.sqrt() / full;
                            *value = amplitude.max(LOG_FLOOR).ln() as f32;
                        });
                    }
                }
            })?;
            first += bank.len();
        }
        Ok(out)
    }
}

/// The way back: magnitudes in the bins of a transform from values in bands, without a network.
///
/// `bins = values^power . matrix`, and then the root of that power.
#[derive(Debug, Clone)]
pub struct BandInverse {
    /// `[bands, n_fft / 2 + 1]`.
    pub matrix: Vec<f32>,
    /// 1 where bands are made of magnitudes, 2 where they are made of powers.
    pub power: f64,
}

impl BandInverse {
    /// For bins of a Hann-windowed transform of `n_fft` samples.
    pub fn new(config: &SpectrogramConfig, n_fft: usize) -> Result<Self> {
        config.check()?;
        let rate = config.sample_rate as usize;
        match &config.scale {
            FrequencyScale::Mel { bands, highest, .. } => Ok(Self {
                matrix: Filterbank::slaney(n_fft, rate, *bands, *highest).pseudo_inverse()?,
                power: 1.0,
            }),
            FrequencyScale::Log { bands, .. } => Ok(Self {
                matrix: spread(config, *bands, n_fft)?,
                power: 2.0,
            }),
        }
    }

    /// The smallest magnitude that is told from silence.
    pub fn floor() -> f64 {
        MAGNITUDE_FLOOR
    }
}

/// How the power of each band is spread over bins: over the width of the band and of a window's lobe. Where a sine
/// is seen in several bands, each has its share of it.
fn spread(config: &SpectrogramConfig, bands: usize, n_fft: usize) -> Result<Vec<f32>> {
    let bins = n_fft / 2 + 1;
    let full = n_fft as f64 / 4.0;
    let bin = f64::from(config.sample_rate) / n_fft as f64;
    let weights = Spectrogram::new(config)?;
    let mut matrix = Vec::with_capacity(bands * bins);
    let parts = weights.parts.iter();
    for (bank, band) in parts.flat_map(|(_, bank)| (0..bank.len()).map(move |band| (bank, band))) {
        let (first, shape) = bank.band(band);
        let step = f64::from(config.sample_rate) / bank.n_fft() as f64;
        // The power that a sine in the middle of this band has in all bands together.
        let seen: f64 = shape
            .iter()
            .enumerate()
            .map(|(i, w)| w * totals(bank, first + i))
            .sum::<f64>()
            / shape.iter().sum::<f64>()
            * LOBE;
        let mut row = vec![0.0; bins];
        for (i, weight) in shape.iter().enumerate() {
            let hz = (first + i) as f64 * step;
            for (k, value) in row.iter_mut().enumerate() {
                *value += weight * lobe((k as f64 * bin - hz) / bin);
            }
        }
        let sum: f64 = row.iter().sum();
        let scale = LOBE * full * full / seen / sum.max(1e-12);
        matrix.extend(row.into_iter().map(|value| (value * scale) as f32));
    }
    Ok(matrix)
}

/// The sum over bands of the weights of a bin.
fn totals(bank: &Filterbank, bin: usize) -> f64 {
    let weight = |band: usize| {
        let (first, weights) = bank.band(band);
        bin.checked_sub(first)
            .and_then(|i| weights.get(i))
            .copied()
            .unwrap_or(0.0)
    };
    (0..bank.len()).map(weight).sum()
}

/// The power of a Hann window's transform `x` bins from the middle of its main lobe, 1 there.
fn lobe(x: f64) -> f64 {
    if x.abs() >= 2.0 {
        return 0.0;
    }
    if x.abs() < 1e-9 {
        return 1.0;
    }
    if (x.abs() - 1.0).abs() < 1e-9 {
        return 0.25;
    }
    let sinc = (PI * x).sin() / (PI * x);
    (sinc / (1.0 - x * x)).powi(2)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Quarter tones from A1 on.
    pub(crate) fn log() -> SpectrogramConfig {
        SpectrogramConfig {
            padding: None,
            sample_rate: 16_000,
            hop: 256,
            scale: FrequencyScale::Log {
                bands: 168,
                lowest: 55.0,
                per_octave: 24,
                windows: vec![
                    Window {
                        n_fft: 4096,
                        below: Some(500.0),
                    },
                    Window {
                        n_fft: 2048,
                        below: Some(2000.0),
                    },
                    Window {
                        n_fft: 1024,
                        below: None,
                    },
                ],
            },
        }
    }

    fn sine(hz: f64, amplitude: f64) -> Vec<f32> {
        let turn = 2.0 * PI * hz / 16_000.0;
        (0..16_384)
            .map(|n| (amplitude * (turn * n as f64).sin()) as f32)
            .collect()
    }

    #[test]
    fn a_sine_is_highest_in_its_band_and_has_its_amplitude_there() {
        let plan = Spectrogram::new(&log()).unwrap();
        for band in [0, 24, 50, 76, 77, 100, 130, 167] {
            let hz = 55.0 * (band as f64 / 24.0).exp2();
            let values = plan.compute(&sine(hz, 0.5)).unwrap();
            let row = &values[32 * 168..33 * 168];
            let best = (0..168).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
            assert_eq!(best, band);
            let db = 20.0 * (f64::from(row[band]).exp() / 0.5).log10();
            assert!(db.abs() < 2.5, "{hz} Hz: {db} dB");
        }
    }

    #[test]
    fn semitones_above_middle_c_are_two_peaks() {
        let plan = Spectrogram::new(&log()).unwrap();
        for band in [54, 72, 90, 110] {
            let hz = |band: usize| 55.0 * (band as f64 / 24.0).exp2();
            let both: Vec<f32> = sine(hz(band), 0.3)
                .iter()
                .zip(sine(hz(band + 2), 0.3))
                .map(|(a, b)| a + b)
                .collect();
            let values = plan.compute(&both).unwrap();
            let mean = |band: usize| (0..64).map(|t| values[t * 168 + band]).sum::<f32>() / 64.0;
            let valley = mean(band + 1);
            assert!(
                mean(band) > valley + 0.3 && mean(band + 2) > valley + 0.3,
                "{band}"
            );
        }
    }

    #[test]
    fn the_way_back_keeps_the_power_of_a_sine_and_of_noise() {
        let config = log();
        let plan = Spectrogram::new(&config).unwrap();
        let inverse = BandInverse::new(&config, 1024).unwrap();
        let noise = crate::random::standard_normal(1, 0, 16_384);
        for sound in [
            sine(110.0, 0.4),
            sine(440.0, 0.4),
            sine(1500.0, 0.2),
            sine(5000.0, 0.2),
            noise,
        ] {
            let values = plan.compute(&sound).unwrap();
            let frames = Stft::new(1024, 256).spectrum(&sound).unwrap();
            let (mut truth, mut found) = (0.0, 0.0);
            for (frame, row) in frames
                .iter()
                .zip(values.chunks_exact(168))
                .skip(16)
                .take(32)
            {
                for (bin, value) in frame.iter().enumerate().take(450).skip(3) {
                    truth += value.norm_sqr();
                    let powers = row.iter().enumerate().map(|(band, value)| {
                        f64::from(*value).exp().powi(2)
                            * f64::from(inverse.matrix[band * 513 + bin])
                    });
                    found += powers.sum::<f64>();
                }
            }
            let db = 10.0 * (found / truth).log10();
            assert!(db.abs() < 3.0, "{db} dB");
        }
    }

    #[test]
    fn sizes_that_make_no_spectrogram_are_refused() {
        assert!(SpectrogramConfig::mel(16_000, 0, 64, 1024).check().is_err());
        assert!(
            SpectrogramConfig::mel(16_000, 160, 64, 1023)
                .check()
                .is_err()
        );
        let mut high = log();
        if let FrequencyScale::Log { lowest, .. } = &mut high.scale {
            *lowest = 80.0;
        }
        assert!(high.check().is_err());
    }

    /// Frames lie around the middle of the samples that they stand for, and bands end at 8 kHz.
    #[test]
    fn hifigan_s_frames_are_as_many_as_hops() {
        let config = SpectrogramConfig::hifigan(22_050, 256, 80);
        let plan = Spectrogram::new(&config).unwrap();
        let mut click = vec![0.0; 64 * 256];
        // In the middle of what frame 20 stands for.
        click[20 * 256 + 128] = 1.0;
        let values = plan.compute(&click).unwrap();
        assert_eq!(values.len(), 64 * 80);
        let level = |frame: usize| values[frame * 80..(frame + 1) * 80].iter().sum::<f32>();
        let loudest = (0..64).max_by(|a, b| level(*a).total_cmp(&level(*b)));
        assert_eq!(loudest, Some(20));
        assert!((level(19) - level(21)).abs() < 1e-3);
        let turn = 2.0 * PI * 9000.0 / 22_050.0;
        let high: Vec<f32> = (0..64 * 256)
            .map(|n| (turn * f64::from(n)).sin() as f32)
            .collect();
        let values = plan.compute(&high).unwrap();
        let middle = &values[30 * 80..31 * 80];
        assert!(middle.iter().all(|value| *value < -4.0), "{middle:?}");
        assert!(plan.compute(&click[..384]).is_err());
        let wide = SpectrogramConfig {
            padding: Some(600),
            ..config
        };
        assert!(wide.check().is_err());
    }
}
