//! Trains GPT-2 and the UNet as a latent-diffusion prior on music.
//!
//! No picture is seen here. The audio embedding goes through a projection to GPT-2, which learns to
//! translate it to the Language of Audio of the same piece; the UNet learns to denoise latents under
//! that, or under GPT-2's translation. After Liu et al., "AudioLDM 2", 2023. An image aligner later
//! takes the projection's place.

use burn::{
    module::{Module, Param},
    tensor::{FloatDType, Tensor, backend::Backend},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;

use super::{
    Learner, Losses, Start, Task, TrainingBackend,
    config::SmallModel,
    data::Data,
    denoising::{Denoising, DiffusionBatch, spread_timesteps},
    latents::{LatentCache, PieceEncoders, Pieces},
    scalar, tensor,
};
use crate::{
    Result,
    dataset::Shuffled,
    diffusion::NoiseSchedule,
    model::{gpt2::Gpt2, layers::Linear, unet::Unet},
    ops::Kernels,
    random::standard_normal,
    tensors::Init,
};

/// Pieces of a validation, each at one timestep.
const VALIDATION_ITEMS: usize = 32;
/// The stream of random numbers for noise.
const NOISE_STREAM: u64 = 2;
/// The same for noise in conditions.
const CONDITION_STREAM: u64 = 3;

/// GPT-2 and the UNet, with what training needs beside them.
#[derive(Module, Debug)]
pub struct Prior<B: Backend> {
    /// The audio embedding to GPT-2's prefix.
    projection: Linear<B>,
    gpt2: Gpt2<B>,
    unet: Unet<B>,
    /// What stands for no condition, `[1, tokens, width]`.
    unconditional: Param<Tensor<B, 3>>,
}

/// A batch of the prior.
#[derive(Debug)]
pub struct PriorBatch {
    diffusion: DiffusionBatch,
    embeddings: Vec<f32>,
    loa_tokens: Vec<f32>,
    /// For each item: is the condition left out, is it the true one?
    choices: Vec<Condition>,
    /// What is added to all tokens of a condition, `[items, width]`; nothing when empty.
    condition_noise: Vec<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    None,
    True,
    Predicted,
}

/// The part `prior`.
#[derive(Debug)]
pub struct PriorTask<'a, B: TrainingBackend> {
    config: &'a SmallModel,
    pieces: LatentCache,
    order: Shuffled,
    validation: PriorBatch,
    schedule: NoiseSchedule,
    shape: [usize; 3],
    device: B::Device,
}

impl<'a, B: TrainingBackend> PriorTask<'a, B> {
    /// Learns from pieces that the finished parts in `folder` encode, now if they are not in the cache.
    pub fn new(
        config: &'a SmallModel,
        folder: &Path,
        data: &Data,
        device: B::Device,
    ) -> Result<Self> {
        let vae = &config.vae.network;
        let factor = vae.factor();
        let shape = [
            vae.latent_channels,
            config.frames / factor,
            config.spectrogram().bands() / factor,
        ];
        let schedule = NoiseSchedule::new(&config.prior.network.schedule)?;
        let encoders = PieceEncoders::<B::InnerBackend>::load(config, folder, &device)?;
        let pieces = encoders.training(data)?;
        let others = encoders.validation(data, VALIDATION_ITEMS)?;
        let items: Vec<usize> = (0..others.items()).collect();
        let validation = batch(
            pieces.pieces_of(&others, &items)?,
            spread_timesteps(items.len(), schedule.len()),
            vec![Condition::Predicted; items.len()],
            u64::MAX,
        );
        let run = &config.prior.run;
        Ok(Self {
            config,
            order: Shuffled::new(pieces.items(), run.batch, run.seed),
            pieces,
            validation,
            schedule,
            shape,
            device,
        })
    }

    fn losses_of<C: Kernels<Device = B::Device>>(
        &self,
        model: &Prior<C>,
        batch: &PriorBatch,
        shuffled: bool,
    ) -> Result<[Tensor<C, 1>; 2]> {
        let device = &self.device;
        let config = &self.config.prior.network;
        let count = batch.choices.len();
        let (new, width) = (config.gpt2.max_new_tokens, config.gpt2.n_embd);
        let embedding = batch.embeddings.len() / count;
        let embeddings = tensor::<C, 2>(batch.embeddings.clone(), [count, embedding], device);
        let prefix = model.projection.forward(embeddings);
        let prefix = prefix.reshape([count, config.prefix, width]);
        let predicted = model.gpt2.generate(prefix, None)?.cast(FloatDType::F32);
        let truth = tensor::<C, 3>(batch.loa_tokens.clone(), [count, new, width], device);
        let translation = (predicted.clone() - truth.clone()).powi_scalar(2).mean();

        let share = |wanted: Condition| {
            let chosen = batch
                .choices
                .iter()
                .map(|c| f32::from(u8::from(*c == wanted)));
            tensor::<C, 3>(chosen.collect(), [count, 1, 1], device)
        };
        let none = model.unconditional.val().cast(FloatDType::F32) * share(Condition::None);
        let mut conditions =
            truth * share(Condition::True) + predicted * share(Condition::Predicted);
        if !batch.condition_noise.is_empty() {
            let noise = tensor::<C, 3>(batch.condition_noise.clone(), [count, 1, width], device);
            let told = share(Condition::None).neg().add_scalar(1.0);
            conditions = conditions + noise * told;
        }
        let mut audio = none + conditions;
        if shuffled {
            let first = audio.clone().narrow(0, 0, 1);
            audio = Tensor::cat(vec![audio.narrow(0, 1, count - 1), first], 0);
        }
        let loss = &self.config.prior.loss;
        let denoising = Denoising {
            unet: &model.unet,
            schedule: &self.schedule,
            gamma: loss.gamma,
            floor: loss.floor,
            shape: self.shape,
            text: None,
            guidance: 1.0,
        };
        Ok([denoising.loss(&batch.diffusion, audio)?, translation])
    }
}

