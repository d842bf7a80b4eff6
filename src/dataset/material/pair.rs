//! How music follows a picture.
//!
//! What a picture is like is measured on its pixels, and counted by the share of pictures that have less of it
//! ([`Ranks`]). The correspondences are our choice; the sources found that people choose likewise,
//! or nearly.
//!
//! | picture | music | range | after |
//! |---|---|---|---|
//! | lightness | register | mean pitch, MIDI 52 to 79 | Marks, "On associations of light and sound", 1974 |
//! | chroma | loudness | RMS -26 to -14 dBFS | Anikin and Johansson, "Implicit associations between individual properties of color and sound", 2019 |
//! | edges | note rate | 1 to 8 onsets a second | Palmer et al., "Music-color associations are mediated by emotion", 2013 (rate with saturation there) |
//! | contrast | timbre | treble -24 to -3 dB | Adeli et al., "Audiovisual correspondence between musical timbre and visual shapes", 2014 (with hard shapes there) |
//! | warmth of hue | mode | warm is major, cool is minor | Palmer et al., 2013 (major with warmer and lighter colours) |
//! | hue | tonic | twelve parts of the circle on the circle of fifths | our choice, after Scriabin |
//! | orientation | ensemble | horizontal is held, vertical is plucked or struck | our choice |
//! | regularity | regularity of rhythm | | our choice |
//!
//! Each gets a little noise. Mode follows warmth alone, so that it can be told apart from register and timbre.
//! What the music is like then is measured on its notes.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use serde::{Deserialize, Serialize};

use crate::{
    dataset::score::{Ensemble, Mode},
    image::statistics::{Ranks, Statistics},
    systems::art_to_mus::tonic_of,
};

/// Standard deviation of what is added to a rank on its way from picture to music.
const NOISE: f32 = 0.05;
/// How sharply warmth decides the mode.
const MODE_SLOPE: f32 = 24.0;
/// How sharply orientation decides between held and struck tones.
const ENSEMBLE_SLOPE: f32 = 8.0;
/// Lowest and highest mean pitch, MIDI note numbers: none is too low to be heard as a pitch.
pub const REGISTER: [f32; 2] = [52.0, 79.0];
/// Quietest and loudest music, dBFS.
pub const LOUDNESS: [f32; 2] = [-26.0, -14.0];
/// Slowest and fastest music, onsets per second.
pub const RATE: [f32; 2] = [1.0, 8.0];

/// A picture and its music, by what was measured on them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// What the picture is like.
    pub picture: PictureFactors,
    /// What the music is like.
    pub music: MusicFactors,
}

/// What a picture is like, measured on its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PictureFactors {
    /// The values.
    pub statistics: Statistics,
    /// The shares of pictures that have less.
    pub ranks: Ranks,
}

/// What music is like: measured on its notes, but for loudness and timbre, which rendering brings about.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MusicFactors {
    /// Who plays.
    pub ensemble: Ensemble,
    /// The mode.
    pub mode: Mode,
    /// The pitch class of the tonic: 0 is C.
    pub tonic: u8,
    /// The correlation with that key's profile.
    pub key_correlation: f32,
    /// By how much it exceeds that of the best key in the other mode.
    pub mode_margin: f32,
    /// Onsets per second.
    pub rate: f32,
    /// The mean MIDI note number, weighted with durations.
    pub register: f32,
    /// The RMS in dBFS.
    pub loudness: f32,
    /// The timbre, from 0 (mellow) to 1 (bright).
    pub brightness: f32,
    /// The share of onsets that keep to a pulse.
    pub regularity: f32,
    /// How many notes sound at once on average.
    pub voices: f32,
}

/// What the music of a picture is to be like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wish {
    /// Who plays.
    pub ensemble: Ensemble,
    /// The mode.
    pub mode: Mode,
    /// The pitch class of the tonic.
    pub tonic: u8,
    /// Onsets per second.
    pub rate: f32,
    /// The mean pitch as a MIDI note number.
    pub register: f32,
    /// The RMS in dBFS.
    pub loudness: f32,
    /// The timbre, from 0 to 1.
    pub brightness: f32,
    /// From the freest rhythm (0) to the strictest (1).
    pub regularity: f32,
}

fn between([low, high]: [f32; 2], share: f32) -> f32 {
    low + (high - low) * share
}

/// The loudness in dBFS that a picture asks for, before noise.
pub fn asked_loudness(ranks: &Ranks) -> f32 {
    between(LOUDNESS, ranks.chroma)
}

/// What the music of a picture is to be like, with noise.
pub fn correspond(ranks: &Ranks, rng: &mut ChaCha8Rng) -> Wish {
    let mut near = |rank: f32| {
        // A deviation above 0 is always accepted.
        let noise = Normal::new(0.0, NOISE).map_or(0.0, |normal| normal.sample(rng));
        (rank + noise).clamp(0.0, 1.0)
    };
    let [lightness, chroma, edges, contrast, regularity, warmth] = [
        ranks.lightness,
        ranks.chroma,
        ranks.edges,
        ranks.contrast,
        ranks.regularity,
        ranks.warmth,
    ]
    .map(&mut near);
    let mut decide = |slope: f32, rank: f32| {
        let probability = 1.0 / (1.0 + (-slope * (rank - 0.5)).exp());
        rng.random_range(0.0..1.0f32) < probability
    };
    let major = decide(MODE_SLOPE, warmth);
    let sustained = decide(ENSEMBLE_SLOPE, ranks.orientation);
    let register = between(REGISTER, lightness);
    let fitting: Vec<Ensemble> = Ensemble::ALL
        .into_iter()
        .filter(|e| e.is_sustained() == sustained && e.suits(register))
        .collect();
    Wish {
        ensemble: fitting[rng.random_range(0..fitting.len())],
        mode: if major { Mode::Major } else { Mode::Minor },
        // Without noise, which would change the tonic of every second picture.
        tonic: tonic_of(ranks.hue),
        rate: RATE[0] * (RATE[1] / RATE[0]).powf(edges),
        register,
        loudness: between(LOUDNESS, chroma),
        brightness: contrast,
        regularity,
    }
}
