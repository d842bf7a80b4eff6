//! Bundles: a manifest and raw shards of packed tensors, read from memory, a folder, a URL or
//! a browser's storage.
//!
//! Nothing here knows which networks there are: a bundle is stages, a stage is named tensors.

mod bundle;
mod fetch;
#[cfg(feature = "native")]
mod http;
mod location;
mod manifest;
mod shard;
#[cfg(feature = "native")]
mod writer;

pub use bundle::{Bundle, StageWeights};
pub use fetch::{FetchedShard, LocalFuture, ShardFetcher, Shareable};
#[cfg(feature = "native")]
pub use http::Address;
pub use location::Location;
#[cfg(feature = "cli")]
pub(crate) use location::read_limited;
pub use manifest::{
    AssetEntry, Constants, FORMAT, MAX_ASSET_BYTES, MAX_MANIFEST_BYTES, Manifest, ModelInfo,
    NegativePrefix, NetworkEntry, Provenance, ShardEntry, StageEntry, TensorEntry, VERSION,
};
#[cfg(feature = "native")]
pub use writer::BundleWriter;
