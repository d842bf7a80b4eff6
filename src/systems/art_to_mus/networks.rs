//! Which networks a bundle must have, what they are configured to, and how much work they are.

use serde::{Deserialize, Serialize};

use super::{
    super::entries::{config, find, parse, planned, vocoder},
    names::{kind, stage},
    windows::Windows,
};
use crate::{
    Error, Result,
    audio::{SAMPLE_RATE, fbank, spectrogram::SpectrogramConfig},
    diffusion::{NoiseSchedule, ScheduleConfig},
    model::{
        aligner::{Aligner, AlignerConfig},
        clap::ClapText,
        clip::{ClipConfig, ClipVision},
        gpt2::{Gpt2, Gpt2Config},
        imagebind::{AudioConfig, AudioInput, AudioTrunk, VisionConfig, VisionTrunk},
        layers::Linear,
        params::{Params, Planned},
        projection::ProjectionModel,
        t5::T5Encoder,
        unet::{Unet, UnetConfig},
        vae::{VaeConfig, VaeDecoder, VaeEncoder},
        vocoder::VocoderConfig,
    },
    pipeline::StageWork,
    text::TextEncodersConfig,
    weights::{Constants, Manifest, StageEntry},
};

/// What turns a picture into an embedding.
#[derive(Debug, Clone, PartialEq)]
pub enum EncoderConfig {
    /// ImageBind.
    ImageBind(VisionConfig),
    /// CLIP.
    Clip(ClipConfig),
}

impl EncoderConfig {
    /// Side of the square picture in pixels.
    pub fn image_size(&self) -> usize {
        match self {
            Self::ImageBind(config) => config.image_size,
            Self::Clip(config) => config.image_size,
        }
    }

    fn flops(&self) -> u64 {
        match self {
            Self::ImageBind(config) => config.flops(),
            Self::Clip(config) => config.flops(),
        }
    }
}

/// The configurations of all networks of a bundle.
#[derive(Debug, Clone)]
pub struct Networks {
    /// Picture to embedding.
    pub encoder: EncoderConfig,
    /// Embedding to tokens.
    pub aligner: AlignerConfig,
    /// Tokens to the Language of Audio.
    pub gpt2: Gpt2Config,
    /// The denoiser.
    pub unet: UnetConfig,
    /// The noise schedule.
    pub schedule: NoiseSchedule,
    /// Latent to log-mel.
    pub vae: VaeConfig,
    /// Log-mel to sound.
    pub vocoder: VocoderConfig,
    /// Sound to embedding.
    pub ranking: Option<AudioConfig>,
    /// Texts to conditions.
    pub text: Option<TextEncodersConfig>,
    /// The bundle's own texts, where it names them.
    pub prompts: Option<Constants>,
    prompt_tokens: usize,
}

impl Networks {
    /// Reads the configurations from a manifest.
    pub fn from_manifest(manifest: &Manifest) -> Result<Self> {
        let encode = manifest.stage(stage::ENCODE)?;
        let encoder = match find(encode, kind::IMAGEBIND_VISION) {
            Some(entry) => EncoderConfig::ImageBind(parse(entry)?),
            None => EncoderConfig::Clip(config(encode, kind::CLIP_VISION)?),
        };
        let condition = manifest.stage(stage::CONDITION)?;
        let denoise = manifest.stage(stage::DENOISE)?;
        let schedule: ScheduleConfig = config(denoise, kind::SCHEDULER)?;
        let ranking = match manifest.find_stage(stage::RANK) {
            Some(rank) => Some(config(rank, kind::IMAGEBIND_AUDIO)?),
            None => None,
        };
        let text = match manifest.find_stage(stage::TEXT) {
            Some(text) => Some(TextEncodersConfig {
                clap: config(text, kind::CLAP_TEXT)?,
                t5: config(text, kind::T5)?,
                projection: config(text, kind::PROJECTION)?,
            }),
            None => None,
        };
        let states = format!("{}.prompt_states", kind::CONSTANTS);
        let states = condition.tensors.iter().find(|t| t.name == states);
        let networks = Self {
            encoder,
            aligner: config(condition, kind::ALIGNER)?,
            gpt2: config(condition, kind::GPT2)?,
            unet: config(denoise, kind::UNET)?,
            schedule: NoiseSchedule::new(&schedule)?,
            vae: config(manifest.stage(stage::DECODE)?, kind::VAE_DECODER)?,
            vocoder: vocoder(manifest.stage(stage::VOCODE)?)?,
            ranking,
            text,
            prompts: condition.constants.clone(),
            prompt_tokens: states.and_then(|t| t.shape.get(1).copied()).unwrap_or(0),
        };
        networks.check()?;
        check_constants(condition, &networks.gpt2, &networks.unet)?;
        Ok(networks)
    }

