//! Trains the small ImageBind: pictures and the music that belongs to them come to lie close together.

use burn::{
    module::{AutodiffModule, Module},
    tensor::{Int, Tensor, TensorData, activation::log_softmax, backend::Backend},
};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use std::sync::OnceLock;

use super::{Losses, Task, TrainingBackend, config::SmallModel, data::Data, scalar, tensor};
use crate::{
    Result,
    audio::fbank::{CLIPS, FRAMES, MEL_BINS},
    dataset::synth::{Pair, Split, music::Mode},
    model::{
        imagebind::{AudioTrunk, VisionTrunk},
        layers::{Linear, l2_normalise},
        params::Params,
        trace::Trace,
    },
    ops::Kernels,
};

/// What embeddings are multiplied with before factors are read from them.
const SPREAD: f64 = 8.0;
/// Pairs of a validation.
const HELD_OUT: usize = 64;

/// Both trunks.
#[derive(Module, Debug)]
pub struct ImageBind<B: Backend> {
    vision: VisionTrunk<B>,
    audio: AudioTrunk<B>,
    /// Reads the factors of the music from either embedding; not part of the finished model.
    factors: Linear<B>,
}

/// The part `imagebind`.
pub struct ImageBindTask<'a, B: TrainingBackend> {
    config: &'a SmallModel,
    data: Data,
    pool: Vec<OnceLock<Prepared>>,
    device: B::Device,
}

/// A pair as the trunks take it.
#[derive(Debug, Clone)]
struct Prepared {
    pixels: Vec<f32>,
    clips: Vec<f32>,
    factors: [f32; FACTORS],
}

/// Several of them.
#[derive(Debug)]
pub struct Pairs {
    count: usize,
    pixels: Vec<f32>,
    clips: Vec<f32>,
    factors: Vec<f32>,
}

/// The factors of music that the helper reads.
const FACTORS: usize = 8;

/// The factors of a pair's music, each from -1 to 1.
fn factors(pair: &Pair) -> [f32; FACTORS] {
    let music = &pair.music;
    let span = |value: f32, low: f32, high: f32| 2.0 * (value - low) / (high - low) - 1.0;
    [
        span(music.rate.ln(), 0.8f32.ln(), 8f32.ln()),
        span(music.register, 45.0, 77.0),
        span(music.brightness, 0.0, 1.0),
        span(music.loudness, -32.0, -16.0),
        span(music.dynamics, 0.0, 1.0),
        span(music.regularity, 0.0, 1.0),
        span(music.harmony, 0.0, 1.0),
        if music.mode == Mode::Major { 1.0 } else { -1.0 },
    ]
}

impl<'a, B: TrainingBackend> ImageBindTask<'a, B> {
    /// Learns from whole pieces and pictures.
    pub fn new(config: &'a SmallModel, device: B::Device) -> Self {
        Self {
            config,
            data: Data::new(config.frames),
            pool: (0..config.imagebind.loss.pool)
                .map(|_| OnceLock::new())
                .collect(),
            device,
        }
    }

    fn prepare(&self, split: Split, index: usize) -> Result<Prepared> {
        let size = self.config.imagebind.network.vision.image_size;
        let pair = Pair::draw(split, index as u64);
        let sound = self.data.sound(&pair)?;
        Ok(Prepared {
            pixels: self.data.pixels(&pair, size)?,
            clips: self.data.clips(&sound.samples)?,
            factors: factors(&pair),
        })
    }

    /// Pair `index` of the pool.
    fn pooled(&self, index: usize) -> Result<Prepared> {
        let place = &self.pool[index];
        match place.get() {
            Some(pair) => Ok(pair.clone()),
            None => {
                let pair = self.prepare(Split::Training, index)?;
                Ok(place.get_or_init(|| pair).clone())
            }
        }
    }

    /// The similarity of every picture (rows) with every sound (columns), divided by the
    /// temperature, and the squared error of the factors that are read from both.
    fn compare<C: Kernels<Device = B::Device>>(
        &self,
        model: &ImageBind<C>,
        pairs: Pairs,
    ) -> (Tensor<C, 2>, Tensor<C, 1>) {
        let size = self.config.imagebind.network.vision.image_size;
        let count = pairs.count;
        let pixels = tensor(pairs.pixels, [count, 3, size, size], &self.device);
        let clips = tensor(
            pairs.clips,
            [count * CLIPS, 1, MEL_BINS, FRAMES],
            &self.device,
        );
        let pictures = model.vision.forward(pixels, &mut Trace::off());
        let sounds = model.audio.forward_with_tokens(clips, CLIPS, &mut Trace::off()).embedding;
        let sounds = l2_normalise(sounds);
        let truth = tensor::<C, 2>(pairs.factors, [count, FACTORS], &self.device);
        let error = |embedding: &Tensor<C, 2>| {
            // Unit vectors have small elements.
            let read = model.factors.forward(embedding.clone() * SPREAD);
            (read - truth.clone()).powi_scalar(2).mean()
        };
        let error = (error(&pictures) + error(&sounds)) / 2.0;
        let similar = pictures.matmul(sounds.transpose());
        (similar / self.config.imagebind.loss.temperature, error)
    }
}

