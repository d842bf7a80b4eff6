//! Captions of synthetic pictures and music, by templates.
//!
//! A caption is one or two sentences that put the factors in words. Equal factors have equal
//! captions; which template is used, and which of the three secondary factors is named, depends on
//! all of them.

use super::{
    music::{Genre, Mode, MusicFactors},
    picture::{PictureFactors, Style},
};

/// What a picture is like, in English: style, brightness, saturation, colour temperature, density
/// and edges, and one of order, contrast and composition.
pub fn picture_caption(factors: &PictureFactors) -> String {
    sentence(&describe_picture(factors))
}

fn describe_picture(factors: &PictureFactors) -> String {
    let mut choice = Choice::new(&format!("{factors:?}"));

    let light = level(factors.brightness, "dark/dim/mid-toned/bright/luminous");
    let colours = level(
        factors.saturation,
        "almost grey/muted/moderately saturated/rich/vivid",
    );
    let warmth = level(
        factors.warmth,
        "mostly cold blues and violets/mostly cool greens and blues/\
         warm and cool alike/mostly warm oranges and yellows/\
         mostly hot reds and oranges",
    );
    let shapes = level(
        factors.density,
        "a few large shapes/some broad shapes/a moderate number of shapes/\
         many small shapes/a great many tiny shapes",
    );
    let edges = level(
        factors.hardness,
        "blurred/soft/slightly softened/clear/razor-sharp",
    );
    let subject = subject(factors.style);
    // One of the three factors that are less conspicuous.
    let order = match choice.of(3) {
        0 => level(
            factors.regularity,
            "scattered at random/loosely scattered/loosely ordered/in a clear order/\
             in a strict grid",
        ),
        1 => level(
            factors.contrast,
            "with hardly any contrast between them/with little contrast between them/\
             with moderate contrast between them/with strong contrast between them/\
             with stark contrast between them",
        ),
        _ => level(
            factors.composition,
            "gathered in the centre/near the centre/spread over the picture/\
             off the centre/pushed out to one side",
        ),
    };
    let a_light = article(light);
    match choice.of(4) {
        0 => format!(
            "{a_light} {subject} in {colours} colours, {warmth}. \
             It is made of {shapes} with {edges} edges, {order}."
        ),
        1 => format!(
            "{shapes} with {edges} edges, {order}: \
             {a_light} {subject} with {colours} colours, {warmth}."
        ),
        2 => format!(
            "{light} {subject} in {colours} colours, {warmth}. \
             There are {shapes} with {edges} edges, {order}."
        ),
        _ => format!(
            "this {subject} is {light}, with {colours} colours, {warmth}. \
             One sees {shapes}, {order}, and their edges are {edges}."
        ),
    }
}

/// What music is like, in English: family, tempo, mode, register, timbre and loudness, and one of
/// dynamics, rhythm and harmony.
pub fn music_caption(factors: &MusicFactors) -> String {
    sentence(&describe_music(factors))
}

fn describe_music(factors: &MusicFactors) -> String {
    let mut choice = Choice::new(&format!("{factors:?}"));

    // Evenly spaced as pairs are drawn: the logarithm of the rate, semitones, decibels.
    let tempo = level(
        (factors.rate / 0.8).log10(),
        "very slow/slow/moderately paced/fast/very fast",
    );
    let register = level(
        (factors.register - 45.0) / 32.0,
        "very low/low/middle/high/very high",
    );
    let loudness = level(
        (factors.loudness + 32.0) / 16.0,
        "very quiet/quiet/moderately loud/loud/very loud",
    );
    let timbre = level(factors.brightness, "dark/mellow/balanced/bright/brilliant");
    let mode = match factors.mode {
        Mode::Major => "major",
        Mode::Minor => "minor",
    };
    let key = format!("{} {mode}", TONICS[usize::from(factors.tonic % 12)]);
    let instrument = instrument(factors.genre);
    let detail = match choice.of(3) {
        0 => level(
            factors.dynamics,
            "at one level throughout/with slight swells/with gentle swells/\
             with marked accents/with strong swells and accents",
        ),
        1 => level(
            factors.regularity,
            "in free rhythm/in a loose rhythm/in a fairly steady rhythm/\
             with a steady pulse/with a strict, repeated pattern",
        ),
        _ => level(
            factors.harmony,
            "in bare single notes/in open fifths/with simple harmony/with full chords/\
             with rich, dense chords",
        ),
    };
    let a_tempo = article(tempo);
    match choice.of(4) {
        0 => format!(
            "{a_tempo} piece with {instrument} in {key}, {detail}. \
             The notes are in a {register} register, the sound is {timbre} and {loudness}."
        ),
        1 => format!(
            "{instrument} in {key}, {tempo} and {detail}. \
             The music is {loudness}, with a {timbre} timbre in a {register} register."
        ),
        2 => format!(
            "{loudness} music with {instrument}: {tempo}, in {key} and in a {register} register, \
             {detail} and with a {timbre} tone."
        ),
        _ => format!(
            "this is {tempo} music in {key} with {instrument}, {detail}. \
             It has a {timbre} sound in a {register} register and is {loudness}."
        ),
    }
}

