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
    Url(super::http::Address),
    /// Something outside of this crate that fetches files and keeps shards.
    Fetcher(Arc<dyn ShardFetcher>),
}

impl Location {
    /// A folder, or an address when `text` begins with `http://` or `https://`; `file://` is a folder. Other schemes are
    /// refused.
    #[cfg(feature = "native")]
    pub fn parse(text: &str) -> Result<Self> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::Folder(text.into()));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => {
                let address = format!("{}://{rest}", scheme.to_ascii_lowercase());
                Ok(Self::Url(super::http::Address::parse(&address)))
            }
            // Without a host, or with this one.
            "file" => {
                let path = rest.strip_prefix("localhost").unwrap_or(rest);
                let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
                Ok(Self::Folder(path.into_owned().into()))
            }
            _ => Err(Error::input(
                format!("{text} is of a kind of address that is not known here"),
                "give a folder, or an address that begins with https:// or http://",
            )),
        }
    }

    /// The file `name`, of at most `limit` bytes. `progress` is told how many bytes have arrived.
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
            Self::Url(address) => return super::http::get(address, name, limit, progress),
            Self::Fetcher(fetcher) => fetcher.file(name, limit).await?,
        };
        progress(bytes.len() as u64);
        Ok(bytes)
    }

    /// Shards whose hashes are right. `progress` is told how many bytes of them have arrived.
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
pub(super) fn too_long(name: &str, limit: u64) -> Error {
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

#[cfg(all(test, feature = "native"))]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_folders() {
        let folder = |text: &str| match Location::parse(text) {
            Ok(Location::Folder(folder)) => folder.to_str().unwrap().to_string(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(folder("models/music"), "models/music");
        assert_eq!(folder("C:\\models"), "C:\\models");
        for text in [
            "file:///srv/a%20b",
            "FILE:///srv/a%20b",
            "file://localhost/srv/a%20b",
        ] {
            assert_eq!(folder(text), "/srv/a b", "{text}");
        }
        for text in [
            "http://a.org/b/",
            "HTTP://a.org/b",
            "Http://a.org/b/manifest.json",
        ] {
            let expected = super::super::http::Address::parse("http://a.org/b");
            match Location::parse(text) {
                Ok(Location::Url(address)) => assert_eq!(address, expected, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        for text in [
            "ftp://a.org/b",
            "s3://bucket/b",
            "hf://owner/name",
            "https//://a.org",
        ] {
            let error = Location::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Input);
            assert!(error.to_string().contains("kind of address"), "{error}");
        }
    }
}
