//! What the prior learns from: latents, embeddings and Language-of-Audio (LoA) tokens of many pieces, in a
//! cache.

use std::path::Path;

use super::{Weights, config::SmallModel, data::Data};
use crate::{
    Result,
    dataset::{Cache, FrozenNetworks, LatentEncoder, LoaTokens, MelRecipe, Preprocessor, field},
    model::{
        imagebind::{AudioTrunk, SoundInput},
        params::Params,
        vae::VaeEncoder,
    },
    ops::Kernels,
};

/// What the caches are called.
const NAME: &str = "latents";

/// A cache of encoded pieces, and the scales that bring them to means of 0 and deviations of 1.
#[derive(Debug)]
pub struct LatentCache {
    cache: Cache,
    /// One over the deviation of latents.
    pub scaling_factor: f64,
    /// Mean and deviation of every channel of tokens.
    token_scale: Vec<(f32, f32)>,
    /// The same of embeddings.
    embedding_scale: Vec<(f32, f32)>,
}

/// The finished VAE and ImageBind of a run, to encode pieces.
#[derive(Debug)]
pub struct PieceEncoders<B: Kernels> {
    networks: FrozenNetworks<B>,
    /// What tells these weights from others.
    weights: Vec<String>,
    /// Pieces to learn from.
    items: Option<usize>,
}

impl<B: Kernels> PieceEncoders<B> {
    /// Loads the finished parts of the runs in `folder`.
    pub fn load(config: &SmallModel, folder: &Path, device: &B::Device) -> Result<Self> {
        let vae = Weights::of(folder, "vae").open()?;
        let imagebind = Weights::of(folder, "imagebind").open()?;
        let audio = &config.imagebind.network.audio;
        let spectrogram = config.spectrogram();
        let mut preprocessor = Preprocessor::new(config.frames, MelRecipe::Raw, &spectrogram)?;
        preprocessor.mel = true;
        preprocessor.clips = Some(SoundInput::new(audio, &spectrogram)?);
        let networks = FrozenNetworks {
            pictures: None,
            texts: None,
            mels: false,
            latents: Some(LatentEncoder {
                encoder: VaeEncoder::load(&Params::new(&vae, device), &config.vae.network)?,
                mel_scale: Some(config.mel),
                scaling_factor: 1.0,
                deviations: false,
            }),
            sounds: Some(AudioTrunk::load(&Params::new(&imagebind, device), audio)?),
            tokens: Some(LoaTokens::Pooled {
                grid: audio.grid(),
                tokens: config.prior.network.gpt2.max_new_tokens,
            }),
            preprocessor,
            device: device.clone(),
        };
        Ok(Self {
            networks,
            weights: vec![
                Weights::of(folder, "vae").digest()?,
                Weights::of(folder, "imagebind").digest()?,
            ],
            items: config.prior.network.items,
        })
    }

    /// The pieces that are learnt from; those that are not in the cache are encoded now.
    pub fn training(&self, data: &Data) -> Result<LatentCache> {
        let cache = data.encoded(NAME, &self.networks, &self.weights, self.items)?;
        LatentCache::scaled(cache)
    }

    /// The first `items` pieces to validate on.
    pub fn validation(&self, data: &Data, items: usize) -> Result<Cache> {
        data.encoded_validation(NAME, &self.networks, &self.weights, items)
    }
}

/// A few pieces of a cache, as the prior takes them.
#[derive(Debug, Clone, Default)]
pub struct Pieces {
    /// Latents times the scaling factor, `[pieces, channels, rows, columns]`.
    pub latents: Vec<f32>,
    /// Audio embeddings, `[pieces, embedding]`.
    pub embeddings: Vec<f32>,
    /// LoA tokens, `[pieces, tokens, width]`.
    pub loa_tokens: Vec<f32>,
}

impl LatentCache {
    /// Reads all records once for their scales.
    fn scaled(cache: Cache) -> Result<Self> {
        let width = cache.width(field::AUDIO_EMBEDDING)?;
        let mut latents = Moments::new(1);
        let mut tokens = Moments::new(width);
        let mut embeddings = Moments::new(width);
        let mut values = Vec::new();
        for item in 0..cache.items() {
            for (name, moments) in [
                (field::LATENT_MEAN, &mut latents),
                (field::LOA_TOKENS, &mut tokens),
                (field::AUDIO_EMBEDDING, &mut embeddings),
            ] {
                values.clear();
                cache.read(item, name, &mut values)?;
                moments.add(&values);
            }
        }
        let (_, deviation) = latents.scales()[0];
        Ok(Self {
            cache,
            scaling_factor: 1.0 / f64::from(deviation),
            token_scale: tokens.scales(),
            embedding_scale: embeddings.scales(),
        })
    }

