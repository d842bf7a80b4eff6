//! A folder of scores.

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Score, identities, midi, musicxml};
use crate::{Error, Result, dataset::Split};

/// The scores of a folder and of the folders in it.
#[derive(Debug)]
pub struct Library {
    /// The scores, in the order of their paths.
    pub scores: Vec<Score>,
    /// The path of each, from the folder on.
    pub names: Vec<String>,
    /// The split of each: all scores of a composer are in one.
    pub splits: Vec<Split>,
    /// Files that could not be read, and why.
    pub skipped: Vec<(String, String)>,
    /// Tells this library from others.
    pub fingerprint: String,
}

/// Reads one score: MIDI (`.mid`, `.midi`) or MusicXML (`.musicxml`, `.xml`, `.mxl`).
pub fn read_score(path: &Path) -> Result<Score> {
    let bytes = fs::read(path).map_err(|e| Error::file("read", path, e))?;
    match extension(path).as_str() {
        "mid" | "midi" => midi::parse(&bytes),
        "musicxml" | "xml" => musicxml::parse(&bytes),
        "mxl" => musicxml::parse_compressed(&bytes),
        other => Err(Error::input(
            format!("scores are not read from .{other} files"),
            "give .mid, .musicxml, .xml or .mxl",
        )),
    }
}

fn extension(path: &Path) -> String {
    let extension = path.extension().unwrap_or_default();
    extension.to_string_lossy().to_lowercase()
}

impl Library {
    /// Reads all scores beneath `folder`; those that cannot be read are listed in `skipped`.
    ///
    /// A score that does not name its composer takes the name of the folder that it lies in.
    pub fn open(folder: &Path) -> Result<Self> {
        let mut paths = Vec::new();
        collect(folder, &mut paths)?;
        paths.sort();
        let read: Vec<Result<Score>> = paths.par_iter().map(|path| read_score(path)).collect();
        let (mut scores, mut names, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
        let mut digest = Sha256::new();
        for (path, score) in paths.iter().zip(read) {
            let name = path.strip_prefix(folder).unwrap_or(path);
            let name = name.to_string_lossy().into_owned();
            match score {
                Ok(mut score) => {
                    if score.composer.is_empty() {
                        let parent = path.parent().and_then(Path::file_name);
                        score.composer = parent.unwrap_or_default().to_string_lossy().into_owned();
                    }
                    digest.update(format!("{name}\t{}\n", score.notes.len()));
                    scores.push(score);
                    names.push(name);
                }
                Err(error) => skipped.push((name, error.message().to_string())),
            }
        }
        if scores.is_empty() {
            let first = skipped
                .first()
                .map(|(name, reason)| format!("{name}: {reason}"));
            return Err(Error::input(
                format!(
                    "no scores can be read from {} ({})",
                    folder.display(),
                    first
                        .as_deref()
                        .unwrap_or("it has no .mid, .musicxml, .xml or .mxl files")
                ),
                "check material.scores",
            ));
        }
        let composers: Vec<String> = scores.iter().map(|score| score.composer.clone()).collect();
        let splits = identities(&composers)
            .into_iter()
            .zip(&names)
            .map(|(composer, name)| match composer.is_empty() {
                true => Split::of(name),
                false => Split::of(&composer),
            })
            .collect();
        Ok(Self {
            scores,
            names,
            splits,
            skipped,
            fingerprint: crate::files::hex(&digest.finalize()),
        })
    }
}

/// The files of scores beneath a folder.
fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |e| Error::file("read", folder, e);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if ["mid", "midi", "musicxml", "xml", "mxl"].contains(&extension(&path).as_str()) {
            found.push(path);
        }
    }
    Ok(())
}
