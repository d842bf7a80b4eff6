//! The table `[material]` of a configuration.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use crate::{Error, Result, systems::art_to_mus::PULSE};

/// What training material is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaterialConfig {
    /// A folder of scores: MIDI or MusicXML, in any folders inside. Without it all music is composed here.
    pub scores: Option<PathBuf>,
    /// An `.sf2` file; when left out, that of Debian's package `fluid-soundfont-gm`.
    pub soundfont: Option<PathBuf>,
    /// A folder of paintings. Without it all pictures are painted here.
    pub paintings: Option<PathBuf>,
    /// The share of music that is composed here although there are scores, 0 to 1.
    pub composed: f32,
    /// The share of pictures that are painted here although there are paintings, 0 to 1.
    pub painted: f32,
    /// The tonic of all music, 0 for C; when left out, pictures decide it.
    pub tonic: Option<u8>,
    /// Seconds of a beat, the same in all music; when left out, tempi differ.
    pub pulse: Option<f64>,
    /// The length of a piece in seconds; when left out, what the model makes.
    pub seconds: Option<f64>,
}

/// The shortest and the longest piece in seconds.
const SECONDS: [f64; 2] = [1.0, 60.0];

impl Default for MaterialConfig {
    fn default() -> Self {
        Self {
            scores: None,
            soundfont: None,
            paintings: None,
            composed: 0.25,
            painted: 0.5,
            tonic: None,
            pulse: None,
            seconds: None,
        }
    }
}

impl MaterialConfig {
    /// The same with paths that begin in `folder`, where they are relative.
    pub fn beneath(mut self, folder: &Path) -> Self {
        let paths = [&mut self.scores, &mut self.soundfont, &mut self.paintings];
        for path in paths.into_iter().flatten() {
            *path = folder.join(&path);
        }
        self
    }

    pub(super) fn check(&self, seconds: f64) -> Result<()> {
        for (name, share) in [("composed", self.composed), ("painted", self.painted)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::input(
                    format!("material.{name} cannot be {share}"),
                    "give a share from 0 to 1",
                ));
            }
        }
        if let Some(pulse) = self.pulse.filter(|pulse| !PULSE.contains(pulse)) {
            return Err(Error::input(
                format!("material.pulse cannot be {pulse} seconds"),
                format!(
                    "choose between {} and {} seconds for a beat",
                    PULSE.start(),
                    PULSE.end()
                ),
            ));
        }
        if !(SECONDS[0]..=SECONDS[1]).contains(&seconds) {
            return Err(Error::input(
                format!("a piece cannot be {seconds} seconds long"),
                format!("choose between {} and {} seconds", SECONDS[0], SECONDS[1]),
            ));
        }
        Ok(())
    }
}