    /// How many pieces there are.
    pub fn items(&self) -> usize {
        self.cache.items()
    }

    /// Some of the pieces.
    pub fn pieces(&self, items: &[usize]) -> Result<Pieces> {
        self.pieces_of(&self.cache, items)
    }

    /// Some of the pieces of another cache, on the scales of this one.
    pub fn pieces_of(&self, cache: &Cache, items: &[usize]) -> Result<Pieces> {
        let scale = self.scaling_factor as f32;
        let latents = cache.gather(items, field::LATENT_MEAN)?;
        let embeddings = cache.gather(items, field::AUDIO_EMBEDDING)?;
        let tokens = cache.gather(items, field::LOA_TOKENS)?;
        Ok(Pieces {
            latents: latents.into_iter().map(|x| x * scale).collect(),
            loa_tokens: loa_tokens(
                &tokens,
                &self.token_scale,
                &embeddings,
                &self.embedding_scale,
            ),
            embeddings,
        })
    }
}

/// LoA tokens: standardised parts of the time with the standardised embedding of the piece added to each.
///
/// Patches alone say less about the whole piece (its note rate, its mode) than the embedding does, because
/// only the embedding was ever compared with a picture's. Divided by `sqrt(2)`, as the sum of two
/// deviations of 1.
fn loa_tokens(
    tokens: &[f32],
    token_scale: &[(f32, f32)],
    embeddings: &[f32],
    embedding_scale: &[(f32, f32)],
) -> Vec<f32> {
    let width = token_scale.len();
    let tokens = standardised(tokens, token_scale);
    let embeddings = standardised(embeddings, embedding_scale);
    let pieces = embeddings.len() / width;
    let each = (tokens.len() / pieces.max(1)).max(1);
    let pieces = tokens.chunks(each).zip(embeddings.chunks(width));
    pieces
        .flat_map(|(tokens, embedding)| {
            let parts = tokens.iter().zip(embedding.iter().cycle());
            parts.map(|(part, whole)| (part + whole) * std::f32::consts::FRAC_1_SQRT_2)
        })
        .collect()
}

/// Sums over rows, channel by channel.
#[derive(Debug)]
struct Moments {
    rows: f64,
    /// Sums and sums of squares.
    sums: Vec<(f64, f64)>,
}

impl Moments {
    fn new(width: usize) -> Self {
        Self {
            rows: 0.0,
            sums: vec![(0.0, 0.0); width],
        }
    }

    /// Adds rows of as many values as there are channels.
    fn add(&mut self, values: &[f32]) {
        for row in values.chunks(self.sums.len()) {
            self.rows += 1.0;
            for ((sum, squares), &x) in self.sums.iter_mut().zip(row) {
                *sum += f64::from(x);
                *squares += f64::from(x).powi(2);
            }
        }
    }

    /// Mean and deviation of every channel.
    fn scales(&self) -> Vec<(f32, f32)> {
        let rows = self.rows.max(1.0);
        let scales = self.sums.iter().map(|(sum, squares)| {
            let mean = sum / rows;
            let variance = (squares / rows - mean.powi(2)).max(1e-12);
            (mean as f32, variance.sqrt() as f32)
        });
        scales.collect()
    }
}

/// Rows of channels at mean 0 and deviation 1.
fn standardised(values: &[f32], scales: &[(f32, f32)]) -> Vec<f32> {
    let values = values.iter().zip(scales.iter().cycle());
    values.map(|(x, (mean, sd))| (x - mean) / sd).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_holds_the_embedding() {
        let embeddings = [0.0, 10.0, 2.0, 30.0];
        // Two tokens of two channels each.
        let tokens = [1.0, 0.0, 3.0, 0.0, 1.0, 4.0, 3.0, 4.0];
        let scales = |values: &[f32]| {
            let mut moments = Moments::new(2);
            values.chunks(4).for_each(|some| moments.add(some));
            moments.scales()
        };
        let found = loa_tokens(&tokens, &scales(&tokens), &embeddings, &scales(&embeddings));
        let expected = [-1.0, -1.0, 0.0, -1.0, 0.0, 1.0, 1.0, 1.0].map(|x: f32| x * 2f32.sqrt());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-5, "{found:?}");
        }
    }
}
