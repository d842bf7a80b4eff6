//! `art2mus dataset pair`: tracks and pictures, from the highest similarity down.

use indicatif::ProgressBar;
use std::path::PathBuf;

use crate::{
    Error, Result,
    cli::print_line,
    dataset::{
        Embeddings,
        pairing::{ListedPair, pair, write_columns, write_lines},
    },
    files::check_output,
    metrics::summary::Summary,
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Embeddings of tracks, or of captions of tracks: a folder of art2mus dataset embed, or safetensors with a vector an
    /// item, such as the authors' audios.safetensors.
    #[arg(long)]
    tracks: PathBuf,
    /// Embeddings of pictures, or of captions of pictures; at least as many.
    #[arg(long)]
    pictures: PathBuf,
    /// Where the pairs go: .json is ArtSound's own form, .jsonl is a pair a line, which train --pairs reads. May be given
    /// for both.
    #[arg(short, long, required = true)]
    output: Vec<PathBuf>,
    /// The folder that pictures lie in, which is put in front of their names.
    #[arg(long)]
    picture_folder: Option<PathBuf>,
    /// The folder that tracks lie in, which is put in front of their names.
    #[arg(long)]
    music_folder: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    for path in &arguments.output {
        if is_lines(path).is_none() {
            return Err(Error::input(
                format!("{} says no form of pairs", path.display()),
                "name a file that ends in .json or .jsonl",
            ));
        }
        check_output(path, true)?;
    }
    let tracks = Embeddings::open(&arguments.tracks)?;
    let pictures = Embeddings::open(&arguments.pictures)?;
    let bar = ProgressBar::new(tracks.len() as u64);
    let found = pair(&tracks, &pictures, &|what, done, _| {
        bar.set_message(what.to_string());
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let similarities: Vec<f64> = found.iter().map(|pair| pair.similarity).collect();
    let within = |folder: &Option<PathBuf>, name: &String| match folder {
        Some(folder) => folder.join(name).to_string_lossy().into_owned(),
        None => name.clone(),
    };
    let pairs: Vec<ListedPair> = found
        .iter()
        .map(|pair| ListedPair {
            picture: within(&arguments.picture_folder, &pictures.names()[pair.picture]),
            music: within(&arguments.music_folder, &tracks.names()[pair.track]),
            similarity: Some(pair.similarity as f32),
        })
        .collect();
    for path in &arguments.output {
        match is_lines(path) {
            Some(true) => write_lines(path, &pairs)?,
            _ => write_columns(path, &pairs)?,
        }
    }
    let Some(summary) = Summary::of(&similarities) else {
        return Err(Error::internal("nothing was paired"));
    };
    print_line(&format!(
        "{} pairs, similarities {:.4} to {:.4}, mean {:.4}, deviation {:.4}",
        summary.count, summary.min, summary.max, summary.mean, summary.deviation
    ))
}

/// Whether a file is to have a pair a line; none for names that do not say it.
fn is_lines(path: &std::path::Path) -> Option<bool> {
    match path.extension()?.to_str()? {
        "jsonl" => Some(true),
        "json" => Some(false),
        _ => None,
    }
}
