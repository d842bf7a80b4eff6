//! An opened bundle: its manifest, and the weights of one stage at a time.

use sha2::{Digest, Sha256};
use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::HashMap,
};

use super::{
    Location,
    manifest::{MANIFEST_FILE, MAX_MANIFEST_BYTES, Manifest, StageEntry, TensorEntry},
    shard::Shard,
};
use crate::{
    Error, Result,
    quant::{Encoding, PackedValues},
    tensors::{Init, TensorSource},
};

/// A bundle whose manifest has been read and checked.
#[derive(Debug, Clone)]
pub struct Bundle {
    location: Location,
    manifest: Manifest,
}

impl Bundle {
    /// Reads and checks the manifest.
    pub async fn open(location: Location) -> Result<Self> {
        let bytes = location
            .read(MANIFEST_FILE, MAX_MANIFEST_BYTES, &mut |_| {})
            .await?;
        Ok(Self {
            manifest: Manifest::parse(&bytes)?,
            location,
        })
    }

    /// What the bundle holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// A SHA-256 that tells the weights from others: that of all shards' hashes, one after the other.
    pub fn weights_hash(&self) -> String {
        let hashes = self.manifest.shards.iter().map(|s| s.sha256.as_str());
        sha256_hex(hashes.collect::<String>().as_bytes())
    }

    /// Gets the shards of stage `name`, whose hashes are checked. `progress` is told how many bytes of
    /// the stage have arrived.
    pub async fn load(&self, name: &str, progress: &mut dyn FnMut(u64)) -> Result<StageWeights> {
        let stage = self.manifest.stage(name)?;
        let (range, begin) = self.manifest.stage_shards(stage);
        let entries = &self.manifest.shards[range];
        let shards = self.location.shards(entries, progress).await?;
        let lengths = entries.iter().map(|entry| entry.bytes);
        let shards = shards.into_iter().zip(lengths).collect();
        Ok(StageWeights::new(stage, shards, begin))
    }

    /// Lets the shards of stage `name` arrive while other things happen, where that is possible.
    pub fn prefetch(&self, name: &str) {
        if let Some(stage) = self.manifest.find_stage(name) {
            let (range, _) = self.manifest.stage_shards(stage);
            self.location.prefetch(&self.manifest.shards[range]);
        }
    }

    /// Reads the asset of this role and checks its hash.
    pub async fn asset(&self, role: &str) -> Result<Vec<u8>> {
        let found = self.manifest.assets.iter().find(|a| a.role == role);
        let asset = found.ok_or_else(|| {
            Error::unsupported(
                format!("the bundle has no {role}"),
                "convert the checkpoint again with --text",
            )
        })?;
        let file = std::slice::from_ref(&asset.file);
        let shards = self.location.shards(file, &mut |_| {}).await?;
        let mut bytes = Vec::new();
        for shard in &shards {
            bytes.extend_from_slice(&shard.read(0..asset.file.bytes as usize)?);
        }
        Ok(bytes)
    }
}

/// Lower-case hexadecimal SHA-256.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn check_bytes(file: &str, bytes: &[u8], length: u64, sha256: &str) -> Result<()> {
    let again = "fetch or convert the bundle again";
    if bytes.len() as u64 != length {
        let message = format!("{file} has {} bytes instead of {length}", bytes.len());
        return Err(Error::integrity(message, again));
    }
    if sha256_hex(bytes) != sha256 {
        let message = format!("{file} does not have the SHA-256 that the manifest gives");
        return Err(Error::integrity(message, again));
    }
    Ok(())
}

/// The packed weights of one stage. A shard is dropped as soon as all of its tensors were read.
#[derive(Debug)]
pub struct StageWeights {
    entries: HashMap<String, TensorEntry>,
    shards: RefCell<Vec<Waiting>>,
    stage: String,
    begin: u64,
}

/// A shard of which some tensors have not been read yet.
#[derive(Debug)]
struct Waiting {
    shard: Shard,
    length: u64,
    tensors: Cell<usize>,
}

