//! Latents, embeddings and Language-of-Audio tokens of many pieces, computed once.
//!
//! Encoding a piece costs as much as learning from its latent. A pool is kept beside the run that
//! uses it, so that a resumed run does not compute it again.

use burn::tensor::Tensor;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{collections::HashMap, path::Path};

use super::{Weights, config::SmallModel, data::Data, tensor};
use crate::{
    Error, Result,
    audio::{
        fbank::{CLIPS, FRAMES, MEL_BINS as CLIP_BINS},
        mel::MEL_BINS,
    },
    dataset::synth::{Pair, Split},
    model::{imagebind::AudioTrunk, params::Params, trace::Trace, vae::VaeEncoder},
    ops::Kernels,
    tensors::read,
};

/// Pieces that are encoded at once.
const TOGETHER: usize = 8;

/// What the prior learns from.
pub struct Pool {
    /// Pieces.
    pub count: usize,
    /// Latents times the scaling factor, `[count, channels, rows, columns]`.
    pub latents: Vec<f32>,
    /// Audio embeddings, `[count, embedding]`.
    pub embeddings: Vec<f32>,
    /// Parts of the time, standardised, `[count, tokens, width]`.
    tokens: Vec<f32>,
    /// One over the deviation of latents.
    pub scaling_factor: f64,
    /// Mean and deviation of every channel of tokens, before they were standardised.
    token_scale: Vec<(f32, f32)>,
    /// The same of embeddings.
    embedding_scale: Vec<(f32, f32)>,
}

/// What encodes pieces: finished parts.
pub struct PieceEncoder<'a, B: Kernels> {
    config: &'a SmallModel,
    data: Data,
    vae: VaeEncoder<B>,
    trunk: AudioTrunk<B>,
    device: B::Device,
}

/// The raw encodings of some pieces.
#[derive(Debug, Default)]
pub struct Encoded {
    /// Means of latents, not scaled.
    pub latents: Vec<f32>,
    /// Audio embeddings.
    pub embeddings: Vec<f32>,
    /// Means of the audio trunk's patches over equal parts of the time.
    pub tokens: Vec<f32>,
}

impl<'a, B: Kernels> PieceEncoder<'a, B> {
    /// Loads the finished VAE and ImageBind of the runs in `folder`.
    pub fn load(config: &'a SmallModel, folder: &Path, device: &B::Device) -> Result<Self> {
        let vae = Weights::of(folder, "vae").open()?;
        let imagebind = Weights::of(folder, "imagebind").open()?;
        Ok(Self {
            config,
            data: Data::new(config.frames),
            vae: VaeEncoder::load(&Params::new(&vae, device), &config.vae.network)?,
            trunk: AudioTrunk::load(
                &Params::new(&imagebind, device),
                &config.imagebind.network.audio,
            )?,
            device: device.clone(),
        })
    }

    /// Width of a token.
    fn token_width(&self) -> usize {
        self.config.imagebind.network.audio.width
    }

    /// Encodes `pairs`.
    pub fn encode(&self, pairs: &[Pair]) -> Result<Encoded> {
        let (mut mels, mut clips) = (Vec::new(), Vec::new());
        for pair in pairs {
            let sound = self.data.sound(pair)?;
            mels.extend(sound.mel);
            clips.extend(self.data.clips(&sound.samples)?);
        }
        let count = pairs.len();
        let scale = self.config.mel;
        let mel = tensor::<B, 4>(mels, [count, 1, self.config.frames, MEL_BINS], &self.device);
        let moments = self
            .vae
            .encode((mel - scale.mean) / scale.scale, &mut Trace::off());
        let clips = tensor(clips, [count * CLIPS, 1, CLIP_BINS, FRAMES], &self.device);
        let heard = self.trunk.forward_with_tokens(clips, CLIPS, &mut Trace::off());
        let tokens = self.parts_of_time(heard.tokens, count);
        let host = |x: Tensor<B, 1>| pollster::block_on(read(x));
        Ok(Encoded {
            latents: host(moments.mean.flatten(0, 3))?,
            embeddings: host(heard.embedding.flatten(0, 1))?,
            tokens: host(tokens.flatten(0, 2))?,
        })
    }

