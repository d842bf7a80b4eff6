//! Trains the vocoder: spectrograms to sound.

use burn::tensor::{FloatDType, Tensor};

use super::{
    Learner, Losses, Start, Task, TrainingBackend,
    config::SmallModel,
    data::{Data, Excerpt, Excerpts},
    scalar,
    spectral::SpectralLoss,
    tensor,
};
use crate::{
    Result,
    model::{istft::IstftVocoder, trace::Trace},
    ops::Kernels,
};

/// Pieces that a validation makes sound.
const VALIDATION_ITEMS: usize = 8;

/// The part `vocoder`.
#[derive(Debug)]
pub struct VocoderTask<'a, B: TrainingBackend> {
    config: &'a SmallModel,
    excerpts: Excerpts<'a>,
    validation: Vec<Excerpt>,
    spectra: SpectralLoss<B>,
    device: B::Device,
}

impl<'a, B: TrainingBackend> VocoderTask<'a, B> {
    /// Learns from parts of pieces.
    pub fn new(config: &'a SmallModel, data: &'a Data, device: B::Device) -> Result<Self> {
        let part = &config.vocoder;
        let excerpts = Excerpts::new(
            (config.frames, &config.spectrogram()),
            data,
            part.loss.frames,
            &part.run,
        )?;
        Ok(Self {
            config,
            validation: excerpts.validation(VALIDATION_ITEMS)?,
            excerpts,
            spectra: SpectralLoss::new(config.spectrogram().sample_rate, &device),
            device,
        })
    }
}

/// The losses of `excerpts`: of the log-mel, and at several resolutions.
fn losses<B: Kernels>(
    model: &IstftVocoder<B>,
    spectra: &SpectralLoss<B>,
    excerpts: &[Excerpt],
    bands: usize,
    device: &B::Device,
) -> [Tensor<B, 1>; 2] {
    let count = excerpts.len();
    let mels = excerpts.iter().flat_map(|excerpt| &excerpt.mel);
    let mel: Vec<f32> = mels.copied().collect();
    let samples = excerpts.iter().flat_map(|excerpt| &excerpt.samples);
    let samples: Vec<f32> = samples.copied().collect();
    let [length, values] = [&samples, &mel].map(|all| all.len() / count.max(1));
    let original = tensor(samples, [count, length], device);
    let made = model.forward(
        tensor(mel, [count, values / bands, bands], device),
        &mut Trace::off(),
    );
    let made = made.cast(FloatDType::F32);
    [
        spectra.mel(made.clone(), original.clone()),
        spectra.multi_resolution(made, original),
    ]
}

impl<B: TrainingBackend> Task<B> for VocoderTask<'_, B> {
    type Learners = Learner<B, IstftVocoder<B>>;
    type Batch = Vec<Excerpt>;

    fn learners(&self, start: &Start<B>) -> Result<Self::Learners> {
        let part = &self.config.vocoder;
        // Both halves: magnitudes begin at what the spectrogram says, phases near zero.
        let scales = [("head.out.weight", 0.1)];
        start.learner("", part.run.optimiser(), &scales, |p| {
            IstftVocoder::load(p, &part.network)
        })
    }

    fn batch(&self, number: usize) -> Result<Vec<Excerpt>> {
        self.excerpts.batch(number)
    }

    fn losses(
        &self,
        learner: &Self::Learners,
        _: usize,
        batch: &Vec<Excerpt>,
    ) -> Result<Losses<B>> {
        let [mel, stft] = losses(
            learner.model(),
            &self.spectra,
            batch,
            self.config.spectrogram().bands(),
            &self.device,
        );
        Ok(Losses {
            total: mel.clone() + stft.clone(),
            parts: vec![("log-mel L1", mel), ("multi-resolution STFT", stft)],
        })
    }

    fn validate(&self, learner: &Self::Learners) -> Result<Vec<(&'static str, f64)>> {
        let model = learner.valid();
        let spectra = SpectralLoss::<B::InnerBackend>::new(
            self.config.spectrogram().sample_rate,
            &self.device,
        );
        let bands = self.config.spectrogram().bands();
        let count = self.validation.len() as f64;
        let mut sums = [0.0; 2];
        for piece in self.validation.chunks(1) {
            let each = losses(&model, &spectra, piece, bands, &self.device);
            for (sum, loss) in sums.iter_mut().zip(each) {
                *sum += scalar(loss)? / count;
            }
        }
        let [mel, stft] = sums;
        Ok(vec![("log-mel L1", mel), ("multi-resolution STFT", stft)])
    }
}
