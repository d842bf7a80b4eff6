//! Trains the image aligner, and nothing else: section 4.4 of the ArtToMus paper.
//!
//! The picture's embedding goes through the aligner and the frozen GPT-2; the frozen UNet predicts
//! what noise was added to the latent of the paired music. The loss is that prediction's squared
//! error under Min-SNR weights; its gradient reaches only the aligner.

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
    Result,
    dataset::{BundleNetworks, Cache, DiffusionPrior, Shuffled, Wanted, field},
    model::{
        aligner::{Aligner, AlignerConfig},
        gpt2::Gpt2,
        unet::Unet,
    },
    ops::Kernels,
    random::standard_normal,
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
    items: Cache,
    order: Shuffled,
    validation: AlignerBatch,
    device: B::Device,
}

/// A batch of the aligner.
#[derive(Debug)]
pub struct AlignerBatch {
    diffusion: DiffusionBatch,
    embeddings: Vec<f32>,
    loa_tokens: Vec<f32>,
}

impl<'a, B: TrainingBackend> AlignerTask<'a, B> {
    /// Learns from what the networks of a bundle make of items: now, if it is not in the cache.
    pub fn new(
        part: &'a PartConfig<AlignerSizes, AlignerLoss>,
        bundle: &BundleNetworks,
        data: &Data,
        device: B::Device,
    ) -> Result<Self> {
        use burn::module::{AutodiffModule, Module};
        let wanted = Wanted {
            pictures: true,
            latents: true,
            sounds: false,
            tokens: part.loss.tokens > 0.0,
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
        Ok(Self {
            config: part
                .network
                .config(bundle.embedding(), bundle.token_width()),
            validation: batch(part, &others, &all, timesteps, u64::MAX)?,
            order: Shuffled::new(items.items(), part.run.batch, part.run.seed),
            part,
            plain,
            frozen,
            items,
            device,
        })
    }

    /// The loss of the prediction, and the squared distance of GPT-2's tokens from the music's own.
    fn losses_of<C: Kernels<Device = B::Device>>(
        &self,
        (gpt2, unet): (&Gpt2<C>, &Unet<C>),
        aligner: &Aligner<C>,
        batch: &AlignerBatch,
        shuffled: bool,
    ) -> Result<[Tensor<C, 1>; 2]> {
        let count = batch.diffusion.timesteps.len();
        let width = batch.embeddings.len() / count;
        let embeddings = tensor::<C, 2>(batch.embeddings.clone(), [count, width], &self.device);
        let audio = gpt2.generate(aligner.forward(embeddings), None)?;
        let mut audio = audio.cast(FloatDType::F32);
        let distance = if batch.loa_tokens.is_empty() {
            Tensor::zeros([1], &self.device)
        } else {
            let own = tensor::<C, 3>(batch.loa_tokens.clone(), audio.dims(), &self.device);
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
        Ok([denoising.loss(&batch.diffusion, audio)?, distance])
    }
}

/// Puts some items of a cache together; `seed` decides the samples of latents and the noise.
fn batch(
    part: &PartConfig<AlignerSizes, AlignerLoss>,
    cache: &Cache,
    items: &[usize],
    timesteps: Vec<usize>,
    seed: u64,
) -> Result<AlignerBatch> {
    let means = cache.gather(items, field::LATENT_MEAN)?;
    let count = means.len();
    let latents = match part.loss.latents {
        Latents::Mean => means,
        Latents::Sampled => {
            let deviations = cache.gather(items, field::LATENT_DEVIATION)?;
            let draws = standard_normal(seed, LATENT_STREAM, count);
            let moments = means.iter().zip(deviations).zip(draws);
            moments.map(|((mean, sd), draw)| mean + sd * draw).collect()
        }
    };
    Ok(AlignerBatch {
        diffusion: DiffusionBatch {
            latents,
            noise: standard_normal(seed, NOISE_STREAM, count),
            timesteps,
        },
        embeddings: cache.gather(items, field::IMAGE_EMBEDDING)?,
        loa_tokens: match part.loss.tokens > 0.0 {
            true => cache.gather(items, field::LOA_TOKENS)?,
            false => Vec::new(),
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
        batch(self.part, &self.items, &items, timesteps, number as u64)
    }

    fn losses(
        &self,
        learner: &Self::Learners,
        _: usize,
        batch: &AlignerBatch,
    ) -> Result<Losses<B>> {
        let networks = (&self.frozen.gpt2, &self.frozen.unet);
        let [denoising, distance] = self.losses_of(networks, learner.model(), batch, false)?;
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
    fn validate(&self, learner: &Self::Learners) -> Result<Vec<(&'static str, f64)>> {
        let model = learner.valid();
        let networks = (&self.plain.0, &self.plain.1);
        let [denoising, distance] = self.losses_of(networks, &model, &self.validation, false)?;
        let denoising = scalar(denoising)?;
        let mut figures = vec![("denoising", denoising)];
        // One item cannot be exchanged.
        if self.validation.diffusion.timesteps.len() > 1 {
            let [shuffled, _] = self.losses_of(networks, &model, &self.validation, true)?;
            figures.push(("shuffled / true", scalar(shuffled)? / denoising));
        }
        if self.part.loss.tokens > 0.0 {
            figures.push(("tokens", scalar(distance)?));
        }
        Ok(figures)
    }
}
