//! Bundles whose files something outside of this crate fetches and keeps, such as a browser.

use std::{fmt::Debug, future::Future, ops::Range, pin::Pin};

use super::manifest::ShardEntry;
use crate::Result;

/// A future that need not move between threads.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Natively what a bundle holds can be shared between threads; in a browser JavaScript's values cannot.
#[cfg(not(target_family = "wasm"))]
pub trait Shareable: Send + Sync {}
#[cfg(not(target_family = "wasm"))]
impl<T: Send + Sync + ?Sized> Shareable for T {}
/// Natively what a bundle holds can be shared between threads; in a browser JavaScript's values cannot.
#[cfg(target_family = "wasm")]
pub trait Shareable {}
#[cfg(target_family = "wasm")]
impl<T: ?Sized> Shareable for T {}

/// Fetches the files of one bundle.
pub trait ShardFetcher: Shareable + Debug {
    /// The small file `name`, of at most `limit` bytes.
    fn file<'a>(&'a self, name: &'a str, limit: u64) -> LocalFuture<'a, Result<Vec<u8>>>;

    /// Waits for shards and checks their hashes. `progress` is told how many bytes of them have arrived.
    fn shards<'a>(
        &'a self,
        entries: &'a [ShardEntry],
        progress: &'a mut dyn FnMut(u64),
    ) -> LocalFuture<'a, Result<Vec<Box<dyn FetchedShard>>>>;

    /// Lets shards arrive while other things happen. Whoever needs them asks again, and is told then what is
    /// wrong.
    fn prefetch(&self, entries: &[ShardEntry]);
}

/// A shard that has been fetched, and that gives single ranges of its bytes. Dropped when it will not be read
/// any more.
pub trait FetchedShard: Debug {
    /// The bytes in `range`.
    fn read(&self, range: Range<usize>) -> Result<Vec<u8>>;
}
