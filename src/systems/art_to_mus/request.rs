//! What a caller can ask for, and what comes back.

use serde::{Deserialize, Serialize};

use super::{
    super::{
        self as systems, LOUDNESS, SECONDS,
        request::{check_loudness, check_seconds, refuse},
    },
    names::kind,
    networks::Work,
    transpose::SEMITONES,
};
use crate::{
    Error, Fault, Result,
    diffusion::SchedulerKind,
    model::gpt2::Gpt2,
    ops::Kernels,
    tensors::HostTensor,
    text::EncodedTexts,
    weights::{Manifest, StageWeights},
};

/// Most decibels that a bundle can raise or lower pieces by.
const MAX_GAIN: f64 = 40.0;
/// Shortest and longest beat of a bundle in seconds.
pub const PULSE: std::ops::RangeInclusive<f64> = 0.3..=1.0;
/// Largest guidance scale.
pub const MAX_GUIDANCE: f64 = 20.0;
/// Most denoising steps.
pub const MAX_STEPS: usize = 999;
/// Most pieces of one request.
pub const MAX_CANDIDATES: usize = 16;

/// The settings that a bundle suggests: the defaults of its manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Length of the music in seconds.
    pub seconds: f64,
    /// Denoising steps.
    pub steps: usize,
    /// The sampler.
    pub scheduler: SchedulerKind,
    /// Guidance scale.
    pub guidance: f64,
    /// What every piece is raised by, in dB, before a soft limiter: a small model's spectrograms are
    /// blurred, and blurred ones have less energy. 0 for published weights.
    #[serde(default)]
    pub gain: f64,
    /// Longer music is denoised in overlapping windows of so many seconds: what the networks learnt. When left out,
    /// all of it is denoised at once, as with published weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<f64>,
    /// The tonic of all music that the networks learnt, 0 for C: pieces are transposed from it. When left out, the
    /// networks know all keys, as published ones do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tonic: Option<u8>,
    /// Seconds of a beat in all music that the networks learnt: pieces are played at other tempi from it. When left
    /// out, the networks know many tempi, as published ones do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pulse: Option<f64>,
    /// The RMS, in dBFS, that pieces of the least and of the most colourful picture are brought to, in place of `gain`.
    /// When left out, pieces are as loud as the networks make them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loudness: Option<[f64; 2]>,
}

impl Default for Defaults {
    /// The paper's.
    fn default() -> Self {
        Self {
            seconds: 10.0,
            steps: 200,
            scheduler: SchedulerKind::Ddim,
            guidance: 3.5,
            gain: 0.0,
            window: None,
            tonic: None,
            pulse: None,
            loudness: None,
        }
    }
}

impl Defaults {
    /// The defaults of a manifest; those of the paper where it has none.
    pub fn from_manifest(manifest: &Manifest) -> Result<Self> {
        let Some(defaults) = &manifest.defaults else {
            return Ok(Self::default());
        };
        let defaults = Self::deserialize(defaults).map_err(|e| {
            Error::format(
                format!("the defaults of the bundle cannot be used ({e})"),
                "convert the checkpoint again",
            )
        })?;
        defaults.check()?;
        Ok(defaults)
    }

    /// Every number must be in its range.
    pub fn check(&self) -> Result<()> {
        Settings::from_defaults(self, 0).check()?;
        if let Some(window) = self
            .window
            .filter(|window| !(*window >= 1.0 && window.is_finite()))
        {
            return Err(Error::format(
                format!("the bundle wants windows of {window} seconds"),
                "give its manifest a window of one second or more",
            ));
        }
        if let Some(tonic) = self.tonic.filter(|tonic| *tonic > 11) {
            return Err(Error::format(
                format!("the bundle's tonic is {tonic}"),
                "give its manifest one from 0 (C) to 11 (B)",
            ));
        }
        if let Some(pulse) = self.pulse.filter(|pulse| !PULSE.contains(pulse)) {
            return Err(Error::format(
                format!("the bundle's beats last {pulse} seconds"),
                format!(
                    "give its manifest a pulse between {} and {}",
                    PULSE.start(),
                    PULSE.end()
                ),
            ));
        }
        if let Some([quiet, loud]) = self.loudness
            && !(quiet <= loud && LOUDNESS.contains(&quiet) && LOUDNESS.contains(&loud))
        {
            return Err(Error::format(
                format!("the bundle wants pieces of {quiet} to {loud} dBFS"),
                format!(
                    "give its manifest a loudness that rises between {} and {}",
                    LOUDNESS.start(),
                    LOUDNESS.end()
                ),
            ));
        }
        if (-MAX_GAIN..=MAX_GAIN).contains(&self.gain) {
            return Ok(());
        }
        Err(Error::format(
            format!("the bundle wants pieces raised by {} dB", self.gain),
            format!("give its manifest a gain between -{MAX_GAIN} and {MAX_GAIN}"),
        ))
    }
}

