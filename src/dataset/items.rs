//! Pictures with music, encoded by the frozen networks of a bundle: what an aligner learns from.

use burn::tensor::{Tensor, backend::Backend};
use std::path::{Path, PathBuf};

use super::synth::{Pair, Split};
use crate::{
    Error, Result,
    audio::{
        SAMPLE_RATE, decode, fbank,
        mel::{self, HOP, MEL_BINS, MelSpectrogram, fit},
    },
    image::{self, Picture},
    model::{
        clip::ClipVision,
        gpt2::Gpt2,
        imagebind::{AudioTrunk, VisionTrunk},
        layers::Linear,
        params::Params,
        trace::Trace,
        vae::VaeEncoder,
    },
    ops::Kernels,
    systems::art_to_mus::{
        AudioProjectionConfig, Defaults, EncoderConfig, MelScale, Networks,
        config as network_config, kind, stage,
    },
    tensors::{read, tensor},
    weights::Bundle,
};

/// Where pictures with music come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Made on the fly.
    Synthetic(Split),
    /// Files.
    Files(Vec<(PathBuf, PathBuf)>),
}

/// Seconds of a track that training takes, as in the paper.
const EXCERPT: [f64; 2] = [10.0, 20.0];

impl Source {
    /// Reads a list of pairs: JSON lines with the paths `picture` and `music`, relative to the list.
    pub fn read(path: &Path) -> Result<Self> {
        #[derive(serde::Deserialize)]
        struct Line {
            picture: PathBuf,
            music: PathBuf,
        }
        let text = std::fs::read_to_string(path).map_err(|e| Error::file("read", path, e))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let pairs = lines.enumerate().map(|(i, line)| {
            let line: Line = serde_json::from_str(line).map_err(|e| {
                let what = format!("line {} of {} is no pair ({e})", i + 1, path.display());
                Error::format(
                    what,
                    "write {\"picture\": \"a.jpg\", \"music\": \"a.wav\"} a line",
                )
            })?;
            Ok((folder.join(line.picture), folder.join(line.music)))
        });
        let pairs = pairs.collect::<Result<Vec<_>>>()?;
        if pairs.is_empty() {
            let what = format!("{} has no pairs", path.display());
            return Err(Error::input(what, "write one pair a line"));
        }
        Ok(Self::Files(pairs))
    }

    /// The picture and the music (mono, 16 kHz) of item `index`; lists begin again at their end.
    fn item(&self, index: usize, seconds: f64, size: usize) -> Result<(Picture, Vec<f32>)> {
        match self {
            Self::Synthetic(split) => {
                let pair = Pair::draw(*split, index as u64);
                let painted = pair.paint(size as u32).into_raw();
                Ok((
                    Picture::from_rgb(painted, size, size)?,
                    pair.compose(seconds),
                ))
            }
            Self::Files(pairs) => {
                let (picture, music) = &pairs[index % pairs.len()];
                let open =
                    |path: &Path| std::fs::read(path).map_err(|e| Error::file("read", path, e));
                let picture = image::decode(&open(picture)?)?;
                let track = decode::decode(&open(music)?)?.resampled()?;
                Ok((picture, track))
            }
        }
    }
}

/// What frozen networks make of items.
#[derive(Debug, Default, Clone)]
pub struct Items {
    /// Picture embeddings.
    pub embeddings: Vec<f32>,
    /// Means of latents, times the scaling factor.
    pub means: Vec<f32>,
    /// Deviations of latents, times the scaling factor.
    pub deviations: Vec<f32>,
    /// GPT-2's translation of the music's own embedding; empty when it is not needed.
    pub tokens: Vec<f32>,
}

impl Items {
    /// The items one by one.
    pub fn split(self, count: usize) -> Vec<Self> {
        let part = |values: &[f32], i: usize| {
            let each = values.len() / count.max(1);
            values[i * each..(i + 1) * each].to_vec()
        };
        (0..count)
            .map(|i| Self {
                embeddings: part(&self.embeddings, i),
                means: part(&self.means, i),
                deviations: part(&self.deviations, i),
                tokens: part(&self.tokens, i),
            })
            .collect()
    }
}

