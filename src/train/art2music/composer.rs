//! Trains the fusion and the decoder: embeddings of a picture and a comment to the spectrogram of the music.

use burn::tensor::{FloatDType, Tensor, backend::Backend};

use super::{
    super::{
        Learner, Losses, Start, Task, TrainingBackend, config::PartConfig, data::Data, scalar,
        tensor,
    },
    Art2MusicConfig, ComposerConfig, ComposerLoss, Frozen,
};
use crate::{
    Result,
    dataset::{Cache, Shuffled, field},
    model::trace::Trace,
    ops::Kernels,
    systems::art2music::{Composer, Networks},
};

/// What the caches are called.
const CACHE: &str = "items";

/// The frequency-weighted L1 of `made` and `wanted`, both `[items, frames, bands]`: the mean over all of
/// `w[band] |made - wanted|`, where `w` rises from `low` at the lowest band to `high` at the highest on a line.
///
/// Hong et al., "Art2Music", 2025: 1.0 to 1.5.
pub fn weighted_l1<B: Backend>(
    made: Tensor<B, 3>,
    wanted: Tensor<B, 3>,
    [low, high]: [f64; 2],
) -> Tensor<B, 1> {
    let [_, _, bands] = made.dims();
    let step = (high - low) / (bands.max(2) - 1) as f64;
    let weights = (0..bands).map(|band| (low + step * band as f64) as f32);
    let weights = tensor::<B, 3>(weights.collect(), [1, 1, bands], &made.device());
    ((made - wanted).abs() * weights).mean()
}

/// The part `composer`.
#[derive(Debug)]
pub struct ComposerTask<'a, B: TrainingBackend> {
    part: &'a PartConfig<ComposerConfig, ComposerLoss>,
    frames: usize,
    items: Cache,
    validation: Cache,
    order: Shuffled,
    device: B::Device,
}

/// A batch: what the towers make of items, and their spectrograms.
#[derive(Debug)]
pub struct ComposerBatch {
    pictures: Vec<f32>,
    texts: Vec<f32>,
    mels: Vec<f32>,
    count: usize,
}

impl<'a, B: TrainingBackend> ComposerTask<'a, B> {
    /// Learns from what the towers make of items: now, if it is not in the cache.
    pub fn new(
        config: &'a Art2MusicConfig,
        frozen: &Frozen,
        data: &Data,
        device: B::Device,
    ) -> Result<Self> {
        let part = &config.composer;
        // Parts that do not fit each other are refused before anything is encoded.
        let networks = Networks {
            vision: frozen.vision.clone(),
            text: frozen.text.clone(),
            fusion: part.network.fusion.clone(),
            decoder: part.network.decoder.clone(),
            vocoder: frozen.vocoder.clone(),
        };
        networks.check()?;
        let encoders =
            frozen.encoders::<B::InnerBackend>(config.frames, config.comment, &device)?;
        let weights = frozen.weights();
        let items = data.encoded(CACHE, &encoders, &weights, part.loss.items)?;
        let count = part.loss.validation_items;
        let validation = data.encoded_validation(CACHE, &encoders, &weights, count)?;
        Ok(Self {
            order: Shuffled::new(items.items(), part.run.batch, part.run.seed),
            frames: config.frames,
            items,
            validation,
            part,
            device,
        })
    }

    /// The loss of `batch`, in the decoder's own unit, in which targets lie in about -1 to 1. Comments and pictures are
    /// those of the item behind each where they are `exchanged`.
    fn loss<C: Kernels<Device = B::Device>>(
        &self,
        model: &Composer<C>,
        batch: &ComposerBatch,
        exchanged: bool,
    ) -> Result<Tensor<C, 1>> {
        let count = batch.count;
        let embedding = self.part.network.fusion.embedding;
        let input = |values: &[f32]| {
            let mut values = values.to_vec();
            if exchanged {
                values.rotate_left(embedding);
            }
            tensor::<C, 2>(values, [count, embedding], &self.device)
        };
        let decoder = &self.part.network.decoder;
        let shape = [count, self.frames, decoder.mel_bins];
        let wanted = tensor::<C, 3>(batch.mels.clone(), shape, &self.device);
        let (texts, pictures) = (input(&batch.texts), input(&batch.pictures));
        let made = model.forward(texts, pictures, self.frames, &mut Trace::off())?;
        let made = made.cast(FloatDType::F32);
        Ok(weighted_l1(made, wanted, self.part.loss.weights) / decoder.scale)
    }
}

/// Some items of a cache.
fn gather(cache: &Cache, items: &[usize]) -> Result<ComposerBatch> {
    Ok(ComposerBatch {
        pictures: cache.gather(items, field::IMAGE_EMBEDDING)?,
        texts: cache.gather(items, field::TEXT_EMBEDDING)?,
        mels: cache.gather(items, field::MEL)?,
        count: items.len(),
    })
}

impl<B: TrainingBackend> Task<B> for ComposerTask<'_, B> {
    type Learners = Learner<B, Composer<B>>;
    type Batch = ComposerBatch;

    fn learners(&self, start: &Start<B>) -> Result<Self::Learners> {
        let network = &self.part.network;
        start.learner("", self.part.run.optimiser(), &[], |p| {
            Composer::load(p, &network.fusion, &network.decoder)
        })
    }

    fn batch(&self, number: usize) -> Result<ComposerBatch> {
        gather(&self.items, &self.order.items(number))
    }

    fn losses(
        &self,
        learner: &Self::Learners,
        _: usize,
        batch: &ComposerBatch,
    ) -> Result<Losses<B>> {
        Ok(Losses {
            total: self.loss(learner.model(), batch, false)?,
            parts: Vec::new(),
        })
    }

    /// The mean loss over the items to validate on, which decides which weights are best, and how many times it grows when
    /// comments and pictures are exchanged.
    fn validate(&self, learner: &Self::Learners) -> Result<Vec<(&'static str, f64)>> {
        let model = learner.valid();
        let all: Vec<usize> = (0..self.validation.items()).collect();
        let mut sums = [0.0; 2];
        for items in all.chunks(self.part.run.batch) {
            let batch = gather(&self.validation, items)?;
            let share = items.len() as f64 / all.len() as f64;
            for (sum, exchanged) in sums.iter_mut().zip([false, true]) {
                *sum += share * scalar(self.loss(&model, &batch, exchanged)?)?;
            }
        }
        let [own, other] = sums;
        Ok(vec![("weighted L1", own), ("exchanged / own", other / own)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Cpu;

    #[test]
    fn high_bands_count_more() {
        let device = Default::default();
        let wanted = tensor::<Cpu, 3>(vec![0.0; 6], [1, 2, 3], &device);
        let made = tensor::<Cpu, 3>(vec![1.0, 0.0, 0.0, 0.0, 2.0, -3.0], [1, 2, 3], &device);
        let loss = weighted_l1(made, wanted, [1.0, 1.5]).into_scalar();
        // 1 * 1 + 2 * 1.25 + 3 * 1.5, over six values.
        assert!((loss - 8.0 / 6.0).abs() < 1e-6, "{loss}");
    }
}