/// The settings of a generation of this system.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Length of the music in seconds.
    pub seconds: f64,
    /// Denoising steps.
    pub steps: usize,
    /// The sampler.
    pub scheduler: SchedulerKind,
    /// Guidance scale; 1 or less is no guidance.
    pub guidance: f64,
    /// The seed of the noise.
    pub seed: u64,
    /// Pieces to make, best first where they can be ranked.
    pub candidates: usize,
    /// Semitones that pieces are transposed by from the tonic that the networks learnt. When left out, the hue of
    /// the picture decides, where the model has one tonic.
    pub transpose: Option<i32>,
    /// Beats a minute. When left out, the edges of the picture decide, where the model's music has one pulse.
    pub tempo: Option<f64>,
    /// The RMS of the music in dBFS. When left out, the colours of the picture decide, where the bundle says how, or
    /// else the networks.
    pub loudness: Option<f64>,
    /// What the music should be beside the picture, in words. When left out, the bundle's own prompt counts; others
    /// need its stage `text`.
    pub prompt: Option<String>,
    /// What the music should not be, likewise.
    pub negative: Option<String>,
}

impl Settings {
    /// The settings that a bundle suggests.
    pub fn from_defaults(defaults: &Defaults, seed: u64) -> Self {
        Self {
            seconds: defaults.seconds,
            steps: defaults.steps,
            scheduler: defaults.scheduler,
            guidance: defaults.guidance,
            seed,
            candidates: 1,
            transpose: None,
            tempo: None,
            loudness: None,
            prompt: None,
            negative: None,
        }
    }

    /// What `asked` leaves out is what a bundle suggests, and the seed `drawn`.
    pub fn complete(asked: &systems::Settings, defaults: &Defaults, drawn: u64) -> Result<Self> {
        refuse("comment", &asked.comment)?;
        let suggested = Self::from_defaults(defaults, drawn);
        let settings = Self {
            seconds: asked.seconds.unwrap_or(suggested.seconds),
            steps: asked.steps.unwrap_or(suggested.steps),
            scheduler: asked.scheduler.unwrap_or(suggested.scheduler),
            guidance: asked.guidance.unwrap_or(suggested.guidance),
            seed: asked.seed.unwrap_or(suggested.seed),
            candidates: asked.candidates.unwrap_or(suggested.candidates),
            transpose: asked.transpose,
            tempo: asked.tempo,
            loudness: asked.loudness,
            prompt: asked.prompt.clone(),
            negative: asked.negative.clone(),
        };
        settings.check()?;
        Ok(settings)
    }

    /// Every number must be in its range.
    pub fn check(&self) -> Result<()> {
        check_seconds(self.seconds, &SECONDS)?;
        if !(1..=MAX_STEPS).contains(&self.steps) {
            return Err(Fault::Steps {
                value: self.steps,
                most: MAX_STEPS,
            }
            .into());
        }
        if !(0.0..=MAX_GUIDANCE).contains(&self.guidance) {
            return Err(Fault::Guidance {
                value: self.guidance,
                most: MAX_GUIDANCE,
            }
            .into());
        }
        if let Some(semitones) = self.transpose.filter(|n| !SEMITONES.contains(n)) {
            return Err(cannot_transpose(semitones.into()));
        }
        check_loudness(self.loudness)?;
        if !(1..=MAX_CANDIDATES).contains(&self.candidates) {
            return Err(Fault::Candidates {
                value: self.candidates,
                most: MAX_CANDIDATES,
            }
            .into());
        }
        Ok(())
    }

    /// Whether the UNet runs guided.
    pub fn guided(&self) -> bool {
        self.guidance > 1.0
    }

    /// How many times its own tempo a model plays, whose beats last `pulse` seconds: once where no tempo is asked for.
    pub fn pace(&self, pulse: Option<f64>) -> f64 {
        match (self.tempo, pulse) {
            (Some(tempo), Some(pulse)) => tempo * pulse / 60.0,
            _ => 1.0,
        }
    }

