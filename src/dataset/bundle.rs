//! Frozen networks from a bundle: the only place of training and measuring that knows its stages.

use super::{FrozenNetworks, LatentEncoder, LoaTokens, Preprocessor, preprocess::MelRecipe};
use crate::{
    Error, Result,
    audio::partials::LowPartials,
    diffusion::NoiseSchedule,
    files::hex,
    model::{
        gpt2::Gpt2,
        imagebind::{AudioTrunk, SoundInput},
        layers::Linear,
        params::Params,
        trace::Trace,
        unet::Unet,
        vae::{VaeDecoder, VaeEncoder},
        vocoder::Vocoder,
    },
    ops::Kernels,
    systems::{
        art_to_mus::{
            AudioProjectionConfig, Defaults, Networks, PictureEncoder, TextConditions, check, kind,
            stage,
        },
        config as network_config, vocoder_kind,
    },
    tensors::read,
    weights::{Bundle, Manifest, StageWeights},
};
use burn::tensor::{Tensor, backend::Backend};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Which networks are to encode items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The picture encoder.
    pub pictures: bool,
    /// The VAE's encoder.
    pub latents: bool,
    /// The audio trunk.
    pub sounds: bool,
    /// What translates the music's embedding to LoA tokens; takes the audio trunk with it.
    pub tokens: bool,
}

/// The networks of a bundle, to be loaded part by part.
#[derive(Debug)]
pub struct BundleNetworks<'a> {
    bundle: &'a Bundle,
    networks: Networks,
    defaults: Defaults,
}

/// What turns conditions into latents: the networks that an aligner's gradient passes.
#[derive(Debug)]
pub struct DiffusionPrior<B: Backend> {
    /// The language model.
    pub gpt2: Gpt2<B>,
    /// The denoiser.
    pub unet: Unet<B>,
    /// How much noise there is when.
    pub schedule: NoiseSchedule,
    /// The fixed prompts.
    pub text: TextConditions,
    /// Channels, rows and columns of a latent.
    pub shape: [usize; 3],
}

/// What turns latents into sound.
#[derive(Debug)]
pub struct Decoder<B: Backend> {
    vae: VaeDecoder<B>,
    vocoder: Vocoder<B>,
    partials: Option<LowPartials>,
    scaling_factor: f64,
    /// Samples of a frame.
    hop: usize,
}

impl<'a> BundleNetworks<'a> {
    /// Reads the configurations of a bundle's networks.
    pub fn new(bundle: &'a Bundle) -> Result<Self> {
        let (networks, defaults) = check(bundle.manifest())?;
        Ok(Self {
            bundle,
            networks,
            defaults,
        })
    }

    /// Side of the square picture in pixels.
    pub fn image_size(&self) -> usize {
        self.networks.encoder.image_size()
    }

    /// Width of a picture's embedding.
    pub fn embedding(&self) -> usize {
        self.networks.embedding_width()
    }

    /// Width of a LoA token.
    pub fn token_width(&self) -> usize {
        self.networks.gpt2.n_embd
    }

    /// The configuration of the aligner.
    pub fn aligner(&self) -> &crate::model::aligner::AlignerConfig {
        &self.networks.aligner
    }

    /// Seconds of a piece.
    pub fn seconds(&self) -> f64 {
        self.defaults.seconds
    }

    /// The tonic of all music that the networks learnt, if it is one.
    pub fn tonic(&self) -> Option<u8> {
        self.defaults.tonic
    }

    /// Seconds of a beat in all music that the networks learnt, if they have one.
    pub fn pulse(&self) -> Option<f64> {
        self.defaults.pulse
    }

    /// Whether music can be translated to LoA tokens by way of its own embedding.
    pub fn can_translate(&self) -> bool {
        self.networks.ranking.is_some() && self.audio_projection().is_some()
    }

    /// What makes a prefix of the embedding of music, where the bundle has it.
    pub fn audio_projection(&self) -> Option<AudioProjectionConfig> {
        let training = self.bundle.manifest().find_stage(stage::TRAINING)?;
        network_config(training, kind::AUDIO_PROJECTION).ok()
    }

    fn load(&self, name: &str) -> Result<StageWeights> {
        pollster::block_on(self.bundle.load(name, &mut |_| ()))
    }