/// Puts pieces together; `seed` decides the noise.
fn batch(pieces: Pieces, timesteps: Vec<usize>, choices: Vec<Condition>, seed: u64) -> PriorBatch {
    PriorBatch {
        diffusion: DiffusionBatch {
            noise: standard_normal(seed, NOISE_STREAM, pieces.latents.len()),
            latents: pieces.latents,
            timesteps,
        },
        embeddings: pieces.embeddings,
        loa_tokens: pieces.loa_tokens,
        choices,
        condition_noise: Vec::new(),
    }
}

impl<B: TrainingBackend> Task<B> for PriorTask<'_, B> {
    type Learners = Learner<B, Prior<B>>;
    type Batch = PriorBatch;

    fn learners(&self, start: &Start<B>) -> Result<Self::Learners> {
        let config = &self.config.prior.network;
        let width = config.gpt2.n_embd;
        let embedding = self.config.imagebind.network.audio.embedding;
        // Residual branches begin by adding nothing.
        let scales = [("conv2.", 0.0), ("proj_out.", 0.0), ("unet.conv_out.", 0.0)];
        start.learner("", self.config.prior.run.optimiser(), &scales, |p| {
            let projection = Linear::load(&p.at("projection"), embedding, config.prefix * width)?;
            let gpt2 = Gpt2::load(&p.at("gpt2"), &config.gpt2)?;
            let (projection, gpt2) = match self.config.prior.loss.frozen_language {
                true => (projection.no_grad(), gpt2.no_grad()),
                false => (projection, gpt2),
            };
            Ok(Prior {
                projection,
                gpt2,
                unet: Unet::load(&p.at("unet"), &config.unet)?,
                unconditional: p.get(
                    "unconditional",
                    [1, config.gpt2.max_new_tokens, width],
                    Init::Uniform(0.02),
                )?,
            })
        })
    }

    fn batch(&self, number: usize) -> Result<PriorBatch> {
        let part = &self.config.prior;
        let mut rng = ChaCha8Rng::seed_from_u64(part.run.seed);
        rng.set_stream(number as u64 + 1);
        let count = part.run.batch;
        let mut timesteps = Vec::with_capacity(count);
        let mut choices = Vec::with_capacity(count);
        for i in 0..count {
            // Stratified: every step sees the whole schedule.
            let share = (i as f64 + rng.random_range(0.0..1.0)) / count as f64;
            timesteps.push((share * self.schedule.len() as f64) as usize);
            let choice = rng.random_range(0.0..1.0);
            choices.push(if choice < part.loss.unconditional {
                Condition::None
            } else if rng.random_range(0.0..1.0) < part.loss.true_tokens {
                Condition::True
            } else {
                Condition::Predicted
            });
        }
        let pieces = self.pieces.pieces(&self.order.items(number))?;
        let mut batch = batch(pieces, timesteps, choices, number as u64);
        if part.loss.condition_noise > 0.0 {
            let size = count * part.network.gpt2.n_embd;
            let noise = standard_normal(number as u64, CONDITION_STREAM, size).into_iter();
            let deviation = part.loss.condition_noise as f32;
            batch.condition_noise = noise.map(|x| x * deviation).collect();
        }
        Ok(batch)
    }

    fn losses(&self, learner: &Self::Learners, _: usize, batch: &PriorBatch) -> Result<Losses<B>> {
        let [denoising, translation] = self.losses_of(learner.model(), batch, false)?;
        let weight = self.config.prior.loss.tokens;
        Ok(Losses {
            total: denoising.clone() + translation.clone() * weight,
            parts: vec![("denoising", denoising), ("translation", translation)],
        })
    }

    /// The losses on other pieces under GPT-2's conditions, and how many times the first one grows
    /// under the conditions of another piece: 1 means that conditions are not listened to.
    fn validate(&self, learner: &Self::Learners) -> Result<Vec<(&'static str, f64)>> {
        let model = learner.valid();
        let [denoising, translation] = self.losses_of(&model, &self.validation, false)?;
        let denoising = scalar(denoising)?;
        let mut figures = vec![
            ("denoising", denoising),
            ("translation", scalar(translation)?),
        ];
        // One piece cannot be exchanged.
        if self.validation.choices.len() > 1 {
            let [shuffled, _] = self.losses_of(&model, &self.validation, true)?;
            figures.push(("shuffled / true", scalar(shuffled)? / denoising));
        }
        Ok(figures)
    }
}
