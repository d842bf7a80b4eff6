//! The names that bundles of this system use.

/// The stages of a bundle, by name.
pub mod stage {
    pub use super::super::super::entries::VOCODE;
    /// Picture to embedding.
    pub const ENCODE: &str = "encode";
    /// Comment to embedding.
    pub const TEXT: &str = "text";
    /// Both embeddings to log-mel.
    pub const DECODE: &str = "decode";

    /// What a person reads while the stage runs.
    pub fn label(stage: &str) -> Option<&'static str> {
        Some(match stage {
            ENCODE => "Looking at the picture",
            TEXT => "Reading the text",
            DECODE => "Working out the sound",
            VOCODE => "Playing it",
            _ => return None,
        })
    }
}

/// The networks of a bundle, by kind. A tensor's name begins with the kind of its network.
pub mod kind {
    pub use super::super::super::entries::{HIFIGAN, ISTFT};
    /// CLIP's vision tower.
    pub const CLIP_VISION: &str = "clip-vision";
    /// CLIP's text tower.
    pub const CLIP_TEXT: &str = "clip-text";
    /// The fusion of both embeddings.
    pub const FUSION: &str = "fusion";
    /// What makes a spectrogram of the fused vector.
    pub const MEL_DECODER: &str = "mel-decoder";
}
