//! Trains the image aligner, and nothing else: section 4.4 of the ArtToMus paper.
//!
//! The picture's embedding goes through the aligner and the frozen GPT-2; the frozen UNet predicts
//! what noise was added to the latent of the paired music. The loss is that prediction's squared
//! error under Min-SNR weights; its gradient reaches only the aligner.

use burn::{
    module::{AutodiffModule, Module},
    tensor::Tensor,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Losses, Task, TrainingBackend,
    config::{AlignerLoss, AlignerSizes, Latents, Part},
    denoising::{Denoising, Noised},
    scalar, tensor,
};
use crate::{
    Result,
    dataset::items::{ItemEncoder, Items},
    diffusion::NoiseSchedule,
    model::{
        aligner::{Aligner, AlignerConfig},
        gpt2::Gpt2,
        params::Params,
        unet::Unet,
    },
    ops::Kernels,
    random::standard_normal,
    systems::art_to_mus::TextConditions,
};

/// Items of a validation.
const HELD_OUT: usize = 32;
/// Items that are encoded at once.
const TOGETHER: usize = 8;
/// The streams of random numbers: samples of latents, and noise.
const LATENT_STREAM: u64 = 3;
const NOISE_STREAM: u64 = 4;

/// The frozen networks that the gradient passes.
pub struct Frozen<B: TrainingBackend> {
    /// The language model.
    pub gpt2: Gpt2<B>,
    /// The denoiser.
    pub unet: Unet<B>,
    /// How much noise there is when.
    pub schedule: NoiseSchedule,
    /// The fixed prompts.
    pub text: TextConditions,
    /// Channels, rows and columns of a latent.
    pub shape: [usize; 3],
}

/// The part `aligner`.
pub struct AlignerTask<'a, B: TrainingBackend> {
    part: &'a Part<AlignerSizes, AlignerLoss>,
    config: AlignerConfig,
    frozen: Frozen<B>,
    /// The same networks without differentiation, for validation.
    plain: (Gpt2<B::InnerBackend>, Unet<B::InnerBackend>),
    encoder: ItemEncoder<B::InnerBackend>,
    pool: Option<Vec<Items>>,
    held_out: Batch,
    device: B::Device,
}

/// A batch of the aligner.
#[derive(Debug)]
pub struct Batch {
    noised: Noised,
    embeddings: Vec<f32>,
    tokens: Vec<f32>,
}

impl<'a, B: TrainingBackend> AlignerTask<'a, B> {
    /// Learns from the items of `encoder`; validates on those of `held_out`.
    pub fn new(
        part: &'a Part<AlignerSizes, AlignerLoss>,
        config: AlignerConfig,
        frozen: Frozen<B>,
        encoder: ItemEncoder<B::InnerBackend>,
        held_out: &ItemEncoder<B::InnerBackend>,
        device: B::Device,
    ) -> Result<Self> {
        let frozen = Frozen {
            gpt2: frozen.gpt2.no_grad(),
            unet: frozen.unet.no_grad(),
            ..frozen
        };
        let pool = match part.loss.pool {
            Some(count) => Some(encode_all(&encoder, count)?),
            None => None,
        };
        let indices: Vec<usize> = (0..HELD_OUT).collect();
        let items = held_out.items(&indices)?;
        let timesteps = (0..HELD_OUT)
            .map(|i| (2 * i + 1) * frozen.schedule.len() / (2 * HELD_OUT))
            .collect();
        let held_out = batch(vec![items], part.loss.latents, timesteps, u64::MAX);
        Ok(Self {
            part,
            config,
            plain: (frozen.gpt2.valid(), frozen.unet.valid()),
            frozen,
            encoder,
            pool,
            held_out,
            device,
        })
    }

    /// The loss of the prediction, and the squared distance of GPT-2's tokens from the music's own.
    fn losses<C: Kernels<Device = B::Device>>(
        &self,
        (gpt2, unet): (&Gpt2<C>, &Unet<C>),
        aligner: &Aligner<C>,
        batch: &Batch,
        shuffled: bool,
    ) -> Result<[Tensor<C, 1>; 2]> {
        let count = batch.noised.timesteps.len();
        let width = batch.embeddings.len() / count;
        let embeddings = tensor::<C, 2>(batch.embeddings.clone(), [count, width], &self.device);
        let mut audio = gpt2.generate(aligner.forward(embeddings), None)?;
        let distance = if batch.tokens.is_empty() {
            Tensor::zeros([1], &self.device)
        } else {
            let own = tensor::<C, 3>(batch.tokens.clone(), audio.dims(), &self.device);
            (audio.clone() - own).powi_scalar(2).mean()
        };
        if shuffled {
            let first = audio.clone().narrow(0, 0, 1);
            audio = Tensor::cat(vec![audio.narrow(0, 1, count - 1), first], 0);
        }
        let denoising = Denoising {
            unet,
            schedule: &self.frozen.schedule,
            gamma: self.part.loss.gamma,
            floor: 0.0,
            shape: self.frozen.shape,
            text: Some(&self.frozen.text),
            guidance: self.part.loss.guidance,
        };
        Ok([denoising.loss(&batch.noised, audio)?, distance])
    }
}