    /// The cost that these settings cause with a model of these defaults, where texts have to be encoded or not.
    pub fn work(&self, defaults: &Defaults, text: bool) -> Work {
        Work {
            text,
            seconds: self.seconds,
            pace: self.pace(defaults.pulse),
            steps: self.steps,
            guided: self.guided(),
            candidates: self.candidates,
            window: defaults.window,
        }
    }
}

impl From<Settings> for systems::Settings {
    fn from(settings: Settings) -> Self {
        Self {
            seconds: Some(settings.seconds),
            steps: Some(settings.steps),
            scheduler: Some(settings.scheduler),
            guidance: Some(settings.guidance),
            seed: Some(settings.seed),
            candidates: Some(settings.candidates),
            transpose: settings.transpose,
            tempo: settings.tempo,
            loudness: settings.loudness,
            prompt: settings.prompt,
            negative: settings.negative,
            comment: None,
        }
    }
}

/// The refusal to transpose by `value` semitones.
pub fn cannot_transpose(value: f64) -> Error {
    let (least, most) = (*SEMITONES.start(), *SEMITONES.end());
    Fault::Transpose { value, least, most }.into()
}

/// Which tokens count, from a mask of 1 or 0.
pub(super) fn booleans(mask: &HostTensor) -> Vec<bool> {
    mask.values.iter().map(|&value| value > 0.5).collect()
}

/// The conditions that come from texts.
#[derive(Debug, Clone, PartialEq)]
pub struct TextConditions {
    /// T5's states of the prompt, `[1, tokens, width]`.
    pub prompt_states: HostTensor,
    /// Which of them count, `[1, tokens]`, 1 or 0.
    pub prompt_mask: HostTensor,
    /// T5's states of the negative prompt, at the prompt's length.
    pub negative_states: HostTensor,
    /// Which of them count.
    pub negative_mask: HostTensor,
    /// The negative prompt in the Language of Audio, `[1, 8, width]`.
    pub negative_tokens: HostTensor,
}

impl TextConditions {
    /// The names under which a bundle holds them, with the tensors.
    pub fn named(&self) -> [(&'static str, &HostTensor); 5] {
        [
            ("prompt_states", &self.prompt_states),
            ("prompt_mask", &self.prompt_mask),
            ("negative_states", &self.negative_states),
            ("negative_mask", &self.negative_mask),
            ("negative_tokens", &self.negative_tokens),
        ]
    }

    /// The constants of the stage `condition` of a bundle.
    pub fn of_stage(weights: &StageWeights) -> Result<Self> {
        Self::read(|name| {
            let (shape, values) = weights.tensor(&format!("{}.{name}", kind::CONSTANTS))?;
            Ok(HostTensor { shape, values })
        })
    }

    /// Those of other texts, whose negative prompt `gpt2` translates.
    pub async fn of_texts<B: Kernels>(
        texts: &EncodedTexts,
        gpt2: &Gpt2<B>,
        device: &B::Device,
    ) -> Result<Self> {
        let EncodedTexts {
            prompt,
            negative,
            prefix,
        } = texts;
        let mask = vec![booleans(&prefix.mask)];
        let tokens = gpt2.generate(prefix.states.upload(device)?, Some(&mask))?;
        Ok(Self {
            prompt_states: prompt.states.clone(),
            prompt_mask: prompt.mask.clone(),
            negative_states: negative.states.clone(),
            negative_mask: negative.mask.clone(),
            negative_tokens: HostTensor::read(tokens).await?,
        })
    }

    /// Reads them by those names.
    pub fn read(mut get: impl FnMut(&str) -> Result<HostTensor>) -> Result<Self> {
        let conditions = Self {
            prompt_states: get("prompt_states")?,
            prompt_mask: get("prompt_mask")?,
            negative_states: get("negative_states")?,
            negative_mask: get("negative_mask")?,
            negative_tokens: get("negative_tokens")?,
        };
        let (states, mask) = (&conditions.prompt_states, &conditions.prompt_mask);
        let fits = states.shape.len() == 3
            && states.shape == conditions.negative_states.shape
            && mask.shape == states.shape[..2]
            && mask.shape == conditions.negative_mask.shape
            && conditions.negative_tokens.shape.len() == 3;
        if fits {
            return Ok(conditions);
        }
        Err(Error::format(
            "the constants of the bundle do not fit each other",
            "convert the checkpoint again",
        ))
    }
}
