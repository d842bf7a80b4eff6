//! Where a bundle's files are.

use std::{collections::HashMap, sync::Arc};

use super::{ShardFetcher, bundle::check_bytes, manifest::ShardEntry, shard::Shard};
use crate::{Error, ErrorKind, Result};

/// A place that holds the files of a bundle.
#[derive(Debug, Clone)]
pub enum Location {
    /// Files in memory, by name.
    Memory(HashMap<String, Vec<u8>>),
    /// A folder.
    #[cfg(not(target_family = "wasm"))]
    Folder(std::path::PathBuf),
    /// An address; files lie beneath it.
    #[cfg(feature = "native")]
    Url(String),
    /// Something outside of this crate that fetches files and keeps shards.
    Fetcher(Arc<dyn ShardFetcher>),
}

impl Location {
    /// A folder, or an address when `text` begins with `http://` or `https://`.
    #[cfg(feature = "native")]
    pub fn parse(text: &str) -> Self {
        if text.starts_with("http://") || text.starts_with("https://") {
            Self::Url(text.trim_end_matches('/').to_string())
        } else {
            Self::Folder(text.into())
        }
    }

    /// The file `name`, of at most `limit` bytes. `progress` hears how many bytes have arrived.
    pub async fn read(
        &self,
        name: &str,
        limit: u64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<u8>> {
        let bytes = match self {
            Self::Memory(files) => files.get(name).cloned().ok_or_else(|| {
                Error::new(
                    ErrorKind::File,
                    format!("the bundle has no file {name}"),
                    "fetch or convert the bundle again",
                )
            })?,
            #[cfg(not(target_family = "wasm"))]
            Self::Folder(folder) => read_limited(&folder.join(name), limit)?,
            #[cfg(feature = "native")]
            Self::Url(base) => {
                return http::get(&format!("{base}/{name}"), limit, progress).await;
            }
            Self::Fetcher(fetcher) => fetcher.file(name, limit).await?,
        };
        progress(bytes.len() as u64);
        Ok(bytes)
    }

    /// Shards whose hashes are right. `progress` hears how many bytes of them have arrived.
    pub(super) async fn shards(
        &self,
        entries: &[ShardEntry],
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<Shard>> {
        if let Self::Fetcher(fetcher) = self {
            let shards = fetcher.shards(entries, progress).await?;
            return Ok(shards.into_iter().map(Shard::Fetched).collect());
        }
        let mut shards = Vec::new();
        let mut done = 0;
        for ShardEntry {
            file,
            bytes: length,
            sha256,
        } in entries
        {
            let mut report = |bytes: u64| progress(done + bytes.min(*length));
            let bytes = self.read(file, *length, &mut report).await?;
            check_bytes(file, &bytes, *length, sha256)?;
            done += length;
            progress(done);
            shards.push(Shard::Memory(bytes));
        }
        Ok(shards)
    }

    /// Lets these shards arrive while other things happen, where that is possible.
    pub(super) fn prefetch(&self, entries: &[ShardEntry]) {
        if let Self::Fetcher(fetcher) = self {
            fetcher.prefetch(entries);
        }
    }
}

#[cfg(not(target_family = "wasm"))]
fn too_long(name: &str, limit: u64) -> Error {
    Error::new(
        ErrorKind::Limits,
        format!("{name} is longer than the {limit} bytes that it may have"),
        "check that it is the right file",
    )
}

/// Reads a file of at most `limit` bytes.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn read_limited(path: &std::path::Path, limit: u64) -> Result<Vec<u8>> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(|e| Error::file("open", path, e))?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|e| Error::file("read", path, e))?;
    if bytes.len() as u64 > limit {
        return Err(too_long(&path.display().to_string(), limit));
    }
    Ok(bytes)
}

#[cfg(feature = "native")]
mod http {
    use super::too_long;
    use crate::{Error, ErrorKind, Result};
    use std::io::Read;

    /// Reads `url` with a blocking client.
    pub async fn get(url: &str, limit: u64, progress: &mut dyn FnMut(u64)) -> Result<Vec<u8>> {
        let failed = |e: String| {
            Error::new(
                ErrorKind::Network,
                format!("cannot fetch {url} ({e})"),
                "check the address and the connection, and try again",
            )
        };
        let response = ureq::get(url).call().map_err(|e| failed(e.to_string()))?;
        let mut reader = response.into_body().into_reader();
        let mut bytes = Vec::new();
        let mut part = vec![0; 1 << 16];
        loop {
            let n = reader.read(&mut part).map_err(|e| failed(e.to_string()))?;
            if n == 0 {
                return Ok(bytes);
            }
            bytes.extend_from_slice(&part[..n]);
            if bytes.len() as u64 > limit {
                return Err(too_long(url, limit));
            }
            progress(bytes.len() as u64);
        }
    }
}
