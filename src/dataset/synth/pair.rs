//! How the factors of music follow from those of a picture.
//!
//! | picture | music |
//! |---|---|
//! | brightness | register; with warmth, the mode |
//! | saturation | loudness |
//! | density | note rate |
//! | warmth | timbre: cold colours sound bright, warm ones mellow |
//! | contrast and hardness | dynamics |
//! | regularity | regularity of rhythm |
//! | composition | harmony |

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use serde::{Deserialize, Serialize};

use super::super::Split;
use super::{
    music::{Genre, Mode, MusicFactors, compose},
    picture::{PictureFactors, Style, paint},
};

/// Standard deviation of what is added to a factor on its way from picture to music.
const NOISE: f32 = 0.06;
/// How sharply brightness and warmth decide the mode.
const MODE_SLOPE: f32 = 14.0;
/// Quietest and loudest music, dBFS.
const LOUDNESS: [f32; 2] = [-32.0, -16.0];
/// Lowest and highest register, MIDI note numbers.
const REGISTER: [f32; 2] = [45.0, 77.0];
/// Slowest and fastest music, notes per second.
const RATE: [f32; 2] = [0.8, 8.0];

/// A picture and its music, by their factors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// What the picture is like.
    pub picture: PictureFactors,
    /// What the music is like.
    pub music: MusicFactors,
    /// What decides everything that factors leave open.
    pub seed: u64,
}

/// How often a style comes with a genre, in parts of the style: rows are styles. Every style has a
/// genre that suits it best, and no combination is impossible.
fn affinity(style: usize, genre: usize) -> f32 {
    // Uneven, but the same for ever: a favourite, a second one, and a long tail.
    match (genre + 8 - style % 8) % 8 {
        0 => 0.34,
        1 => 0.20,
        2 => 0.13,
        3 => 0.10,
        4 => 0.08,
        5 => 0.06,
        6 => 0.05,
        _ => 0.04,
    }
}

/// How often a style occurs: falls with its place in [`Style::ALL`].
fn frequency(style: usize) -> f32 {
    1.0 / (2.0 + style as f32).sqrt()
}

fn choose(rng: &mut ChaCha8Rng, weights: impl Iterator<Item = f32> + Clone) -> usize {
    let total: f32 = weights.clone().sum();
    let mut rest = rng.random_range(0.0..total);
    for (i, weight) in weights.enumerate() {
        if rest < weight {
            return i;
        }
        rest -= weight;
    }
    0
}

fn between([low, high]: [f32; 2], share: f32) -> f32 {
    low + (high - low) * share.clamp(0.0, 1.0)
}

/// The loudness in dBFS that a picture asks for, before noise.
pub fn asked_loudness(picture: &PictureFactors) -> f32 {
    between(LOUDNESS, picture.saturation)
}

impl Pair {
    /// Pair `index` of `split`: always the same, and different from all others.
    pub fn draw(split: Split, index: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(index);
        rng.set_stream(split as u64 + 1);
        let style = choose(&mut rng, (0..Style::ALL.len()).map(frequency));
        let genre = choose(&mut rng, (0..Genre::ALL.len()).map(|g| affinity(style, g)));
        let mut unit = || rng.random_range(0.0..=1.0f32);
        let picture = PictureFactors {
            style: Style::ALL[style],
            brightness: unit(),
            contrast: unit(),
            saturation: unit(),
            warmth: unit(),
            density: unit(),
            hardness: unit(),
            regularity: unit(),
            composition: unit(),
        };
        let music = correspond(&picture, Genre::ALL[genre], &mut rng);
        Self {
            picture,
            music,
            seed: rng.random(),
        }
    }

    /// What decides the mode: mostly brightness, and warmth. From 0 to 1.
    pub fn mood(&self) -> f32 {
        mood(&self.picture)
    }

    /// The picture, `size` pixels square.
    pub fn paint(&self, size: u32) -> image::RgbImage {
        paint(&self.picture, self.seed, size)
    }

    /// The music: mono, 16 kHz.
    pub fn compose(&self, seconds: f64) -> Vec<f32> {
        compose(&self.music, self.seed, seconds)
    }
}

fn mood(picture: &PictureFactors) -> f32 {
    0.7 * picture.brightness + 0.3 * picture.warmth
}

/// The music's factors, from the picture's and noise.
fn correspond(picture: &PictureFactors, genre: Genre, rng: &mut ChaCha8Rng) -> MusicFactors {
    let mut near = |factor: f32| {
        // A deviation above 0 is always accepted.
        let noise = Normal::new(0.0, NOISE).map_or(0.0, |normal| normal.sample(rng));
        (factor + noise).clamp(0.0, 1.0)
    };
    let [rate, register, loudness, brightness] = [
        picture.density,
        picture.brightness,
        picture.saturation,
        1.0 - picture.warmth,
    ]
    .map(&mut near);
    let [dynamics, regularity, harmony] = [
        (picture.contrast + picture.hardness) / 2.0,
        picture.regularity,
        picture.composition,
    ]
    .map(&mut near);
    let mood = near(mood(picture));
    let major = 1.0 / (1.0 + (-MODE_SLOPE * (mood - 0.5)).exp());
    MusicFactors {
        genre,
        mode: if rng.random_range(0.0..1.0f32) < major {
            Mode::Major
        } else {
            Mode::Minor
        },
        rate: RATE[0] * (RATE[1] / RATE[0]).powf(rate),
        register: between(REGISTER, register),
        brightness,
        loudness: between(LOUDNESS, loudness),
        dynamics,
        regularity,
        harmony,
        tonic: rng.random_range(0..12),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_always_the_same_and_no_other() {
        let pair = Pair::draw(Split::Training, 7);
        assert_eq!(pair, Pair::draw(Split::Training, 7));
        assert_ne!(pair, Pair::draw(Split::Training, 8));
        assert_ne!(pair, Pair::draw(Split::Test, 7));
        let other = Pair {
            seed: pair.seed + 1,
            ..pair.clone()
        };
        assert_ne!(pair.paint(64), other.paint(64));
        assert_ne!(pair.compose(1.0), other.compose(1.0));
    }

    #[test]
    fn styles_and_genres_occur_together_unevenly() {
        let mut counts = vec![[0; 8]; Style::ALL.len()];
        for index in 0..8000 {
            let pair = Pair::draw(Split::Training, index);
            let style = Style::ALL.iter().position(|s| *s == pair.picture.style);
            let genre = Genre::ALL.iter().position(|g| *g == pair.music.genre);
            counts[style.unwrap()][genre.unwrap()] += 1;
        }
        let cells = counts.iter().flatten();
        assert!(cells.clone().all(|count| *count > 0));
        assert!(cells.clone().max().unwrap() > &(8 * cells.min().unwrap()));
    }

    #[test]
    fn bright_pictures_have_high_and_major_music() {
        let mut sums = [[0.0; 3]; 2];
        for index in 0..2000 {
            let pair = Pair::draw(Split::Training, index);
            let sum = &mut sums[usize::from(pair.picture.brightness > 0.5)];
            sum[0] += 1.0;
            sum[1] += pair.music.register;
            sum[2] += f32::from(u8::from(pair.music.mode == Mode::Major));
        }
        let [dark, bright] = sums.map(|[count, register, major]| (register / count, major / count));
        assert!(
            bright.0 > dark.0 + 10.0 && bright.1 > dark.1 + 0.4,
            "{dark:?} {bright:?}"
        );
    }
}
