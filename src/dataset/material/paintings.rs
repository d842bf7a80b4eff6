//! A folder of paintings with a table of who painted them.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use super::balance::weights;
use crate::{
    Error, Result,
    dataset::{Split, json_lines::read_picture, score::identities},
    image::{
        Picture, Region,
        statistics::{Ranks, Statistics},
    },
};

/// The table, and the paintings that are kept for a gallery.
const TABLE: &str = "paintings.json";
const GALLERY: &str = "gallery.json";
/// What stands for a painter whom nobody knows.
const UNKNOWN: &str = "unidentified";
/// The smallest part of a painting's shorter side that a crop has.
const SMALLEST: f64 = 0.6;

/// A painting.
#[derive(Debug, Clone)]
pub struct Painting {
    /// The file's name in the folder.
    pub file: String,
    /// Who painted it; empty where that is not known.
    pub artist: String,
    /// Its title.
    pub title: String,
    width: usize,
    height: usize,
    ranks: Ranks,
}

/// The part of a painting that becomes a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crop {
    /// The place of the painting in the folder's list.
    pub painting: usize,
    region: Region,
    mirrored: bool,
}

/// The paintings of a folder.
///
/// The folder's `paintings.json` is a list of objects with `file`, and where known `artist` and `title`;
/// without it every picture of the folder counts as by a painter of its own. Files that `gallery.json` names
/// belong to no split.
#[derive(Debug)]
pub struct Paintings {
    folder: PathBuf,
    /// All that could be read, in the order of their files.
    pub all: Vec<Painting>,
    /// Files that could not be read, and why.
    pub skipped: Vec<(String, String)>,
    /// Tells these paintings from others.
    pub fingerprint: String,
    /// The paintings of every split, each with the sum of the weights up to its own.
    splits: [Vec<(usize, f64)>; 4],
}

#[derive(Debug, Clone, Deserialize)]
struct Row {
    file: String,
    #[serde(default)]
    artist: String,
    #[serde(default)]
    title: String,
}

impl Paintings {
    /// Reads the table of `folder`, and measures every painting.
    pub fn open(folder: &Path) -> Result<Self> {
        let mut rows = match read_table(&folder.join(TABLE))? {
            Some(rows) => rows,
            None => list(folder)?,
        };
        rows.sort_by(|a, b| a.file.cmp(&b.file));
        rows.dedup_by(|a, b| a.file == b.file);
        let gallery = read_table(&folder.join(GALLERY))?.unwrap_or_default();
        let gallery: HashSet<String> = gallery.into_iter().map(|row| row.file).collect();
        let read: Vec<Result<Painting>> = rows.par_iter().map(|row| measure(folder, row)).collect();
        let (mut all, mut skipped) = (Vec::new(), Vec::new());
        let mut digest = Sha256::new();
        for (row, painting) in rows.iter().zip(read) {
            match painting {
                Ok(painting) => {
                    digest.update(format!("{} {:?}\n", painting.file, painting.ranks));
                    all.push(painting);
                }
                Err(error) => skipped.push((row.file.clone(), error.message().to_string())),
            }
        }
        let artists: Vec<String> = all.iter().map(|painting| painting.artist.clone()).collect();
        let mut splits: [Vec<usize>; 4] = Default::default();
        for (place, artist) in identities(&artists).into_iter().enumerate() {
            let file = &all[place].file;
            let nobody = artist.is_empty() || artist == UNKNOWN;
            let split = Split::of(if nobody { file } else { &artist });
            if !gallery.contains(file) {
                splits[split as usize].push(place);
            }
        }
        if all.is_empty() {
            let first = skipped
                .first()
                .map(|(file, reason)| format!("{file}: {reason}"));
            return Err(Error::input(
                format!(
                    "no paintings can be read from {} ({})",
                    folder.display(),
                    first.as_deref().unwrap_or("it has no pictures")
                ),
                "check material.paintings",
            ));
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            skipped,
            fingerprint: crate::files::hex(&digest.finalize()),
            splits: splits.map(|own| with_weights(&all, own)),
            all,
        })
    }

    /// How many paintings a split has.
    pub fn count(&self, split: Split) -> usize {
        self.splits[split as usize].len()
    }

    /// Draws a crop from a painting of `split`; nothing where it has none.
    ///
    /// Light and colourful paintings tend to be warm ones. Mode follows warmth, register lightness, loudness
    /// chroma, and each is to be heard by itself: so paintings are drawn with weights under which warmth is
    /// correlated with none of the others.
    pub fn draw(&self, split: Split, rng: &mut ChaCha8Rng) -> Option<Crop> {
        let own = &self.splits[split as usize];
        let total = own.last()?.1;
        let drawn = rng.random_range(0.0..total);
        let place = own.partition_point(|(_, until)| *until <= drawn);
        let (painting, _) = own[place.min(own.len() - 1)];
        Some(self.crop(painting, rng))
    }

    /// Random crops, so many from every painting of `split`.
    pub fn crops(&self, split: Split, each: usize, rng: &mut ChaCha8Rng) -> Vec<Crop> {
        let own = self.splits[split as usize].iter();
        let every = own.flat_map(|(painting, _)| std::iter::repeat_n(*painting, each));
        every.map(|painting| self.crop(painting, rng)).collect()
    }

    /// A square of a painting, as networks take it; every second one is mirrored.
    fn crop(&self, painting: usize, rng: &mut ChaCha8Rng) -> Crop {
        let Painting { width, height, .. } = self.all[painting];
        let side = width.min(height) as f64 * rng.random_range(SMALLEST..=1.0);
        let size = [side / width as f64, side / height as f64];
        let [x, y] = size.map(|size| (1.0 - size) * rng.random_range(0.0..=1.0));
        Crop {
            painting,
            region: Region {
                x,
                y,
                width: size[0],
                height: size[1],
            },
            mirrored: rng.random_range(0..2) == 1,
        }
    }

    /// The pixels of a crop.
    pub fn picture(&self, crop: &Crop) -> Result<Picture> {
        let path = self.folder.join(&self.all[crop.painting].file);
        let picture = read_picture(&path)?.crop(crop.region)?;
        if !crop.mirrored {
            return Ok(picture);
        }
        let (width, height) = (picture.width(), picture.height());
        let rows = picture.rgb().chunks_exact(3 * width);
        let mirrored = rows.flat_map(|row| row.chunks_exact(3).rev()).flatten();
        Picture::from_rgb(mirrored.copied().collect(), width, height)
    }
}

