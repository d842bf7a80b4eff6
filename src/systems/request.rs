//! What a caller can ask any system for, and what comes back.

use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

use crate::{
    Error, Fault, Result, diffusion::SchedulerKind, image::Picture, pipeline::Timing,
    tensors::HostTensor,
};

/// Shortest and longest piece of any model in seconds.
pub const SECONDS: RangeInclusive<f64> = 0.1..=60.0;
/// The RMS, in dBFS, of the quietest and the loudest piece that can be asked for.
pub const LOUDNESS: RangeInclusive<f64> = -60.0..=-6.0;

/// The settings of a generation. Those that a caller leaves out, the model decides, or the picture; a result has all that
/// its system knows. A system refuses settings that it does not know.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct Settings {
    /// Length of the music in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Denoising steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// The sampler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<SchedulerKind>,
    /// Guidance scale; 1 or less is no guidance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance: Option<f64>,
    /// The seed of the noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, type = "number"))]
    pub seed: Option<u64>,
    /// Pieces to make, best first where they can be ranked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates: Option<usize>,
    /// Semitones that pieces are transposed by from the tonic that the networks learnt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transpose: Option<i32>,
    /// Beats a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tempo: Option<f64>,
    /// The RMS of the music in dBFS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loudness: Option<f64>,
    /// What the music should be beside the picture, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What the music should not be, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negative: Option<String>,
    /// What a person says of the picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Refuses a setting that was given and that the system does not know.
pub(super) fn refuse<T>(setting: &'static str, given: &Option<T>) -> Result<()> {
    match given {
        Some(_) => Err(Fault::NoSetting { setting }.into()),
        None => Ok(()),
    }
}

/// Refuses lengths outside of `range`.
pub(super) fn check_seconds(value: f64, range: &RangeInclusive<f64>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Fault::Seconds {
        value,
        least: *range.start(),
        most: *range.end(),
    }
    .into())
}

/// Refuses what no piece can be brought to.
pub(super) fn check_loudness(loudness: Option<f64>) -> Result<()> {
    let Some(value) = loudness.filter(|value| !LOUDNESS.contains(value)) else {
        return Ok(());
    };
    Err(Fault::Loudness {
        value,
        least: *LOUDNESS.start(),
        most: *LOUDNESS.end(),
    }
    .into())
}

/// The range of a setting, and what the model suggests.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SettingRange {
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// The value that the model suggests.
    pub default: f64,
}

impl SettingRange {
    /// From `min` to `max`, where the model suggests `default`.
    pub fn new(min: f64, max: f64, default: f64) -> Self {
        Self { min, max, default }
    }
}

/// The texts that count where a caller gives none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Prompts {
    /// What the music should be beside the picture.
    pub prompt: String,
    /// What the music should not be.
    pub negative: String,
}

/// What a model can be asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Abilities {
    /// Length of the music in seconds.
    pub seconds: SettingRange,
    /// Denoising steps, of a model that denoises.
    pub steps: Option<SettingRange>,
    /// Guidance scale, of a model that is guided.
    pub guidance: Option<SettingRange>,
    /// The sampler that a model suggests that has one.
    pub scheduler: Option<SchedulerKind>,
    /// Pieces of one generation.
    pub candidates: SettingRange,
    /// Whether a seed decides between many pieces; otherwise there is one of a picture.
    pub has_seed: bool,
    /// Whether several candidates can be ranked.
    pub has_ranking: bool,
    /// Whether a picture's embedding becomes Language-of-Audio tokens, which music can be made from.
    pub has_tokens: bool,
    /// Whether the music follows what a person says of the picture.
    pub takes_comment: bool,
    /// The model's own texts, where it takes others in their place.
    pub prompts: Option<Prompts>,
    /// Numbers of a picture's embedding.
    pub embedding_width: usize,
}

/// What music is made from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// A picture.
    Picture(&'a Picture),
    /// A picture's embedding, `[1, width]`, or a mixture of several.
    Embedding(&'a HostTensor),
    /// Language-of-Audio tokens, `[1, tokens, width]`, in place of what the language model makes of a picture.
    Tokens(&'a HostTensor),
}

impl<'a> From<&'a Picture> for Source<'a> {
    fn from(picture: &'a Picture) -> Self {
        Self::Picture(picture)
    }
}

/// Refuses an embedding that is not `[1, width]`.
pub(super) fn check_embedding(embedding: &HostTensor, width: usize) -> Result<()> {
    if embedding.shape == [1, width] {
        return Ok(());
    }
    Err(Error::input(
        format!(
            "an embedding of shape {:?} was given where [1, {width}] is needed",
            embedding.shape
        ),
        "give one that the same model made",
    ))
}

/// What one generation starts from, besides its source.
#[derive(Debug, Clone)]
pub struct Request {
    /// The settings. What they leave out is what the bundle suggests; the seed is 0 then.
    pub settings: Settings,
    /// Noise to use instead of the seed's, `[candidates, channels, rows, columns]`.
    pub latents: Option<HostTensor>,
    /// Whether to record the tensors of every stage.
    pub trace: bool,
}

impl Request {
    /// A request with these settings, of any system or of one, and nothing else.
    pub fn new(settings: impl Into<Settings>) -> Self {
        Self {
            settings: settings.into(),
            latents: None,
            trace: false,
        }
    }
}

/// How latents become sound, as the settings of a result tell it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Playing {
    /// Semitones.
    pub transpose: i32,
    /// Beats a minute; the model's own when left out.
    pub tempo: Option<f64>,
    /// RMS in dBFS; what the networks make of them when left out.
    pub loudness: Option<f64>,
}

/// One piece of music.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Samples in -1..1.
    pub samples: Vec<f32>,
    /// What it was decoded from, `[1, channels, rows, columns]`.
    pub latents: HostTensor,
    /// Which of the candidates this was.
    pub candidate: usize,
    /// Cosine similarity of picture and music in the encoder's space, when it was computed.
    pub score: Option<f32>,
}

/// What a generation gives.
#[derive(Debug, Clone)]
pub struct Output {
    /// The pieces, best first.
    pub pieces: Vec<Piece>,
    /// Samples per second.
    pub sample_rate: usize,
    /// The settings that were used.
    pub settings: Settings,
    /// The kernels that computed it.
    pub kernels: String,
    /// Time per stage.
    pub timings: Vec<Timing>,
    /// The recorded tensors, by name.
    pub trace: Vec<(String, HostTensor)>,
}

impl Output {
    /// What a WAV file should say about `piece`: RIFF INFO fields.
    pub fn metadata(&self, model: &str, piece: &Piece) -> Result<Vec<(&'static str, String)>> {
        let mut comment = serde_json::to_value(&self.settings)
            .map_err(|e| Error::internal(format!("the settings cannot be written ({e})")))?;
        comment["model"] = model.into();
        comment["kernels"] = self.kernels.as_str().into();
        comment["candidate"] = piece.candidate.into();
        if let Some(score) = piece.score {
            comment["score"] = score.into();
        }
        let name = match self.settings.seed {
            Some(seed) => format!("{model}, seed {seed}"),
            None => model.into(),
        };
        Ok(vec![
            ("INAM", name),
            (
                "ISFT",
                concat!("art2mus ", env!("CARGO_PKG_VERSION")).into(),
            ),
            ("ICMT", comment.to_string()),
        ])
    }
}
