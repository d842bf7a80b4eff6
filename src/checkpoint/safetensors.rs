//! Safetensors files, mapped into memory.

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use std::{
    collections::HashMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use super::{
    TensorFile,
    element::{Element, unsupported},
};
use crate::{Error, Result};

/// A mapped file; its header has been checked.
pub(super) struct SafetensorsFile {
    map: Mmap,
    path: PathBuf,
}

/// PyTorch files begin with a zip signature or a pickle; safetensors with a small length, then `{`.
pub(super) fn looks_like(path: &Path) -> Result<bool> {
    let mut start = [0; 9];
    let mut file = File::open(path).map_err(|e| Error::file("open", path, e))?;
    match file.read_exact(&mut start) {
        Ok(()) => Ok(start[8] == b'{' && !start.starts_with(b"PK")),
        Err(_) => Err(Error::format(
            format!("{} is too short to hold tensors", path.display()),
            "get the file again",
        )),
    }
}

impl SafetensorsFile {
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::file("open", path, e))?;
        // SAFETY: the map is only read. If another program shortens the file meanwhile the system
        // stops this one, as it would for any mapped file.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| Error::file("map", path, e))?;
        let file = Self {
            map,
            path: path.to_path_buf(),
        };
        file.parse()?;
        Ok(file)
    }

    fn parse(&self) -> Result<SafeTensors<'_>> {
        SafeTensors::deserialize(&self.map).map_err(|e| match e {
            SafeTensorError::MetadataIncompleteBuffer | SafeTensorError::InvalidHeaderLength => {
                Error::integrity(
                    format!("{} is cut off", self.path.display()),
                    "finish the download, or get the file again",
                )
            }
            e => Error::format(
                format!("{} is damaged ({e})", self.path.display()),
                "get the file again",
            ),
        })
    }
}

impl TensorFile for SafetensorsFile {
    fn shapes(&self) -> HashMap<String, Vec<usize>> {
        let Ok(tensors) = self.parse() else {
            return HashMap::new();
        };
        tensors
            .iter()
            .map(|(name, view)| (name.to_string(), view.shape().to_vec()))
            .collect()
    }

    fn read(&self, name: &str) -> Result<Vec<f32>> {
        let tensors = self.parse()?;
        let view = tensors.tensor(name).map_err(|e| {
            Error::format(
                format!("{} has no tensor {name} ({e})", self.path.display()),
                "get the file again",
            )
        })?;
        let element = match view.dtype() {
            Dtype::F16 => Element::F16,
            Dtype::BF16 => Element::Bf16,
            Dtype::F32 => Element::F32,
            Dtype::F64 => Element::F64,
            other => return Err(unsupported(name, &self.path, &format!("{other:?}"))),
        };
        let elements = view.data().chunks_exact(element.size());
        Ok(elements.map(|bytes| element.value(bytes)).collect())
    }
}