    /// Patches `[pieces clips, rows columns, width]` to `[pieces, tokens, width]`: the mean over
    /// frequency, then over equal parts of the time of all clips.
    fn parts_of_time(&self, patches: Tensor<B, 3>, pieces: usize) -> Tensor<B, 3> {
        let [rows, columns] = self.config.imagebind.network.audio.grid();
        let [_, _, width] = patches.dims();
        let steps = CLIPS * columns;
        let by_time = patches
            .reshape([pieces * CLIPS, rows, columns, width])
            .mean_dim(1)
            .reshape([pieces, steps, width]);
        let tokens = self.config.prior.network.gpt2.max_new_tokens;
        let shares = shares(steps, tokens);
        let shares = tensor::<B, 2>(shares, [tokens, steps], &self.device);
        shares
            .unsqueeze::<3>()
            .expand([pieces, tokens, steps])
            .matmul(by_time)
    }
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

impl Pool {
    /// Reads the pool in `file`, or encodes `count` training pieces and writes it there.
    pub fn open<B: Kernels>(
        encoder: &PieceEncoder<B>,
        file: &Path,
        count: usize,
        origin: &str,
    ) -> Result<Self> {
        if let Some(pool) = Self::read(file, count, origin)? {
            return Ok(pool);
        }
        let bar = indicatif::ProgressBar::new(count as u64);
        let mut all = Encoded::default();
        for first in (0..count).step_by(TOGETHER) {
            let pairs: Vec<Pair> = (first..count.min(first + TOGETHER))
                .map(|index| Pair::draw(Split::Training, index as u64))
                .collect();
            let encoded = encoder.encode(&pairs)?;
            all.latents.extend(encoded.latents);
            all.embeddings.extend(encoded.embeddings);
            all.tokens.extend(encoded.tokens);
            bar.inc(pairs.len() as u64);
        }
        bar.finish_and_clear();
        let pool = Self::standardise(all, count, encoder.token_width());
        pool.write(file, origin)?;
        Ok(pool)
    }

    /// Latents are scaled to a deviation of 1, and tokens to mean 0 and deviation 1 in every channel.
    fn standardise(all: Encoded, count: usize, width: usize) -> Self {
        let mean = |values: &[f32]| {
            values.iter().map(|x| f64::from(*x)).sum::<f64>() / values.len().max(1) as f64
        };
        let square: Vec<f32> = all.latents.iter().map(|x| x * x).collect();
        let deviation = (mean(&square) - mean(&all.latents).powi(2))
            .max(1e-12)
            .sqrt();
        let scaling_factor = 1.0 / deviation;
        let token_scale = channel_scales(&all.tokens, width);
        Self {
            count,
            latents: all
                .latents
                .iter()
                .map(|x| x * scaling_factor as f32)
                .collect(),
            tokens: standardised(&all.tokens, &token_scale),
            embedding_scale: channel_scales(&all.embeddings, width),
            embeddings: all.embeddings,
            scaling_factor,
            token_scale,
        }
    }

    /// The Language of Audio of piece `index`, `[tokens, width]`.
    pub fn language(&self, index: usize) -> Vec<f32> {
        let tokens = self.row(&self.tokens, index);
        self.with_embedding(tokens, self.row(&self.embeddings, index))
    }

    /// The Language of Audio of other pieces, on the scale of this pool's.
    pub fn language_of(&self, pieces: &Encoded) -> Vec<f32> {
        let width = self.token_scale.len();
        let tokens = standardised(&pieces.tokens, &self.token_scale);
        let count = pieces.embeddings.len() / width;
        let each = tokens.len() / count.max(1);
        let pieces = tokens.chunks(each).zip(pieces.embeddings.chunks(width));
        pieces
            .flat_map(|(tokens, embedding)| self.with_embedding(tokens, embedding))
            .collect()
    }

    /// Standardised parts of the time with the standardised embedding added to each: patches alone
    /// say less about the whole piece (its note rate, its mode) than the embedding does, because
    /// only the embedding was ever compared with a picture's. Divided by `sqrt(2)`, as the sum of
    /// two deviations of 1.
    fn with_embedding(&self, tokens: &[f32], embedding: &[f32]) -> Vec<f32> {
        let embedding = standardised(embedding, &self.embedding_scale);
        let tokens = tokens.iter().zip(embedding.iter().cycle());
        tokens
            .map(|(part, whole)| (part + whole) * std::f32::consts::FRAC_1_SQRT_2)
            .collect()
    }

