//! Captions of pictures and music, from what was measured on them.

use super::{
    material::{
        MusicFactors,
        pair::{LOUDNESS, RATE, REGISTER},
    },
    score::{Ensemble, Mode},
};
use crate::image::statistics::Ranks;

/// The names of pitch classes from C on, as major and minor keys are usually written.
const MAJOR_TONICS: [&str; 12] = [
    "C", "D flat", "D", "E flat", "E", "F", "F sharp", "G", "A flat", "A", "B flat", "B",
];
const MINOR_TONICS: [&str; 12] = [
    "C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "G sharp", "A", "B flat", "B",
];

/// What a picture is like beside other paintings, in English.
pub fn of_picture(ranks: &Ranks) -> String {
    let light = level(
        ranks.lightness,
        ["Very dark", "Dark", "Mid-toned", "Light", "Very light"],
    );
    let contrast = level(
        ranks.contrast,
        ["hardly any", "little", "moderate", "strong", "stark"],
    );
    let colours = level(
        ranks.chroma,
        [
            "almost grey",
            "muted",
            "moderately coloured",
            "rich",
            "vivid",
        ],
    );
    let warmth = level(
        ranks.warmth,
        [
            "cold",
            "rather cool",
            "neither warm nor cool",
            "rather warm",
            "warm",
        ],
    );
    let detail = level(
        ranks.edges,
        [
            "very plain",
            "plain",
            "moderately detailed",
            "detailed",
            "crowded",
        ],
    );
    let lines = level(
        ranks.orientation,
        [
            "upright",
            "mostly upright",
            "of no direction",
            "mostly level",
            "level",
        ],
    );
    let order = level(
        ranks.regularity,
        [
            "irregular",
            "rather irregular",
            "loosely ordered",
            "ordered",
            "patterned",
        ],
    );
    format!(
        "{light}, with {contrast} contrast; colours {colours} and {warmth}. The picture is {detail} and {order}, \
         its lines are {lines}."
    )
}

/// Where music lies between the extremes that material has, each from 0 to 1.
pub(super) struct MusicShares {
    /// From slow to fast.
    pub rate: f32,
    /// From low to high.
    pub register: f32,
    /// From quiet to loud.
    pub loudness: f32,
}

/// The shares of `music`.
pub(super) fn music_shares(music: &MusicFactors) -> MusicShares {
    let share = |value: f32, [low, high]: [f32; 2]| (value - low) / (high - low);
    let octaves = |rate: f32| rate.max(1e-3).log2();
    MusicShares {
        rate: share(octaves(music.rate), RATE.map(octaves)),
        register: share(music.register, REGISTER),
        loudness: share(music.loudness, LOUDNESS),
    }
}

/// What music is like, in English: key, speed, register, timbre, loudness, who plays, and rhythm.
pub fn of_music(music: &MusicFactors) -> String {
    let shares = music_shares(music);
    let speed = level(
        shares.rate,
        ["very slow", "slow", "moderately paced", "fast", "very fast"],
    );
    let register = level(
        shares.register,
        ["very low", "low", "middle", "high", "very high"],
    );
    let loudness = level(
        shares.loudness,
        [
            "very quiet",
            "quiet",
            "moderately loud",
            "loud",
            "very loud",
        ],
    );
    let timbre = level(
        music.brightness,
        ["dark", "mellow", "balanced", "bright", "brilliant"],
    );
    let rhythm = level(
        music.regularity,
        [
            "a free rhythm",
            "a loose rhythm",
            "a changing rhythm",
            "a steady rhythm",
            "a strict pulse",
        ],
    );
    let tonics = match music.mode {
        Mode::Major => MAJOR_TONICS,
        Mode::Minor => MINOR_TONICS,
    };
    let tonic = tonics[usize::from(music.tonic % 12)];
    let (players, mode) = (players(music.ensemble), music.mode.name());
    format!(
        "{players} in {tonic} {mode}: {speed} and {loudness} music in a {register} register, with a {timbre} \
         timbre and {rhythm}."
    )
}

fn players(ensemble: Ensemble) -> &'static str {
    match ensemble {
        Ensemble::Piano => "A piano",
        Ensemble::Strings => "Strings",
        Ensemble::HarpAndFlute => "A harp or guitar with a flute",
        Ensemble::Woodwinds => "Woodwinds",
        Ensemble::ChoirAndOrgan => "A choir with an organ",
        Ensemble::Brass => "Brass",
        Ensemble::Mallets => "Mallets",
        Ensemble::KeysAndBass => "Keys with a plucked bass",
    }
}

/// One of five words, or lists of them, for a share of 0 to 1.
pub(super) fn level<T: Copy>(share: f32, words: [T; 5]) -> T {
    words[((5.0 * share) as usize).min(4)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_say_what_was_measured() {
        let music = MusicFactors {
            ensemble: Ensemble::Piano,
            mode: Mode::Minor,
            tonic: 1,
            key_correlation: 0.9,
            mode_margin: 0.2,
            rate: 7.9,
            register: 53.0,
            loudness: -14.0,
            brightness: 0.5,
            regularity: 1.0,
            voices: 3.0,
        };
        assert_eq!(
            of_music(&music),
            "A piano in C sharp minor: very fast and very loud music in a very low register, with a balanced \
             timbre and a strict pulse."
        );
        let ranks = Ranks {
            lightness: 0.0,
            contrast: 1.0,
            chroma: 0.5,
            warmth: 0.9,
            hue: 0.5,
            edges: 0.1,
            orientation: 0.7,
            regularity: 0.3,
        };
        let text = of_picture(&ranks);
        assert!(text.starts_with("Very dark, with stark contrast") && text.contains("and warm."));
    }
}