/// The pitch classes, in the spelling that is usual for both modes.
const TONICS: [&str; 12] = [
    "C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "A flat", "A", "B flat", "B",
];

fn subject(style: Style) -> &'static str {
    match style {
        Style::ColourField => "colour-field painting",
        Style::Impressionist => "impressionist view of short brush strokes",
        Style::Pointillist => "pointillist painting made of dots",
        Style::Constructivist => "constructivist composition of wedges, bars and discs",
        Style::InkWash => "ink-wash painting of mountains and bamboo",
        Style::Landscape => "landscape with ridges and trees",
        Style::Nocturne => "nocturne of a town by the water",
        Style::Gestural => "gestural abstraction of sweeping strokes",
        Style::Cubist => "cubist painting of shaded facets",
        Style::Mosaic => "mosaic of small tiles",
    }
}

fn instrument(genre: Genre) -> &'static str {
    match genre {
        Genre::AmbientPad => "ambient synthesiser pads",
        Genre::Piano => "piano arpeggios",
        Genre::Chorale => "a four-part choir",
        Genre::PluckedStrings => "plucked and strummed strings",
        Genre::Bells => "chiming bells",
        Genre::Chiptune => "chiptune pulse waves",
        Genre::Groove => "a groove of chords, bass and drums",
        Genre::Drone => "a held drone beneath pulses",
    }
}

/// One of five expressions, with slashes between them, for a factor within 0..=1. What is not a
/// number has the first.
fn level(value: f32, words: &'static str) -> &'static str {
    let place = ((value * 5.0) as usize).min(4);
    words.split('/').nth(place).unwrap_or_default()
}

/// The word or words with the indefinite article.
fn article(words: &str) -> String {
    let article = if words.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {words}")
}

/// The text with a capital first letter.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// Choices that follow from all factors: FNV-1a of their names and values.
struct Choice(u64);

impl Choice {
    fn new(factors: &str) -> Self {
        Self(factors.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        }))
    }

    /// One of `count`, from high bits, which depend on everything.
    fn of(&mut self, count: u64) -> u64 {
        let choice = (self.0 >> 40) % count;
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        choice
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const PICTURE: PictureFactors = PictureFactors {
        style: Style::InkWash,
        brightness: 0.9,
        contrast: 0.5,
        saturation: 0.1,
        warmth: 0.3,
        density: 0.7,
        hardness: 0.2,
        regularity: 0.5,
        composition: 0.5,
    };
    const MUSIC: MusicFactors = MusicFactors {
        genre: Genre::Bells,
        mode: Mode::Minor,
        rate: 7.9,
        register: 46.0,
        brightness: 0.9,
        loudness: -31.0,
        dynamics: 0.5,
        regularity: 0.5,
        harmony: 0.6,
        tonic: 3,
    };

    fn is_prose(caption: &str) {
        assert!(
            caption.starts_with(|c: char| c.is_ascii_uppercase()),
            "{caption}"
        );
        assert!(
            caption.ends_with('.') && !caption.contains("  "),
            "{caption}"
        );
        assert!((1..=2).contains(&caption.matches('.').count()), "{caption}");
    }

    #[test]
    fn captions_name_the_factors_in_every_template() {
        let (mut pictures, mut music) = (BTreeSet::new(), BTreeSet::new());
        for step in 0..200 {
            // Too little to change a word.
            let little = step as f32 * 1e-5;
            let caption = picture_caption(&PictureFactors {
                contrast: 0.5 + little,
                ..PICTURE
            });
            is_prose(&caption);
            let lower = caption.to_lowercase();
            for word in [
                "ink-wash",
                "luminous",
                "almost grey",
                "cool",
                "small",
                "soft",
            ] {
                assert!(lower.contains(word), "{word}: {caption}");
            }
            pictures.insert(caption);
            let caption = music_caption(&MusicFactors {
                dynamics: 0.5 + little,
                ..MUSIC
            });
            is_prose(&caption);
            let lower = caption.to_lowercase();
            for word in [
                "bells",
                "e flat minor",
                "very fast",
                "very low",
                "brilliant",
                "very quiet",
            ] {
                assert!(lower.contains(word), "{word}: {caption}");
            }
            music.insert(caption);
        }
        // Four templates with one of three details each.
        assert_eq!((pictures.len(), music.len()), (12, 12));
        assert_eq!(picture_caption(&PICTURE), picture_caption(&PICTURE));
    }

    #[test]
    fn every_value_has_a_caption() {
        for value in [f32::NAN, f32::NEG_INFINITY, -1.0, 0.0, 0.3, 1.0, 99.0] {
            for style in Style::ALL {
                is_prose(&picture_caption(&PictureFactors {
                    style,
                    brightness: value,
                    density: value,
                    ..PICTURE
                }));
            }
            for genre in Genre::ALL {
                is_prose(&music_caption(&MusicFactors {
                    genre,
                    rate: value,
                    loudness: value,
                    ..MUSIC
                }));
            }
        }
        let highest = MusicFactors {
            tonic: 255,
            ..MUSIC
        };
        is_prose(&music_caption(&highest));
    }
}