/// The picture encoder of a bundle.
pub enum PictureEncoder<B: Backend> {
    /// ImageBind.
    ImageBind(VisionTrunk<B>),
    /// CLIP.
    Clip(ClipVision<B>),
}

/// The frozen networks that make items.
pub struct ItemEncoder<B: Kernels> {
    source: Source,
    encoder: PictureEncoder<B>,
    image_size: usize,
    vae: VaeEncoder<B>,
    /// Present in the small model, whose spectrograms are not normalised to one loudness.
    mel_scale: Option<MelScale>,
    scaling_factor: f64,
    translator: Option<Translator<B>>,
    spectrogram: MelSpectrogram,
    seconds: f64,
    frames: usize,
    device: B::Device,
}

/// Music to the Language of Audio by way of the audio embedding.
struct Translator<B: Kernels> {
    trunk: AudioTrunk<B>,
    projection: Linear<B>,
    gpt2: Gpt2<B>,
    width: usize,
}

impl<B: Kernels> ItemEncoder<B> {
    /// Whether the networks of `bundle` can translate music to the Language of Audio.
    pub fn can_translate(bundle: &Bundle, networks: &Networks) -> bool {
        networks.ranking.is_some() && audio_projection(bundle).is_some()
    }

    /// Loads the networks from `bundle`; with `translate` also those that need the audio embedding.
    pub fn load(
        bundle: &Bundle,
        networks: &Networks,
        source: Source,
        translate: bool,
        device: &B::Device,
    ) -> Result<Self> {
        let manifest = bundle.manifest();
        let training = manifest.find_stage(stage::TRAINING).ok_or_else(|| {
            Error::input(
                "the bundle has no VAE encoder, which training and measuring need",
                "convert the checkpoint with --training, or use a bundle that art2mus pretrain made",
            )
        })?;
        let load = |name: &str| pollster::block_on(bundle.load(name, &mut |_| ()));
        let encode = load(stage::ENCODE)?;
        let params = Params::new(&encode, device);
        let encoder = match &networks.encoder {
            EncoderConfig::ImageBind(config) => PictureEncoder::ImageBind(VisionTrunk::load(
                &params.at(kind::IMAGEBIND_VISION),
                config,
            )?),
            EncoderConfig::Clip(config) => {
                PictureEncoder::Clip(ClipVision::load(&params.at(kind::CLIP_VISION), config)?)
            }
        };
        let weights = load(stage::TRAINING)?;
        let params = Params::<B>::new(&weights, device);
        let translator = if translate {
            let (Some(config), Some(prefix)) = (&networks.ranking, audio_projection(bundle)) else {
                return Err(Error::input(
                    "the bundle cannot translate music to the Language of Audio",
                    "set the weight aligner.loss.tokens to 0",
                ));
            };
            let rank = load(stage::RANK)?;
            let condition = load(stage::CONDITION)?;
            let rank = Params::new(&rank, device);
            let condition = Params::new(&condition, device);
            let width = networks.gpt2.n_embd;
            Some(Translator {
                trunk: AudioTrunk::load(&rank.at(kind::IMAGEBIND_AUDIO), config)?,
                projection: Linear::load(
                    &params.at(kind::AUDIO_PROJECTION).at("projection"),
                    config.embedding,
                    prefix.tokens * width,
                )?,
                gpt2: Gpt2::load(&condition.at(kind::GPT2), &networks.gpt2)?,
                width,
            })
        } else {
            None
        };
        let seconds = Defaults::from_manifest(manifest)?.seconds;
        Ok(Self {
            source,
            encoder,
            image_size: networks.encoder.image_size(),
            vae: VaeEncoder::load(&params.at(kind::VAE_ENCODER), &networks.vae)?,
            mel_scale: network_config(training, kind::MEL_SCALE).ok(),
            scaling_factor: networks.vae.scaling_factor,
            translator,
            spectrogram: MelSpectrogram::new(),
            seconds,
            frames: networks.lengths(seconds).frames,
            device: device.clone(),
        })
    }

    /// Rows and columns of log-mel values of one item.
    pub fn mel_shape(&self) -> [usize; 2] {
        [self.frames, MEL_BINS]
    }

