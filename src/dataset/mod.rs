//! Pictures paired with music.

pub mod items;
pub mod synth;