impl StageWeights {
    /// The shards come with their lengths; the first begins at `begin`.
    fn new(stage: &StageEntry, shards: Vec<(Shard, u64)>, begin: u64) -> Self {
        let shards: Vec<Waiting> = shards
            .into_iter()
            .map(|(shard, length)| Waiting {
                shard,
                length,
                tensors: Cell::new(0),
            })
            .collect();
        let weights = Self {
            entries: stage
                .tensors
                .iter()
                .map(|tensor| (tensor.name.clone(), tensor.clone()))
                .collect(),
            shards: RefCell::new(shards),
            stage: stage.name.clone(),
            begin,
        };
        for tensor in &stage.tensors {
            weights.visit(tensor, |waiting, _| {
                waiting.tensors.set(waiting.tensors.get() + 1);
            });
        }
        weights
    }

    /// The tensor `name`, with its shape.
    pub fn tensor(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
        let (entry, packed) = self.bytes(name)?;
        let count = entry.shape.iter().product();
        let values = entry.encoding.decode(&packed, count)?;
        Ok((entry.shape.clone(), values))
    }

    /// The packed bytes of the tensor `name`, as they are in the bundle.
    pub fn packed(&self, name: &str) -> Result<Vec<u8>> {
        self.bytes(name).map(|(_, bytes)| bytes)
    }

    fn entry(&self, name: &str) -> Result<&TensorEntry> {
        self.entries.get(name).ok_or_else(|| {
            Error::format(
                format!("the stage {} has no tensor {name}", self.stage),
                "convert the checkpoint again",
            )
        })
    }

    /// The bytes of tensor `name`, which can be read once.
    fn bytes(&self, name: &str) -> Result<(&TensorEntry, Vec<u8>)> {
        let entry = self.entry(name)?;
        let mut packed = Ok(Vec::new());
        self.visit(entry, |waiting, range| {
            if let Ok(bytes) = &mut packed {
                match waiting.shard.read(range) {
                    Ok(Cow::Owned(all)) if bytes.is_empty() => *bytes = all,
                    Ok(part) => bytes.extend_from_slice(&part),
                    Err(error) => packed = Err(error),
                }
            }
            waiting.tensors.set(waiting.tensors.get().saturating_sub(1));
        });
        for waiting in self.shards.borrow_mut().iter_mut() {
            if waiting.tensors.get() == 0 {
                waiting.shard = Shard::Memory(Vec::new());
            }
        }
        Ok((entry, packed?))
    }

    /// Calls `f` with every shard that `entry` lies in, and the range of its bytes there.
    fn visit(&self, entry: &TensorEntry, mut f: impl FnMut(&Waiting, std::ops::Range<usize>)) {
        let bytes = entry.encoding.bytes(&entry.shape).unwrap_or(0);
        let (start, end) = (entry.offset, entry.offset + bytes);
        let mut offset = self.begin;
        for waiting in self.shards.borrow().iter() {
            let (low, high) = (start.max(offset), end.min(offset + waiting.length));
            if low < high {
                f(waiting, (low - offset) as usize..(high - offset) as usize);
            }
            offset += waiting.length;
        }
    }
}

impl TensorSource for StageWeights {
    fn read(&self, name: &str, shape: &[usize], _init: Init) -> Result<Vec<f32>> {
        let (found, values) = self.tensor(name)?;
        if found != shape {
            return Err(Error::format(
                format!("tensor {name} has shape {found:?} where {shape:?} is needed"),
                "convert the checkpoint again with the config.json that belongs to it",
            ));
        }
        Ok(values)
    }

    fn read_packed(&self, name: &str, shape: &[usize]) -> Result<Option<PackedValues>> {
        let entry = self.entry(name)?;
        if entry.shape != shape || entry.encoding == Encoding::F32 {
            return Ok(None);
        }
        let (entry, bytes) = self.bytes(name)?;
        let count = shape.iter().product();
        PackedValues::from_bytes(entry.encoding, bytes, count).map(Some)
    }
}
