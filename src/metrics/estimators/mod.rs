//! Musical factors read from sound: onsets and their rate, brightness, register, pitch classes and mode.
//! (Loudness is [`crate::audio::rms_db`].)
//!
//! All take mono samples at 16 kHz of any length, and give the same at any level. Silence, and no
//! samples at all, give the value that each function names. They measure smoothed magnitudes and never
//! phases, so that they hold for music that a vocoder made.

mod key;
mod onsets;
mod pitch;
mod spectrum;

pub use key::{majorness, pitch_classes};
pub use onsets::{note_rate, onset_envelope};
pub use pitch::register;
pub use spectrum::brightness;

/// Samples per second.
const RATE: f32 = 16_000.0;

#[cfg(test)]
mod tests;
