//! Trains the VAE: log-mel spectrograms to latents and back.

use burn::{
    module::{AutodiffModule, Module},
    tensor::{Tensor, backend::Backend},
};

use super::{
    Losses, Task, TrainingBackend,
    config::SmallModel,
    data::{Data, Sound},
    scalar, tensor,
};
use crate::{
    Result,
    audio::mel::MEL_BINS,
    dataset::synth::{Pair, Split},
    model::{
        params::Params,
        trace::Trace,
        vae::{VaeDecoder, VaeEncoder},
    },
    ops::Kernels,
    random::standard_normal,
};

/// Pieces that are never trained on and that a validation reconstructs.
const HELD_OUT: u64 = 16;

/// The stream of random numbers that samples latents.
const NOISE_STREAM: u64 = 1;

/// Both halves.
#[derive(Module, Debug)]
pub struct Vae<B: Backend> {
    encoder: VaeEncoder<B>,
    decoder: VaeDecoder<B>,
}

/// The part `vae`.
pub struct VaeTask<'a, B: TrainingBackend> {
    config: &'a SmallModel,
    data: Data,
    device: B::Device,
}

impl<'a, B: TrainingBackend> VaeTask<'a, B> {
    /// Learns from pieces of the configured length.
    pub fn new(config: &'a SmallModel, device: B::Device) -> Self {
        Self {
            config,
            data: Data::new(config.frames),
            device,
        }
    }

    /// `[items, 1, frames, 64]`, standardised.
    fn standard<C: Backend>(&self, sounds: &[Sound], device: &C::Device) -> Tensor<C, 4> {
        let values: Vec<f32> = sounds.iter().flat_map(|sound| sound.mel.clone()).collect();
        let frames = values.len() / sounds.len().max(1) / MEL_BINS;
        let scale = self.config.mel;
        let mel = tensor::<C, 4>(values, [sounds.len(), 1, frames, MEL_BINS], device);
        (mel - scale.mean) / scale.scale
    }
}

impl<B: TrainingBackend> Task<B> for VaeTask<'_, B> {
    type Model = Vae<B>;
    type Batch = (Vec<Sound>, Vec<f32>);

    fn load(&self, p: &Params<B>) -> Result<Vae<B>> {
        let config = &self.config.vae.network;
        Ok(Vae {
            encoder: VaeEncoder::load(p, config)?,
            decoder: VaeDecoder::load(p, config)?,
        })
    }

    /// Sounds, and the noise that makes samples of their latents.
    fn batch(&self, step: usize) -> Result<(Vec<Sound>, Vec<f32>)> {
        let part = &self.config.vae;
        let sounds = self.data.parts(step, part.run.batch, part.loss.frames)?;
        let cells = part.loss.frames * MEL_BINS / part.network.factor().pow(2);
        let count = part.run.batch * part.network.latent_channels * cells;
        Ok((sounds, standard_normal(step as u64, NOISE_STREAM, count)))
    }

    fn loss(&self, model: &Vae<B>, (sounds, noise): Self::Batch) -> Result<Losses<B>> {
        let input = self.standard::<B>(&sounds, &self.device);
        let moments = model.encoder.encode(input.clone(), &mut Trace::off());
        let (mean, log_variance) = (moments.mean.clone(), moments.log_variance.clone());
        // KL(N(mean, variance) || N(0, 1)), summed over the channels of a cell.
        let kl = mean.powi_scalar(2) + log_variance.clone().exp() - log_variance - 1.0;
        let kl = kl.sum_dim(1).mean() * 0.5;
        let noise = tensor(noise, moments.mean.dims(), &self.device);
        let output = model
            .decoder
            .decode(moments.sample(noise), &mut Trace::off());
        let l1 = (output - input).abs().mean();
        Ok(Losses {
            total: l1.clone() + kl.clone() * self.config.vae.loss.kl,
            parts: vec![("L1", l1), ("KL", kl)],
        })
    }

    /// The mean absolute error of reconstructed log-mel values, from the latent's mean.
    fn validate(&self, model: &Vae<B>) -> Result<Vec<(&'static str, f64)>> {
        let model = model.valid();
        let mut sum = 0.0;
        for index in 0..HELD_OUT {
            let sound = self.data.sound(&Pair::draw(Split::Validation, index))?;
            let input = self.standard::<B::InnerBackend>(&[sound], &self.device);
            sum += reconstruction_error(&model, input)?;
        }
        let error = sum / HELD_OUT as f64 * self.config.mel.scale;
        Ok(vec![("log-mel L1", error)])
    }
}

fn reconstruction_error<B: Kernels>(model: &Vae<B>, input: Tensor<B, 4>) -> Result<f64> {
    let moments = model.encoder.encode(input.clone(), &mut Trace::off());
    let output = model.decoder.decode(moments.mean, &mut Trace::off());
    scalar((output - input).abs().mean())
}