    fn read(file: &Path, count: usize, origin: &str) -> Result<Option<Self>> {
        let Ok(bytes) = std::fs::read(file) else {
            return Ok(None);
        };
        let Ok((_, header)) = SafeTensors::read_metadata(&bytes) else {
            return Ok(None);
        };
        let notes = header.metadata().clone().unwrap_or_default();
        let scaling_factor = notes.get("scaling_factor").and_then(|x| x.parse().ok());
        let same = notes.get("origin").is_some_and(|x| x == origin);
        let (true, Some(scaling_factor)) = (same, scaling_factor) else {
            return Ok(None);
        };
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| {
            Error::format(format!("{} is damaged ({e})", file.display()), "remove it")
        })?;
        let values = |name: &str| -> Option<Vec<f32>> {
            let bytes = tensors.tensor(name).ok()?.data().as_chunks::<4>().0;
            Some(bytes.iter().map(|b| f32::from_le_bytes(*b)).collect())
        };
        Ok((|| {
            let scales = values("token_scale")?;
            let token_scale: Vec<_> = scales.as_chunks().0.iter().map(|[m, d]| (*m, *d)).collect();
            let embeddings = values("embeddings")?;
            Some(Self {
                count,
                latents: values("latents")?,
                embedding_scale: channel_scales(&embeddings, token_scale.len()),
                embeddings,
                tokens: values("tokens")?,
                scaling_factor,
                token_scale,
            })
        })())
    }

    fn write(&self, file: &Path, origin: &str) -> Result<()> {
        let view = |values: &'_ [f32]| -> Result<(Vec<usize>, Vec<u8>)> {
            let each = values.len() / self.count.max(1);
            Ok((
                vec![self.count, each],
                bytemuck::cast_slice(values).to_vec(),
            ))
        };
        let scale: Vec<f32> = self
            .token_scale
            .iter()
            .flat_map(|(m, d)| [*m, *d])
            .collect();
        let scale_shape = vec![scale.len()];
        let parts = [
            (
                "token_scale",
                (scale_shape, bytemuck::cast_slice(&scale).to_vec()),
            ),
            ("latents", view(&self.latents)?),
            ("embeddings", view(&self.embeddings)?),
            ("tokens", view(&self.tokens)?),
        ];
        let failed = |e| Error::internal(format!("a pool cannot be written ({e})"));
        let views = parts.iter().map(|(name, (shape, bytes))| {
            Ok((*name, TensorView::new(Dtype::F32, shape.clone(), bytes)?))
        });
        let views = views
            .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(failed)?;
        let notes = HashMap::from([
            ("origin".to_string(), origin.to_string()),
            (
                "scaling_factor".to_string(),
                self.scaling_factor.to_string(),
            ),
        ]);
        let bytes = safetensors::serialize(views, Some(notes)).map_err(failed)?;
        crate::files::write_file(file, &bytes)
    }

    /// Item `index` of a table with `self.count` rows.
    pub fn row<'a>(&self, table: &'a [f32], index: usize) -> &'a [f32] {
        let each = table.len() / self.count.max(1);
        &table[index * each..(index + 1) * each]
    }
}

/// Mean and deviation of every channel of rows of `width` values.
fn channel_scales(values: &[f32], width: usize) -> Vec<(f32, f32)> {
    let rows = (values.len() / width).max(1) as f64;
    let mut sums = vec![(0.0, 0.0); width];
    for row in values.chunks(width) {
        for ((sum, squares), &x) in sums.iter_mut().zip(row) {
            *sum += f64::from(x);
            *squares += f64::from(x).powi(2);
        }
    }
    let scales = sums.into_iter().map(|(sum, squares)| {
        let mean = sum / rows;
        let variance = (squares / rows - mean.powi(2)).max(1e-12);
        (mean as f32, variance.sqrt() as f32)
    });
    scales.collect()
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
        let pieces = Encoded {
            latents: vec![1.0, -1.0],
            embeddings: vec![0.0, 10.0, 2.0, 30.0],
            // Two tokens of two channels each.
            tokens: vec![1.0, 0.0, 3.0, 0.0, 1.0, 4.0, 3.0, 4.0],
        };
        let language = [-1.0, -1.0, 0.0, -1.0, 0.0, 1.0, 1.0, 1.0].map(|x: f32| x * 2f32.sqrt());
        let pool = Pool::standardise(
            Encoded {
                latents: pieces.latents.clone(),
                embeddings: pieces.embeddings.clone(),
                tokens: pieces.tokens.clone(),
            },
            2,
            2,
        );
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close(&pool.language_of(&pieces), &language));
        assert!(close(&pool.language(1), &language[4..]));
    }

    #[test]
    fn shares_are_means_over_equal_parts() {
        assert_eq!(shares(4, 2), [0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5]);
        let uneven = shares(36, 8);
        for part in uneven.chunks(36) {
            assert!((part.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }
}
