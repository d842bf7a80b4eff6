//! What training material is made from, as the command line says it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    Result,
    dataset::material::{Material, MaterialConfig},
    train::config::material,
};

#[derive(Debug, clap::Args)]
pub(super) struct MaterialArguments {
    /// A configuration whose table `material` is taken; the options below replace what it says.
    #[arg(long)]
    config: Option<PathBuf>,
    /// A folder of scores, MIDI or MusicXML; without one all music is composed here.
    #[arg(long)]
    scores: Option<PathBuf>,
    /// The instruments, an .sf2 file; when left out, those of Debian's package fluid-soundfont-gm.
    #[arg(long)]
    soundfont: Option<PathBuf>,
    /// A folder of paintings; without one all pictures are painted here.
    #[arg(long)]
    paintings: Option<PathBuf>,
    /// The share of music that is composed here although there are scores.
    #[arg(long, value_name = "SHARE")]
    composed: Option<f32>,
    /// The share of pictures that are painted here although there are paintings.
    #[arg(long, value_name = "SHARE")]
    painted: Option<f32>,
}

impl MaterialArguments {
    /// Opens the material; pieces are `seconds` long, or else what the configuration says.
    pub fn open(&self, seconds: Option<f64>) -> Result<Arc<Material>> {
        let mut config = match &self.config {
            Some(path) => material(path)?,
            None => MaterialConfig::default(),
        };
        let given = |own: &Option<PathBuf>| own.as_deref().map(Path::to_path_buf);
        config.scores = given(&self.scores).or(config.scores);
        config.soundfont = given(&self.soundfont).or(config.soundfont);
        config.paintings = given(&self.paintings).or(config.paintings);
        config.composed = self.composed.unwrap_or(config.composed);
        config.painted = self.painted.unwrap_or(config.painted);
        config.seconds = seconds.or(config.seconds);
        let opened = Material::open(&config, SECONDS)?;
        report_skipped(&opened);
        Ok(opened)
    }
}

/// Says which scores and paintings could not be read.
pub(super) fn report_skipped(material: &Material) {
    for (name, reason) in material.skipped() {
        eprintln!("{name} is left out: {reason}");
    }
}

/// The length of a piece that nothing else decides.
const SECONDS: f64 = 10.24;
