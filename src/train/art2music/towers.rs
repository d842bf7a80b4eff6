//! Trains small towers of our own: pictures and what is said of them come to lie close together.
//!
//! Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021, with a fixed temperature.

use burn::{
    module::Module,
    tensor::{FloatDType, Tensor, backend::Backend},
};

use super::{
    super::{
        Learner, Losses, Start, Task, TrainingBackend,
        config::PartConfig,
        contrastive::{both_ways, info_nce, retrieved},
        data::Data,
        scalar, tensor,
    },
    Art2MusicConfig, TowersConfig, TowersLoss,
};
use crate::{
    Error, Result,
    audio::spectrogram::SpectrogramConfig,
    dataset::{Cache, CommentForm, MelRecipe, Preprocessor, Record, Shuffled, Source, TextInput},
    model::{
        clip::{ClipText, ClipVision},
        layers::l2_normalise,
        trace::Trace,
    },
    ops::Kernels,
    systems::art2music::kind,
    text::{ClipTokenizer, learn_merges},
};

/// Comments that the vocabulary is learnt from.
const COMMENTS: usize = 256;
/// Pairs of a validation.
const VALIDATION_ITEMS: usize = 64;
/// What a cache holds of a pair.
const PIXELS: &str = "pixels";
const IDS: &str = "ids";
/// What stands behind the ids of a text that is shorter than others.
const NONE: f32 = -1.0;

/// Both towers.
#[derive(Module, Debug)]
pub struct Towers<B: Backend> {
    vision: ClipVision<B>,
    text: ClipText<B>,
}

/// The part `towers`.
#[derive(Debug)]
pub struct TowersTask<'a, B: TrainingBackend> {
    part: &'a PartConfig<TowersConfig, TowersLoss>,
    pairs: Cache,
    validation: Cache,
    order: Shuffled,
    device: B::Device,
}

/// Several pairs.
#[derive(Debug)]
pub struct Pairs {
    pixels: Vec<f32>,
    texts: Vec<Vec<u32>>,
}

/// The merges that suit the first comments of `source`, for a table of `vocabulary` ids.
pub fn learn_vocabulary(
    source: &dyn Source,
    form: CommentForm,
    vocabulary: usize,
) -> Result<String> {
    let count = source.count().map_or(COMMENTS, |count| count.min(COMMENTS));
    let comments = (0..count).filter_map(|index| source.captions(index).comment);
    // Items without a comment are left out when they are learnt from, and listed then.
    let texts: Vec<String> = comments
        .filter_map(|comment| form.text(&comment).ok())
        .collect();
    if texts.is_empty() {
        return Err(Error::input(
            format!("none of the first {count} items has a comment"),
            "write what a person says of each picture as its comment",
        ));
    }
    learn_merges(texts, vocabulary)
}

impl<'a, B: TrainingBackend> TowersTask<'a, B> {
    /// Learns from pictures and comments, which are prepared now.
    pub fn new(
        config: &'a Art2MusicConfig,
        part: &'a PartConfig<TowersConfig, TowersLoss>,
        merges: &str,
        data: &Data,
        device: B::Device,
    ) -> Result<Self> {
        let text = &part.network.text;
        let context = text.max_position_embeddings;
        // Nothing is heard, so any spectrogram will do.
        let spectrogram = SpectrogramConfig::audioldm();
        let mut preprocessor = Preprocessor::new(1, MelRecipe::Raw, &spectrogram)?;
        preprocessor.image_size = Some(part.network.vision.image_size);
        preprocessor.texts = Some(TextInput {
            tokenizer: ClipTokenizer::new(merges, context)?,
            form: config.comment,
        });
        let key = serde_json::json!([preprocessor.describe(), merges, context]);
        let prepare = |source: &dyn Source, name, items| {
            let prepare = |index: usize| -> Result<Record> {
                let features = preprocessor.features(source, index)?;
                let mut ids: Vec<f32> = features.ids.iter().map(|&id| id as f32).collect();
                ids.resize(context, NONE);
                Ok(vec![
                    (PIXELS.to_string(), features.pixels),
                    (IDS.to_string(), ids),
                ])
            };
            let mut keep = |records: Vec<Record>| Ok(records);
            data.open_cache(source, name, key.clone(), items, &prepare, &mut keep)
        };
        let pairs = prepare(data.training.as_ref(), "comments", part.loss.items)?;
        let validation = prepare(
            data.validation.as_ref(),
            "comments-validation",
            Some(VALIDATION_ITEMS),
        )?;
        Ok(Self {
            order: Shuffled::new(pairs.items(), part.run.batch, part.run.seed),
            part,
            pairs,
            validation,
            device,
        })
    }

    fn read(&self, cache: &Cache, items: &[usize]) -> Result<Pairs> {
        let context = self.part.network.text.max_position_embeddings;
        let ids = cache.gather(items, IDS)?;
        let texts = ids.chunks_exact(context).map(|ids| {
            let own = ids.iter().take_while(|id| **id != NONE);
            own.map(|id| *id as u32).collect()
        });
        Ok(Pairs {
            pixels: cache.gather(items, PIXELS)?,
            texts: texts.collect(),
        })
    }

    /// The similarity of every picture (rows) with every comment (columns), divided by the temperature.
    fn compare<C: Kernels<Device = B::Device>>(
        &self,
        towers: &Towers<C>,
        pairs: &Pairs,
    ) -> Result<Tensor<C, 2>> {
        let size = self.part.network.vision.image_size;
        let shape = [pairs.texts.len(), 3, size, size];
        let pixels = tensor(pairs.pixels.clone(), shape, &self.device);
        let texts: Vec<&[u32]> = pairs.texts.iter().map(Vec::as_slice).collect();
        let pictures = towers.vision.forward(pixels, &mut Trace::off());
        let comments = towers.text.forward_batch(&texts, &mut Trace::off())?;
        let [pictures, comments] =
            [pictures, comments].map(|x| l2_normalise(x.cast(FloatDType::F32)));
        Ok(pictures.matmul(comments.transpose()) / self.part.loss.temperature)
    }
}

impl<B: TrainingBackend> Task<B> for TowersTask<'_, B> {
    type Learners = Learner<B, Towers<B>>;
    type Batch = Pairs;

    fn learners(&self, start: &Start<B>) -> Result<Self::Learners> {
        let network = &self.part.network;
        start.learner("", self.part.run.optimiser(), &[], |p| {
            Ok(Towers {
                vision: ClipVision::load(&p.at(kind::CLIP_VISION), &network.vision)?,
                text: ClipText::load(&p.at(kind::CLIP_TEXT), &network.text)?,
            })
        })
    }

    fn batch(&self, number: usize) -> Result<Pairs> {
        self.read(&self.pairs, &self.order.items(number))
    }

    fn losses(&self, learner: &Self::Learners, _: usize, batch: &Pairs) -> Result<Losses<B>> {
        Ok(Losses {
            total: both_ways(self.compare(learner.model(), batch)?),
            parts: Vec::new(),
        })
    }

    /// InfoNCE over the validation's pairs (64, or as many as there are), and how often the nearest comment is the
    /// picture's own.
    fn validate(&self, learner: &Self::Learners) -> Result<Vec<(&'static str, f64)>> {
        let items: Vec<usize> = (0..self.validation.items()).collect();
        let pairs = self.read(&self.validation, &items)?;
        let logits = self.compare(&learner.valid(), &pairs)?;
        let loss = scalar(info_nce(logits.clone()))?;
        Ok(vec![
            ("InfoNCE", loss),
            ("top-1 retrieval", retrieved(logits)?),
        ])
    }
}
