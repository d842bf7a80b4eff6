//! Trains the image aligner, and nothing else: section 4.4 of the ArtToMus paper.
//!
//! The picture's embedding goes through the aligner and the frozen GPT-2; the frozen UNet predicts
//! what noise was added to the latent of the paired music. The loss is that prediction's squared
//! error under Min-SNR weights; its gradient reaches only the aligner.
//!
//! Two other terms compare what the aligner makes of a picture with what the paired music's own embedding becomes: the prefix
//! that GPT-2 gets, or the tokens that it gives. The prediction's error alone also falls on tokens that no music has.

use burn::tensor::{FloatDType, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Learner, Losses, Start, Task, TrainingBackend,
    config::{AlignerLoss, AlignerSizes, Latents, PartConfig},
    data::Data,
    denoising::{Denoising, DiffusionBatch, spread_timesteps},
    precision::convert,
    scalar, tensor,
};
use crate::{
    Error, Result,
    dataset::{BundleNetworks, Cache, DiffusionPrior, Shuffled, Wanted, field},
    model::{
        aligner::{Aligner, AlignerConfig},
        gpt2::Gpt2,
        layers::Linear,
        unet::Unet,
    },
    ops::Kernels,
    random::standard_normal,
    tensors::read,
};

/// Items of a validation.
pub const VALIDATION_ITEMS: usize = 32;
/// The streams of random numbers: samples of latents, and noise.
const LATENT_STREAM: u64 = 3;
const NOISE_STREAM: u64 = 4;
/// What the caches are called.
const CACHE: &str = "items";

/// The part `aligner`.
#[derive(Debug)]
pub struct AlignerTask<'a, B: TrainingBackend> {
    part: &'a PartConfig<AlignerSizes, AlignerLoss>,
    config: AlignerConfig,
    /// The networks that the gradient passes.
    frozen: DiffusionPrior<B>,
    /// The same networks in full precision and without differentiation, for validation.
    plain: (Gpt2<B::InnerBackend>, Unet<B::InnerBackend>),
    /// The music's own prefixes, where they are compared.
    prefixes: Option<Prefixes<B::InnerBackend>>,
    items: Cache,
    order: Shuffled,
    validation: AlignerBatch,
    device: B::Device,
}

/// A batch of the aligner.
#[derive(Debug)]
pub struct AlignerBatch {
    count: usize,
    /// What is denoised, where that is a part of the loss.
    diffusion: Option<DiffusionBatch>,
    embeddings: Vec<f32>,
    /// The music's own tokens, where they are compared.
    loa_tokens: Vec<f32>,
    /// The music's own prefixes, where they are compared.
    prefixes: Vec<f32>,
}

/// What makes GPT-2's prefixes of the embeddings of music.
#[derive(Debug)]
struct Prefixes<B: Kernels> {
    projection: Linear<B>,
    device: B::Device,
}

impl<B: Kernels> Prefixes<B> {
    /// Those of a bundle, if the loss compares them.
    fn of_bundle(
        part: &PartConfig<AlignerSizes, AlignerLoss>,
        bundle: &BundleNetworks,
        device: &B::Device,
    ) -> Result<Option<Self>> {
        if part.loss.prefix <= 0.0 {
            return Ok(None);
        }
        let made = part.network.tokens;
        if let Some(own) = bundle.audio_projection().filter(|own| own.tokens != made) {
            let own = own.tokens;
            return Err(Error::input(
                format!("the aligner's {made} tokens cannot be compared with the music's {own}"),
                format!("set aligner.network.tokens to {own}, or leave aligner.loss.prefix out"),
            ));
        }
        Ok(Some(Self {
            projection: bundle.projection(device)?,
            device: device.clone(),
        }))
    }

    /// Those of some items of a cache, `[items, tokens, width]`.
    fn of(&self, cache: &Cache, items: &[usize]) -> Result<Vec<f32>> {
        let music = cache.gather(items, field::AUDIO_EMBEDDING)?;
        let shape = [items.len(), music.len() / items.len().max(1)];
        let music = tensor::<B, 2>(music, shape, &self.device);
        pollster::block_on(read(self.projection.forward(music)))
    }
}

