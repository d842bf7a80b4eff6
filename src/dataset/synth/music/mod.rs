//! Synthetic music whose factors are known.
//!
//! A score of onsets, chords and a melody is written from the factors, one of eight families
//! plays it, and the whole clip is brought to its loudness. Every factor is to be heard in every
//! family: all share one grid of onsets, one register and one law of brightness.

mod dice;
mod families;
mod finish;
mod harmony;
mod score;
mod voices;

use dice::Dice;

/// Samples per second.
const RATE: f32 = 16_000.0;

/// A music family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Genre {
    /// Detuned, slowly swelling wavetables.
    AmbientPad,
    /// Struck tones that decay, in arpeggios.
    Piano,
    /// Four voices that move together.
    Chorale,
    /// Karplus-Strong strings, picked and strummed.
    PluckedStrings,
    /// Bells by frequency modulation.
    Bells,
    /// Pulse waves.
    Chiptune,
    /// Chords, bass and drums.
    Groove,
    /// A held tonic with pulses over it.
    Drone,
}

impl Genre {
    /// All families.
    pub const ALL: [Self; 8] = [
        Self::AmbientPad,
        Self::Piano,
        Self::Chorale,
        Self::PluckedStrings,
        Self::Bells,
        Self::Chiptune,
        Self::Groove,
        Self::Drone,
    ];

    /// The name in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::AmbientPad => "ambient pad",
            Self::Piano => "piano",
            Self::Chorale => "chorale",
            Self::PluckedStrings => "plucked strings",
            Self::Bells => "bells",
            Self::Chiptune => "chiptune",
            Self::Groove => "groove",
            Self::Drone => "drone",
        }
    }
}

/// The mode of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Natural minor.
    Minor,
    /// Major.
    Major,
}

/// What a piece is made from.
///
/// Numbers outside their ranges are brought to the nearest end.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct MusicFactors {
    /// The family.
    pub genre: Genre,
    /// The mode.
    pub mode: Mode,
    /// Note onsets per second, 0.8 to 8.
    pub rate: f32,
    /// The centre of melody and voices as a MIDI note number, 43 to 79.
    pub register: f32,
    /// The timbre, from 0 (mellow) to 1 (bright).
    pub brightness: f32,
    /// The RMS of the whole clip in dBFS, -34 to -14.
    pub loudness: f32,
    /// From 0 (flat) to 1 (strong swells and accents).
    pub dynamics: f32,
    /// From 0 (free rhythm, random walk) to 1 (strict pulse, repeated patterns).
    pub regularity: f32,
    /// From 0 (bare: single notes, fifths) to 1 (full chords).
    pub harmony: f32,
    /// The pitch class of the tonic, 0 (C) to 11 (B).
    pub tonic: u8,
}

impl MusicFactors {
    fn within_ranges(&self) -> Self {
        Self {
            rate: self.rate.clamp(0.8, 8.0),
            register: self.register.clamp(43.0, 79.0),
            brightness: self.brightness.clamp(0.0, 1.0),
            loudness: self.loudness.clamp(-34.0, -14.0),
            dynamics: self.dynamics.clamp(0.0, 1.0),
            regularity: self.regularity.clamp(0.0, 1.0),
            harmony: self.harmony.clamp(0.0, 1.0),
            tonic: self.tonic % 12,
            ..*self
        }
    }
}

/// Composes `seconds` of mono music at 16 kHz.
///
/// The same factors, seed and length give the same samples. Peaks stay below 0.98.
pub fn compose(factors: &MusicFactors, seed: u64, seconds: f64) -> Vec<f32> {
    let factors = factors.within_ranges();
    let mut dice = Dice::new(seed);
    let steps = score::write(&factors, seconds as f32, &mut dice);
    let mut sound = vec![0.0; (seconds * f64::from(RATE)).round() as usize];
    families::play(&factors, &steps, &mut dice, &mut sound);
    finish::finish(sound, &factors, &mut dice)
}

#[cfg(test)]
mod tests;
