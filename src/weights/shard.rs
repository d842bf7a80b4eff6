//! The bytes of one shard, wherever they are.

use std::{borrow::Cow, ops::Range};

use super::FetchedShard;
use crate::{Error, Result};

/// A shard that can be read.
#[derive(Debug)]
pub(super) enum Shard {
    /// In this program's memory.
    Memory(Vec<u8>),
    /// With a fetcher, which gives single ranges of it.
    Fetched(Box<dyn FetchedShard>),
}

impl Shard {
    /// The bytes in `range`.
    pub fn read(&self, range: Range<usize>) -> Result<Cow<'_, [u8]>> {
        let found: Option<Cow<'_, [u8]>> = match self {
            Self::Memory(bytes) => bytes.get(range.clone()).map(Cow::Borrowed),
            Self::Fetched(shard) => Some(Cow::Owned(shard.read(range.clone())?)),
        };
        found
            .filter(|bytes| bytes.len() == range.len())
            .ok_or_else(|| {
                Error::internal(format!(
                    "bytes {range:?} of a shard were read after it was dropped"
                ))
            })
    }
}
