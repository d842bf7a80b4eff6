//! Trains the small ImageBind: pictures and the music that belongs to them come to lie close together.

use burn::{
    module::Module,
    tensor::{FloatDType, Tensor, backend::Backend},
};

use super::{
    Learner, Losses, Start, Task, TrainingBackend,
    config::SmallModel,
    contrastive::{both_ways, cross_entropy, info_nce, retrieved},
    data::Data,
    scalar, tensor,
};
use crate::{
    Error, Result,
    dataset::{
        Cache, MelRecipe, Preprocessor, Record, Shuffled, Source,
        material::{
            Pair,
            pair::{LOUDNESS, RATE, REGISTER},
        },
        score::{Ensemble, Mode},
    },
    model::{
        imagebind::{AudioTrunk, SoundInput, VisionTrunk},
        layers::{Linear, l2_normalise},
        trace::Trace,
    },
    ops::Kernels,
};

/// What embeddings are multiplied with before factors are read from them.
const SPREAD: f64 = 8.0;
/// Pairs of a validation.
const VALIDATION_ITEMS: usize = 64;

/// What a cache holds of a pair.
const PIXELS: &str = "pixels";
const FILTERBANKS: &str = "filterbanks";
const FACTORS_FIELD: &str = "factors";

/// Both trunks.
#[derive(Module, Debug)]
pub struct ImageBind<B: Backend> {
    vision: VisionTrunk<B>,
    audio: AudioTrunk<B>,
    /// Reads what the music is like from either embedding; not part of the finished model.
    factors: Linear<B>,
}

/// The part `imagebind`.
#[derive(Debug)]
pub struct ImageBindTask<'a, B: TrainingBackend> {
    config: &'a SmallModel,
    pairs: Cache,
    validation: Cache,
    order: Shuffled,
    input: SoundInput,
    device: B::Device,
}

/// Several pairs as the trunks take them.
#[derive(Debug)]
pub struct Pairs {
    count: usize,
    pixels: Vec<f32>,
    clips: Vec<f32>,
    factors: Vec<f32>,
}

/// What the helper reads of music: numbers, then classes.
const NUMBERS: usize = 6;
/// Tonics and ensembles.
const CLASSES: [usize; 2] = [12, 8];
/// Numbers and classes, as they stand in a cache.
const FIELDS: usize = NUMBERS + CLASSES.len();
/// Numbers, and a logit for each class.
const OUTPUTS: usize = NUMBERS + CLASSES[0] + CLASSES[1];
/// How much a class counts beside all numbers.
const CLASS_WEIGHT: f64 = 0.25;

/// What a pair's music is like: numbers about from -1 to 1, then the classes' numbers.
fn factors(pair: &Pair) -> [f32; FIELDS] {
    let music = &pair.music;
    let span = |value: f32, [low, high]: [f32; 2]| 2.0 * (value - low) / (high - low) - 1.0;
    let major = if music.mode == Mode::Major { 1.0 } else { -1.0 };
    let ensemble = Ensemble::ALL.iter().position(|e| *e == music.ensemble);
    [
        span(music.rate.max(0.1).ln(), RATE.map(f32::ln)),
        span(music.register, REGISTER),
        span(music.brightness, [0.0, 1.0]),
        span(music.loudness, LOUDNESS),
        span(music.regularity, [0.0, 1.0]),
        major,
        f32::from(music.tonic),
        ensemble.unwrap_or(0) as f32,
    ]
}

impl<'a, B: TrainingBackend> ImageBindTask<'a, B> {
    /// Learns from whole pieces and pictures, which are prepared now.
    pub fn new(config: &'a SmallModel, data: &Data, device: B::Device) -> Result<Self> {
        let part = &config.imagebind;
        let input = SoundInput::new(&part.network.audio, &config.spectrogram())?;
        let prepare = |source: &dyn Source, name, items| {
            let mut preprocessor =
                Preprocessor::new(config.frames, MelRecipe::Raw, &config.spectrogram())?;
            preprocessor.image_size = Some(part.network.vision.image_size);
            preprocessor.clips = Some(input.clone());
            let key = serde_json::json!([preprocessor.describe(), part.loss.factors > 0.0]);
            let prepare = |index: usize| -> Result<Record> {
                let features = preprocessor.features(source, index)?;
                let mut record = vec![
                    (PIXELS.to_string(), features.pixels),
                    (FILTERBANKS.to_string(), features.clips),
                ];
                if part.loss.factors > 0.0 {
                    let pair = source.factors(index).ok_or_else(|| {
                        Error::input(
                            "its factors are not known",
                            "set imagebind.loss.factors to 0 for pairs without factors",
                        )
                    })?;
                    record.push((FACTORS_FIELD.to_string(), factors(&pair).to_vec()));
                }
                Ok(record)
            };
            let mut keep = |records: Vec<Record>| Ok(records);
            data.open_cache(source, name, key, items, &prepare, &mut keep)
        };
        let pairs = prepare(data.training.as_ref(), "pairs", part.loss.items)?;
        let validation = prepare(
            data.validation.as_ref(),
            "pairs-validation",
            Some(VALIDATION_ITEMS),
        )?;
        Ok(Self {
            config,
            order: Shuffled::new(pairs.items(), part.run.batch, part.run.seed),
            pairs,
            validation,
            input,
            device,
        })
    }

