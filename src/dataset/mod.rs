//! Pictures paired with music: where items come from, and what frozen networks make of them.
//!
//! ```text
//! Source ─ Loader (threads) ─ Preprocessor ─ FrozenNetworks (device) ─ Cache (shards on disk) ─ training
//! ```
//!
//! [`embeddings`] and [`pairing`] make such a list of a folder of pictures and one of music, as ArtSound was made.
//!
//! A [`Source`] gives items: [`Rendered`] material, files from a [`JsonLines`] list, or
//! [`ArtSound`]. A
//! [`Loader`] reads them on every core, in order. [`FrozenNetworks`] is the one place that runs frozen
//! networks over items, and a [`Cache`] keeps what they give, so that it is computed once. [`Shuffled`]
//! says in which order an epoch takes the items. Items that cannot be read are left out and listed by a
//! [`SkipLog`]. [`articaps`] makes a list from published tables.

pub mod articaps;
mod artsound;
mod bundle;
mod cache;
mod captions;
mod comments;
pub mod compose;
pub mod embeddings;
mod figures;
mod fma;
mod frozen;
mod json_lines;
mod labels;
mod listing;
mod loader;
pub mod material;
pub mod paint;
pub mod pairing;
mod preprocess;
pub mod render;
pub mod score;
mod shuffle;
mod skipped;
mod source;
mod split;

pub use artsound::{ArtSound, Subset};
pub use bundle::{BundleNetworks, Decoder, DiffusionPrior, Wanted, stage_digests};
pub use cache::{Cache, Field, Recipe, Record, count_items};
pub use comments::{Comment, CommentForm};
pub use embeddings::Embeddings;
pub use figures::{bars, histogram};
pub use fma::FmaTracks;
pub use frozen::{EncodedBatch, FrozenNetworks, LatentEncoder, LoaTokens, field};
pub use json_lines::{JsonLines, read_picture};
pub use labels::{GENRE, Labels, STYLE};
pub use listing::{files_beneath, read_captions};
pub use loader::{Loader, cores};
pub use material::Rendered;
pub use preprocess::{Features, MelRecipe, Preprocessor, TextInput};
pub use shuffle::Shuffled;
pub use skipped::{SkipLog, Skipped, first_readable, read_first};
pub use source::{Captions, Item, Source};
pub use split::{Parts, Split, stratified_split};

/// Items that go through a network at once.
pub const BATCH_SIZE: usize = 8;
