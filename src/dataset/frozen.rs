//! The one place that runs frozen networks over items.

use burn::tensor::{Tensor, backend::Backend};

use super::{Features, Preprocessor, cache::Record};
use crate::{
    Error, Result,
    model::{
        clip::ClipText,
        gpt2::Gpt2,
        imagebind::{AudioFeatures, AudioTrunk},
        layers::Linear,
        trace::Trace,
        vae::VaeEncoder,
    },
    ops::Kernels,
    systems::art_to_mus::{MelScale, PictureEncoder},
    tensors::{read, tensor},
};

/// What frozen networks make of an item, by the names that it has in a cache.
pub mod field {
    /// The picture's embedding.
    pub const IMAGE_EMBEDDING: &str = "image_embedding";
    /// The comment's embedding.
    pub const TEXT_EMBEDDING: &str = "text_embedding";
    /// The spectrogram.
    pub const MEL: &str = "mel";
    /// The music's embedding.
    pub const AUDIO_EMBEDDING: &str = "audio_embedding";
    /// The mean of the VAE's posterior, times the scaling factor.
    pub const LATENT_MEAN: &str = "latent_mean";
    /// Its deviation, times the scaling factor.
    pub const LATENT_DEVIATION: &str = "latent_deviation";
    /// Language-of-Audio tokens of the music, or what they are made of.
    pub const LOA_TOKENS: &str = "loa_tokens";
}

/// A VAE's encoder and what stands around it.
#[derive(Debug)]
pub struct LatentEncoder<B: Backend> {
    /// The network.
    pub encoder: VaeEncoder<B>,
    /// What log-mel values are standardised with first.
    pub mel_scale: Option<MelScale>,
    /// What latents are multiplied with.
    pub scaling_factor: f64,
    /// Whether deviations are kept beside means.
    pub deviations: bool,
}

/// What gives Language-of-Audio (LoA) tokens of music.
// There is one of it, and the tensors behind it are far larger.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
pub enum LoaTokens<B: Backend> {
    /// GPT-2's translation of the music's own embedding.
    Translated {
        /// Embedding to prefix.
        projection: Linear<B>,
        /// Prefix to tokens.
        gpt2: Gpt2<B>,
        /// Width of a token.
        width: usize,
    },
    /// The audio trunk's patches: means over frequency, then over equal parts of the time of all clips.
    Pooled {
        /// Rows (frequency) and columns (time) of the patches of a clip.
        grid: [usize; 2],
        /// Parts of the time.
        tokens: usize,
    },
}

/// The networks that make records of items; those that are not wanted are not there.
#[derive(Debug)]
pub struct FrozenNetworks<B: Backend> {
    /// Pixels to embeddings.
    pub pictures: Option<PictureEncoder<B>>,
    /// Comments to embeddings.
    pub texts: Option<ClipText<B>>,
    /// Whether spectrograms are kept as they are.
    pub mels: bool,
    /// Spectrograms to latents.
    pub latents: Option<LatentEncoder<B>>,
    /// Clips of sound to embeddings.
    pub sounds: Option<AudioTrunk<B>>,
    /// What the audio trunk gives to LoA tokens.
    pub tokens: Option<LoaTokens<B>>,
    /// Makes what these networks take.
    pub preprocessor: Preprocessor,
    /// Where they are.
    pub device: B::Device,
}

/// What frozen networks make of several items: `[items, …]` each, empty where a network is not there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EncodedBatch {
    /// Number of items.
    pub count: usize,
    /// Named values of all items.
    pub fields: Vec<(&'static str, Vec<f32>)>,
}

impl EncodedBatch {
    /// The items one by one.
    pub fn into_records(self) -> Vec<Record> {
        let part = |values: &[f32], i: usize| {
            let each = values.len() / self.count.max(1);
            values[i * each..(i + 1) * each].to_vec()
        };
        (0..self.count)
            .map(|i| {
                let fields = self.fields.iter();
                fields
                    .map(|(name, values)| (name.to_string(), part(values, i)))
                    .collect()
            })
            .collect()
    }
}

