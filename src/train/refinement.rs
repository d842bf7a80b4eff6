//! Refines the vocoder: it learns to make sound of what the VAE's decoder gives, and discriminators tell it what does
//! not sound real yet.

use burn::tensor::{FloatDType, Tensor};
use std::path::Path;

use super::{
    Learner, Losses, Start, Task, TrainingBackend, Weights,
    config::{PartConfig, RefinementConfig, RefinementLoss, SmallModel},
    data::{Data, Excerpt, Excerpts},
    discriminator::Discriminators,
    scalar,
    spectral::{RESOLUTIONS, SpectralLoss},
    tensor,
};
use crate::{
    Result,
    model::{
        istft::IstftVocoder,
        params::Params,
        trace::Trace,
        vae::{VaeDecoder, VaeEncoder},
    },
};

/// Pieces that a validation makes sound.
const VALIDATION_ITEMS: usize = 8;

/// The part `refinement`.
#[derive(Debug)]
pub struct RefinementTask<'a, B: TrainingBackend> {
    config: &'a SmallModel,
    part: &'a PartConfig<RefinementConfig, RefinementLoss>,
    excerpts: Excerpts<'a>,
    validation: Vec<Excerpt>,
    vocoder: Weights,
    encoder: VaeEncoder<B::InnerBackend>,
    decoder: VaeDecoder<B::InnerBackend>,
    spectra: SpectralLoss<B>,
    device: B::Device,
}

impl<'a, B: TrainingBackend> RefinementTask<'a, B> {
    /// Goes on from the finished vocoder in `folder`, with its finished VAE.
    pub fn new(
        config: &'a SmallModel,
        part: &'a PartConfig<RefinementConfig, RefinementLoss>,
        folder: &Path,
        data: &'a Data,
        device: B::Device,
    ) -> Result<Self> {
        let excerpts = Excerpts::new(
            (config.frames, &config.spectrogram()),
            data,
            part.loss.frames,
            &part.run,
        )?;
        let vae = Weights::of(folder, "vae").open()?;
        let params = Params::<B::InnerBackend>::new(&vae, &device);
        Ok(Self {
            config,
            part,
            validation: excerpts.validation(VALIDATION_ITEMS)?,
            excerpts,
            vocoder: Weights::of(folder, "vocoder"),
            encoder: VaeEncoder::load(&params, &config.vae.network)?,
            decoder: VaeDecoder::load(&params, &config.vae.network)?,
            spectra: SpectralLoss::new(config.spectrogram().sample_rate, &device),
            device,
        })
    }

    /// The spectrograms of `excerpts` as the VAE gives them back, `[items, frames, bands]`, and the sounds.
    fn decoded(
        &self,
        excerpts: &[Excerpt],
    ) -> (Tensor<B::InnerBackend, 3>, Tensor<B::InnerBackend, 2>) {
        let count = excerpts.len();
        let bands = self.config.spectrogram().bands();
        let mels = excerpts.iter().flat_map(|excerpt| &excerpt.mel);
        let mel: Vec<f32> = mels.copied().collect();
        let samples = excerpts.iter().flat_map(|excerpt| &excerpt.samples);
        let samples: Vec<f32> = samples.copied().collect();
        let [frames, length] = [mel.len() / bands, samples.len()].map(|all| all / count.max(1));
        let scale = self.config.mel;
        let mel = tensor::<B::InnerBackend, 4>(mel, [count, 1, frames, bands], &self.device);
        let moments = self
            .encoder
            .encode((mel - scale.mean) / scale.scale, &mut Trace::off());
        let mel = self.decoder.decode(moments.mean, &mut Trace::off());
        let mel: Tensor<_, 3> = (mel * scale.scale + scale.mean).squeeze_dim(1);
        (mel, tensor(samples, [count, length], &self.device))
    }
}

impl<B: TrainingBackend> Task<B> for RefinementTask<'_, B> {
    type Learners = (Learner<B, Discriminators<B>>, Learner<B, IstftVocoder<B>>);
    type Batch = Vec<Excerpt>;

    fn learners(&self, start: &Start<B>) -> Result<Self::Learners> {
        let optimiser = self.part.run.optimiser();
        let own = super::config::OptimiserConfig {
            average: None,
            ..optimiser
        };
        let channels = self.part.network.channels;
        Ok((
            start.learner("discriminators", own, &[], |p| {
                Discriminators::load(p, RESOLUTIONS.len(), channels)
            })?,
            start.learner_from("", &self.vocoder.open()?, optimiser, |p| {
                IstftVocoder::load(p, &self.config.vocoder.network)
            })?,
        ))
    }

    fn batch(&self, number: usize) -> Result<Vec<Excerpt>> {
        self.excerpts.batch(number)
    }

    fn losses(
        &self,
        (discriminators, vocoder): &Self::Learners,
        learner: usize,
        batch: &Vec<Excerpt>,
    ) -> Result<Losses<B>> {
        let (mel, real) = self.decoded(batch);
        let (mel, real) = (
            Tensor::<B, 3>::from_inner(mel),
            Tensor::<B, 2>::from_inner(real),
        );
        let made = vocoder.model().forward(mel, &mut Trace::off());
        let made = made.cast(FloatDType::F32);
        let spectra = self.spectra.resolutions();
        if learner == 0 {
            let total = discriminators.model().loss(spectra, real, made.detach());
            return Ok(Losses {
                total,
                parts: Vec::new(),
            });
        }
        let loss = &self.part.loss;
        let [adversarial, matching] =
            discriminators
                .model()
                .generator_losses(spectra, real.clone(), made.clone());
        let mel = self.spectra.mel(made.clone(), real.clone());
        let stft = self.spectra.multi_resolution(made, real);
        Ok(Losses {
            total: mel.clone()
                + stft.clone()
                + adversarial.clone() * loss.adversarial
                + matching.clone() * loss.feature_matching,
            parts: vec![
                ("log-mel L1", mel),
                ("multi-resolution STFT", stft),
                ("adversarial", adversarial),
                ("feature matching", matching),
            ],
        })
    }

    fn validate(&self, (_, vocoder): &Self::Learners) -> Result<Vec<(&'static str, f64)>> {
        let model = vocoder.valid();
        let rate = self.config.spectrogram().sample_rate;
        let spectra = SpectralLoss::<B::InnerBackend>::new(rate, &self.device);
        let count = self.validation.len() as f64;
        let mut sums = [0.0; 2];
        for piece in self.validation.chunks(1) {
            let (mel, real) = self.decoded(piece);
            let made = model.forward(mel, &mut Trace::off());
            let losses = [
                spectra.mel(made.clone(), real.clone()),
                spectra.multi_resolution(made, real),
            ];
            for (sum, loss) in sums.iter_mut().zip(losses) {
                *sum += scalar(loss)? / count;
            }
        }
        let [mel, stft] = sums;
        Ok(vec![("log-mel L1", mel), ("multi-resolution STFT", stft)])
    }
}
