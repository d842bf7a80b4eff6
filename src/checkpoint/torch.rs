//! PyTorch files (`.pt`, `.pth`, `.bin`): zip archives with a pickled state dict.

use burn_store::{TensorSnapshot, pytorch::PytorchReader};
use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use super::TensorFile;
use crate::{Error, Result};

/// An opened file. Tensors are read only when asked for.
pub(super) struct TorchFile {
    tensors: HashMap<String, TensorSnapshot>,
    path: PathBuf,
}

impl TorchFile {
    pub fn open(path: &Path) -> Result<Self> {
        // The reader of the library is meant for sound files; damaged ones may stop it.
        let opened = catch_unwind(|| PytorchReader::new(path));
        let tensors = match opened {
            Ok(Ok(reader)) => reader.into_tensors(),
            Ok(Err(e)) => return Err(damaged(path, &e.to_string())),
            Err(_) => return Err(damaged(path, "it has no PyTorch state dict")),
        };
        if tensors.is_empty() {
            return Err(damaged(path, "it holds no tensors"));
        }
        Ok(Self {
            tensors,
            path: path.to_path_buf(),
        })
    }
}

fn damaged(path: &Path, why: &str) -> Error {
    let why = why.lines().next().unwrap_or_default();
    Error::format(
        format!("{} cannot be read as a checkpoint ({why})", path.display()),
        "give a safetensors file or a PyTorch state dict, and get it again if it is damaged",
    )
}

impl TensorFile for TorchFile {
    fn shapes(&self) -> HashMap<String, Vec<usize>> {
        self.tensors
            .iter()
            .map(|(name, snapshot)| (name.clone(), snapshot.shape.to_vec()))
            .collect()
    }

    fn read(&self, name: &str) -> Result<Vec<f32>> {
        let snapshot = self
            .tensors
            .get(name)
            .ok_or_else(|| damaged(&self.path, &format!("it has no tensor {name}")))?;
        let data = match catch_unwind(AssertUnwindSafe(|| snapshot.to_data())) {
            Ok(Ok(data)) => data,
            Ok(Err(e)) => return Err(damaged(&self.path, &format!("{name}: {e:?}"))),
            Err(_) => return Err(damaged(&self.path, &format!("{name} is incomplete"))),
        };
        data.convert::<f32>()
            .into_vec()
            .map_err(|e| damaged(&self.path, &format!("{name}: {e:?}")))
    }
}
