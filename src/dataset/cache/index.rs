//! What an index of a cache says, and whether it is still true.

use half::f16;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::{Field, Recipe, Record, VERSION, WIDTH};
use crate::{
    Error, ErrorKind, Result,
    dataset::{Loader, Skipped, Source},
    files::{hex, write_file},
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Index {
    format: String,
    version: u32,
    key: serde_json::Value,
    /// The parts of a record, known from the first item that could be read.
    pub fields: Vec<Field>,
    pub shards: BTreeMap<usize, Shard>,
    /// Of the key, the fields and the shards.
    sha256: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Shard {
    /// Records.
    pub items: usize,
    pub sha256: String,
    /// Items that could not be read, and have no record.
    pub skipped: Vec<Skipped>,
}

/// What became of the items that were left out before.
pub(super) struct Retried {
    /// Those that have a record now.
    pub mended: BTreeSet<usize>,
    /// The others, and what is wrong with them now.
    pub broken: BTreeMap<usize, Skipped>,
}

impl Index {
    /// Reads the index in `folder`, or begins one.
    pub fn read(folder: &Path, key: &serde_json::Value) -> Result<Self> {
        let path = folder.join("index.json");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self {
                    format: "art2mus-cache".into(),
                    version: VERSION,
                    key: key.clone(),
                    fields: Vec::new(),
                    shards: BTreeMap::new(),
                    sha256: String::new(),
                });
            }
            Err(e) => return Err(Error::file("read", &path, e)),
        };
        let damaged = |why: String| {
            Error::format(
                format!("{} is damaged ({why})", path.display()),
                format!(
                    "remove the folder {}: it will be made again",
                    folder.display()
                ),
            )
        };
        let index: Self = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        if index.digest(key)? != index.sha256 {
            return Err(damaged("its SHA-256 is another".into()));
        }
        Ok(index)
    }

    /// The SHA-256 of what the index says, for a cache of `key`.
    fn digest(&self, key: &serde_json::Value) -> Result<String> {
        // The key as it was computed: numbers may lose a digit when they are read back.
        let text = serde_json::to_string(&(key, &self.fields, &self.shards))
            .map_err(|e| Error::internal(format!("an index cannot be written ({e})")))?;
        Ok(hex(&Sha256::digest(text)))
    }

    /// Reads all items again that were left out.
    pub fn retry<P: Send>(
        &self,
        recipe: &Recipe,
        source: &dyn Source,
        prepare: &(dyn Fn(usize) -> Result<P> + Sync),
        encode: &mut dyn FnMut(Vec<P>) -> Result<Vec<Record>>,
    ) -> Result<Retried> {
        let all = self.shards.values().flat_map(|shard| &shard.skipped);
        let indices: Vec<usize> = all.map(|skip| skip.index).collect();
        let work = |n: usize| prepare(indices[n]);
        let mut retried = Retried {
            mended: BTreeSet::new(),
            broken: BTreeMap::new(),
        };
        std::thread::scope(|scope| {
            let items = Loader::start(scope, recipe.threads, 0..indices.len(), &work);
            for (index, item) in indices.iter().zip(items) {
                let error = match item? {
                    Ok(item) => {
                        if encode(vec![item])?.iter().all(is_finite) {
                            retried.mended.insert(*index);
                            continue;
                        }
                        no_numbers()
                    }
                    Err(error) if error.kind() == ErrorKind::Internal => return Err(error),
                    Err(error) => error,
                };
                let skip = Skipped::new(source, *index, &error);
                retried.broken.insert(*index, skip);
            }
            Ok(())
        })?;
        Ok(retried)
    }

    /// Whether one of `items` was left out of a shard.
    pub fn skips(&self, shard: usize, items: &BTreeSet<usize>) -> bool {
        let entry = self.shards.get(&shard);
        let mut skipped = entry.into_iter().flat_map(|entry| &entry.skipped);
        skipped.any(|skip| items.contains(&skip.index))
    }

    pub fn write(&mut self, folder: &Path) -> Result<()> {
        self.sha256 = self.digest(&self.key)?;
        let text = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::internal(format!("an index cannot be written ({e})")))?;
        write_file(&folder.join("index.json"), &text)
    }

    pub fn record_bytes(&self) -> usize {
        self.fields.iter().map(|field| field.values).sum::<usize>() * WIDTH
    }

    /// Whether a shard is noted and its file has the right length.
    pub fn has(&self, folder: &Path, shard: usize) -> bool {
        let length = fs::metadata(shard_path(folder, shard)).map(|file| file.len() as usize);
        let entry = self.shards.get(&shard);
        entry.is_some_and(|entry| length.is_ok_and(|n| n == entry.items * self.record_bytes()))
    }

    /// The bytes of a record, which must have the fields of all others.
    pub fn pack(&mut self, record: &Record, out: &mut Vec<u8>) -> Result<()> {
        let fields = record.iter().map(|(name, values)| Field {
            name: name.clone(),
            values: values.len(),
        });
        let fields: Vec<Field> = fields.collect();
        if self.fields.is_empty() {
            self.fields = fields;
        } else if self.fields != fields {
            return Err(Error::internal("the records of a cache differ in length"));
        }
        let values = record.iter().flat_map(|(_, values)| values);
        out.extend(values.flat_map(|x| f16::from_f32(*x).to_le_bytes()));
        Ok(())
    }
}

pub(super) fn shard_path(folder: &Path, shard: usize) -> PathBuf {
    folder.join(format!("{shard:06}.bin"))
}

/// Whether f16 can hold all numbers of a record.
pub(super) fn is_finite(record: &Record) -> bool {
    let mut values = record.iter().flat_map(|(_, values)| values);
    values.all(|x| f16::from_f32(*x).is_finite())
}

/// The error for an item that cannot be learnt from, although it can be read.
pub(super) fn no_numbers() -> Error {
    Error::input(
        "the networks give no finite numbers for it",
        "give another picture or other music",
    )
}