/// Some paintings with the sums of weights under which each of the four ranks is one half on average, and warmth
/// is correlated with none of the others.
fn with_weights(all: &[Painting], own: Vec<usize>) -> Vec<(usize, f64)> {
    let features: Vec<[f64; 7]> = own
        .iter()
        .map(|painting| {
            let ranks = &all[*painting].ranks;
            let ranks = [ranks.warmth, ranks.lightness, ranks.chroma, ranks.contrast];
            let [w, l, c, k] = ranks.map(|rank| 2.0 * f64::from(rank) - 1.0);
            [w, l, c, k, w * l, w * c, w * k]
        })
        .collect();
    let mut sum = 0.0;
    let sums = weights(&features).into_iter().map(|weight| {
        sum += weight;
        sum
    });
    own.into_iter().zip(sums).collect()
}

fn measure(folder: &Path, row: &Row) -> Result<Painting> {
    let picture = read_picture(&folder.join(&row.file))?;
    Ok(Painting {
        file: row.file.clone(),
        artist: row.artist.clone(),
        title: row.title.clone(),
        width: picture.width(),
        height: picture.height(),
        ranks: Statistics::measure(&picture).ranks(),
    })
}

/// The rows of a table, if there is one.
fn read_table(path: &Path) -> Result<Option<Vec<Row>>> {
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = fs::read(path).map_err(|e| Error::file("read", path, e))?;
    let rows = serde_json::from_slice(&bytes).map_err(|e| {
        Error::format(
            format!("{} is no table of paintings ({e})", path.display()),
            "give [{\"file\": \"a.jpg\", \"artist\": \"Name\"}]",
        )
    })?;
    Ok(Some(rows))
}

/// A row for every picture of a folder.
fn list(folder: &Path) -> Result<Vec<Row>> {
    let failed = |e| Error::file("read", folder, e);
    let mut rows = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let extension = path
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        if ["jpg", "jpeg", "png", "webp"].contains(&extension.as_str()) {
            rows.push(Row {
                file: path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                artist: String::new(),
                title: String::new(),
            });
        }
    }
    Ok(rows)
}
