//! Trains Art2Music: CLIP's towers where there are none, what makes spectrograms of their embeddings, and the vocoder.
//!
//! Hong et al., "Art2Music: Generating Music for Art Images with Multi-modal Feeling Alignment", 2025. The authors' optimiser
//! held the decoder alone, and their fusion was never saved; here both are trained, and both are saved.

mod composer;
mod config;
pub mod export;
mod frozen;
mod towers;
mod vocoder;

pub use composer::{ComposerTask, weighted_l1};
pub use config::{
    Art2MusicConfig, ComposerConfig, ComposerLoss, DiscriminatorConfig, TowersConfig, TowersLoss,
    VocoderLoss,
};
pub use frozen::Frozen;
pub use towers::{TowersTask, learn_vocabulary};
pub use vocoder::VocoderTask;

/// What the parts are called.
pub mod part {
    /// CLIP's towers.
    pub const TOWERS: &str = "towers";
    /// The fusion and the decoder.
    pub const COMPOSER: &str = "composer";
    /// The vocoder.
    pub const VOCODER: &str = "vocoder";
}
