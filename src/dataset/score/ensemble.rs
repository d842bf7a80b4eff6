//! Ensembles: which instruments play the voices of an arrangement.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// A General MIDI instrument and what it can play.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Instrument {
    /// The General MIDI program, counted from 0.
    pub program: u8,
    /// Its lowest pitch as a MIDI note number.
    pub lowest: u8,
    /// Its highest pitch.
    pub highest: u8,
    /// Whether its tones last as long as they are held.
    pub sustained: bool,
}

const fn held(program: u8, lowest: u8, highest: u8) -> Instrument {
    Instrument {
        program,
        lowest,
        highest,
        sustained: true,
    }
}

const fn struck(program: u8, lowest: u8, highest: u8) -> Instrument {
    Instrument {
        program,
        lowest,
        highest,
        sustained: false,
    }
}

const PIANO: Instrument = struck(0, 24, 105);
const ELECTRIC_PIANO: Instrument = struck(4, 28, 100);
const HARPSICHORD: Instrument = struck(6, 29, 89);
const CELESTA: Instrument = struck(8, 60, 108);
const MUSIC_BOX: Instrument = struck(10, 60, 105);
const VIBRAPHONE: Instrument = struck(11, 48, 96);
const MARIMBA: Instrument = struck(12, 33, 96);
const CHURCH_ORGAN: Instrument = held(19, 29, 96);
const REED_ORGAN: Instrument = held(20, 36, 96);
const NYLON_GUITAR: Instrument = struck(24, 40, 88);
const ACOUSTIC_BASS: Instrument = struck(32, 28, 67);
const VIOLIN: Instrument = held(40, 55, 100);
const VIOLA: Instrument = held(41, 48, 88);
const CELLO: Instrument = held(42, 36, 79);
const CONTRABASS: Instrument = held(43, 28, 62);
const HARP: Instrument = struck(46, 24, 103);
const STRING_ENSEMBLE: Instrument = held(48, 28, 98);
const CHOIR_AAHS: Instrument = held(52, 41, 84);
const VOICE_OOHS: Instrument = held(53, 41, 84);
const TRUMPET: Instrument = held(56, 54, 86);
const TROMBONE: Instrument = held(57, 40, 74);
const TUBA: Instrument = held(58, 28, 60);
const FRENCH_HORN: Instrument = held(60, 36, 79);
const OBOE: Instrument = held(68, 58, 91);
const BASSOON: Instrument = held(70, 34, 74);
const CLARINET: Instrument = held(71, 50, 91);
const FLUTE: Instrument = held(73, 60, 98);

/// Instruments by the mean pitch of what they are given, the lowest first: up to each bound.
type Section = [(f32, Instrument)];

const STRING_SECTION: [(f32, Instrument); 4] = [
    (43.0, CONTRABASS),
    (56.0, CELLO),
    (64.0, VIOLA),
    (f32::INFINITY, VIOLIN),
];
const WOODWIND_SECTION: [(f32, Instrument); 4] = [
    (56.0, BASSOON),
    (66.0, CLARINET),
    (71.0, OBOE),
    (f32::INFINITY, FLUTE),
];
const BRASS_SECTION: [(f32, Instrument); 4] = [
    (43.0, TUBA),
    (53.0, TROMBONE),
    (65.0, FRENCH_HORN),
    (f32::INFINITY, TRUMPET),
];
const MALLET_SECTION: [(f32, Instrument); 3] = [
    (57.0, MARIMBA),
    (72.0, VIBRAPHONE),
    (f32::INFINITY, CELESTA),
];

/// Who plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ensemble {
    /// A piano.
    Piano,
    /// Bowed strings.
    Strings,
    /// A harp or a guitar, and a flute on top.
    HarpAndFlute,
    /// Flute, oboe, clarinet, bassoon.
    Woodwinds,
    /// A choir over an organ.
    ChoirAndOrgan,
    /// Trumpet, horn, trombone, tuba.
    Brass,
    /// Marimba, vibraphone, celesta.
    Mallets,
    /// A harpsichord or an electric piano over a plucked bass.
    KeysAndBass,
}