/// A term of the loss: its name, its weight, and what it is.
type Term<B> = (&'static str, f64, Tensor<B, 1>);

impl<'a, B: TrainingBackend> AlignerTask<'a, B> {
    /// Learns from what the networks of a bundle make of items: now, if it is not in the cache.
    pub fn new(
        part: &'a PartConfig<AlignerSizes, AlignerLoss>,
        bundle: &BundleNetworks,
        data: &Data,
        device: B::Device,
    ) -> Result<Self> {
        use burn::module::{AutodiffModule, Module};
        let prefixes = Prefixes::of_bundle(part, bundle, &device)?;
        let wanted = Wanted {
            pictures: true,
            latents: true,
            sounds: false,
            tokens: part.loss.tokens > 0.0 || prefixes.is_some(),
        };
        let encoders = bundle.encoders::<B::InnerBackend>(wanted, &device)?;
        let weights = bundle.digests(wanted);
        let items = data.encoded(CACHE, &encoders, &weights, part.loss.items)?;
        let others = data.encoded_validation(CACHE, &encoders, &weights, VALIDATION_ITEMS)?;
        drop(encoders);
        let frozen = bundle.prior::<B>(&device)?;
        let plain = (frozen.gpt2.valid(), frozen.unet.valid());
        let dtype = part.run.precision.dtype();
        let frozen = DiffusionPrior {
            gpt2: convert::<B, _>(frozen.gpt2.no_grad(), dtype),
            unet: convert::<B, _>(frozen.unet.no_grad(), dtype),
            ..frozen
        };
        let all: Vec<usize> = (0..others.items()).collect();
        let timesteps = spread_timesteps(all.len(), frozen.schedule.len());
        let noised = diffusion(part.loss.latents, &others, &all, timesteps, u64::MAX)?;
        Ok(Self {
            config: part
                .network
                .config(bundle.embedding(), bundle.token_width()),
            validation: batch(&part.loss, prefixes.as_ref(), &others, &all, Some(noised))?,
            order: Shuffled::new(items.items(), part.run.batch, part.run.seed),
            part,
            plain,
            prefixes,
            frozen,
            items,
            device,
        })
    }

    /// The terms of the loss.
    fn losses_of<C: Kernels<Device = B::Device>>(
        &self,
        (gpt2, unet): (&Gpt2<C>, &Unet<C>),
        aligner: &Aligner<C>,
        batch: &AlignerBatch,
        shuffled: bool,
    ) -> Result<Vec<Term<C>>> {
        let count = batch.count;
        let width = batch.embeddings.len() / count;
        let embeddings = tensor::<C, 2>(batch.embeddings.clone(), [count, width], &self.device);
        let loss = &self.part.loss;
        let mut terms = Vec::new();
        let made = aligner.forward(embeddings);
        if !batch.prefixes.is_empty() {
            let own = tensor::<C, 3>(batch.prefixes.clone(), made.dims(), &self.device);
            let made = made.clone().cast(FloatDType::F32);
            let distance = (made - own).powi_scalar(2).mean();
            terms.push(("prefix", loss.prefix, distance));
        }
        if batch.diffusion.is_none() && batch.loa_tokens.is_empty() {
            return Ok(terms);
        }
        let mut audio = gpt2.generate(made, None)?.cast(FloatDType::F32);
        if !batch.loa_tokens.is_empty() {
            let own = tensor::<C, 3>(batch.loa_tokens.clone(), audio.dims(), &self.device);
            let distance = (audio.clone() - own).powi_scalar(2).mean();
            terms.push(("tokens", loss.tokens, distance));
        }
        let Some(diffusion) = &batch.diffusion else {
            return Ok(terms);
        };
        if shuffled {
            let first = audio.clone().narrow(0, 0, 1);
            audio = Tensor::cat(vec![audio.narrow(0, 1, count - 1), first], 0);
        }
        let denoising = Denoising {
            unet,
            schedule: &self.frozen.schedule,
            gamma: loss.gamma,
            floor: 0.0,
            shape: self.frozen.shape,
            text: Some(&self.frozen.text),
            guidance: loss.guidance,
        };
        let error = denoising.loss(diffusion, audio)?;
        terms.push(("denoising", loss.denoising, error));
        Ok(terms)
    }
}

/// The latents of some items of a cache, and noise; `seed` decides the samples of latents and the noise.
fn diffusion(
    latents: Latents,
    cache: &Cache,
    items: &[usize],
    timesteps: Vec<usize>,
    seed: u64,
) -> Result<DiffusionBatch> {
    let means = cache.gather(items, field::LATENT_MEAN)?;
    let count = means.len();
    let latents = match latents {
        Latents::Mean => means,
        Latents::Sampled => {
            let deviations = cache.gather(items, field::LATENT_DEVIATION)?;
            let draws = standard_normal(seed, LATENT_STREAM, count);
            let moments = means.iter().zip(deviations).zip(draws);
            moments.map(|((mean, sd), draw)| mean + sd * draw).collect()
        }
    };
    Ok(DiffusionBatch {
        latents,
        noise: standard_normal(seed, NOISE_STREAM, count),
        timesteps,
    })
}

/// Puts some items of a cache together.
fn batch<B: Kernels>(
    loss: &AlignerLoss,
    prefixes: Option<&Prefixes<B>>,
    cache: &Cache,
    items: &[usize],
    diffusion: Option<DiffusionBatch>,
) -> Result<AlignerBatch> {
    Ok(AlignerBatch {
        count: items.len(),
        diffusion,
        embeddings: cache.gather(items, field::IMAGE_EMBEDDING)?,
        loa_tokens: match loss.tokens > 0.0 {
            true => cache.gather(items, field::LOA_TOKENS)?,
            false => Vec::new(),
        },
        prefixes: match prefixes {
            Some(prefixes) => prefixes.of(cache, items)?,
            None => Vec::new(),
        },
    })
}

impl<B: TrainingBackend> Task<B> for AlignerTask<'_, B> {
    type Learners = Learner<B, Aligner<B>>;
    type Batch = AlignerBatch;

    fn learners(&self, start: &Start<B>) -> Result<Self::Learners> {
        start.learner("", self.part.run.optimiser(), &[], |p| {
            Aligner::load(p, &self.config)
        })
    }

    fn batch(&self, number: usize) -> Result<AlignerBatch> {
        let run = &self.part.run;
        let mut rng = ChaCha8Rng::seed_from_u64(run.seed);
        rng.set_stream(number as u64 + 1);
        let steps = self.frozen.schedule.len();
        let timesteps = (0..run.batch).map(|_| rng.random_range(0..steps)).collect();
        let items = self.order.items(number);
        let loss = &self.part.loss;
        let diffusion = match loss.denoising > 0.0 {
            true => {
                let seed = number as u64;
                let made = diffusion(loss.latents, &self.items, &items, timesteps, seed)?;
                Some(made)
            }
            false => None,
        };
        batch(loss, self.prefixes.as_ref(), &self.items, &items, diffusion)
    }

    fn losses(
        &self,
        learner: &Self::Learners,
        _: usize,
        batch: &AlignerBatch,
    ) -> Result<Losses<B>> {
        let networks = (&self.frozen.gpt2, &self.frozen.unet);
        let terms = self.losses_of(networks, learner.model(), batch, false)?;
        let mut total = Tensor::zeros([1], &self.device);
        let mut parts = Vec::with_capacity(terms.len());
        for (name, weight, term) in terms {
            total = total + term.clone() * weight;
            parts.push((name, term));
        }
        Ok(Losses { total, parts })
    }

    /// The loss on other pairs, and how many times it grows when pictures are exchanged.
    fn validate(&self, learner: &Self::Learners) -> Result<Vec<(&'static str, f64)>> {
        let model = learner.valid();
        let networks = (&self.plain.0, &self.plain.1);
        let losses = |shuffled| -> Result<Vec<(&'static str, f64)>> {
            let terms = self.losses_of(networks, &model, &self.validation, shuffled)?;
            let terms = terms.into_iter();
            terms
                .map(|(name, _, term)| Ok((name, scalar(term)?)))
                .collect()
        };
        let mut figures = losses(false)?;
        // One item cannot be exchanged.
        if self.validation.count > 1 {
            // The prediction's error comes last.
            let exchanged = losses(true)?.pop().zip(figures.last().copied());
            figures
                .extend(exchanged.map(|((_, other), (_, own))| ("shuffled / true", other / own)));
        }
        Ok(figures)
    }
}