    /// Loads the networks that encode items.
    pub fn encoders<B: Kernels>(
        &self,
        wanted: Wanted,
        device: &B::Device,
    ) -> Result<FrozenNetworks<B>> {
        let networks = &self.networks;
        let training = self.bundle.manifest().find_stage(stage::TRAINING);
        let training = match (training, wanted.latents || wanted.tokens) {
            (None, true) => {
                return Err(Error::input(
                    "the bundle has no VAE encoder, which training and measuring need",
                    "convert the checkpoint with --training, or use a bundle that art2mus pretrain made",
                ));
            }
            (training, _) => training,
        };
        let mel_scale =
            training.and_then(|training| network_config(training, kind::MEL_SCALE).ok());
        // The small model's spectrograms are not normalised to one loudness.
        let recipe = match mel_scale {
            Some(_) => MelRecipe::Raw,
            None => MelRecipe::Normalised,
        };
        let frames = networks.lengths(self.seconds()).frames;
        let spectrogram = networks.spectrogram();
        let mut preprocessor = Preprocessor::new(frames, recipe, &spectrogram)?;
        preprocessor.image_size = wanted.pictures.then(|| self.image_size());
        preprocessor.mel = wanted.latents;
        if let Some(ranking) = networks
            .ranking
            .as_ref()
            .filter(|_| wanted.sounds || wanted.tokens)
        {
            preprocessor.clips = Some(SoundInput::new(ranking, &spectrogram)?);
        }
        let pictures = match wanted.pictures {
            true => Some(self.picture_encoder(device)?),
            false => None,
        };
        let latents = if wanted.latents {
            let weights = self.load(stage::TRAINING)?;
            let params = Params::<B>::new(&weights, device).at(kind::VAE_ENCODER);
            Some(LatentEncoder {
                encoder: VaeEncoder::load(&params, &networks.vae)?,
                mel_scale,
                scaling_factor: networks.vae.scaling_factor,
                deviations: true,
            })
        } else {
            None
        };
        Ok(FrozenNetworks {
            pictures,
            texts: None,
            mels: false,
            latents,
            sounds: match wanted.sounds || wanted.tokens {
                true => Some(self.audio_trunk(device)?),
                false => None,
            },
            tokens: match wanted.tokens {
                true => Some(self.translator(device)?),
                false => None,
            },
            preprocessor,
            device: device.clone(),
        })
    }

    fn picture_encoder<B: Kernels>(&self, device: &B::Device) -> Result<PictureEncoder<B>> {
        let weights = self.load(stage::ENCODE)?;
        let params = Params::new(&weights, device);
        PictureEncoder::load(&params, &self.networks.encoder)
    }

    fn audio_trunk<B: Kernels>(&self, device: &B::Device) -> Result<AudioTrunk<B>> {
        let Some(config) = &self.networks.ranking else {
            return Err(Error::input(
                "the bundle has no audio trunk, which measuring needs",
                "convert the checkpoint with ImageBind",
            ));
        };
        let weights = self.load(stage::RANK)?;
        AudioTrunk::load(
            &Params::new(&weights, device).at(kind::IMAGEBIND_AUDIO),
            config,
        )
    }

    /// The layer that makes GPT-2's prefix of the embedding of music.
    pub fn projection<B: Kernels>(&self, device: &B::Device) -> Result<Linear<B>> {
        let Some(prefix) = self.audio_projection().filter(|_| self.can_translate()) else {
            return Err(Error::input(
                "the bundle cannot translate music to the Language of Audio",
                "set the weights aligner.loss.tokens and aligner.loss.prefix to 0",
            ));
        };
        let training = self.load(stage::TRAINING)?;
        let projection = Params::new(&training, device).at(kind::AUDIO_PROJECTION);
        Linear::load(
            &projection.at("projection"),
            prefix.embedding,
            prefix.tokens * self.token_width(),
        )
    }

    fn translator<B: Kernels>(&self, device: &B::Device) -> Result<LoaTokens<B>> {
        let projection = self.projection(device)?;
        let condition = self.load(stage::CONDITION)?;
        let gpt2 = Params::new(&condition, device).at(kind::GPT2);
        Ok(LoaTokens::Translated {
            projection,
            gpt2: Gpt2::load(&gpt2, &self.networks.gpt2)?,
            width: self.token_width(),
        })
    }