impl Ensemble {
    /// Every ensemble.
    pub const ALL: [Self; 8] = [
        Self::Piano,
        Self::Strings,
        Self::HarpAndFlute,
        Self::Woodwinds,
        Self::ChoirAndOrgan,
        Self::Brass,
        Self::Mallets,
        Self::KeysAndBass,
    ];

    /// The name in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Piano => "piano",
            Self::Strings => "strings",
            Self::HarpAndFlute => "harp and flute",
            Self::Woodwinds => "woodwinds",
            Self::ChoirAndOrgan => "choir and organ",
            Self::Brass => "brass",
            Self::Mallets => "mallets",
            Self::KeysAndBass => "keys and bass",
        }
    }

    /// Whether its tones are held, not plucked or struck.
    pub fn is_sustained(self) -> bool {
        matches!(
            self,
            Self::Strings | Self::Woodwinds | Self::ChoirAndOrgan | Self::Brass
        )
    }

    /// Whether it can play music whose mean pitch is `register`.
    pub fn suits(self, register: f32) -> bool {
        let [lowest, highest] = match self {
            Self::Piano | Self::Strings | Self::KeysAndBass => [0.0, 127.0],
            Self::HarpAndFlute => [50.0, 127.0],
            Self::Woodwinds => [50.0, 127.0],
            Self::ChoirAndOrgan => [0.0, 74.0],
            Self::Brass => [0.0, 70.0],
            Self::Mallets => [56.0, 127.0],
        };
        (lowest..=highest).contains(&register)
    }

    /// An instrument for each of some voices, from their mean pitches; the first voice is on top.
    pub(super) fn cast(self, pitches: &[f32], rng: &mut ChaCha8Rng) -> Vec<Instrument> {
        let variant = rng.random_range(0..2);
        let last = pitches.len().saturating_sub(1);
        let section = |section: &Section, pitch: f32| {
            let found = section.iter().find(|(bound, _)| pitch < *bound);
            found.map_or(section[0].1, |(_, instrument)| *instrument)
        };
        let choose = |(place, pitch): (usize, &f32)| {
            let (top, bottom) = (place == 0, place == last && last > 0);
            match (self, variant) {
                (Self::Piano, _) => PIANO,
                (Self::Strings, 0) => section(&STRING_SECTION, *pitch),
                (Self::Strings, _) => STRING_ENSEMBLE,
                (Self::HarpAndFlute, _) if top && *pitch > 64.0 => FLUTE,
                (Self::HarpAndFlute, 0) => HARP,
                (Self::HarpAndFlute, _) if *pitch < 70.0 => NYLON_GUITAR,
                (Self::HarpAndFlute, _) => HARP,
                (Self::Woodwinds, _) => section(&WOODWIND_SECTION, *pitch),
                (Self::ChoirAndOrgan, _) if *pitch > 76.0 || bottom => CHURCH_ORGAN,
                (Self::ChoirAndOrgan, 0) => CHOIR_AAHS,
                (Self::ChoirAndOrgan, _) if top => VOICE_OOHS,
                (Self::ChoirAndOrgan, _) => REED_ORGAN,
                (Self::Brass, _) => section(&BRASS_SECTION, *pitch),
                (Self::Mallets, 1) if *pitch > 76.0 => MUSIC_BOX,
                (Self::Mallets, _) => section(&MALLET_SECTION, *pitch),
                (Self::KeysAndBass, _) if bottom && *pitch < 55.0 => ACOUSTIC_BASS,
                (Self::KeysAndBass, 0) => HARPSICHORD,
                (Self::KeysAndBass, _) => ELECTRIC_PIANO,
            }
        };
        pitches.iter().enumerate().map(choose).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn instruments_fit_what_they_are_given() {
        let pitches = [74.0, 66.0, 58.0, 47.0, 38.0];
        for ensemble in Ensemble::ALL {
            for seed in 0..4 {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let cast = ensemble.cast(&pitches, &mut rng);
                assert_eq!(cast.len(), pitches.len());
                for (instrument, pitch) in cast.iter().zip(pitches) {
                    let reach = f32::from(instrument.lowest) - 12.0..f32::from(instrument.highest);
                    assert!(
                        reach.contains(&pitch) || !ensemble.suits(pitch),
                        "{ensemble:?} {instrument:?} {pitch}"
                    );
                }
            }
        }
    }
}
