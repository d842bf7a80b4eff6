//! Spectrograms as tensors that can be differentiated, and the losses made of them.

use burn::tensor::{Tensor, backend::Backend};

use super::tensor;
use crate::audio::{filterbank::Filterbank, stft};

/// Frame lengths and hops of the multi-resolution loss.
pub const RESOLUTIONS: [(usize, usize); 3] = [(512, 128), (1024, 256), (2048, 512)];
/// The smallest power of a bin: keeps logarithms and roots smooth.
const POWER_FLOOR: f64 = 1e-9;
/// Bands, frame length and hop of the log-mel loss: those of AudioLDM 2's spectrogram, whatever the networks'.
const MEL_BANDS: usize = 64;
const MEL_FRAME: usize = 1024;
const MEL_HOP: usize = 160;
/// The smallest mel magnitude, as in [`crate::audio::spectrogram`].
const MEL_FLOOR: f64 = 1e-5;

/// Magnitudes of short-time Fourier transforms: no mirrored ends, Hann window.
#[derive(Debug, Clone)]
pub struct Magnitudes<B: Backend> {
    /// `[frame length rounded up to whole hops, 2 bins]`.
    matrix: Tensor<B, 2>,
    n_fft: usize,
    hop: usize,
}

impl<B: Backend> Magnitudes<B> {
    fn new(n_fft: usize, hop: usize, device: &B::Device) -> Self {
        let columns = n_fft + 2;
        let rows = n_fft.next_multiple_of(hop);
        let mut values = stft::analysis(n_fft);
        values.resize(rows * columns, 0.0);
        Self {
            matrix: tensor(values, [rows, columns], device),
            n_fft,
            hop,
        }
    }

    /// `samples [batch, length]` to `[batch, frames, bins]`.
    pub fn forward(&self, samples: Tensor<B, 2>) -> Tensor<B, 3> {
        let [batch, length] = samples.dims();
        let (hop, bins) = (self.hop, self.n_fft / 2 + 1);
        let overlap = self.n_fft.div_ceil(hop);
        let blocks = length / hop;
        let frames = blocks + 1 - overlap;
        let blocks = samples
            .narrow(1, 0, blocks * hop)
            .reshape([batch, blocks, hop]);
        // A frame is `overlap` neighbouring blocks.
        let shifted = (0..overlap).map(|k| blocks.clone().narrow(1, k, frames));
        let frames: Tensor<B, 3> = Tensor::cat(shifted.collect(), 2);
        let [_, count, width] = frames.dims();
        let spectrum = frames
            .reshape([batch * count, width])
            .matmul(self.matrix.clone());
        let [real, imaginary] = [0, bins].map(|first| spectrum.clone().narrow(1, first, bins));
        let power = real.powi_scalar(2) + imaginary.powi_scalar(2);
        (power + POWER_FLOOR).sqrt().reshape([batch, count, bins])
    }
}

/// Natural logarithms of magnitudes in mel bands up to half the sample rate.
#[derive(Debug, Clone)]
pub struct LogMel<B: Backend> {
    magnitudes: Magnitudes<B>,
    /// `[bins, mel bins]`.
    bands: Tensor<B, 2>,
    /// Samples that are mirrored at either end.
    padding: usize,
}

impl<B: Backend> LogMel<B> {
    /// `bands` bands of frames of `n_fft` samples every `hop` of sounds of `sample_rate`, mirrored at either end by
    /// `padding` samples.
    pub fn new(
        sample_rate: u32,
        bands: usize,
        [n_fft, hop, padding]: [usize; 3],
        device: &B::Device,
    ) -> Self {
        let bank = Filterbank::slaney(n_fft, sample_rate as usize, bands, None);
        Self {
            magnitudes: Magnitudes::new(n_fft, hop, device),
            bands: tensor(bank.matrix(), [bank.bins(), bands], device),
            padding,
        }
    }

    /// `samples [batch, length]` to `[batch, frames, bands]`.
    pub fn forward(&self, samples: Tensor<B, 2>) -> Tensor<B, 3> {
        let [_, length] = samples.dims();
        let samples = match self.padding {
            0 => samples,
            padding => {
                let end = |first: usize| samples.clone().narrow(1, first, padding).flip([1]);
                let (before, behind) = (end(1), end(length - 1 - padding));
                Tensor::cat(vec![before, samples, behind], 1)
            }
        };
        let magnitudes = self.magnitudes.forward(samples);
        let mel = magnitudes.matmul(self.bands.clone().unsqueeze());
        mel.clamp_min(MEL_FLOOR).log()
    }

    /// Mean absolute difference of the spectrograms of two sounds.
    pub fn distance(&self, a: Tensor<B, 2>, b: Tensor<B, 2>) -> Tensor<B, 1> {
        (self.forward(a) - self.forward(b)).abs().mean()
    }
}

/// The losses that compare two sounds by their spectra.
#[derive(Debug, Clone)]
pub struct SpectralLoss<B: Backend> {
    resolutions: Vec<Magnitudes<B>>,
    mel: LogMel<B>,
}