impl<B: Kernels> FrozenNetworks<B> {
    /// Embeddings of pictures, `[items, embedding]`, from `pixels [items, 3, size, size]`.
    pub fn embed_images(&self, pixels: Vec<f32>, items: usize) -> Result<Tensor<B, 2>> {
        let (Some(encoder), Some(size)) = (&self.pictures, self.preprocessor.image_size) else {
            return Err(missing("picture encoder"));
        };
        let pixels = tensor(pixels, [items, 3, size, size], &self.device);
        Ok(encoder.forward(pixels, &mut Trace::off()))
    }

    /// Mean and deviation of the latents of `mels [items, frames, bands]`, both times the scaling factor.
    pub fn encode_latents(&self, mels: Vec<f32>, items: usize) -> Result<[Tensor<B, 4>; 2]> {
        let Some(latents) = &self.latents else {
            return Err(missing("VAE encoder"));
        };
        let bands = self.preprocessor.spectrogram().bands();
        let shape = [items, 1, self.preprocessor.frames, bands];
        let mel = tensor::<B, 4>(mels, shape, &self.device);
        let mel = match latents.mel_scale {
            Some(scale) => (mel - scale.mean) / scale.scale,
            None => mel,
        };
        let moments = latents.encoder.encode(mel, &mut Trace::off());
        let deviation = (moments.log_variance * 0.5).exp();
        Ok([moments.mean, deviation].map(|part| part * latents.scaling_factor))
    }

    /// Embeddings and tokens of sounds, from `clips [items, clips, bands, frames]`.
    pub fn embed_sounds(&self, clips: Vec<f32>, items: usize) -> Result<AudioFeatures<B>> {
        let (Some(trunk), Some(input)) = (&self.sounds, &self.preprocessor.clips) else {
            return Err(missing("audio trunk"));
        };
        let count = input.count(&clips);
        let [bands, frames] = input.shape();
        let clips = tensor(clips, [count, 1, bands, frames], &self.device);
        Ok(trunk.forward_with_tokens(clips, count / items.max(1), &mut Trace::off()))
    }

    /// LoA tokens of sounds, `[items, tokens, width]`; nothing where what makes them is not there.
    pub fn loa_tokens(&self, sounds: &AudioFeatures<B>) -> Result<Option<Tensor<B, 3>>> {
        let [items, _] = sounds.embedding.dims();
        match &self.tokens {
            None => Ok(None),
            Some(LoaTokens::Translated {
                projection,
                gpt2,
                width,
            }) => {
                let prefix = projection.forward(sounds.embedding.clone());
                let [_, length] = prefix.dims();
                let prefix = prefix.reshape([items, length / width, *width]);
                gpt2.generate(prefix, None).map(Some)
            }
            Some(LoaTokens::Pooled { grid, tokens }) => {
                let patches = sounds.tokens.clone();
                Ok(Some(pool_over_time(patches, items, *grid, *tokens)))
            }
        }
    }

    /// Everything but the weights that decides what these networks make of an item, for the key of a cache.
    pub fn describe(&self) -> serde_json::Value {
        let latents = self.latents.as_ref().map(|latents| {
            let scale = latents.mel_scale.map(|scale| [scale.mean, scale.scale]);
            serde_json::json!([scale, latents.scaling_factor, latents.deviations])
        });
        let tokens = self.tokens.as_ref().map(|tokens| match tokens {
            LoaTokens::Translated { width, .. } => serde_json::json!({"translated": width}),
            LoaTokens::Pooled { grid, tokens } => serde_json::json!({"pooled": [grid, tokens]}),
        });
        let mut described = serde_json::json!({
            "pictures": self.pictures.is_some(),
            "latents": latents,
            "sounds": self.sounds.is_some(),
            "tokens": tokens,
            "preprocessor": self.preprocessor.describe(),
        });
        // Caches of networks that keep none keep their names.
        if self.mels {
            described["mels"] = true.into();
        }
        described
    }