/// Encodes the items `0..count`, a few at a time.
fn encode_all<B: Kernels>(encoder: &ItemEncoder<B>, count: usize) -> Result<Vec<Items>> {
    let bar = indicatif::ProgressBar::new(count as u64);
    let mut pool = Vec::with_capacity(count);
    for first in (0..count).step_by(TOGETHER) {
        let indices: Vec<usize> = (first..count.min(first + TOGETHER)).collect();
        pool.extend(encoder.items(&indices)?.split(indices.len()));
        bar.inc(indices.len() as u64);
    }
    bar.finish_and_clear();
    Ok(pool)
}

/// Puts items together; `seed` decides the samples of latents and the noise.
fn batch(items: Vec<Items>, latents: Latents, timesteps: Vec<usize>, seed: u64) -> Batch {
    let mut all = Items::default();
    for item in items {
        all.embeddings.extend(item.embeddings);
        all.means.extend(item.means);
        all.deviations.extend(item.deviations);
        all.tokens.extend(item.tokens);
    }
    let count = all.means.len();
    let latents = match latents {
        Latents::Mean => all.means,
        Latents::Sampled => {
            let draws = standard_normal(seed, LATENT_STREAM, count);
            let moments = all.means.iter().zip(&all.deviations).zip(draws);
            moments.map(|((mean, sd), draw)| mean + sd * draw).collect()
        }
    };
    Batch {
        noised: Noised {
            latents,
            noise: standard_normal(seed, NOISE_STREAM, count),
            timesteps,
        },
        embeddings: all.embeddings,
        tokens: all.tokens,
    }
}

impl<B: TrainingBackend> Task<B> for AlignerTask<'_, B> {
    type Model = Aligner<B>;
    type Batch = Batch;

    fn load(&self, p: &Params<B>) -> Result<Aligner<B>> {
        Aligner::load(p, &self.config)
    }

    fn batch(&self, step: usize) -> Result<Batch> {
        let run = &self.part.run;
        let mut rng = ChaCha8Rng::seed_from_u64(run.seed);
        rng.set_stream(step as u64 + 1);
        let steps = self.frozen.schedule.len();
        let timesteps = (0..run.batch).map(|_| rng.random_range(0..steps)).collect();
        let items = match &self.pool {
            Some(pool) => (0..run.batch)
                .map(|_| pool[rng.random_range(0..pool.len())].clone())
                .collect(),
            None => {
                let first = step * run.batch;
                let indices: Vec<usize> = (first..first + run.batch).collect();
                vec![self.encoder.items(&indices)?]
            }
        };
        Ok(batch(items, self.part.loss.latents, timesteps, step as u64))
    }

    fn loss(&self, model: &Aligner<B>, batch: Batch) -> Result<Losses<B>> {
        let networks = (&self.frozen.gpt2, &self.frozen.unet);
        let [denoising, distance] = self.losses(networks, model, &batch, false)?;
        let weight = self.part.loss.tokens;
        let mut parts = vec![("denoising", denoising.clone())];
        let mut total = denoising;
        if weight > 0.0 {
            total = total + distance.clone() * weight;
            parts.push(("tokens", distance));
        }
        Ok(Losses { total, parts })
    }

    /// The loss on other pairs, and how many times it grows when pictures are exchanged.
    fn validate(&self, model: &Aligner<B>) -> Result<Vec<(&'static str, f64)>> {
        let model = model.valid();
        let networks = (&self.plain.0, &self.plain.1);
        let [denoising, distance] = self.losses(networks, &model, &self.held_out, false)?;
        let [shuffled, _] = self.losses(networks, &model, &self.held_out, true)?;
        let denoising = scalar(denoising)?;
        let mut figures = vec![
            ("denoising", denoising),
            ("shuffled / true", scalar(shuffled)? / denoising),
        ];
        if self.part.loss.tokens > 0.0 {
            figures.push(("tokens", scalar(distance)?));
        }
        Ok(figures)
    }
}