impl<B: Backend> SpectralLoss<B> {
    /// Makes the matrices for sounds of `sample_rate`.
    pub fn new(sample_rate: u32, device: &B::Device) -> Self {
        let each = |(n_fft, hop)| Magnitudes::new(n_fft, hop, device);
        Self {
            resolutions: RESOLUTIONS.into_iter().map(each).collect(),
            mel: LogMel::new(sample_rate, MEL_BANDS, [MEL_FRAME, MEL_HOP, 0], device),
        }
    }

    /// The spectra at [`RESOLUTIONS`].
    pub fn resolutions(&self) -> &[Magnitudes<B>] {
        &self.resolutions
    }

    /// Mean absolute difference of the log-mel spectrograms.
    pub fn mel(&self, a: Tensor<B, 2>, b: Tensor<B, 2>) -> Tensor<B, 1> {
        self.mel.distance(a, b)
    }

    /// Spectral convergence and mean absolute difference of log magnitudes, averaged over
    /// [`RESOLUTIONS`]: Yamamoto et al., "Parallel WaveGAN", 2020. `b` is the original.
    pub fn multi_resolution(&self, a: Tensor<B, 2>, b: Tensor<B, 2>) -> Tensor<B, 1> {
        let each = self.resolutions.iter().map(|resolution| {
            let a = resolution.forward(a.clone());
            let b = resolution.forward(b.clone());
            let norm = |x: Tensor<B, 3>| x.powi_scalar(2).sum().sqrt();
            let convergence = norm(a.clone() - b.clone()) / norm(b.clone());
            convergence + (a.log() - b.log()).abs().mean()
        });
        let count = self.resolutions.len() as f64;
        let sum = each.reduce(|sum, loss| sum + loss);
        sum.map_or_else(|| Tensor::zeros([1], &a.device()), |sum| sum / count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audio::spectrogram::{Spectrogram, SpectrogramConfig},
        ops::Cpu,
        random::standard_normal,
    };

    fn tone(length: usize, step: f32) -> Vec<f32> {
        (0..length).map(|n| 0.3 * (n as f32 * step).sin()).collect()
    }

    #[test]
    fn equal_sounds_cost_nothing_and_others_do() {
        let device = Default::default();
        let loss = SpectralLoss::<Cpu>::new(16_000, &device);
        let sound = |step| tensor::<Cpu, 2>(tone(8192, step), [1, 8192], &device);
        let value = |x: Tensor<Cpu, 1>| x.into_scalar();
        assert_eq!(value(loss.mel(sound(0.2), sound(0.2))), 0.0);
        assert_eq!(value(loss.multi_resolution(sound(0.2), sound(0.2))), 0.0);
        assert!(value(loss.mel(sound(0.2), sound(0.5))) > 0.5);
        // Half the level: convergence 1/2, logarithms apart by ln 2.
        let noise = || tensor::<Cpu, 2>(standard_normal(1, 0, 8192), [1, 8192], &device);
        let cost = value(loss.multi_resolution(noise() * 0.5, noise()));
        assert!((cost - 0.5 - 2f32.ln()).abs() < 1e-3, "{cost}");
    }

    /// Frames in the middle are those of the mel spectrogram: only the ends differ.
    #[test]
    fn the_tensor_mel_is_that_of_the_spectrogram() {
        let device = Default::default();
        let loss = SpectralLoss::<Cpu>::new(16_000, &device);
        let samples = standard_normal(2, 0, 16_000);
        let ours = loss
            .mel
            .forward(tensor(samples.clone(), [1, 16_000], &device));
        let frames = ours.dims()[1];
        let ours = ours.into_data().to_vec::<f32>().unwrap();
        // Our frame k begins at sample 160 k; the spectrogram's frame k is centred there.
        let shifted = &samples[512 - 3 * 160..];
        let theirs = Spectrogram::new(&SpectrogramConfig::audioldm())
            .unwrap()
            .compute(shifted)
            .unwrap();
        for frame in 10..frames - 10 {
            let a = &ours[frame * MEL_BANDS..(frame + 1) * MEL_BANDS];
            // Sample 160 frame + 512 is 160 (frame + 3) of the shifted sound.
            let b = &theirs[(frame + 3) * MEL_BANDS..(frame + 4) * MEL_BANDS];
            let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs());
            assert!(worst.fold(0.0, f32::max) < 1e-3, "frame {frame}");
        }
    }

    #[test]
    fn mirrored_ends_are_those_of_the_spectrogram() {
        let device = Default::default();
        let samples = standard_normal(3, 0, 8192);
        let mel = LogMel::<Cpu>::new(16_000, 80, [1024, 256, 384], &device);
        let ours = mel.forward(tensor(samples.clone(), [1, 8192], &device));
        assert_eq!(ours.dims(), [1, 32, 80]);
        let plan = Spectrogram::new(&SpectrogramConfig::hifigan(16_000, 256, 80)).unwrap();
        let theirs = plan.compute(&samples).unwrap();
        let ours = ours.into_data().to_vec::<f32>().unwrap();
        let worst = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs());
        assert!(worst.fold(0.0, f32::max) < 1e-3);
    }
}
