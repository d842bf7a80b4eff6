//! A folder of embeddings that several programs fill, and that a program which was killed goes on with.
//!
//! ```text
//! recipe.json                            what decides the content: the items' names, the network, its weights
//! embeddings-00001-of-01820.safetensors  items 0 to 63
//! …
//! embeddings.safetensors.index.json      the file of each item, once all files are there
//! skipped.jsonl                          items that could not be read, if there are any
//! ```
//!
//! A file appears whole or not at all and always holds the same items, whichever shard makes it, so that folders which
//! several machines have filled become one by copying their files together.

use safetensors::{Dtype, tensor::TensorView};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::{
    Error, ErrorKind, Result,
    dataset::{BATCH_SIZE, Loader, Skipped},
    files::{hex, remove_unfinished, write_file},
};

/// The file that says where each embedding is.
pub const INDEX: &str = "embeddings.safetensors.index.json";
const RECIPE: &str = "recipe.json";
const SKIPPED: &str = "skipped.jsonl";
/// What the metadata of a file calls the items that it lacks.
const SKIPPED_KEY: &str = "skipped";
/// Items of a file.
const PART: usize = 64;

/// One of several programs that share the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    index: usize,
    count: usize,
}

impl Default for Shard {
    /// All of the work.
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match numbers {
            Some((index @ 1.., count)) if index <= count => Ok(Self {
                index: index - 1,
                count,
            }),
            _ => Err("give the number of this shard, from 1, and of all: 2/4".into()),
        }
    }
}

/// What a folder is to hold.
#[derive(Debug)]
pub struct Recipe {
    /// The names of all items, in order.
    pub names: Vec<String>,
    /// Everything else that decides the content: network, weights, where the items lie.
    pub content: Value,
}

/// A folder of embeddings; see the [module](self).
#[derive(Debug)]
pub struct EmbeddingFolder {
    path: PathBuf,
    names: Vec<String>,
}

/// What a folder holds when it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// Embeddings.
    pub items: usize,
    /// Items that could not be read.
    pub skipped: usize,
}

impl EmbeddingFolder {
    /// Opens `path`, which is made if it is not there; fails if it holds embeddings by another recipe.
    pub fn open(path: &Path, recipe: &Recipe) -> Result<Self> {
        if recipe.names.is_empty() {
            return Err(Error::input(
                "there are no items to embed",
                "name a folder or a list that has some",
            ));
        }
        fs::create_dir_all(path).map_err(|e| Error::file("create", path, e))?;
        remove_unfinished(path)?;
        let digest = Sha256::digest(recipe.names.join("\n"));
        let text = serde_json::json!({
            "format": "art2mus-embeddings",
            "version": 1,
            "items": recipe.names.len(),
            "names": hex(&digest),
            "content": recipe.content,
        })
        .to_string();
        let file = path.join(RECIPE);
        match fs::read_to_string(&file) {
            Ok(there) if there == text => {}
            Ok(_) => {
                return Err(Error::input(
                    format!(
                        "{} holds embeddings of other items, or of another network",
                        path.display()
                    ),
                    "name another folder with -o",
                ));
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                write_file(&file, text.as_bytes())?;
            }
            Err(e) => return Err(Error::file("read", &file, e)),
        }
        Ok(Self {
            path: path.to_path_buf(),
            names: recipe.names.clone(),
        })
    }

    /// Makes the files of `shard` that are not there yet, and those of which an item that was left out can be read now.
    ///
    /// `prepare` reads an item, on `threads` threads; an item that it refuses is left out. `encode` makes the vectors of a
    /// few prepared items, on this thread, always of the same ones together. `progress` hears how many items are done, of
    /// how many.
    pub fn fill<P: Send>(
        &self,
        shard: Shard,
        threads: usize,
        prepare: &(dyn Fn(usize) -> Result<P> + Sync),
        encode: &mut dyn FnMut(Vec<P>) -> Result<Vec<Vec<f32>>>,
        progress: &dyn Fn(usize, usize),
    ) -> Result<()> {
        let mut parts = Vec::new();
        for part in (shard.index..self.parts()).step_by(shard.count) {
            let missing = match self.skipped_of(part)? {
                None => true,
                Some(skipped) => skipped.iter().any(|item| prepare(item.index).is_ok()),
            };
            if missing {
                parts.push(part);
            }
        }
        let items: Vec<usize> = parts.iter().flat_map(|part| self.items(*part)).collect();
        let work = |n: usize| prepare(items[n]);
        std::thread::scope(|scope| {
            let mut loader = Loader::start(scope, threads, 0..items.len(), &work);
            let mut done = 0;
            for part in parts {
                let mut readable = Vec::new();
                let mut skipped = Vec::new();
                let mut prepared = Vec::new();
                let mut vectors = Vec::new();
                for item in self.items(part) {
                    let result = loader
                        .next()
                        .ok_or_else(|| Error::internal("a loader ended"))?;
                    match result? {
                        Ok(one) => {
                            readable.push(item);
                            prepared.push(one);
                        }
                        Err(error) if error.kind() == ErrorKind::Internal => return Err(error),
                        Err(error) => skipped.push(Skipped {
                            index: item,
                            id: self.names[item].clone(),
                            file: error.path().map(Path::to_path_buf),
                            reason: error.message().into(),
                            hint: error.hint().into(),
                        }),
                    }
                    done += 1;
                    if prepared.len() == BATCH_SIZE {
                        vectors.extend(encode(std::mem::take(&mut prepared))?);
                        progress(done, items.len());
                    }
                }
                if !prepared.is_empty() {
                    vectors.extend(encode(prepared)?);
                }
                self.write(part, &readable, &vectors, &skipped)?;
                progress(done, items.len());
            }
            Ok(())
        })
    }

