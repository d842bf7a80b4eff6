//! Trains GPT-2 and the UNet as a latent-diffusion prior on music.
//!
//! No picture is seen here. The audio embedding goes through a projection to GPT-2, which learns to
//! translate it to the Language of Audio of the same piece; the UNet learns to denoise latents under
//! that, or under GPT-2's translation. Epilogue Liu et al., "AudioLDM 2", 2023. An image aligner later
//! takes the projection's place.

use burn::{
    module::{AutodiffModule, Module, Param},
    tensor::{Tensor, backend::Backend},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Losses, Task, TrainingBackend,
    config::SmallModel,
    denoising::{Denoising, Noised},
    pool::{PieceEncoder, Pool},
    scalar, tensor,
};
use crate::{
    Result,
    dataset::synth::{Pair, Split},
    diffusion::NoiseSchedule,
    model::{gpt2::Gpt2, layers::Linear, params::Params, unet::Unet},
    ops::Kernels,
    random::standard_normal,
    tensors::Init,
};

/// Pieces of a validation, each at one timestep.
const HELD_OUT: usize = 32;
/// The stream of random numbers for noise.
const NOISE_STREAM: u64 = 2;

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
pub struct Batch {
    noised: Noised,
    embeddings: Vec<f32>,
    tokens: Vec<f32>,
    /// For each item: is the condition left out, is it the true one?
    choices: Vec<Condition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    None,
    True,
    Predicted,
}

/// The part `prior`.
pub struct PriorTask<'a, B: TrainingBackend> {
    config: &'a SmallModel,
    pool: Pool,
    held_out: Batch,
    schedule: NoiseSchedule,
    shape: [usize; 3],
    device: B::Device,
}

impl<'a, B: TrainingBackend> PriorTask<'a, B> {
    /// Learns from `pool`; pieces of the validation are encoded now.
    pub fn new(
        config: &'a SmallModel,
        pool: Pool,
        encoder: &PieceEncoder<B::InnerBackend>,
        device: B::Device,
    ) -> Result<Self> {
        let vae = &config.vae.network;
        let factor = vae.factor();
        let shape = [
            vae.latent_channels,
            config.frames / factor,
            crate::audio::mel::MEL_BINS / factor,
        ];
        let schedule = NoiseSchedule::new(&config.prior.network.schedule)?;
        let pairs: Vec<Pair> = (0..HELD_OUT as u64)
            .map(|index| Pair::draw(Split::Validation, index))
            .collect();
        let pieces = encoder.encode(&pairs)?;
        let latents = pieces.latents.iter();
        let held_out = Batch {
            noised: Noised {
                latents: latents.map(|x| x * pool.scaling_factor as f32).collect(),
                noise: standard_normal(u64::MAX, NOISE_STREAM, pieces.latents.len()),
                // Spread evenly over the schedule.
                timesteps: (0..HELD_OUT)
                    .map(|i| (2 * i + 1) * schedule.len() / (2 * HELD_OUT))
                    .collect(),
            },
            tokens: pool.language_of(&pieces),
            embeddings: pieces.embeddings,
            choices: vec![Condition::Predicted; HELD_OUT],
        };
        Ok(Self {
            config,
            pool,
            held_out,
            schedule,
            shape,
            device,
        })
    }

    fn losses<C: Kernels<Device = B::Device>>(
        &self,
        model: &Prior<C>,
        batch: &Batch,
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
        let predicted = model.gpt2.generate(prefix, None)?;
        let truth = tensor::<C, 3>(batch.tokens.clone(), [count, new, width], device);
        let translation = (predicted.clone() - truth.clone()).powi_scalar(2).mean();

        let share = |wanted: Condition| {
            let chosen = batch
                .choices
                .iter()
                .map(|c| f32::from(u8::from(*c == wanted)));
            tensor::<C, 3>(chosen.collect(), [count, 1, 1], device)
        };
        let none = model.unconditional.val() * share(Condition::None);
        let mut audio =
            none + truth * share(Condition::True) + predicted * share(Condition::Predicted);
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
        Ok([denoising.loss(&batch.noised, audio)?, translation])
    }
}

impl<B: TrainingBackend> Task<B> for PriorTask<'_, B> {
    type Model = Prior<B>;
    type Batch = Batch;

    fn load(&self, p: &Params<B>) -> Result<Prior<B>> {
        let config = &self.config.prior.network;
        let width = config.gpt2.n_embd;
        let embedding = self.config.imagebind.network.audio.embedding;
        Ok(Prior {
            projection: Linear::load(&p.at("projection"), embedding, config.prefix * width)?,
            gpt2: Gpt2::load(&p.at("gpt2"), &config.gpt2)?,
            unet: Unet::load(&p.at("unet"), &config.unet)?,
            unconditional: p.get(
                "unconditional",
                [1, config.gpt2.max_new_tokens, width],
                Init::Uniform(0.02),
            )?,
        })
    }

    fn initial_scales(&self) -> &[(&str, f32)] {
        // Residual branches begin by adding nothing.
        &[("conv2.", 0.0), ("proj_out.", 0.0), ("unet.conv_out.", 0.0)]
    }

    fn batch(&self, step: usize) -> Result<Batch> {
        let part = &self.config.prior;
        let mut rng = ChaCha8Rng::seed_from_u64(part.run.seed);
        rng.set_stream(step as u64 + 1);
        let count = part.run.batch;
        let mut batch = Batch {
            noised: Noised {
                latents: Vec::new(),
                noise: Vec::new(),
                timesteps: Vec::with_capacity(count),
            },
            embeddings: Vec::new(),
            tokens: Vec::new(),
            choices: Vec::with_capacity(count),
        };
        for i in 0..count {
            let item = rng.random_range(0..self.pool.count);
            let pool = &self.pool;
            batch.noised.latents.extend(pool.row(&pool.latents, item));
            batch.embeddings.extend(pool.row(&pool.embeddings, item));
            batch.tokens.extend(pool.language(item));
            // Stratified: every step sees the whole schedule.
            let share = (i as f64 + rng.random_range(0.0..1.0)) / count as f64;
            let timestep = (share * self.schedule.len() as f64) as usize;
            batch.noised.timesteps.push(timestep);
            let choice = rng.random_range(0.0..1.0);
            batch.choices.push(if choice < part.loss.unconditional {
                Condition::None
            } else if rng.random_range(0.0..1.0) < part.loss.true_tokens {
                Condition::True
            } else {
                Condition::Predicted
            });
        }
        let length = batch.noised.latents.len();
        batch.noised.noise = standard_normal(step as u64, NOISE_STREAM, length);
        Ok(batch)
    }

    fn loss(&self, model: &Prior<B>, batch: Batch) -> Result<Losses<B>> {
        let [denoising, translation] = self.losses(model, &batch, false)?;
        let weight = self.config.prior.loss.tokens;
        Ok(Losses {
            total: denoising.clone() + translation.clone() * weight,
            parts: vec![("denoising", denoising), ("translation", translation)],
        })
    }

    /// The losses on other pieces under GPT-2's conditions, and how many times the first one grows
    /// under the conditions of another piece: 1 means that conditions are not listened to.
    fn validate(&self, model: &Prior<B>) -> Result<Vec<(&'static str, f64)>> {
        let model = model.valid();
        let [denoising, translation] = self.losses(&model, &self.held_out, false)?;
        let [shuffled, _] = self.losses(&model, &self.held_out, true)?;
        let denoising = scalar(denoising)?;
        Ok(vec![
            ("denoising", denoising),
            ("translation", scalar(translation)?),
            ("shuffled / true", scalar(shuffled)? / denoising),
        ])
    }
}