    /// The lengths that belong to `seconds` of music.
    pub fn lengths(&self, seconds: f64) -> Lengths {
        self.lengths_at(seconds, 1.0)
    }

    /// The lengths that belong to `seconds` of music which is played `pace` times as fast as it is made.
    pub fn lengths_at(&self, seconds: f64, pace: f64) -> Lengths {
        let samples = (seconds * self.vocoder.sampling_rate() as f64) as usize;
        let factor = self.vae.factor();
        let made = match pace {
            1.0 => samples,
            pace => (samples as f64 * pace).ceil() as usize,
        };
        // No less than was asked for, whatever a frame is.
        let frames = made.div_ceil(self.vocoder.hop()).next_multiple_of(factor);
        Lengths {
            samples,
            frames,
            rows: frames / factor,
            columns: self.vocoder.mel_bins() / factor,
        }
    }

    /// Floating-point operations of each stage of a generation, in order of use.
    pub fn work(&self, work: &Work) -> Result<Vec<StageWork>> {
        let lengths = self.lengths_at(work.seconds, work.pace);
        let batch = if work.guided { 2 } else { 1 };
        let (rows, columns) = (lengths.rows, lengths.columns);
        let audio = self.gpt2.max_new_tokens;
        let windows = self.windows(rows, work.window);
        let call = self
            .unet
            .flops(windows.rows(), columns, audio, self.prompt_tokens.max(1))?
            * windows.count() as u64;
        let candidates = work.candidates as u64;
        let stage_work = |stage, flops| StageWork {
            stage,
            flops,
            parts: 1,
        };
        let mut stages = Vec::new();
        if let Some(text) = self.text.as_ref().filter(|_| work.text) {
            stages.push(stage_work(stage::TEXT, text.flops(self.prompt_tokens)));
        }
        stages.extend([
            stage_work(stage::ENCODE, self.encoder.flops()),
            stage_work(stage::CONDITION, self.gpt2.flops(self.aligner.tokens)),
            StageWork {
                stage: stage::DENOISE,
                flops: candidates * batch * work.steps as u64 * call,
                parts: windows.count() * batch as usize,
            },
        ]);
        stages.extend(self.sound_work(&windows, work.candidates));
        if let Some(ranking) = self.ranking.as_ref().filter(|_| work.candidates > 1) {
            stages.push(stage_work(
                stage::RANK,
                candidates * ranking.flops(clips(ranking, lengths.frames)),
            ));
        }
        Ok(stages)
    }

    /// How latents of `rows` rows are denoised and decoded, where networks learnt `window` seconds: windows begin on a
    /// beat where the UNet knows beats.
    pub(super) fn windows(&self, rows: usize, window: Option<f64>) -> Windows {
        let learnt = window.map(|seconds| self.lengths(seconds).rows);
        Windows::new(rows, learnt, self.unet.beat().unwrap_or(1))
    }

    /// Floating-point operations from latents in `windows` to sound, `count` times.
    pub(super) fn sound_work(&self, windows: &Windows, count: usize) -> [StageWork; 2] {
        let factor = self.vae.factor();
        let columns = self.vocoder.mel_bins() / factor;
        let count = count as u64;
        [
            StageWork {
                stage: stage::DECODE,
                flops: count
                    * windows.count() as u64
                    * self.vae.decoder_flops(windows.rows(), columns),
                parts: windows.count(),
            },
            StageWork {
                stage: stage::VOCODE,
                flops: count * self.vocoder.flops(windows.total() * factor),
                parts: 2 * windows.count(),
            },
        ]
    }

