//! `art2mus dataset`: lists of pairs.

mod articaps;

use crate::Result;

/// What is done with lists of pairs.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Dataset {
    /// Match comments on paintings (ArtEmis) with described music (MusicCaps), for art2mus train --system art2music.
    Articaps(articaps::Arguments),
}

pub(super) fn run(command: &Dataset) -> Result<()> {
    match command {
        Dataset::Articaps(arguments) => articaps::run(arguments),
    }
}