    /// Log-mel values of a sound, as the VAE was trained on them.
    pub fn log_mel(&self, samples: &[f32]) -> Result<Vec<f32>> {
        if self.mel_scale.is_some() {
            let samples = fit(samples, self.frames * HOP);
            return Ok(fit(
                &self.spectrogram.compute(&samples)?,
                self.frames * MEL_BINS,
            ));
        }
        let track = mel::centre_and_normalise(samples);
        let excerpt = mel::excerpt(&track, SAMPLE_RATE, EXCERPT[0], EXCERPT[1]);
        self.spectrogram.training_item(excerpt, self.frames)
    }

    /// Embeddings of pictures, `[pictures, embedding]`.
    pub fn see(&self, pictures: &[Picture]) -> Tensor<B, 2> {
        let size = self.image_size;
        let pixels = pictures
            .iter()
            .flat_map(|picture| image::preprocess(picture, size))
            .collect();
        let pixels = tensor(pixels, [pictures.len(), 3, size, size], &self.device);
        match &self.encoder {
            PictureEncoder::ImageBind(trunk) => trunk.forward(pixels, &mut Trace::off()),
            PictureEncoder::Clip(tower) => tower.forward(pixels, &mut Trace::off()),
        }
    }

    /// Mean and deviation of latents, both times the scaling factor, of `count` spectrograms.
    pub fn encode(&self, mels: Vec<f32>, count: usize) -> [Tensor<B, 4>; 2] {
        let mel = tensor::<B, 4>(mels, [count, 1, self.frames, MEL_BINS], &self.device);
        let mel = match self.mel_scale {
            Some(scale) => (mel - scale.mean) / scale.scale,
            None => mel,
        };
        let moments = self.vae.encode(mel, &mut Trace::off());
        let deviation = (moments.log_variance * 0.5).exp();
        [moments.mean, deviation].map(|part| part * self.scaling_factor)
    }

    /// GPT-2's translation of a sound's own embedding, `[1, tokens, width]`; nothing when the networks
    /// for it were not loaded.
    pub fn translate(&self, samples: &[f32]) -> Result<Option<Tensor<B, 3>>> {
        let Some(translator) = &self.translator else {
            return Ok(None);
        };
        let clips = fbank::clips(samples, SAMPLE_RATE)?;
        translator.translate(clips, 1, &self.device).map(Some)
    }

    /// Encodes the items `indices`.
    pub fn items(&self, indices: &[usize]) -> Result<Items> {
        let (mut pictures, mut mels, mut clips) = (Vec::new(), Vec::new(), Vec::new());
        for &index in indices {
            let (picture, samples) = self.source.item(index, self.seconds, self.image_size)?;
            pictures.push(picture);
            mels.extend(self.log_mel(&samples)?);
            if self.translator.is_some() {
                clips.extend(fbank::clips(&samples, SAMPLE_RATE)?);
            }
        }
        let count = indices.len();
        let [means, deviations] = self.encode(mels, count);
        let tokens = match &self.translator {
            Some(translator) => host(translator.translate(clips, count, &self.device)?)?,
            None => Vec::new(),
        };
        Ok(Items {
            embeddings: host(self.see(&pictures))?,
            means: host(means)?,
            deviations: host(deviations)?,
            tokens,
        })
    }
}

impl<B: Kernels> Translator<B> {
    /// The Language of Audio of `count` sounds from their clips, `[count, tokens, width]`.
    fn translate(&self, clips: Vec<f32>, count: usize, device: &B::Device) -> Result<Tensor<B, 3>> {
        let shape = [count * fbank::CLIPS, 1, fbank::MEL_BINS, fbank::FRAMES];
        let clips = tensor(clips, shape, device);
        let heard = self.trunk.forward_with_tokens(clips, fbank::CLIPS, &mut Trace::off());
        let prefix = self.projection.forward(heard.embedding);
        let [_, length] = prefix.dims();
        let prefix = prefix.reshape([count, length / self.width, self.width]);
        self.gpt2.generate(prefix, None)
    }
}

/// What brings the audio embedding to GPT-2, when `bundle` has it.
fn audio_projection(bundle: &Bundle) -> Option<AudioProjectionConfig> {
    let training = bundle.manifest().find_stage(stage::TRAINING)?;
    network_config(training, kind::AUDIO_PROJECTION).ok()
}

fn host<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Result<Vec<f32>> {
    pollster::block_on(read(tensor))
}