    /// The spectrogram that the VAE gives and the vocoder takes.
    pub fn spectrogram(&self) -> SpectrogramConfig {
        self.vocoder.spectrogram()
    }

    /// The width of the picture's embedding.
    pub fn embedding_width(&self) -> usize {
        match &self.encoder {
            EncoderConfig::ImageBind(config) => config.embedding,
            EncoderConfig::Clip(config) => config.projection_dim,
        }
    }

    /// What is amiss with the vocoder's frames: those of HiFi-GAN are the published spectrogram's.
    fn frame_mismatch(&self) -> Option<String> {
        let published = SpectrogramConfig::audioldm();
        let (hop, rate) = (self.vocoder.hop(), self.vocoder.sampling_rate());
        let free = matches!(self.vocoder, VocoderConfig::Istft(_));
        let fits = rate == SAMPLE_RATE as usize && (free || hop == published.hop);
        (!fits).then(|| {
            format!(
                "the vocoder makes {hop} samples at {rate} Hz of a frame that has {} at {SAMPLE_RATE} Hz",
                published.hop
            )
        })
    }

    /// Whether the audio trunk takes what sounds become.
    fn fits(&self, trunk: &AudioConfig) -> bool {
        match trunk.input.is_published() {
            true => (trunk.mel_bins, trunk.frames) == (fbank::MEL_BINS, fbank::FRAMES),
            false => trunk.mel_bins == self.vocoder.mel_bins(),
        }
    }

    /// Networks must be possible, and fit each other.
    fn check(&self) -> Result<()> {
        match &self.encoder {
            EncoderConfig::ImageBind(config) => config.check()?,
            EncoderConfig::Clip(config) => config.check()?,
        }
        self.aligner.check()?;
        self.gpt2.check()?;
        self.unet.flops(8, 8, 1, 1)?;
        self.vae.check()?;
        self.vocoder.check()?;
        if let Some(ranking) = &self.ranking {
            ranking.check()?;
        }
        if let Some(text) = &self.text {
            text.check(self.gpt2.n_embd)?;
        }
        let embedding = self.embedding_width();
        let factor = self.vae.factor();
        let audio = self.unet.audio_widths()?;
        let frequencies = self.lengths(1.0).columns.div_ceil(self.unet.patch());
        let mismatch = if self.aligner.embedding != embedding {
            Some(format!(
                "the aligner takes {} numbers and the image encoder gives {embedding}",
                self.aligner.embedding
            ))
        } else if self.aligner.width != self.gpt2.n_embd {
            Some("the aligner's tokens do not have the width of the language model".into())
        } else if audio.iter().any(|width| *width != self.gpt2.n_embd) {
            Some("the UNet takes tokens of another width than the language model's".into())
        } else if self.unet.in_channels != self.vae.latent_channels {
            Some("the UNet and the VAE have different latents".into())
        } else if !self.vocoder.mel_bins().is_multiple_of(factor) {
            Some("the vocoder's bands do not fit the VAE".into())
        } else if let Some(what) = self.frame_mismatch() {
            Some(what)
        } else if self.aligner.tokens + self.gpt2.max_new_tokens > self.gpt2.n_positions + 1 {
            Some("the aligner gives more tokens than the language model takes".into())
        } else if self
            .unet
            .frequency_embedding
            .is_some_and(|columns| columns != frequencies)
        {
            Some("the UNet and the VAE have different numbers of frequencies".into())
        } else if let Some(text) = &self.text
            && self
                .unet
                .text_widths()?
                .iter()
                .any(|width| *width != text.t5.d_model)
        {
            Some("the UNet takes states of another width than the text encoder's".into())
        } else if self.ranking.as_ref().is_some_and(|trunk| !self.fits(trunk)) {
            Some("the audio trunk takes other clips than sounds become".into())
        } else {
            None
        };
        match mismatch {
            None => Ok(()),
            Some(what) => Err(Error::format(what, "convert parts that belong together")),
        }
    }
}

/// Clips that the audio trunk takes of a piece of `frames` frames.
fn clips(ranking: &AudioConfig, frames: usize) -> usize {
    match ranking.input {
        AudioInput::Filterbanks => fbank::CLIPS,
        AudioInput::Spectrogram { .. } => (frames / ranking.frames.max(1)).max(1),
    }
}

