//! What is measured of a sound, of a pair and of a model.

use burn::tensor::Tensor;
use serde::Serialize;

use crate::{
    Error, Result,
    audio::{
        Sound,
        vggish::{BANDS, FRAMES, patches},
    },
    metrics::{
        divergence::{resampled_divergence, spectral_divergence},
        frechet::frechet_distance,
        summary::Interval,
    },
    model::vggish::Vggish,
    ops::Kernels,
    tensors::{cosine, read, tensor},
};

/// Patches that go through VGGish at once.
const BATCH: usize = 32;
/// Samples of the bootstrap of a distance of sets, each of which takes a decomposition.
const RESAMPLES: usize = 100;

/// A sound, and what networks make of it.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The sound, at its own sample rate.
    pub sound: Sound,
    /// VGGish's embeddings of its patches, where that network is there.
    pub patches: Option<Vec<Vec<f32>>>,
    /// ImageBind's embedding, where that network is there.
    pub embedding: Option<Vec<f32>>,
}

/// VGGish's embeddings of the patches of `sound`.
pub fn vggish_embeddings<B: Kernels>(
    network: &Vggish<B>,
    sound: &Sound,
    device: &B::Device,
) -> Result<Vec<Vec<f32>>> {
    let size = FRAMES * BANDS;
    let patches = patches(&sound.samples, sound.sample_rate)?;
    let mut embeddings = Vec::with_capacity(patches.len() / size);
    for batch in patches.chunks(BATCH * size) {
        let count = batch.len() / size;
        let batch: Tensor<B, 3> = tensor(batch.to_vec(), [count, FRAMES, BANDS], device);
        let values = pollster::block_on(read(network.forward(batch)))?;
        embeddings.extend(
            values
                .chunks_exact(values.len() / count)
                .map(<[f32]>::to_vec),
        );
    }
    Ok(embeddings)
}

/// The scores of one piece.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ItemScores {
    /// The Fréchet distance of the patches of this piece and of the music of the pair: covariances of few vectors.
    pub frechet: Option<f64>,
    /// The divergence of spectra, each at its own sample rate.
    pub divergence: f64,
    /// The same with both at 16 kHz.
    pub resampled_divergence: f64,
    /// ImageBind's cosine of the picture and the piece.
    pub picture_cosine: Option<f64>,
    /// ImageBind's cosine of the music of the pair and the piece.
    pub music_cosine: Option<f64>,
}

impl ItemScores {
    /// Of `made`, for a pair of a picture with the embedding `picture` and the music `music`.
    pub fn of(picture: Option<&[f32]>, music: &Heard, made: &Heard) -> Result<Self> {
        let frechet = match (&music.patches, &made.patches) {
            (Some(music), Some(made)) => Some(frechet_distance(music, made)?),
            _ => None,
        };
        let to = |other: Option<&[f32]>| {
            let made = made.embedding.as_deref()?;
            Some(f64::from(cosine(other?, made)))
        };
        Ok(Self {
            frechet,
            divergence: spectral_divergence(&music.sound.samples, &made.sound.samples)?,
            resampled_divergence: resampled_divergence(&music.sound, &made.sound)?,
            picture_cosine: to(picture),
            music_cosine: to(music.embedding.as_deref()),
        })
    }
}

/// The scores of one model, with intervals of 95 % over its pieces.
#[derive(Debug, Clone, Serialize)]
pub struct ModelScores {
    /// What the model is called.
    pub model: String,
    /// How many pieces were scored.
    pub pieces: usize,
    /// The Fréchet audio distance of all patches of the pieces and of the pairs' music. Its interval lies too high, as a
    /// sample with replacement has fewer distinct vectors.
    pub frechet_of_sets: Option<Interval>,
    /// The mean of the Fréchet audio distances of each piece and its pair's music.
    pub frechet_of_pairs: Option<Interval>,
    /// The mean divergence of spectra, each sound at its own sample rate.
    pub divergence: Interval,
    /// The same with all sounds at 16 kHz.
    pub resampled_divergence: Interval,
    /// The mean of ImageBind's cosine of picture and piece.
    pub picture_cosine: Option<Interval>,
    /// The mean of ImageBind's cosine of the pair's music and the piece.
    pub music_cosine: Option<Interval>,
}