/// Puts pairs behind each other.
fn together(prepared: impl Iterator<Item = Result<Prepared>>) -> Result<Pairs> {
    let mut pairs = Pairs {
        count: 0,
        pixels: Vec::new(),
        clips: Vec::new(),
        factors: Vec::new(),
    };
    for pair in prepared {
        let pair = pair?;
        pairs.count += 1;
        pairs.pixels.extend(pair.pixels);
        pairs.clips.extend(pair.clips);
        pairs.factors.extend(pair.factors);
    }
    Ok(pairs)
}

/// InfoNCE in one direction: the mean of `-log softmax` at the diagonal. Van den Oord et al.,
/// "Representation Learning with Contrastive Predictive Coding", 2018.
fn info_nce<B: Backend>(logits: Tensor<B, 2>) -> Tensor<B, 1> {
    let [count, _] = logits.dims();
    let places: Vec<i32> = (0..count as i32).collect();
    let places = TensorData::new(places, [count, 1]);
    let places = Tensor::<B, 2, Int>::from_data(places, &logits.device());
    log_softmax(logits, 1).gather(1, places).mean().neg()
}

impl<B: TrainingBackend> Task<B> for ImageBindTask<'_, B> {
    type Model = ImageBind<B>;
    type Batch = Pairs;

    fn load(&self, p: &Params<B>) -> Result<ImageBind<B>> {
        let config = &self.config.imagebind.network;
        Ok(ImageBind {
            vision: VisionTrunk::load(p, &config.vision)?,
            audio: AudioTrunk::load(p, &config.audio)?,
            factors: Linear::load(&p.at("factors"), config.audio.embedding, FACTORS)?,
        })
    }

    fn batch(&self, step: usize) -> Result<Pairs> {
        let run = &self.config.imagebind.run;
        // Every epoch has another order: a picture meets other sounds.
        let each = (self.pool.len() / run.batch).max(1);
        let mut order: Vec<usize> = (0..self.pool.len()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(run.seed);
        rng.set_stream((step / each) as u64 + 1);
        order.shuffle(&mut rng);
        let first = step % each * run.batch;
        let places = order.iter().skip(first).take(run.batch);
        // Every second epoch sees the pictures mirrored: nothing in music has a left and a right.
        let mirrored = (step / each) % 2 == 1;
        together(places.map(|&index| {
            let mut pair = self.pooled(index)?;
            if mirrored {
                let size = self.config.imagebind.network.vision.image_size;
                pair.pixels
                    .chunks_exact_mut(size)
                    .for_each(<[f32]>::reverse);
            }
            Ok(pair)
        }))
    }

    fn loss(&self, model: &ImageBind<B>, batch: Pairs) -> Result<Losses<B>> {
        let (logits, factors) = self.compare(model, batch);
        let pictures = info_nce(logits.clone());
        let sounds = info_nce(logits.transpose());
        let contrast = (pictures + sounds) / 2.0;
        let weight = self.config.imagebind.loss.factors;
        let mut parts = vec![("InfoNCE", contrast.clone())];
        let mut total = contrast;
        if weight > 0.0 {
            total = total + factors.clone() * weight;
            parts.push(("factors", factors));
        }
        Ok(Losses { total, parts })
    }

    /// How often the nearest of 64 sounds is the picture's own, and InfoNCE over them.
    fn validate(&self, model: &ImageBind<B>) -> Result<Vec<(&'static str, f64)>> {
        let model = model.valid();
        let pairs = (0..HELD_OUT).map(|index| self.prepare(Split::Validation, index));
        let (logits, factors) = self.compare(&model, together(pairs)?);
        let loss = scalar(info_nce(logits.clone()))?;
        let values = pollster::block_on(crate::tensors::read(logits))?;
        let rows = values.chunks_exact(HELD_OUT).enumerate();
        let found = rows.filter(|(own, row)| row.iter().all(|value| *value <= row[*own]));
        let found = found.count() as f64 / HELD_OUT as f64;
        Ok(vec![
            ("InfoNCE", loss),
            ("found among 64", found),
            ("factors", scalar(factors)?),
        ])
    }
}