    /// Writes the index and the list of what was left out, once all files are there; none while some are missing.
    pub fn finish(&self) -> Result<Option<Finished>> {
        let mut skipped: Vec<Skipped> = Vec::new();
        for part in 0..self.parts() {
            match self.skipped_of(part)? {
                Some(of_part) => skipped.extend(of_part),
                None => return Ok(None),
            }
        }
        let left_out: BTreeSet<usize> = skipped.iter().map(|item| item.index).collect();
        let mut files: BTreeMap<&str, String> = BTreeMap::new();
        for (index, name) in self.names.iter().enumerate() {
            if !left_out.contains(&index) {
                files.insert(name, self.file_name(index / PART));
            }
        }
        let list = self.path.join(SKIPPED);
        if skipped.is_empty() {
            match fs::remove_file(&list) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::file("remove", &list, e));
                }
                _ => {}
            }
        } else {
            let lines = skipped.iter().map(serde_json::to_string);
            let lines: Vec<String> = lines
                .collect::<std::result::Result<_, _>>()
                .map_err(unwritable)?;
            write_file(&list, (lines.join("\n") + "\n").as_bytes())?;
        }
        let index = serde_json::json!({"metadata": {}, "weight_map": files});
        write_file(&self.path.join(INDEX), index.to_string().as_bytes())?;
        Ok(Some(Finished {
            items: files.len(),
            skipped: skipped.len(),
        }))
    }

    fn parts(&self) -> usize {
        self.names.len().div_ceil(PART)
    }

    fn items(&self, part: usize) -> std::ops::Range<usize> {
        part * PART..((part + 1) * PART).min(self.names.len())
    }

    fn file_name(&self, part: usize) -> String {
        format!(
            "embeddings-{:05}-of-{:05}.safetensors",
            part + 1,
            self.parts()
        )
    }

    /// The items that the file of `part` lacks; none if there is no such file.
    fn skipped_of(&self, part: usize) -> Result<Option<Vec<Skipped>>> {
        let path = self.path.join(self.file_name(part));
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::file("read", &path, e)),
        };
        let damaged = || {
            Error::integrity(
                format!("{} is damaged", path.display()),
                "remove the file and give the same command again",
            )
        };
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).map_err(|_| damaged())?;
        let text = header
            .metadata()
            .as_ref()
            .and_then(|data| data.get(SKIPPED_KEY));
        match text {
            Some(text) => serde_json::from_str(text).map(Some).map_err(|_| damaged()),
            None => Ok(Some(Vec::new())),
        }
    }

    fn write(
        &self,
        part: usize,
        items: &[usize],
        vectors: &[Vec<f32>],
        skipped: &[Skipped],
    ) -> Result<()> {
        if items.len() != vectors.len() {
            return Err(Error::internal(
                "a network gave another number of embeddings",
            ));
        }
        let views = items.iter().zip(vectors).map(|(item, vector)| {
            let bytes = bytemuck::cast_slice(vector);
            let view = TensorView::new(Dtype::F32, vec![vector.len()], bytes);
            let view =
                view.map_err(|e| Error::internal(format!("an embedding cannot be written ({e})")))?;
            Ok((self.names[*item].as_str(), view))
        });
        let views = views.collect::<Result<Vec<_>>>()?;
        let metadata = match skipped.is_empty() {
            true => None,
            false => {
                let text = serde_json::to_string(skipped).map_err(unwritable)?;
                Some(HashMap::from([(SKIPPED_KEY.to_string(), text)]))
            }
        };
        let bytes = safetensors::serialize(views, metadata)
            .map_err(|e| Error::internal(format!("embeddings cannot be written ({e})")))?;
        write_file(&self.path.join(self.file_name(part)), &bytes)
    }
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::internal(format!("a list cannot be written ({error})"))
}

/// The files that the index of `folder` names; none if it has no index.
pub(super) fn read_index(folder: &Path) -> Result<Option<BTreeSet<String>>> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let path = folder.join(INDEX);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::file("read", &path, e)),
    };
    let wrong = |what: String| {
        Error::format(
            format!("{} is no index of embeddings ({what})", path.display()),
            "make it again with art2mus dataset embed",
        )
    };
    let index: Index = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
    let files: BTreeSet<String> = index.weight_map.into_values().collect();
    let outside = |file: &String| file.contains(['/', '\\']) || file.starts_with('.');
    if let Some(file) = files.iter().find(|file| outside(file)) {
        return Err(wrong(format!("it names {file}")));
    }
    Ok(Some(files))
}
