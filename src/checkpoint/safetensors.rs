//! Safetensors files, mapped into memory.

use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
use std::{
    collections::HashMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use super::TensorFile;
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
        SafeTensors::deserialize(&self.map).map_err(|e| {
            Error::format(
                format!("{} is damaged ({e})", self.path.display()),
                "get the file again",
            )
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
        let bytes = view.data();
        let pairs = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
        Ok(match view.dtype() {
            Dtype::F32 => bytes
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
            Dtype::F64 => bytes
                .chunks_exact(8)
                .map(|b| {
                    f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32
                })
                .collect(),
            Dtype::F16 => pairs().map(|b| f16::from_le_bytes(b).to_f32()).collect(),
            Dtype::BF16 => pairs().map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
            other => {
                return Err(Error::unsupported(
                    format!(
                        "tensor {name} of {} is stored as {other:?}",
                        self.path.display()
                    ),
                    "use a checkpoint with f32, f16 or bf16 weights",
                ));
            }
        })
    }
}
