//! What was computed of items, kept on disk: shards of fixed-size records.
//!
//! ```text
//! latents-3f0c9a…/
//!   index.json     key, fields of a record, and for every shard its items, SHA-256 and what was left out;
//!                  last, the SHA-256 of all that
//!   000000.bin     the records of items 0 to 127, f16, one behind the other
//!   000001.bin     …
//! ```
//!
//! The folder's name has a hash of the key, which names everything that decides the content: the weights
//! of the networks, lengths, sizes, the source. A shard appears whole or not at all, and the index notes it
//! behind that, so a program that is killed loses at most one shard's work; the next one goes on, and the
//! folder ends with the same bytes. What was left out is read again at every start: a shard one of whose items
//! was mended is made again. Shards are mapped into memory: 105,884 items of the published sizes are 15 GB.

mod index;

use half::f16;
use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use super::{BATCH_SIZE, Loader, SkipLog, Skipped, Source, skipped::nothing_readable};
use crate::{
    Error, ErrorKind, Result,
    files::{hex, remove_unfinished, try_lock, wait_for_lock, write_file},
};
use index::{Index, Shard, is_finite, no_numbers, shard_path};

/// Items of a shard.
const SHARD: usize = 128;
/// The version of this form.
const VERSION: u32 = 2;
/// Bytes of a number.
const WIDTH: usize = size_of::<f16>();

/// One item's values, by name.
pub type Record = Vec<(String, Vec<f32>)>;

/// A named part of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// How many numbers it has.
    pub values: usize,
}

/// What a cache is to hold.
pub struct Recipe<'a> {
    /// What its folder's name begins with.
    pub name: &'a str,
    /// Everything that decides the content but the items themselves.
    pub key: serde_json::Value,
    /// How many items; all of them when left out.
    pub items: Option<usize>,
    /// Threads that read items.
    pub threads: usize,
    /// Hears how many items are done, of how many.
    pub progress: &'a dyn Fn(usize, usize),
}

/// Records on disk; see the [module](self).
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    index: Index,
    /// For every readable item its shard, and its place there.
    places: Vec<(u32, u32)>,
    /// The shards, mapped as they were when the cache was opened: another program may make one again.
    maps: BTreeMap<usize, Map>,
}

/// A shard in memory.
#[derive(Debug)]
struct Map {
    bytes: Mmap,
    /// Set when its bytes were found to be right.
    checked: OnceLock<()>,
}

impl Cache {
    /// Opens the cache of `recipe` beneath `folder`; shards that are not there yet are made, and those of which an
    /// item that was left out can be read now.
    ///
    /// `prepare` reads an item, on several threads; an item that it refuses is left out. `encode` makes the
    /// records of a few prepared items, on this thread, always of the same ones together.
    pub fn open<P: Send>(
        folder: &Path,
        recipe: &Recipe,
        source: &dyn Source,
        skipped: &SkipLog,
        prepare: &(dyn Fn(usize) -> Result<P> + Sync),
        encode: &mut dyn FnMut(Vec<P>) -> Result<Vec<Record>>,
    ) -> Result<Self> {
        let items = count_items(recipe.items, source)?;
        let key = serde_json::json!({
            "version": VERSION,
            "items": items,
            "source": source.fingerprint(),
            "content": recipe.key,
        });
        let digest = hex(&Sha256::digest(key.to_string()));
        let folder = folder.join(format!("{}-{}", recipe.name, &digest[..16]));
        fs::create_dir_all(&folder).map_err(|e| Error::file("create", &folder, e))?;
        let mut index = Index::read(&folder, &key)?;
        let shards = 0..items.div_ceil(SHARD);
        let retried = index.retry(recipe, source, prepare, encode)?;
        let missing = |index: &Index| -> Vec<usize> {
            let missing =
                |shard: &usize| !index.has(&folder, *shard) || index.skips(*shard, &retried.mended);
            shards.clone().filter(missing).collect()
        };
        if !missing(&index).is_empty() {
            let _lock = lock(&folder)?;
            remove_unfinished(&folder)?;
            // Another program may have made them meanwhile.
            index = Index::read(&folder, &key)?;
            let writer = Writer {
                folder: &folder,
                missing: missing(&index),
                index: &mut index,
                items,
            };
            writer.fill(recipe, source, prepare, encode)?;
        }
        let list = source.list();
        for skip in index.shards.values().flat_map(|shard| &shard.skipped) {
            skipped.note(&list, retried.broken.get(&skip.index).unwrap_or(skip))?;
        }
        let places = index.shards.iter().flat_map(|(shard, entry)| {
            (0..entry.items).map(move |place| (*shard as u32, place as u32))
        });
        let places: Vec<_> = places.collect();
        if places.is_empty() {
            let mut all = index.shards.values().flat_map(|shard| &shard.skipped);
            return Err(nothing_readable(
                all.next().map(|skip| skip.reason.as_str()),
            ));
        }
        let filled = index.shards.iter().filter(|(_, entry)| entry.items > 0);
        let maps = filled.map(|(shard, _)| Ok((*shard, Map::open(&shard_path(&folder, *shard))?)));
        Ok(Self {
            maps: maps.collect::<Result<_>>()?,
            folder,
            index,
            places,
        })
    }

