//! The names that bundles of this system use.

/// The stages of a bundle, by name.
pub mod stage {
    pub use super::super::super::entries::VOCODE;
    /// Picture to embedding.
    pub const ENCODE: &str = "encode";
    /// Embedding to Language-of-Audio tokens.
    pub const CONDITION: &str = "condition";
    /// Noise to latent.
    pub const DENOISE: &str = "denoise";
    /// Latent to log-mel.
    pub const DECODE: &str = "decode";
    /// Sound to embedding, to rank candidates (optional).
    pub const RANK: &str = "rank";
    /// Sound to latents, to measure and to train with (optional).
    pub const TRAINING: &str = "training";
    /// Prompts to states, for prompts that are no constants of the bundle (optional).
    pub const TEXT: &str = "text";

    /// What a person reads while the stage runs.
    pub fn label(stage: &str) -> Option<&'static str> {
        Some(match stage {
            ENCODE => "Looking at the picture",
            CONDITION => "Turning it into a musical idea",
            DENOISE => "Composing",
            DECODE => "Working out the sound",
            VOCODE => "Playing it",
            RANK => "Choosing the best take",
            TRAINING => "Training",
            TEXT => "Reading the text",
            _ => return None,
        })
    }
}

/// The networks of a bundle, by kind. A tensor's name begins with the kind of its network.
pub mod kind {
    /// ImageBind's vision trunk.
    pub const IMAGEBIND_VISION: &str = "imagebind-vision";
    /// CLIP's vision tower.
    pub const CLIP_VISION: &str = "clip-vision";
    /// The image aligner.
    pub const ALIGNER: &str = "aligner";
    /// GPT-2.
    pub const GPT2: &str = "gpt2";
    /// The UNet.
    pub const UNET: &str = "unet";
    /// The noise schedule (no tensors).
    pub const SCHEDULER: &str = "scheduler";
    /// The VAE's decoder.
    pub const VAE_DECODER: &str = "vae-decoder";
    pub use super::super::super::entries::{HIFIGAN, ISTFT};
    /// ImageBind's audio trunk.
    pub const IMAGEBIND_AUDIO: &str = "imagebind-audio";
    /// CLAP's text branch.
    pub const CLAP_TEXT: &str = "clap-text";
    /// T5's encoder.
    pub const T5: &str = "t5";
    /// The projection model.
    pub const PROJECTION: &str = "projection";
    /// The VAE's encoder.
    pub const VAE_ENCODER: &str = "vae-encoder";
    /// What log-mel values are standardised with before the encoder takes them (no tensors).
    pub const MEL_SCALE: &str = "mel-scale";
    /// The layer that makes a language model's prefix of an audio embedding.
    pub const AUDIO_PROJECTION: &str = "audio-projection";
    /// The prefix of the constants in the stage `condition`.
    pub const CONSTANTS: &str = "constants";
}
