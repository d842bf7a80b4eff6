//! `art2mus dataset`: lists of pairs, made and described as ArtSound's, or as ArtiCaps'.

mod articaps;
mod captions;
mod embed;
pub(super) mod imagebind;
mod pair;
mod split;
pub(super) mod stats;

use std::path::Path;

use crate::{
    Result,
    files::check_output,
    metrics::summary::{QUANTILES, Summary},
};

/// What is done with lists of pairs.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Dataset {
    /// Match comments on paintings (ArtEmis) with described music (MusicCaps), for art2mus train --system art2music.
    Articaps(articaps::Arguments),
    /// Score captions of pictures (ICScore) or of music (ACScore), and list those that are to be refined.
    Captions(captions::Arguments),
    /// Make embeddings of pictures, tracks or captions with ImageBind.
    Embed(embed::Arguments),
    /// Pair tracks with pictures, from the highest similarity down.
    Pair(pair::Arguments),
    /// Split a list of pairs so that every style is split alike.
    Split(split::Arguments),
    /// Tell what lists of pairs are like: similarities, styles, genres.
    Stats(stats::Arguments),
}

pub(super) fn run(command: &Dataset) -> Result<()> {
    match command {
        Dataset::Articaps(arguments) => articaps::run(arguments),
        Dataset::Captions(arguments) => captions::run(arguments),
        Dataset::Embed(arguments) => embed::run(arguments),
        Dataset::Pair(arguments) => pair::run(arguments),
        Dataset::Split(arguments) => split::run(arguments),
        Dataset::Stats(arguments) => stats::run(arguments),
    }
}

/// Makes `folder`, and finds out whether `files` can be written there.
pub(super) fn prepare_folder(folder: &Path, files: &[&str]) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| crate::Error::file("create", folder, e))?;
    files
        .iter()
        .try_for_each(|file| check_output(&folder.join(file), true))
}

/// What sets of numbers are like, as a table in Markdown: a row for each. The first two columns are called `names` and
/// `count`.
fn summary_table<'a>(
    [names, count]: [&str; 2],
    rows: impl IntoIterator<Item = (&'a str, &'a Summary)>,
) -> String {
    let quantiles = QUANTILES.map(|share| format!("{} %", share * 100.0));
    let mut text = format!(
        "| {names} | {count} | min | max | mean | deviation | {} |\n|---|{}\n",
        quantiles.join(" | "),
        "---|".repeat(5 + QUANTILES.len())
    );
    for (name, summary) in rows {
        let values = [summary.min, summary.max, summary.mean, summary.deviation];
        let values = values.iter().chain(&summary.quantiles);
        let values: Vec<String> = values.map(|value| format!("{value:.4}")).collect();
        text += &format!("| {name} | {} | {} |\n", summary.count, values.join(" | "));
    }
    text
}