    /// How many items have a record.
    pub fn items(&self) -> usize {
        self.places.len()
    }

    /// The parts of a record.
    pub fn fields(&self) -> &[Field] {
        &self.index.fields
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many numbers the field `name` has.
    pub fn width(&self, name: &str) -> Result<usize> {
        self.place_of(name).map(|(_, values)| values)
    }

    /// Adds the field `name` of the readable item `item` to `values`.
    pub fn read(&self, item: usize, name: &str, values: &mut Vec<f32>) -> Result<()> {
        let (start, count) = self.place_of(name)?;
        let Some((shard, place)) = self.places.get(item) else {
            return Err(Error::internal(format!("a cache has no item {item}")));
        };
        let record = self.index.record_bytes();
        let start = *place as usize * record + start * WIDTH;
        let bytes = &self.map(*shard as usize)?[start..start + count * WIDTH];
        let numbers = bytes.as_chunks::<WIDTH>().0;
        values.extend(numbers.iter().map(|x| f16::from_le_bytes(*x).to_f32()));
        Ok(())
    }

    /// The field `name` of several items, concatenated.
    pub fn gather(&self, items: &[usize], name: &str) -> Result<Vec<f32>> {
        let mut values = Vec::with_capacity(items.len() * self.width(name)?);
        for item in items {
            self.read(*item, name, &mut values)?;
        }
        Ok(values)
    }

    /// The first number of a field in a record, and how many there are.
    fn place_of(&self, name: &str) -> Result<(usize, usize)> {
        let mut start = 0;
        for field in &self.index.fields {
            if field.name == name {
                return Ok((start, field.values));
            }
            start += field.values;
        }
        Err(Error::internal(format!("a cache has no {name}")))
    }

    /// A shard's bytes. They are checked when they are first used.
    fn map(&self, shard: usize) -> Result<&[u8]> {
        let (Some(map), Some(entry)) = (self.maps.get(&shard), self.index.shards.get(&shard))
        else {
            return Err(Error::internal(format!("a cache has no shard {shard}")));
        };
        if map.checked.get().is_none() {
            let path = shard_path(&self.folder, shard);
            if hex(&Sha256::digest(&map.bytes)) != entry.sha256 {
                return Err(Error::integrity(
                    format!("{} is damaged", path.display()),
                    "remove it and run the command again: it will be made again",
                ));
            }
            map.checked.get_or_init(|| ());
        }
        Ok(&map.bytes)
    }
}

impl Map {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::file("open", path, e))?;
        // SAFETY: the map is only read. If another program shortens the file meanwhile the system
        // stops this one, as it would for any mapped file.
        let bytes = unsafe { Mmap::map(&file) }.map_err(|e| Error::file("map", path, e))?;
        Ok(Self {
            bytes,
            checked: OnceLock::new(),
        })
    }
}

/// How many items of `source` a run takes that wants so many, or all.
pub fn count_items(wanted: Option<usize>, source: &dyn Source) -> Result<usize> {
    match (wanted, source.count()) {
        (Some(wanted), Some(there)) => Ok(wanted.min(there)),
        (Some(count), None) | (None, Some(count)) => Ok(count),
        (None, None) => Err(Error::input(
            "material never ends",
            "say in the configuration how many items are wanted",
        )),
    }
}

