//! The folder of a run.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::{
    Weights,
    checkpoint::{self, FINAL},
    description::Description,
};
use crate::{
    Error, Result,
    files::{remove_unfinished, try_lock},
};

/// The folder of a run, which no other program trains in as long as this is there.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    description: Description,
    /// The checkpoint to go on from, and the steps that were taken.
    checkpoint: Option<(PathBuf, usize)>,
    finished: bool,
    _lock: File,
}

impl RunFolder {
    /// Opens the folder `path` of the run that `description` describes, which is made if it is not there. What another
    /// run has made there is refused.
    pub fn open(path: &Path, description: Description) -> Result<Self> {
        fs::create_dir_all(path).map_err(|e| Error::file("create", path, e))?;
        let Some(lock) = try_lock(path)? else {
            return Err(Error::input(
                format!("another program is training in {}", path.display()),
                "wait until it has ended, or give another folder with -o",
            ));
        };
        remove_unfinished(path)?;
        let finished = match checkpoint::read_final(&path.join(FINAL))? {
            Some(earlier) => {
                description.check(&earlier, &path.join(FINAL))?;
                true
            }
            None => false,
        };
        let checkpoint = match finished {
            true => None,
            false => checkpoint::newest(path, &description)?,
        };
        Ok(Self {
            path: path.to_path_buf(),
            description,
            checkpoint,
            finished,
            _lock: lock,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the run has finished.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// The weights of the finished run.
    pub fn weights(&self) -> Weights {
        Weights::at(self.path.join(FINAL))
    }

    /// What the run depends on.
    pub(super) fn description(&self) -> &Description {
        &self.description
    }

    /// The checkpoint to go on from, and the steps that were taken.
    pub(super) fn checkpoint(&self) -> Option<(&Path, usize)> {
        let (place, step) = self.checkpoint.as_ref()?;
        Some((place, *step))
    }
}