impl ModelScores {
    /// Of a model whose pieces have these `scores`, and VGGish's embeddings as `[pairs' music, piece]` for each.
    ///
    /// Fails where the embeddings of all pieces are fewer than two, or of another length than those of the music.
    pub fn of(model: &str, scores: &[ItemScores], patches: &[[&[Vec<f32>]; 2]]) -> Result<Self> {
        let mean = |value: fn(&ItemScores) -> Option<f64>| {
            let values: Option<Vec<f64>> = scores.iter().map(value).collect();
            values
                .filter(|values| !values.is_empty())
                .map(|values| Interval::of_mean(&values))
        };
        let certain = |value: fn(&ItemScores) -> f64| {
            let values: Vec<f64> = scores.iter().map(value).collect();
            Interval::of_mean(&values)
        };
        let frechet_of_sets = match patches.is_empty() {
            true => None,
            false => Some(distance_of_sets(patches)?),
        };
        Ok(Self {
            model: model.to_string(),
            pieces: scores.len(),
            frechet_of_sets,
            frechet_of_pairs: mean(|item| item.frechet),
            divergence: certain(|item| item.divergence),
            resampled_divergence: certain(|item| item.resampled_divergence),
            picture_cosine: mean(|item| item.picture_cosine),
            music_cosine: mean(|item| item.music_cosine),
        })
    }
}

fn distance_of_sets(patches: &[[&[Vec<f32>]; 2]]) -> Result<Interval> {
    let distance = |picks: &[usize]| {
        let side = |side: usize| -> Vec<Vec<f32>> {
            picks
                .iter()
                .flat_map(|pick| patches[*pick][side])
                .cloned()
                .collect()
        };
        frechet_distance(&side(0), &side(1))
    };
    let mut fault = None;
    let interval = Interval::of(patches.len(), RESAMPLES, |picks| match distance(picks) {
        Ok(distance) => Some(distance),
        Err(error) => {
            fault.get_or_insert(error);
            None
        }
    });
    match (interval, fault) {
        (Some(interval), _) => Ok(interval),
        (None, Some(fault)) => Err(fault),
        (None, None) => Err(Error::internal("a distance has no value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(seed: u64, seconds: f64) -> Heard {
        let patch = |i| crate::random::standard_normal(seed, i, 6);
        Heard {
            sound: Sound {
                sample_rate: 16_000,
                samples: crate::random::standard_normal(seed, 9, (16_000.0 * seconds) as usize),
            },
            patches: Some((0..4).map(patch).collect()),
            embedding: Some(patch(20)),
        }
    }

    #[test]
    fn the_music_itself_has_the_best_scores() {
        let music: Vec<Heard> = (0..5).map(|seed| heard(seed, 0.5)).collect();
        let other: Vec<Heard> = (10..15).map(|seed| heard(seed, 0.5)).collect();
        let score = |made: &[Heard]| {
            let pairs = || music.iter().zip(made);
            let items = pairs().map(|(music, made)| {
                ItemScores::of(music.embedding.as_deref(), music, made).unwrap()
            });
            let items: Vec<ItemScores> = items.collect();
            let patches = pairs()
                .map(|(music, made)| [music, made].map(|heard| heard.patches.as_deref().unwrap()));
            let patches: Vec<_> = patches.collect();
            ModelScores::of("a model", &items, &patches).unwrap()
        };
        let (same, apart) = (score(&music), score(&other));
        assert!(same.frechet_of_sets.unwrap().value < 1e-4);
        assert!(same.frechet_of_pairs.unwrap().value < 1e-4);
        assert_eq!(
            (same.divergence.value, same.resampled_divergence.value),
            (0.0, 0.0)
        );
        assert!((same.music_cosine.unwrap().value - 1.0).abs() < 1e-6);
        assert_eq!((same.pieces, apart.pieces), (5, 5));
        assert!(apart.frechet_of_pairs.unwrap().value > apart.frechet_of_sets.unwrap().value);
        assert!(apart.divergence.low > 0.0 && apart.music_cosine.unwrap().high < 1.0);
        // Without networks there is the divergence alone.
        let mut bare = heard(1, 0.5);
        (bare.patches, bare.embedding) = (None, None);
        let item = ItemScores::of(None, &bare, &bare).unwrap();
        assert_eq!((item.frechet, item.picture_cosine), (None, None));
        let model = ModelScores::of("bare", &[item], &[]).unwrap();
        assert!(model.frechet_of_sets.is_none() && model.music_cosine.is_none());
    }
}