/// Waits until no other program writes into `folder`.
fn lock(folder: &Path) -> Result<File> {
    if let Some(lock) = try_lock(folder)? {
        return Ok(lock);
    }
    eprintln!(
        "Waiting for another program that fills {}",
        folder.display()
    );
    wait_for_lock(folder)
}

/// Makes the shards that are missing.
struct Writer<'a> {
    folder: &'a Path,
    index: &'a mut Index,
    items: usize,
    missing: Vec<usize>,
}

/// A shard under way.
struct Unfinished<P> {
    waiting: Vec<(usize, P)>,
    bytes: Vec<u8>,
    items: usize,
    skipped: Vec<Skipped>,
}

impl Writer<'_> {
    fn range(&self, shard: usize) -> std::ops::Range<usize> {
        shard * SHARD..((shard + 1) * SHARD).min(self.items)
    }

    fn fill<P: Send>(
        mut self,
        recipe: &Recipe,
        source: &dyn Source,
        prepare: &(dyn Fn(usize) -> Result<P> + Sync),
        encode: &mut dyn FnMut(Vec<P>) -> Result<Vec<Record>>,
    ) -> Result<()> {
        let missing = std::mem::take(&mut self.missing);
        let wanted: Vec<usize> = missing
            .iter()
            .flat_map(|shard| self.range(*shard))
            .collect();
        let mut done = self.items - wanted.len();
        // What is noted must be there: a shard that is made again is first forgotten.
        let before = self.index.shards.len();
        self.index
            .shards
            .retain(|shard, _| !missing.contains(shard));
        if self.index.shards.len() < before {
            self.index.write(self.folder)?;
        }
        let work = |n: usize| prepare(wanted[n]);
        std::thread::scope(|scope| {
            let mut items = Loader::start(scope, recipe.threads, 0..wanted.len(), &work);
            for shard in missing {
                let mut unfinished = Unfinished {
                    waiting: Vec::new(),
                    bytes: Vec::new(),
                    items: 0,
                    skipped: Vec::new(),
                };
                for index in self.range(shard) {
                    let item = items
                        .next()
                        .unwrap_or_else(|| Err(Error::internal("a loader has ended early")))?;
                    match item {
                        Ok(item) => unfinished.waiting.push((index, item)),
                        Err(error) if error.kind() == ErrorKind::Internal => return Err(error),
                        Err(error) => {
                            unfinished.skipped.push(Skipped::new(source, index, &error));
                        }
                    }
                    if unfinished.waiting.len() == BATCH_SIZE {
                        self.encode(source, &mut unfinished, encode)?;
                    }
                    done += 1;
                    (recipe.progress)(done, self.items);
                }
                self.encode(source, &mut unfinished, encode)?;
                self.write(shard, unfinished)?;
            }
            Ok(())
        })
    }

    /// Encodes the items that wait.
    fn encode<P>(
        &mut self,
        source: &dyn Source,
        shard: &mut Unfinished<P>,
        encode: &mut dyn FnMut(Vec<P>) -> Result<Vec<Record>>,
    ) -> Result<()> {
        if shard.waiting.is_empty() {
            return Ok(());
        }
        let (indices, items): (Vec<usize>, Vec<P>) = shard.waiting.drain(..).unzip();
        for (index, record) in indices.into_iter().zip(encode(items)?) {
            if is_finite(&record) {
                self.index.pack(&record, &mut shard.bytes)?;
                shard.items += 1;
            } else {
                shard
                    .skipped
                    .push(Skipped::new(source, index, &no_numbers()));
            }
        }
        Ok(())
    }

    fn write<P>(&mut self, shard: usize, mut unfinished: Unfinished<P>) -> Result<()> {
        unfinished.skipped.sort_by_key(|skip| skip.index);
        write_file(&shard_path(self.folder, shard), &unfinished.bytes)?;
        let entry = Shard {
            items: unfinished.items,
            sha256: hex(&Sha256::digest(&unfinished.bytes)),
            skipped: unfinished.skipped,
        };
        self.index.shards.insert(shard, entry);
        self.index.write(self.folder)
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
