//! Training material: pictures, real or painted here, with music that follows them.
//!
//! ```text
//! painting ─ crop ┐                                    excerpt of a score ┐
//!                 ├ pixels ─ Statistics ─ Ranks ─ Wish ─┤                  ├ Performance ─ SoundFont ─ sound
//!        painter ─┘                                     └ composer ────────┘
//! ```
//!
//! [`Material`] opens the folders that a [`MaterialConfig`] names, and [`Rendered`] is the items of a
//! [`Split`] of it. No painter and no composer is in two splits. An item is a function of its split and its
//! number.

mod balance;
mod config;
mod painted;
mod paintings;
pub mod pair;
mod source;
#[cfg(test)]
pub(crate) mod tests;

use sha2::{Digest, Sha256};
use std::sync::{Arc, OnceLock};

use super::{
    Split,
    render::SoundFont,
    score::{Catalogue, Library, Mode},
};
use crate::{Error, Result};

pub use config::MaterialConfig;
pub use paintings::{Crop, Painting, Paintings};
pub use pair::{MusicFactors, Pair, PictureFactors};
pub use source::{Rendered, Subject};

/// Opened scores, paintings and instruments, shared by the sources of all splits.
#[derive(Debug)]
pub struct Material {
    config: MaterialConfig,
    seconds: f64,
    scores: Option<(Library, Catalogue)>,
    paintings: Option<Paintings>,
    /// Read when the first piece is rendered.
    font: OnceLock<Result<SoundFont>>,
}

impl Material {
    /// Opens what `config` names; pieces are `seconds` long unless it says otherwise.
    pub fn open(config: &MaterialConfig, seconds: f64) -> Result<Arc<Self>> {
        let seconds = config.seconds.unwrap_or(seconds);
        config.check(seconds)?;
        let scores = match &config.scores {
            Some(folder) => {
                let library = Library::open(folder)?;
                let catalogue = Catalogue::new(&library, seconds, config.pulse);
                Some((library, catalogue))
            }
            None => None,
        };
        let paintings = config
            .paintings
            .as_deref()
            .map(Paintings::open)
            .transpose()?;
        Ok(Arc::new(Self {
            config: config.clone(),
            seconds,
            scores,
            paintings,
            font: OnceLock::new(),
        }))
    }

    /// Fails if no music can be rendered for want of instruments.
    pub fn check_instruments(&self) -> Result<()> {
        self.font().map(drop)
    }

    fn font(&self) -> Result<&SoundFont> {
        let font = self
            .font
            .get_or_init(|| SoundFont::open(self.config.soundfont.as_deref()));
        font.as_ref()
            .map_err(|e| Error::new(e.kind(), e.message(), e.hint()))
    }

    /// The length of a piece in seconds.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// What there is for a split, in words.
    pub fn describe(&self, split: Split) -> String {
        let paintings = self
            .paintings
            .as_ref()
            .map_or(0, |paintings| paintings.count(split));
        let excerpts = self.scores.as_ref().map_or(0, |(_, catalogue)| {
            catalogue.count(split, Mode::Minor) + catalogue.count(split, Mode::Major)
        });
        format!("{paintings} paintings, {excerpts} excerpts of scores")
    }

    /// Files that could not be read, and why.
    pub fn skipped(&self) -> impl Iterator<Item = &(String, String)> {
        let scores = self.scores.iter().flat_map(|(library, _)| &library.skipped);
        let paintings = self
            .paintings
            .iter()
            .flat_map(|paintings| &paintings.skipped);
        scores.chain(paintings)
    }

    /// Tells this material from other, of which items differ.
    fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        let mut part = |text: &str| digest.update(format!("{text}\n"));
        let config = &self.config;
        part(&format!(
            "{} {} {} {:?}",
            self.seconds, config.composed, config.painted, config.tonic
        ));
        if let Some(pulse) = config.pulse {
            // The notes of a piece follow from its tempo, which edges decide.
            part(&format!("pulse {pulse}, tempo by edges"));
        }
        part(
            self.scores
                .as_ref()
                .map_or("", |(library, _)| &library.fingerprint),
        );
        part(
            self.paintings
                .as_ref()
                .map_or("", |paintings| &paintings.fingerprint),
        );
        // Without instruments there are no items.
        part(&self.font().map(SoundFont::fingerprint).unwrap_or_default());
        crate::files::hex(&digest.finalize())
    }
}
