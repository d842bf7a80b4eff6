//! CLIP: pictures and texts become vectors of one space.
//!
//! Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021.
//! Parameter names are those that `transformers` writes for `CLIPModel`.

mod layer;
mod text;
mod vision;

pub use text::{ClipText, ClipTextConfig};
pub use vision::{ClipConfig, ClipVision};
