//! Published checkpoints: safetensors and PyTorch files, read tensor by tensor.
//!
//! A [`Checkpoint`] shows the names that our networks ask for, whatever dialect the file is in:
//! [`names`] knows the dialects.

pub mod names;
mod safetensors;
mod torch;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use crate::{
    Error, Result,
    tensors::{Init, TensorSource},
};

/// A file that holds named tensors.
trait TensorFile {
    /// Names and shapes.
    fn shapes(&self) -> HashMap<String, Vec<usize>>;
    /// The elements of a tensor, whatever float type it is stored in.
    fn read(&self, name: &str) -> Result<Vec<f32>>;
}

/// Where the elements of a tensor that we ask for come from.
#[derive(Debug, Clone, PartialEq)]
pub enum View {
    /// A tensor as it is stored.
    Whole(String),
    /// Rows `start .. start + rows` of a tensor that is packed along its first dimension.
    Rows {
        /// The stored name.
        name: String,
        /// First row.
        start: usize,
        /// Number of rows.
        rows: usize,
    },
    /// A matrix that is stored transposed.
    Transposed(String),
    /// Weight norm, `g v / |v|`, the length taken over all dimensions but the first.
    WeightNorm {
        /// The stored name of the lengths.
        g: String,
        /// The stored name of the directions.
        v: String,
    },
}

/// The tensors of one network.
pub struct Checkpoint {
    files: Vec<Box<dyn TensorFile>>,
    /// For each stored name the file that holds it, and its shape.
    stored: HashMap<String, (usize, Vec<usize>)>,
    views: HashMap<String, View>,
    place: PathBuf,
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Checkpoint({}, {} tensors)",
            self.place.display(),
            self.stored.len()
        )
    }
}

/// Names of weight files in a folder, the best first.
const WEIGHT_FILES: [&str; 6] = [
    "diffusion_pytorch_model.safetensors",
    "model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "model.safetensors.index.json",
    "diffusion_pytorch_model.bin",
    "pytorch_model.bin",
];

impl Checkpoint {
    /// Opens a weight file, or the weight file of a folder.
    pub fn open(path: &Path) -> Result<Self> {
        let place = if path.is_dir() {
            let candidates = WEIGHT_FILES.iter().map(|name| path.join(name));
            candidates
                .into_iter()
                .find(|file| file.is_file())
                .ok_or_else(|| {
                    Error::input(
                        format!("{} has no weight file", path.display()),
                        format!("put one of {} there", WEIGHT_FILES.join(", ")),
                    )
                })?
        } else {
            path.to_path_buf()
        };
        let mut files: Vec<Box<dyn TensorFile>> = Vec::new();
        for file in parts(&place)? {
            files.push(if safetensors::looks_like(&file)? {
                Box::new(safetensors::SafetensorsFile::open(&file)?)
            } else {
                Box::new(torch::TorchFile::open(&file)?)
            });
        }
        let mut stored = HashMap::new();
        for (i, file) in files.iter().enumerate() {
            for (name, shape) in file.shapes() {
                stored.insert(name, (i, shape));
            }
        }
        let views = stored
            .keys()
            .map(|name| (name.clone(), View::Whole(name.clone())))
            .collect();
        Ok(Self {
            files,
            stored,
            views,
            place,
        })
    }

    /// Shows the tensors under other names: `dialect` gets names and shapes as they are stored.
    pub fn with_names(mut self, dialect: impl Fn(&str, &[usize]) -> Vec<(String, View)>) -> Self {
        self.views.clear();
        for (name, (_, shape)) in &self.stored {
            self.views.extend(dialect(name, shape));
        }
        names::fold_weight_norm(&mut self.views);
        self
    }

    /// The shape of the tensor that is shown as `name`.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let stored = |name: &str| self.stored.get(name).map(|(_, shape)| shape.clone());
        match self.views.get(name)? {
            View::Whole(name) => stored(name),
            View::Rows { name, rows, .. } => {
                let mut shape = stored(name)?;
                *shape.first_mut()? = *rows;
                Some(shape)
            }
            View::Transposed(name) => stored(name).map(|shape| shape.into_iter().rev().collect()),
            View::WeightNorm { v, .. } => stored(v),
        }
    }

    /// The names under which tensors are shown.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.views.keys().map(String::as_str)
    }

    /// The file that was opened.
    pub fn place(&self) -> &Path {
        &self.place
    }

    fn values(&self, name: &str) -> Result<Vec<f32>> {
        match self.views.get(name) {
            Some(View::Whole(name)) => self.read_stored(name),
            Some(View::Rows { name, start, rows }) => {
                let values = self.read_stored(name)?;
                let all = self.stored[name].1.first().copied().unwrap_or(1).max(1);
                let row = values.len() / all;
                Ok(values[start * row..(start + rows) * row].to_vec())
            }
            Some(View::Transposed(name)) => {
                let values = self.read_stored(name)?;
                let columns = self.stored[name].1.last().copied().unwrap_or(1).max(1);
                Ok((0..columns)
                    .flat_map(|column| values.iter().skip(column).step_by(columns).copied())
                    .collect())
            }
            Some(View::WeightNorm { g, v }) => {
                let lengths = self.read_stored(g)?;
                let mut values = self.read_stored(v)?;
                let row = values.len() / lengths.len().max(1);
                for (row, length) in values.chunks_exact_mut(row.max(1)).zip(lengths) {
                    let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
                    row.iter_mut().for_each(|x| *x *= length / norm);
                }
                Ok(values)
            }
            None => Err(Error::format(
                format!("{} has no tensor {name}", self.place.display()),
                "use a complete checkpoint of this network",
            )),
        }
    }

    fn read_stored(&self, name: &str) -> Result<Vec<f32>> {
        match self.stored.get(name) {
            Some((file, _)) => self.files[*file].read(name),
            None => Err(Error::format(
                format!("{} has no tensor {name}", self.place.display()),
                "use a complete checkpoint of this network",
            )),
        }
    }
}

impl TensorSource for Checkpoint {
    /// Shapes may differ in dimensions of size 1: a 1x1 convolution is also stored as a matrix.
    fn read(&self, name: &str, shape: &[usize], _init: Init) -> Result<Vec<f32>> {
        let plain =
            |shape: &[usize]| -> Vec<usize> { shape.iter().copied().filter(|&n| n != 1).collect() };
        match self.shape(name) {
            Some(found) if plain(&found) != plain(shape) => Err(Error::format(
                format!(
                    "tensor {name} of {} has shape {found:?} where {shape:?} is needed",
                    self.place.display()
                ),
                "use the config.json that belongs to the checkpoint",
            )),
            _ => self.values(name),
        }
    }
}

/// The files behind `path`: itself, or the parts that an index names.
fn parts(path: &Path) -> Result<Vec<PathBuf>> {
    if path.extension().is_none_or(|extension| extension != "json") {
        return Ok(vec![path.to_path_buf()]);
    }
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: HashMap<String, String>,
    }
    let text = std::fs::read(path).map_err(|e| Error::file("read", path, e))?;
    let index: Index = serde_json::from_slice(&text).map_err(|e| {
        Error::format(
            format!("{} is no index of safetensors files ({e})", path.display()),
            "get the file again",
        )
    })?;
    let mut files: Vec<String> = index.weight_map.into_values().collect();
    files.sort();
    files.dedup();
    if files
        .iter()
        .any(|file| file.contains(['/', '\\']) || file.starts_with('.'))
    {
        return Err(Error::format(
            format!("{} names files outside its folder", path.display()),
            "get the file again",
        ));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    Ok(files.into_iter().map(|file| folder.join(file)).collect())
}
