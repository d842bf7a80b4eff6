//! What browsers load. A package of its own, because the crate would otherwise be linked as a C library in
//! every native build too, and because the modules can then share what they are compiled from.

#[cfg(target_family = "wasm")]
pub use art2mus::web::*;
