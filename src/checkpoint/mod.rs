//! Published checkpoints: safetensors and PyTorch files, read tensor by tensor.
//!
//! A [`Checkpoint`] shows the names that our networks ask for, whatever dialect the file is in:
//! [`names`] knows the dialects.

mod element;
pub mod names;
mod placeholder;
mod safetensors;
mod torch;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

pub use placeholder::placeholder;

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
    stored: HashMap<String, Stored>,
    views: HashMap<String, View>,
    place: PathBuf,
    /// Stored names that have been read.
    read: Mutex<HashSet<String>>,
}

/// A tensor in a file; what training tools put in front of its name is taken off.
struct Stored {
    file: usize,
    name: String,
    shape: Vec<usize>,
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

/// Names of weight files, without what says their kind; the first that is there is read.
const STEMS: [&str; 5] = [
    "diffusion_pytorch_model",
    "model",
    "pytorch_model",
    "open_clip_model",
    "open_clip_pytorch_model",
];

/// Kinds of weight files, the best first: safetensors before pickles, whole files before parts, full precision before
/// half.
const KINDS: [&str; 9] = [
    ".safetensors",
    ".safetensors.index.json",
    ".bin",
    ".bin.index.json",
    ".fp16.safetensors",
    ".safetensors.index.fp16.json",
    ".fp16.safetensors.index.json",
    ".fp16.bin",
    ".bin.index.fp16.json",
];

/// Weights of adapters, which change what a network does and are not applied here.
const ADAPTERS: [&str; 4] = [
    "pytorch_lora_weights.safetensors",
    "pytorch_lora_weights.bin",
    "adapter_model.safetensors",
    "adapter_model.bin",
];

/// What training tools put in front of all names.
const WRAPPERS: [&str; 4] = ["module.", "_orig_mod.", "model.", "_forward_module."];

impl Checkpoint {
    /// Opens a weight file, or the weight file of a folder.
    pub fn open(path: &Path) -> Result<Self> {
        let place = if path.is_dir() {
            weight_file(path)?
        } else {
            path.to_path_buf()
        };
        let mut files: Vec<Box<dyn TensorFile>> = Vec::new();
        let Parts { paths, index } = Parts::of(&place)?;
        for file in &paths {
            files.push(if safetensors::looks_like(file)? {
                Box::new(safetensors::SafetensorsFile::open(file)?)
            } else {
                Box::new(torch::TorchFile::open(file)?)
            });
        }
        let shapes: Vec<_> = files.iter().map(|file| file.shapes()).collect();
        let names = shapes.iter().flat_map(HashMap::keys).map(String::as_str);
        let wrapper = wrapper(names.collect());
        let mut stored = HashMap::new();
        for (file, shapes) in shapes.into_iter().enumerate() {
            for (name, shape) in shapes {
                if name.contains(".lora_") || name.contains(".lora.") {
                    return Err(Error::unsupported(
                        format!(
                            "{} holds a LoRA ({name}) that is not merged",
                            place.display()
                        ),
                        "merge it into the weights first, in diffusers with fuse_lora()",
                    ));
                }
                // A part may also hold what the index takes from another one.
                let meant = index.get(&name).map(|part| place.with_file_name(part));
                if meant.is_some_and(|meant| meant != paths[file]) {
                    continue;
                }
                let shown = name[wrapper..].to_string();
                let before = stored.insert(shown, Stored { file, name, shape });
                if let Some(Stored {
                    file: other, name, ..
                }) = before
                {
                    let [one, other] = [&paths[file], &paths[other]].map(|path| path.display());
                    return Err(Error::format(
                        format!(
                            "{one} and {other} both hold {name}, and no index says which counts"
                        ),
                        "get the files again, with their index",
                    ));
                }
            }
        }
        if stored.is_empty() {
            return Err(Error::format(
                format!("{} holds no tensors", place.display()),
                "use a complete checkpoint of this network",
            ));
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
            read: Mutex::default(),
        })
    }

    /// Shows the tensors under other names: `dialect` gets names and shapes as they are stored.
    pub fn with_names(mut self, dialect: impl Fn(&str, &[usize]) -> Vec<(String, View)>) -> Self {
        self.views.clear();
        for (name, Stored { shape, .. }) in &self.stored {
            self.views.extend(dialect(name, shape));
        }
        names::fold_weight_norm(&mut self.views);
        self
    }

    /// The shape of the tensor that is shown as `name`.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let stored = |name: &str| self.stored.get(name).map(|stored| stored.shape.clone());
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

    /// The stored tensors that nothing has read, in alphabetical order.
    pub fn unread(&self) -> BTreeSet<String> {
        let read = self.already_read();
        self.stored
            .keys()
            .filter(|name| !read.contains(*name))
            .cloned()
            .collect()
    }

