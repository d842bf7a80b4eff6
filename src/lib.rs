//! art2mus
#![warn(missing_docs)]
pub mod audio;
#[cfg(feature = "cli")]
pub mod checkpoint;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod device;
pub mod diffusion;
pub mod error;
pub mod image;
pub mod model;
pub mod ops;
pub mod pipeline;
#[cfg(feature = "cli")]
pub mod text;
pub mod weights;
pub use error::{Error, ErrorKind, Result};
#[cfg(all(feature = "web", not(feature = "cli")))]
pub mod web;