    /// What all networks that are there make of some items.
    pub fn encode(&self, items: Vec<Features>) -> Result<EncodedBatch> {
        let count = items.len();
        let mut all = Features::default();
        let mut ids = Vec::with_capacity(count);
        for item in items {
            all.pixels.extend(item.pixels);
            all.mel.extend(item.mel);
            all.clips.extend(item.clips);
            ids.push(item.ids);
        }
        let mut fields = Vec::new();
        if self.pictures.is_some() {
            let embeddings = self.embed_images(all.pixels, count)?;
            fields.push((field::IMAGE_EMBEDDING, host(embeddings)?));
        }
        if let Some(tower) = &self.texts {
            let texts: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
            let embeddings = tower.forward_batch(&texts, &mut Trace::off())?;
            fields.push((field::TEXT_EMBEDDING, host(embeddings)?));
        }
        if self.mels {
            fields.push((field::MEL, all.mel.clone()));
        }
        if let Some(latents) = &self.latents {
            let [mean, deviation] = self.encode_latents(all.mel, count)?;
            fields.push((field::LATENT_MEAN, host(mean)?));
            if latents.deviations {
                fields.push((field::LATENT_DEVIATION, host(deviation)?));
            }
        }
        if self.sounds.is_some() {
            let sounds = self.embed_sounds(all.clips, count)?;
            if let Some(tokens) = self.loa_tokens(&sounds)? {
                fields.push((field::LOA_TOKENS, host(tokens)?));
            }
            fields.push((field::AUDIO_EMBEDDING, host(sounds.embedding)?));
        }
        Ok(EncodedBatch { count, fields })
    }
}

/// Patches `[items clips, rows columns, width]` to `[items, parts, width]`.
fn pool_over_time<B: Backend>(
    patches: Tensor<B, 3>,
    items: usize,
    [rows, columns]: [usize; 2],
    parts: usize,
) -> Tensor<B, 3> {
    let [clips, _, width] = patches.dims();
    let steps = clips / items * columns;
    let device = patches.device();
    let by_time = patches
        .reshape([clips, rows, columns, width])
        .mean_dim(1)
        .reshape([items, steps, width]);
    tensor::<B, 2>(shares(steps, parts), [parts, steps], &device)
        .unsqueeze::<3>()
        .expand([items, parts, steps])
        .matmul(by_time)
}

/// The weight of each of `steps` in the mean over each of `parts` equal parts.
fn shares(steps: usize, parts: usize) -> Vec<f32> {
    let length = steps as f32 / parts as f32;
    let overlap = |part: usize, step: usize| {
        let (start, end) = (part as f32 * length, (part + 1) as f32 * length);
        let inside = (step as f32 + 1.0).min(end) - (step as f32).max(start);
        inside.max(0.0) / length
    };
    (0..parts)
        .flat_map(|part| (0..steps).map(move |step| overlap(part, step)))
        .collect()
}

fn missing(network: &str) -> Error {
    Error::internal(format!("the {network} was not loaded"))
}

fn host<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Result<Vec<f32>> {
    pollster::block_on(read(tensor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_means_over_equal_parts() {
        assert_eq!(shares(4, 2), [0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5]);
        let uneven = shares(36, 8);
        for part in uneven.chunks(36) {
            assert!((part.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn batches_are_split_by_item() {
        let batch = EncodedBatch {
            count: 2,
            fields: vec![("a", vec![1.0, 2.0, 3.0, 4.0]), ("b", vec![5.0, 6.0])],
        };
        let records = batch.into_records();
        assert_eq!(records[1][0], ("a".to_string(), vec![3.0, 4.0]));
        assert_eq!(records[1][1], ("b".to_string(), vec![6.0]));
    }
}