    fn already_read(&self) -> MutexGuard<'_, HashSet<String>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn values(&self, name: &str) -> Result<Vec<f32>> {
        match self.views.get(name) {
            Some(View::Whole(name)) => self.read_stored(name),
            Some(View::Rows { name, start, rows }) => {
                let values = self.read_stored(name)?;
                let all = self.stored[name].shape.first().copied().unwrap_or(1).max(1);
                let row = values.len() / all;
                Ok(values[start * row..(start + rows) * row].to_vec())
            }
            Some(View::Transposed(name)) => {
                let values = self.read_stored(name)?;
                let columns = self.stored[name].shape.last().copied().unwrap_or(1).max(1);
                Ok((0..columns)
                    .flat_map(|column| values.iter().skip(column).step_by(columns).copied())
                    .collect())
            }
            Some(View::WeightNorm { g, v }) => {
                self.check_weight_norm(g, v)?;
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

    /// Whether `g` has a length for each row of `v`: weight norm along another dimension looks the same but for that.
    fn check_weight_norm(&self, g: &str, v: &str) -> Result<()> {
        let shape = |name: &str| self.stored.get(name).map(|stored| &stored.shape[..]);
        let (g_shape, v_shape) = (shape(g).unwrap_or_default(), shape(v).unwrap_or_default());
        let rows = g_shape
            .first()
            .is_some_and(|rows| Some(rows) == v_shape.first());
        if rows && g_shape[1..].iter().all(|&size| size == 1) {
            return Ok(());
        }
        Err(Error::unsupported(
            format!(
                "{g} of {} has the shape {g_shape:?} where {v} has {v_shape:?}",
                self.place.display()
            ),
            "remove the weight norm in Python, with remove_weight_norm(), and save the weights again",
        ))
    }

    fn read_stored(&self, name: &str) -> Result<Vec<f32>> {
        match self.stored.get(name) {
            Some(stored) => {
                self.already_read().insert(name.to_string());
                self.files[stored.file].read(&stored.name)
            }
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

/// The weight file of `folder`.
fn weight_file(folder: &Path) -> Result<PathBuf> {
    let there = |name: &str| Some(folder.join(name)).filter(|file| file.is_file());
    if let Some(adapter) = ADAPTERS.iter().find_map(|name| there(name)) {
        return Err(Error::unsupported(
            format!(
                "{} is an adapter (LoRA), which is not applied here",
                adapter.display()
            ),
            "merge it into the weights first, in diffusers with fuse_lora(), or take it out of the folder",
        ));
    }
    let names = KINDS
        .iter()
        .flat_map(|kind| STEMS.iter().map(move |stem| format!("{stem}{kind}")));
    names
        .into_iter()
        .find_map(|name| there(&name))
        .ok_or_else(|| {
            Error::input(
                format!("{} has no weight file", folder.display()),
                format!(
                    "put one of {} there, as .safetensors or .bin",
                    STEMS.join(", ")
                ),
            )
        })
}

/// How many bytes [`WRAPPERS`] take in front of every one of `names`.
fn wrapper(names: Vec<&str>) -> usize {
    if names.is_empty() {
        return 0;
    }
    let mut length = 0;
    let starts =
        |length: usize, wrapper: &str| names.iter().all(|name| name[length..].starts_with(wrapper));
    while let Some(found) = WRAPPERS.iter().find(|wrapper| starts(length, wrapper)) {
        length += found.len();
    }
    length
}

/// The files of a checkpoint.
#[derive(Debug)]
struct Parts {
    paths: Vec<PathBuf>,
    /// The file that each tensor is taken from, where that is said.
    index: HashMap<String, String>,
}

impl Parts {
    /// The file `path` itself, or the parts that an index names.
    fn of(path: &Path) -> Result<Self> {
        if path.extension().is_none_or(|extension| extension != "json") {
            return Ok(Self {
                paths: vec![path.to_path_buf()],
                index: HashMap::new(),
            });
        }
        #[derive(serde::Deserialize)]
        struct Index {
            weight_map: HashMap<String, String>,
        }
        let text = std::fs::read(path).map_err(|e| Error::file("read", path, e))?;
        if let Some(error) = placeholder(&text, path) {
            return Err(error);
        }
        let index: Index = serde_json::from_slice(&text).map_err(|e| {
            Error::format(
                format!("{} is no index of weight files ({e})", path.display()),
                "get the file again",
            )
        })?;
        let files: BTreeSet<&String> = index.weight_map.values().collect();
        let outside = |file: &&String| file.contains(['/', '\\']) || file.starts_with('.');
        if files.iter().any(outside) {
            return Err(Error::format(
                format!("{} names files outside its folder", path.display()),
                "get the file again",
            ));
        }
        let paths = files.into_iter().map(|file| path.with_file_name(file));
        Ok(Self {
            paths: paths.collect(),
            index: index.weight_map,
        })
    }
}
