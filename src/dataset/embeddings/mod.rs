//! Embeddings of pictures, tracks and captions, by name.
//!
//! They are kept as safetensors, one tensor of `[width]` an item, which is how ArtSound's authors publish theirs. What
//! [`EmbeddingFolder`] makes is a folder of such files with an index, in the form that Hugging Face's libraries read.

mod encoder;
mod write;

use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
};

pub use encoder::{EmbeddedItems, EmbeddingNetwork, Preparation, Prepared};
pub use write::{EmbeddingFolder, Finished, Recipe, Shard};

use crate::{Error, Result};

/// Folders that the authors' names begin with: what stands behind them names the file.
const PUBLISHED_FOLDERS: [&str; 2] = ["imagesf2/", "fma_large/"];

/// Vectors of one length, by the name of what they belong to, in the order of names.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    names: Vec<String>,
    width: usize,
    /// `[names, width]`.
    values: Vec<f32>,
}

impl Embeddings {
    /// From `values [names, width]`; fails if the names are not in ascending order, the values no whole vectors, or some of
    /// them no numbers.
    pub fn new(names: Vec<String>, values: Vec<f32>) -> Result<Self> {
        let width = values.len() / names.len().max(1);
        if names.is_empty() || width == 0 || width * names.len() != values.len() {
            return Err(Error::input(
                format!(
                    "{} numbers are no embeddings of {} items",
                    values.len(),
                    names.len()
                ),
                "give a vector of the same length for each",
            ));
        }
        if !names.is_sorted() {
            return Err(Error::input(
                "the names of embeddings are not in order",
                "sort them",
            ));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::input(
                format!(
                    "the embedding of {} has values that are not numbers",
                    names[at / width]
                ),
                "make it again",
            ));
        }
        Ok(Self {
            names,
            width,
            values,
        })
    }

    /// Reads a safetensors file of vectors, or a folder with an index as [`EmbeddingFolder`] makes it.
    ///
    /// Vectors are `[width]` or `[1, width]`, as f32, f16 or bf16. Folders that the published names begin with are left out.
    pub fn open(path: &Path) -> Result<Self> {
        let files = match path.is_dir() {
            true => indexed_files(path)?,
            false => vec![path.to_path_buf()],
        };
        let mut vectors: BTreeMap<String, Vec<f32>> = BTreeMap::new();
        let mut width = None;
        for file in files {
            for (name, vector) in read_vectors(&file)? {
                let wrong = |what: String| {
                    Error::format(
                        format!("{what} in {}", file.display()),
                        "give embeddings of one model, one tensor an item",
                    )
                };
                if *width.get_or_insert(vector.len()) != vector.len() {
                    return Err(wrong(format!(
                        "{name} has {} numbers where others have {}",
                        vector.len(),
                        width.unwrap_or(0)
                    )));
                }
                let own = own_name(&name).to_string();
                if vectors.insert(own, vector).is_some() {
                    return Err(wrong(format!("{name} is there twice")));
                }
            }
        }
        if vectors.is_empty() {
            return Err(Error::format(
                format!("{} holds no embeddings", path.display()),
                "give a file of art2mus dataset embed, or the authors' images.safetensors and audios.safetensors",
            ));
        }
        let mut names = Vec::with_capacity(vectors.len());
        let mut values = Vec::with_capacity(vectors.len() * width.unwrap_or(0));
        for (name, vector) in vectors {
            names.push(name);
            values.extend(vector);
        }
        Self::new(names, values)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none, which never is.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Numbers of a vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The names, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The vector of `name`.
    pub fn get(&self, name: &str) -> Option<&[f32]> {
        let index = self
            .names
            .binary_search_by(|own| own.as_str().cmp(name))
            .ok()?;
        self.values.chunks_exact(self.width).nth(index)
    }

    /// All vectors divided by their length, `[names, width]`; fails if one is 0.
    pub fn unit_vectors(&self) -> Result<Vec<f32>> {
        let mut unit = Vec::with_capacity(self.values.len());
        for (vector, name) in self.values.chunks_exact(self.width).zip(&self.names) {
            let square: f64 = vector.iter().map(|x| f64::from(*x).powi(2)).sum();
            let length = square.sqrt();
            if length == 0.0 {
                return Err(Error::input(
                    format!("the embedding of {name} is 0"),
                    "make it again, or leave the item out",
                ));
            }
            unit.extend(vector.iter().map(|x| (f64::from(*x) / length) as f32));
        }
        Ok(unit)
    }
}

/// What a published name says without the folders of the machine that it was made on.
fn own_name(name: &str) -> &str {
    let behind = |folder: &str| name.find(folder).map(|at| &name[at + folder.len()..]);
    PUBLISHED_FOLDERS
        .into_iter()
        .find_map(behind)
        .unwrap_or(name)
}

/// The files that the index of `folder` names.
fn indexed_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let index = write::read_index(folder)?.ok_or_else(|| {
        Error::input(
            format!("{} has no finished embeddings", folder.display()),
            "finish art2mus dataset embed with every shard, or name a safetensors file",
        )
    })?;
    Ok(index.into_iter().map(|file| folder.join(file)).collect())
}

/// Names and vectors of a file.
fn read_vectors(path: &Path) -> Result<Vec<(String, Vec<f32>)>> {
    let failed = |e| Error::file("read", path, e);
    let file = File::open(path).map_err(failed)?;
    // SAFETY: as for every mapped file, another program that cuts it would end this one.
    let bytes = unsafe { Mmap::map(&file) }.map_err(failed)?;
    let wrong = |what: String| {
        Error::format(
            format!("{} is no file of embeddings ({what})", path.display()),
            "give safetensors with a vector an item",
        )
    };
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| wrong(e.to_string()))?;
    let vectors = tensors.iter().map(|(name, view)| {
        if view.shape().iter().filter(|size| **size != 1).count() > 1 {
            return Err(wrong(format!("{name} has the shape {:?}", view.shape())));
        }
        let data = view.data();
        let pairs = || data.as_chunks::<2>().0.iter();
        let values = match view.dtype() {
            Dtype::F32 => {
                let numbers = data.as_chunks::<4>().0.iter();
                numbers.map(|x| f32::from_le_bytes(*x)).collect()
            }
            Dtype::F16 => pairs().map(|x| f16::from_le_bytes(*x).to_f32()).collect(),
            Dtype::BF16 => pairs().map(|x| bf16::from_le_bytes(*x).to_f32()).collect(),
            other => return Err(wrong(format!("{name} is {other:?}"))),
        };
        Ok((name.to_string(), values))
    });
    vectors.collect()
}

#[cfg(test)]
mod tests;