    /// Tells the weights of the encoding networks from others, for the key of a cache: the SHA-256 of
    /// their shards.
    pub fn digests(&self, wanted: Wanted) -> Vec<String> {
        let manifest = self.bundle.manifest();
        let stages = [
            (stage::ENCODE, wanted.pictures),
            (stage::TRAINING, wanted.latents || wanted.tokens),
            (stage::RANK, wanted.sounds || wanted.tokens),
            (stage::CONDITION, wanted.tokens),
        ];
        let stages = stages.into_iter().filter(|(_, wanted)| *wanted);
        let stages = stages.filter_map(|(name, _)| manifest.find_stage(name));
        stages
            .flat_map(|stage| {
                let (range, _) = manifest.stage_shards(stage);
                manifest.shards[range]
                    .iter()
                    .map(|shard| shard.sha256.clone())
            })
            .collect()
    }

    /// The same of every stage, each by what a person calls it.
    pub fn stage_digests(&self) -> BTreeMap<String, String> {
        stage_digests(self.bundle.manifest(), |_| true)
    }

    /// Loads what turns conditions into latents.
    pub fn prior<B: Kernels>(&self, device: &B::Device) -> Result<DiffusionPrior<B>> {
        let networks = &self.networks;
        let condition = self.load(stage::CONDITION)?;
        let denoise = self.load(stage::DENOISE)?;
        let gpt2 = Params::new(&condition, device).at(kind::GPT2);
        let unet = Params::new(&denoise, device).at(kind::UNET);
        Ok(DiffusionPrior {
            gpt2: Gpt2::load(&gpt2, &networks.gpt2)?,
            unet: Unet::load(&unet, &networks.unet)?,
            schedule: networks.schedule.clone(),
            text: TextConditions::of_stage(&condition)?,
            shape: [
                networks.vae.latent_channels,
                networks.lengths(self.seconds()).rows,
                networks.lengths(self.seconds()).columns,
            ],
        })
    }

    /// Loads what turns latents into sound.
    pub fn decoder<B: Kernels>(&self, device: &B::Device) -> Result<Decoder<B>> {
        let networks = &self.networks;
        let decode = self.load(stage::DECODE)?;
        let vocode = self.load(stage::VOCODE)?;
        let vae = Params::new(&decode, device).at(kind::VAE_DECODER);
        let vocoder = Params::new(&vocode, device).at(vocoder_kind(&networks.vocoder));
        Ok(Decoder {
            vae: VaeDecoder::load(&vae, &networks.vae)?,
            vocoder: Vocoder::load(&vocoder, &networks.vocoder)?,
            partials: networks.vocoder.partials()?,
            scaling_factor: networks.vae.scaling_factor,
            hop: networks.vocoder.hop(),
        })
    }
}

/// What tells the weights and configurations of the `wanted` stages of a bundle from others, each by what a person calls
/// it.
pub fn stage_digests(
    manifest: &Manifest,
    wanted: impl Fn(&str) -> bool,
) -> BTreeMap<String, String> {
    let stages = manifest.stages.iter().filter(|stage| wanted(&stage.name));
    let stages = stages.map(|stage| {
        let mut digest = Sha256::new();
        for network in &stage.networks {
            digest.update(format!("{} {}\n", network.kind, network.config));
        }
        let (range, _) = manifest.stage_shards(stage);
        for shard in &manifest.shards[range] {
            digest.update(&shard.sha256);
        }
        let name = format!("the bundle's stage {}", stage.name);
        (name, hex(&digest.finalize()))
    });
    stages.collect()
}

impl<B: Kernels> Decoder<B> {
    /// Scaled latents `[1, channels, rows, columns]` to at most `samples` samples, in whole frames.
    pub fn sound(&self, latents: Tensor<B, 4>, samples: usize) -> Result<Vec<f32>> {
        let mel = self
            .vae
            .decode(latents / self.scaling_factor, &mut Trace::off());
        let mel: Tensor<B, 3> = mel.squeeze_dim(1);
        let wave = self.vocoder.forward(mel.clone(), &mut Trace::off());
        let mut wave = pollster::block_on(read(wave))?;
        if let Some(partials) = &self.partials {
            partials.replace(&pollster::block_on(read(mel))?, &mut wave);
        }
        wave.truncate(samples / self.hop * self.hop);
        Ok(wave)
    }
}
