//! Trains the VAE: log-mel spectrograms to latents and back.

use burn::{
    module::Module,
    tensor::{FloatDType, Tensor, backend::Backend},
};

use super::{
    Learner, Losses, Start, Task, TrainingBackend,
    config::SmallModel,
    data::{Data, Excerpt, Excerpts},
    scalar, tensor,
};
use crate::{
    Result,
    model::{
        trace::Trace,
        vae::{Moments, VaeDecoder, VaeEncoder},
    },
    ops::Kernels,
    random::standard_normal,
};

/// Pieces that a validation reconstructs.
const VALIDATION_ITEMS: usize = 16;

/// The stream of random numbers that samples latents.
const NOISE_STREAM: u64 = 1;

/// Both halves.
#[derive(Module, Debug)]
pub struct Vae<B: Backend> {
    encoder: VaeEncoder<B>,
    decoder: VaeDecoder<B>,
}

/// The part `vae`.
#[derive(Debug)]
pub struct VaeTask<'a, B: TrainingBackend> {
    config: &'a SmallModel,
    excerpts: Excerpts<'a>,
    validation: Vec<Excerpt>,
    device: B::Device,
}

impl<'a, B: TrainingBackend> VaeTask<'a, B> {
    /// Learns from pieces of the configured length.
    pub fn new(config: &'a SmallModel, data: &'a Data, device: B::Device) -> Result<Self> {
        let part = &config.vae;
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
            device,
        })
    }

    /// `[items, 1, frames, bands]`, standardised.
    fn standard<C: Backend>(&self, excerpts: &[Excerpt], device: &C::Device) -> Tensor<C, 4> {
        let mels = excerpts.iter().flat_map(|excerpt| &excerpt.mel);
        let values: Vec<f32> = mels.copied().collect();
        let bands = self.config.spectrogram().bands();
        let frames = values.len() / excerpts.len().max(1) / bands;
        let scale = self.config.mel;
        let mel = tensor::<C, 4>(values, [excerpts.len(), 1, frames, bands], device);
        (mel - scale.mean) / scale.scale
    }
}

impl<B: TrainingBackend> Task<B> for VaeTask<'_, B> {
    type Learners = Learner<B, Vae<B>>;
    type Batch = (Vec<Excerpt>, Vec<f32>);

    fn learners(&self, start: &Start<B>) -> Result<Self::Learners> {
        let config = &self.config.vae.network;
        start.learner("", self.config.vae.run.optimiser(), &[], |p| {
            Ok(Vae {
                encoder: VaeEncoder::load(p, config)?,
                decoder: VaeDecoder::load(p, config)?,
            })
        })
    }

    /// Excerpts, and the noise that makes samples of their latents.
    fn batch(&self, number: usize) -> Result<Self::Batch> {
        let part = &self.config.vae;
        let excerpts = self.excerpts.batch(number)?;
        let cells =
            part.loss.frames * self.config.spectrogram().bands() / part.network.factor().pow(2);
        let count = part.run.batch * part.network.latent_channels * cells;
        Ok((
            excerpts,
            standard_normal(number as u64, NOISE_STREAM, count),
        ))
    }

    fn losses(
        &self,
        learner: &Self::Learners,
        _: usize,
        (excerpts, noise): &Self::Batch,
    ) -> Result<Losses<B>> {
        let model = learner.model();
        let input = self.standard::<B>(excerpts, &self.device);
        let moments = model.encoder.encode(input.clone(), &mut Trace::off());
        let moments = Moments {
            mean: moments.mean.cast(FloatDType::F32),
            log_variance: moments.log_variance.cast(FloatDType::F32),
        };
        let (mean, log_variance) = (moments.mean.clone(), moments.log_variance.clone());
        let noise = tensor(noise.clone(), mean.dims(), &self.device);
        // KL(N(mean, variance) || N(0, 1)), summed over the channels of a cell.
        let kl = mean.powi_scalar(2) + log_variance.clone().exp() - log_variance - 1.0;
        let kl = kl.sum_dim(1).mean() * 0.5;
        let output = model
            .decoder
            .decode(moments.sample(noise), &mut Trace::off());
        let l1 = (output.cast(FloatDType::F32) - input).abs().mean();
        Ok(Losses {
            total: l1.clone() + kl.clone() * self.config.vae.loss.kl,
            parts: vec![("L1", l1), ("KL", kl)],
        })
    }

    /// The mean absolute error of reconstructed log-mel values, from the latent's mean.
    fn validate(&self, learner: &Self::Learners) -> Result<Vec<(&'static str, f64)>> {
        let model = learner.valid();
        let mut sum = 0.0;
        for piece in self.validation.chunks(1) {
            let input = self.standard::<B::InnerBackend>(piece, &self.device);
            sum += reconstruction_error(&model, input)?;
        }
        let error = sum / self.validation.len() as f64 * self.config.mel.scale;
        Ok(vec![("log-mel L1", error)])
    }
}

fn reconstruction_error<B: Kernels>(model: &Vae<B>, input: Tensor<B, 4>) -> Result<f64> {
    let moments = model.encoder.encode(input.clone(), &mut Trace::off());
    let output = model.decoder.decode(moments.mean, &mut Trace::off());
    scalar((output - input).abs().mean())
}
