//! What a bundle's stages are and how they make music: one folder a system, named by the bundle.

pub mod art_to_mus;
