//! Trains the vocoder: log-mel spectrograms to sound.

use burn::module::AutodiffModule;

use super::{
    Losses, Task, TrainingBackend,
    config::SmallModel,
    data::{Data, Sound},
    scalar,
    spectral::SpectralLoss,
    tensor,
};
use crate::{
    Result,
    audio::mel::{HOP, MEL_BINS},
    dataset::synth::{Pair, Split},
    model::{istft::IstftVocoder, params::Params, trace::Trace},
    ops::Kernels,
};

/// Pieces that are never trained on and that a validation makes sound.
const HELD_OUT: u64 = 8;

/// The part `vocoder`.
pub struct VocoderTask<'a, B: TrainingBackend> {
    config: &'a SmallModel,
    data: Data,
    spectra: SpectralLoss<B>,
    device: B::Device,
}

impl<'a, B: TrainingBackend> VocoderTask<'a, B> {
    /// Learns from parts of pieces.
    pub fn new(config: &'a SmallModel, device: B::Device) -> Self {
        Self {
            config,
            data: Data::new(config.frames),
            spectra: SpectralLoss::new(&device),
            device,
        }
    }
}

/// The losses of `sounds`: of the log-mel, and at several resolutions.
fn losses<B: Kernels>(
    model: &IstftVocoder<B>,
    spectra: &SpectralLoss<B>,
    sounds: &[Sound],
    device: &B::Device,
) -> [burn::tensor::Tensor<B, 1>; 2] {
    let count = sounds.len();
    let mel: Vec<f32> = sounds.iter().flat_map(|sound| sound.mel.clone()).collect();
    let frames = mel.len() / count.max(1) / MEL_BINS;
    let samples = sounds
        .iter()
        .flat_map(|sound| sound.samples.clone())
        .collect();
    let original = tensor(samples, [count, frames * HOP], device);
    let made = model.forward(
        tensor(mel, [count, frames, MEL_BINS], device),
        &mut Trace::off(),
    );
    [
        spectra.mel(made.clone(), original.clone()),
        spectra.multi_resolution(made, original),
    ]
}

impl<B: TrainingBackend> Task<B> for VocoderTask<'_, B> {
    type Model = IstftVocoder<B>;
    type Batch = Vec<Sound>;

    fn load(&self, p: &Params<B>) -> Result<IstftVocoder<B>> {
        IstftVocoder::load(p, &self.config.vocoder.network)
    }

    fn initial_scales(&self) -> &[(&str, f32)] {
        // Both halves: magnitudes begin at what the spectrogram says, phases near zero.
        &[("head.out.weight", 0.1)]
    }

    fn batch(&self, step: usize) -> Result<Vec<Sound>> {
        let part = &self.config.vocoder;
        self.data.parts(step, part.run.batch, part.loss.frames)
    }

    fn loss(&self, model: &IstftVocoder<B>, batch: Vec<Sound>) -> Result<Losses<B>> {
        let [mel, stft] = losses(model, &self.spectra, &batch, &self.device);
        Ok(Losses {
            total: mel.clone() + stft.clone(),
            parts: vec![("log-mel L1", mel), ("multi-resolution STFT", stft)],
        })
    }

    fn validate(&self, model: &IstftVocoder<B>) -> Result<Vec<(&'static str, f64)>> {
        let model = model.valid();
        let spectra = SpectralLoss::<B::InnerBackend>::new(&self.device);
        let mut sums = [0.0; 2];
        for index in 0..HELD_OUT {
            let sound = self.data.sound(&Pair::draw(Split::Validation, index))?;
            let each = losses(&model, &spectra, &[sound], &self.device);
            for (sum, loss) in sums.iter_mut().zip(each) {
                *sum += scalar(loss)? / HELD_OUT as f64;
            }
        }
        let [mel, stft] = sums;
        Ok(vec![("log-mel L1", mel), ("multi-resolution STFT", stft)])
    }
}