/// The tensors that the networks of `stage` need, by the names that the bundle gives them.
/// Networks of a kind that this program does not know are left out.
pub fn needed_tensors(stage: &StageEntry) -> Result<Vec<Planned>> {
    planned(stage, |network, p| {
        match network.kind.as_str() {
            kind::IMAGEBIND_VISION => drop(VisionTrunk::load(p, &parse(network)?)?),
            kind::CLIP_VISION => drop(ClipVision::load(p, &parse(network)?)?),
            kind::ALIGNER => drop(Aligner::load(p, &parse(network)?)?),
            kind::GPT2 => drop(Gpt2::load(p, &parse(network)?)?),
            kind::UNET => drop(Unet::load(p, &parse(network)?)?),
            kind::VAE_DECODER => drop(VaeDecoder::load(p, &parse(network)?)?),
            kind::AUDIO_PROJECTION => {
                drop(parse::<AudioProjectionConfig>(network)?.load(p)?);
            }
            kind::VAE_ENCODER => drop(VaeEncoder::load(p, &parse(network)?)?),
            kind::IMAGEBIND_AUDIO => drop(AudioTrunk::load(p, &parse(network)?)?),
            kind::CLAP_TEXT => drop(ClapText::load(p, &parse(network)?)?),
            kind::T5 => drop(T5Encoder::load(p, &parse(network)?)?),
            kind::PROJECTION => drop(ProjectionModel::load(p, &parse(network)?)?),
            _ => {}
        }
        Ok(())
    })
}

/// Mean and scale of the log-mel values that a VAE's encoder takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MelScale {
    /// Subtracted first.
    pub mean: f64,
    /// Divided by then.
    pub scale: f64,
}

/// The layer that makes a language model's prefix of an audio embedding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AudioProjectionConfig {
    /// Width of the audio embedding.
    pub embedding: usize,
    /// Tokens of the prefix.
    pub tokens: usize,
    /// Width of a token.
    pub width: usize,
}

impl AudioProjectionConfig {
    fn load<B: crate::ops::Kernels>(&self, p: &Params<B>) -> Result<Linear<B>> {
        Linear::load(
            &p.at("projection"),
            self.embedding,
            self.tokens * self.width,
        )
    }
}

/// The constants of the fixed prompts must be there, in shapes that fit the networks.
fn check_constants(condition: &StageEntry, gpt2: &Gpt2Config, unet: &UnetConfig) -> Result<()> {
    let shape = |name: &str| -> Result<&[usize]> {
        let full = format!("{}.{name}", kind::CONSTANTS);
        let found = condition.tensors.iter().find(|tensor| tensor.name == full);
        found.map(|tensor| tensor.shape.as_slice()).ok_or_else(|| {
            let message = format!("the constant {name} of the bundle is missing");
            Error::format(message, "convert the checkpoint again")
        })
    };
    let states = shape("prompt_states")?;
    let fits = states.len() == 3
        && states[0] == 1
        && unet.text_widths()?.iter().all(|width| *width == states[2])
        && shape("negative_states")? == states
        && shape("prompt_mask")? == &states[..2]
        && shape("negative_mask")? == &states[..2]
        && shape("negative_tokens")? == [1, gpt2.max_new_tokens, gpt2.n_embd];
    if fits {
        return Ok(());
    }
    Err(Error::format(
        "the constants of the bundle do not fit its networks",
        "convert the checkpoint again",
    ))
}

/// What a generation asks for, as far as its cost depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Length of the music.
    pub seconds: f64,
    /// How many times as fast it is played as it is made.
    pub pace: f64,
    /// Denoising steps.
    pub steps: usize,
    /// Whether the UNet runs on a batch of two.
    pub guided: bool,
    /// Pieces to make.
    pub candidates: usize,
    /// Whether texts have to be encoded.
    pub text: bool,
    /// Seconds that are denoised at once, if not all.
    pub window: Option<f64>,
}

/// Lengths at every stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// Samples of the result.
    pub samples: usize,
    /// Frames of the log-mel spectrogram.
    pub frames: usize,
    /// Rows of the latent (time).
    pub rows: usize,
    /// Columns of the latent (mel).
    pub columns: usize,
}
