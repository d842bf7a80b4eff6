//! What parts learn from: where items come from, and excerpts of their music.

use indicatif::{ProgressBar, ProgressStyle};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::{path::PathBuf, sync::Arc};

use super::config::RunConfig;
use crate::{
    Result,
    audio::spectrogram::SpectrogramConfig,
    dataset::{
        Cache, Features, FrozenNetworks, MelRecipe, Preprocessor, Recipe, Record, Shuffled,
        SkipLog, Source, first_readable, read_first,
    },
    ops::Kernels,
};

/// Where the items of a run come from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Items to learn from.
    pub training: Arc<dyn Source>,
    /// Items that are never learnt from.
    pub validation: Arc<dyn Source>,
}

/// The items of a run, and what reading them takes.
#[derive(Debug)]
pub struct Data {
    /// Items to learn from.
    pub training: Arc<dyn Source>,
    /// Items that are never learnt from.
    pub validation: Arc<dyn Source>,
    /// The folder of caches.
    pub cache: PathBuf,
    /// Notes what cannot be read.
    pub skipped: SkipLog,
    /// Threads that read items.
    pub threads: usize,
}

impl Data {
    /// The cache of what `networks`, whose weights `weights` names, make of the first items to learn from.
    pub fn encoded<B: Kernels>(
        &self,
        name: &str,
        networks: &FrozenNetworks<B>,
        weights: &[String],
        items: Option<usize>,
    ) -> Result<Cache> {
        self.encode(self.training.as_ref(), name, networks, weights, items)
    }

    /// The same of the first items to validate on.
    pub fn encoded_validation<B: Kernels>(
        &self,
        name: &str,
        networks: &FrozenNetworks<B>,
        weights: &[String],
        items: usize,
    ) -> Result<Cache> {
        let name = format!("{name}-validation");
        self.encode(
            self.validation.as_ref(),
            &name,
            networks,
            weights,
            Some(items),
        )
    }

    fn encode<B: Kernels>(
        &self,
        source: &dyn Source,
        name: &str,
        networks: &FrozenNetworks<B>,
        weights: &[String],
        items: Option<usize>,
    ) -> Result<Cache> {
        let key = serde_json::json!({
            "weights": weights,
            "networks": networks.describe(),
        });
        let preprocessor = &networks.preprocessor;
        let prepare = |index: usize| preprocessor.features(source, index);
        let mut encode =
            |items: Vec<Features>| networks.encode(items).map(|batch| batch.into_records());
        self.open_cache(source, name, key, items, &prepare, &mut encode)
    }

    /// Opens a cache of items of `source`; what is missing is made now, with a bar that shows it. See
    /// [`Cache::open`].
    pub(super) fn open_cache<P: Send>(
        &self,
        source: &dyn Source,
        name: &str,
        key: serde_json::Value,
        items: Option<usize>,
        prepare: &(dyn Fn(usize) -> Result<P> + Sync),
        encode: &mut dyn FnMut(Vec<P>) -> Result<Vec<Record>>,
    ) -> Result<Cache> {
        let bar = ProgressBar::new(0).with_prefix(name.to_string());
        if let Ok(style) = ProgressStyle::with_template("{prefix} {pos}/{len} {wide_bar} {eta}") {
            bar.set_style(style);
        }
        let recipe = Recipe {
            name,
            key,
            items,
            threads: self.threads,
            progress: &|done, total| {
                bar.set_length(total as u64);
                bar.set_position(done as u64);
            },
        };
        let cache = Cache::open(&self.cache, &recipe, source, &self.skipped, prepare, encode);
        bar.finish_and_clear();
        cache
    }
}

/// A piece and its spectrogram, or a part of both.
#[derive(Debug, Clone)]
pub struct Excerpt {
    /// `[hop frames]`.
    pub samples: Vec<f32>,
    /// `[frames, bands]`.
    pub mel: Vec<f32>,
}

/// Excerpts of pieces, made on the fly. Nothing is normalised: loudness is one of the factors.
#[derive(Debug)]
pub struct Excerpts<'a> {
    data: &'a Data,
    preprocessor: Preprocessor,
    /// Frames of an excerpt.
    frames: usize,
    /// Excerpts of a batch; each piece gives two.
    batch: usize,
    seed: u64,
    /// The order of a source that ends.
    order: Option<Shuffled>,
}

impl<'a> Excerpts<'a> {
    /// Batches of `run` of excerpts of `frames` frames of `spectrogram`, of pieces of `whole` frames.
    pub fn new(
        (whole, spectrogram): (usize, &SpectrogramConfig),
        data: &'a Data,
        frames: usize,
        run: &RunConfig,
    ) -> Result<Self> {
        let pieces = run.batch.div_ceil(2);
        let order = |items| Shuffled::new(items, pieces, run.seed);
        let excerpts = Self {
            data,
            preprocessor: Preprocessor::new(whole, MelRecipe::Raw, spectrogram)?,
            frames,
            batch: run.batch,
            seed: run.seed,
            order: data.training.count().map(order),
        };
        let source = data.training.as_ref();
        let read = |index| excerpts.piece(source, index);
        data.skipped.retry(source, data.threads, &read)?;
        Ok(excerpts)
    }

    /// Batch `number`: two excerpts of each piece, one from either half.
    pub fn batch(&self, number: usize) -> Result<Vec<Excerpt>> {
        let source = self.data.training.as_ref();
        let pieces = self.batch.div_ceil(2);
        let mut excerpts = Vec::with_capacity(self.batch);
        for i in 0..pieces {
            let read = |index| self.piece(source, index);
            let place = number * pieces + i;
            let skipped = &self.data.skipped;
            let piece = match &self.order {
                Some(order) => first_readable(source, skipped, order.candidates(number, i), read)?,
                None => read(place)?,
            };
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream(place as u64);
            let room = self.preprocessor.frames.saturating_sub(self.frames) / 2;
            for half in 0..2.min(self.batch - 2 * i) {
                let start = half * room + rng.random_range(0..=room);
                excerpts.push(self.part(&piece, start));
            }
        }
        Ok(excerpts)
    }

    /// The first `count` whole pieces to validate on.
    pub fn validation(&self, count: usize) -> Result<Vec<Excerpt>> {
        let source = self.data.validation.as_ref();
        let read = |index| self.piece(source, index);
        read_first(source, &self.data.skipped, self.data.threads, count, &read)
    }

    fn piece(&self, source: &dyn Source, index: usize) -> Result<Excerpt> {
        let samples = self.preprocessor.music(source, index)?;
        Ok(Excerpt {
            mel: self.preprocessor.log_mel(&samples)?,
            samples: self.preprocessor.piece(&samples),
        })
    }

    /// The excerpt of `piece` from frame `start` on.
    fn part(&self, piece: &Excerpt, start: usize) -> Excerpt {
        let spectrogram = self.preprocessor.spectrogram();
        let part = |values: &[f32], each: usize| {
            values[start * each..(start + self.frames) * each].to_vec()
        };
        Excerpt {
            samples: part(&piece.samples, spectrogram.hop),
            mel: part(&piece.mel, spectrogram.bands()),
        }
    }
}
