//! What a caller can ask for.

use serde::{Deserialize, Serialize};

use super::{
    super::{
        self as systems,
        request::{check_loudness, check_seconds, refuse},
    },
    networks::Networks,
};
use crate::{Error, Fault, Result, weights::Manifest};

/// The paper's length of a piece in seconds.
const SECONDS: f64 = 10.0;

/// The settings that a bundle suggests: the defaults of its manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Length of the music in seconds.
    pub seconds: f64,
}

impl Defaults {
    /// The defaults of a manifest. Where it has none, ten seconds, or the longest piece that the networks make.
    pub fn from_manifest(manifest: &Manifest, networks: &Networks) -> Result<Self> {
        let Some(defaults) = &manifest.defaults else {
            return Ok(Self {
                seconds: SECONDS.min(*networks.seconds().end()),
            });
        };
        let defaults = Self::deserialize(defaults).map_err(|e| {
            Error::format(
                format!("the defaults of the bundle cannot be used ({e})"),
                "convert the checkpoint again",
            )
        })?;
        check_seconds(defaults.seconds, &networks.seconds())?;
        Ok(defaults)
    }
}

/// The settings of a generation of this system. One picture with one comment has one piece: nothing is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Length of the music in seconds.
    pub seconds: f64,
    /// What a person says of the picture; may be empty.
    pub comment: String,
    /// The RMS of the music in dBFS. When left out, the networks decide.
    pub loudness: Option<f64>,
}

impl Settings {
    /// What `asked` leaves out is what a bundle suggests, and no comment. Refuses what this system has not.
    pub fn complete(
        asked: &systems::Settings,
        defaults: &Defaults,
        networks: &Networks,
    ) -> Result<Self> {
        refuse("steps", &asked.steps)?;
        refuse("scheduler", &asked.scheduler)?;
        refuse("guidance", &asked.guidance)?;
        refuse("seed", &asked.seed)?;
        if let Some(value) = asked.candidates.filter(|count| *count != 1) {
            return Err(Fault::Candidates { value, most: 1 }.into());
        }
        if asked.transpose.is_some() {
            return Err(Fault::Untransposable {}.into());
        }
        if asked.tempo.is_some() {
            return Err(Fault::NoTempo {}.into());
        }
        if asked.prompt.is_some() || asked.negative.is_some() {
            return Err(Fault::NoTexts {}.into());
        }
        let settings = Self {
            seconds: asked.seconds.unwrap_or(defaults.seconds),
            comment: asked.comment.clone().unwrap_or_default(),
            loudness: asked.loudness,
        };
        check_seconds(settings.seconds, &networks.seconds())?;
        check_loudness(settings.loudness)?;
        Ok(settings)
    }
}

impl From<Settings> for systems::Settings {
    fn from(settings: Settings) -> Self {
        Self {
            seconds: Some(settings.seconds),
            loudness: settings.loudness,
            comment: Some(settings.comment),
            ..Self::default()
        }
    }
}