    /// Reads pairs from a cache.
    fn read(&self, cache: &Cache, items: &[usize]) -> Result<Pairs> {
        Ok(Pairs {
            count: items.len(),
            pixels: cache.gather(items, PIXELS)?,
            clips: cache.gather(items, FILTERBANKS)?,
            factors: match self.config.imagebind.loss.factors > 0.0 {
                true => cache.gather(items, FACTORS_FIELD)?,
                false => Vec::new(),
            },
        })
    }

    /// The similarity of every picture (rows) with every sound (columns), divided by the
    /// temperature, and the squared error of the factors that are read from both.
    fn compare<C: Kernels<Device = B::Device>>(
        &self,
        model: &ImageBind<C>,
        pairs: &Pairs,
    ) -> (Tensor<C, 2>, Option<Tensor<C, 1>>) {
        let size = self.config.imagebind.network.vision.image_size;
        let count = pairs.count;
        let pixels = tensor(pairs.pixels.clone(), [count, 3, size, size], &self.device);
        let clips = self.input.count(&pairs.clips);
        let [bands, frames] = self.input.shape();
        let shape = [clips, 1, bands, frames];
        let sounds = tensor(pairs.clips.clone(), shape, &self.device);
        let pictures = model.vision.forward(pixels, &mut Trace::off());
        let sounds = model
            .audio
            .forward_with_tokens(sounds, clips / count, &mut Trace::off());
        let pictures = pictures.cast(FloatDType::F32);
        let sounds = l2_normalise(sounds.embedding.cast(FloatDType::F32));
        let error = (!pairs.factors.is_empty()).then(|| {
            let truth = tensor::<C, 2>(pairs.factors.clone(), [count, FIELDS], &self.device);
            let error = |embedding: &Tensor<C, 2>| {
                // Unit vectors have small elements.
                let read = model.factors.forward(embedding.clone() * SPREAD);
                factor_error(read.cast(FloatDType::F32), truth.clone())
            };
            (error(&pictures) + error(&sounds)) / 2.0
        });
        let similar = pictures.matmul(sounds.transpose());
        (similar / self.config.imagebind.loss.temperature, error)
    }
}

/// How far `read [pairs, OUTPUTS]` is from `truth [pairs, FIELDS]`: the squared error of numbers, and the
/// cross-entropy of classes.
fn factor_error<B: Backend>(read: Tensor<B, 2>, truth: Tensor<B, 2>) -> Tensor<B, 1> {
    let numbers = read.clone().narrow(1, 0, NUMBERS) - truth.clone().narrow(1, 0, NUMBERS);
    let mut error = numbers.powi_scalar(2).mean();
    let mut first = NUMBERS;
    for (field, classes) in CLASSES.into_iter().enumerate() {
        let logits = read.clone().narrow(1, first, classes);
        let columns = truth.clone().narrow(1, NUMBERS + field, 1).int();
        error = error + cross_entropy(logits, columns) * CLASS_WEIGHT;
        first += classes;
    }
    error
}

impl<B: TrainingBackend> Task<B> for ImageBindTask<'_, B> {
    type Learners = Learner<B, ImageBind<B>>;
    type Batch = Pairs;

    fn learners(&self, start: &Start<B>) -> Result<Self::Learners> {
        let part = &self.config.imagebind;
        let config = &part.network;
        start.learner("", part.run.optimiser(), &[], |p| {
            Ok(ImageBind {
                vision: VisionTrunk::load(p, &config.vision)?,
                audio: AudioTrunk::load(p, &config.audio)?,
                factors: Linear::load(&p.at("factors"), config.audio.embedding, OUTPUTS)?,
            })
        })
    }

    fn batch(&self, number: usize) -> Result<Pairs> {
        // Every epoch has another order: a picture meets other sounds.
        let mut pairs = self.read(&self.pairs, &self.order.items(number))?;
        // Every second epoch sees the pictures mirrored: nothing in music has a left and a right.
        if self.order.epoch(number) % 2 == 1 {
            let size = self.config.imagebind.network.vision.image_size;
            let rows = pairs.pixels.chunks_exact_mut(size);
            rows.for_each(<[f32]>::reverse);
        }
        Ok(pairs)
    }

    fn losses(&self, learner: &Self::Learners, _: usize, batch: &Pairs) -> Result<Losses<B>> {
        let (logits, factors) = self.compare(learner.model(), batch);
        let contrast = both_ways(logits);
        let weight = self.config.imagebind.loss.factors;
        let mut parts = vec![("InfoNCE", contrast.clone())];
        let mut total = contrast;
        if let Some(factors) = factors {
            total = total + factors.clone() * weight;
            parts.push(("factors", factors));
        }
        Ok(Losses { total, parts })
    }

    /// How often the nearest of the validation's sounds (64, or as many as there are) is the picture's own,
    /// and InfoNCE over them.
    fn validate(&self, learner: &Self::Learners) -> Result<Vec<(&'static str, f64)>> {
        let model = learner.valid();
        let items: Vec<usize> = (0..self.validation.items()).collect();
        let pairs = self.read(&self.validation, &items)?;
        let (logits, factors) = self.compare(&model, &pairs);
        let loss = scalar(info_nce(logits.clone()))?;
        let mut figures = vec![("InfoNCE", loss), ("top-1 retrieval", retrieved(logits)?)];
        if let Some(factors) = factors {
            figures.push(("factors", scalar(factors)?));
        }
        Ok(figures)
    }
}
