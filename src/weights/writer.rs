//! Writes a bundle tensor by tensor, so that memory stays at one shard.

use serde::Serialize;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use super::{
    bundle::sha256_hex,
    manifest::{
        AssetEntry, Constants, FORMAT, MANIFEST_FILE, MAX_ASSET_BYTES, MAX_MANIFEST_BYTES,
        MAX_SHARD_BYTES, Manifest, ModelInfo, NetworkEntry, Provenance, ShardEntry, StageEntry,
        TensorEntry, VERSION,
    },
};
use crate::{
    Error, ErrorKind, Result,
    files::{UnfinishedFolder, finish_folder, unfinished_folder},
    quant::{Encoding, align, pack_within_limit},
};

/// A bundle that is being written. It appears under its name only when [`BundleWriter::finish`]
/// succeeds; until then, and after a failure, there is nothing at that place.
#[derive(Debug)]
pub struct BundleWriter {
    target: PathBuf,
    /// Removed when dropped.
    folder: UnfinishedFolder,
    stages: Vec<StageEntry>,
    shards: Vec<ShardEntry>,
    assets: Vec<AssetEntry>,
    buffer: Vec<u8>,
    offset: u64,
}

impl BundleWriter {
    /// Begins a bundle that will be the folder `target`, which must not exist yet (or be empty).
    pub fn create(target: &Path) -> Result<Self> {
        let folder = unfinished_folder(target)?;
        Ok(Self {
            target: target.to_path_buf(),
            folder,
            stages: Vec::new(),
            shards: Vec::new(),
            assets: Vec::new(),
            buffer: Vec::new(),
            offset: 0,
        })
    }

    /// Begins the stage `name`, which a person knows as `label`; the tensors that follow belong to it.
    pub fn begin_stage(
        &mut self,
        name: &str,
        label: Option<&str>,
        networks: Vec<NetworkEntry>,
    ) -> Result<()> {
        self.flush()?;
        self.stages.push(StageEntry {
            name: name.to_string(),
            label: label.map(str::to_string),
            constants: None,
            networks,
            tensors: Vec::new(),
        });
        Ok(())
    }

    /// Says of which texts the stage begun last holds the encodings.
    pub fn constants(&mut self, constants: Constants) -> Result<()> {
        let stage = self.stages.last_mut();
        let stage =
            stage.ok_or_else(|| Error::internal("constants were written before any stage"))?;
        stage.constants = Some(constants);
        Ok(())
    }

    /// Adds a tensor to the stage begun last. Numbers that f16 cannot hold are kept as f32.
    pub fn tensor(
        &mut self,
        name: &str,
        shape: &[usize],
        values: &[f32],
        encoding: Encoding,
    ) -> Result<()> {
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(Error::format(
                format!("tensor {name} holds {value}"),
                "use a checkpoint without such numbers",
            ));
        }
        let (packed, encoding, error) = pack_within_limit(values, encoding)?;
        self.packed(
            TensorEntry {
                name: name.to_string(),
                shape: shape.to_vec(),
                encoding,
                offset: 0,
                error,
            },
            &packed,
        )
    }

    /// Adds a tensor that is packed already, as `entry` says, to the stage begun last.
    pub fn packed(&mut self, entry: TensorEntry, bytes: &[u8]) -> Result<()> {
        let Some(stage) = self.stages.last_mut() else {
            return Err(Error::internal("a tensor was written before any stage"));
        };
        stage.tensors.push(TensorEntry {
            offset: self.offset,
            ..entry
        });
        let end = align(self.offset + bytes.len() as u64)
            .ok_or_else(|| Error::internal("the bundle is too large"))?;
        self.buffer.extend_from_slice(bytes);
        let padding = (end - self.offset) as usize - bytes.len();
        self.buffer.extend(std::iter::repeat_n(0, padding));
        self.offset = end;
        let full = MAX_SHARD_BYTES as usize;
        while self.buffer.len() > full {
            let rest = self.buffer.split_off(full);
            let shard = std::mem::replace(&mut self.buffer, rest);
            self.write_shard(&shard)?;
        }
        Ok(())
    }

    /// Adds a file that is no shard.
    pub fn asset(&mut self, role: &str, file: &str, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 > MAX_ASSET_BYTES {
            return Err(Error::new(
                ErrorKind::Limits,
                format!(
                    "{file} has {} bytes, more than {MAX_ASSET_BYTES}",
                    bytes.len()
                ),
                "use a smaller file",
            ));
        }
        self.write(file, bytes)?;
        self.assets.push(AssetEntry {
            role: role.to_string(),
            file: ShardEntry {
                file: file.to_string(),
                bytes: bytes.len() as u64,
                sha256: sha256_hex(bytes),
            },
        });
        Ok(())
    }

    /// Writes the manifest and, if `check` accepts it, moves the bundle to its place.
    pub fn finish(
        mut self,
        system: &str,
        model: ModelInfo,
        defaults: &impl Serialize,
        provenance: Provenance,
        check: impl FnOnce(&Manifest) -> Result<()>,
    ) -> Result<Manifest> {
        self.flush()?;
        let defaults = serde_json::to_value(defaults)
            .map_err(|e| Error::internal(format!("the defaults cannot be written ({e})")))?;
        let manifest = Manifest {
            format: FORMAT.into(),
            version: VERSION,
            system: system.into(),
            model,
            stages: std::mem::take(&mut self.stages),
            shards: std::mem::take(&mut self.shards),
            assets: std::mem::take(&mut self.assets),
            defaults: Some(defaults),
            provenance,
        };
        let text = serde_json::to_vec(&manifest)
            .map_err(|e| Error::internal(format!("the manifest cannot be written ({e})")))?;
        debug_assert!(text.len() as u64 <= MAX_MANIFEST_BYTES);
        let manifest = Manifest::parse(&text)?;
        check(&manifest)?;
        self.write(MANIFEST_FILE, &text)?;
        finish_folder(self.folder, &self.target, MANIFEST_FILE)?;
        Ok(manifest)
    }

    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let shard = std::mem::take(&mut self.buffer);
        self.write_shard(&shard)
    }

    fn write_shard(&mut self, bytes: &[u8]) -> Result<()> {
        let file = format!("{:03}.bin", self.shards.len());
        self.write(&file, bytes)?;
        self.shards.push(ShardEntry {
            file,
            bytes: bytes.len() as u64,
            sha256: sha256_hex(bytes),
        });
        Ok(())
    }

    fn write(&self, file: &str, bytes: &[u8]) -> Result<()> {
        let path = self.folder.path().join(file);
        let failed = |e| Error::file("write", &path, e);
        let mut file = fs::File::create(&path).map_err(failed)?;
        file.write_all(bytes).map_err(failed)?;
        // What has the bundle's name must be there even after a power cut.
        file.sync_all().map_err(failed)
    }
}
