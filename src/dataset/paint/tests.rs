use super::*;

fn plain(style: Style) -> PictureFactors {
    PictureFactors {
        style,
        brightness: 0.5,
        contrast: 0.6,
        saturation: 0.5,
        warmth: 0.5,
        density: 0.5,
        hardness: 0.9,
        regularity: 0.4,
        composition: 0.4,
    }
}

/// Lightness, chroma, the part of it towards orange and fine structure, from 8-bit values alone.
struct Measured {
    lightness: f32,
    spread: f32,
    chroma: f32,
    warmth: f32,
    structure: f32,
}

fn measure(picture: &RgbImage) -> Measured {
    let side = picture.width() as usize;
    let count = (side * side) as f32;
    let mean = |value: &dyn Fn([f32; 3]) -> f32| {
        let sum: f32 = picture
            .pixels()
            .map(|pixel| value(pixel.0.map(f32::from)))
            .sum();
        sum / count
    };
    let grey = |[red, green, blue]: [f32; 3]| 0.3 * red + 0.59 * green + 0.11 * blue;
    let lightness = mean(&grey);
    let spread = mean(&|rgb| (grey(rgb) - lightness).powi(2)).sqrt();
    let range = |rgb: [f32; 3]| {
        rgb.iter().copied().fold(f32::MIN, f32::max) - rgb.iter().copied().fold(f32::MAX, f32::min)
    };
    let chroma = mean(&range);
    let warmth = mean(&|[red, _, blue]| red - blue) / chroma.max(1.0);
    let greys: Vec<f32> = picture
        .pixels()
        .map(|pixel| grey(pixel.0.map(f32::from)))
        .collect();
    let steps: f32 = greys
        .chunks_exact(side)
        .flat_map(|row| row.windows(2))
        .map(|pair| (pair[1] - pair[0]).abs())
        .sum();
    Measured {
        lightness,
        spread,
        chroma,
        warmth,
        structure: steps / count / spread.max(1.0),
    }
}

/// The mean of a measurement over a few seeds.
fn average(factors: &PictureFactors, of: impl Fn(&Measured) -> f32) -> f32 {
    let seeds = 3;
    (0..seeds)
        .map(|seed| of(&measure(&paint(factors, seed, 64))))
        .sum::<f32>()
        / seeds as f32
}

#[test]
fn the_same_seed_gives_the_same_pixels() {
    for style in Style::ALL {
        let factors = plain(style);
        assert_eq!(paint(&factors, 7, 64), paint(&factors, 7, 64), "{style:?}");
        assert_ne!(paint(&factors, 7, 64), paint(&factors, 8, 64), "{style:?}");
    }
}

#[test]
fn every_factor_shows_in_every_style() {
    type Set = fn(&mut PictureFactors, f32);
    type Get = fn(&Measured) -> f32;
    let factors: [(&str, Set, Get); 5] = [
        ("brightness", |f, to| f.brightness = to, |m| m.lightness),
        ("contrast", |f, to| f.contrast = to, |m| m.spread),
        ("saturation", |f, to| f.saturation = to, |m| m.chroma),
        ("warmth", |f, to| f.warmth = to, |m| m.warmth),
        ("density", |f, to| f.density = to, |m| m.structure),
    ];
    for style in Style::ALL {
        for (name, set, get) in factors {
            let [low, middle, high] = [0.0, 0.5, 1.0].map(|value| {
                let mut factors = plain(style);
                set(&mut factors, value);
                average(&factors, get)
            });
            assert!(
                low < middle && middle < high,
                "{name} of {style:?}: {low}, {middle}, {high}"
            );
        }
    }
}

#[test]
fn soft_pictures_have_gentler_steps() {
    for style in Style::ALL {
        let sharpest = |hardness| {
            let factors = PictureFactors {
                hardness,
                ..plain(style)
            };
            average(&factors, |measured| measured.structure)
        };
        assert!(sharpest(0.0) < sharpest(1.0), "{style:?}");
    }
}

#[test]
fn styles_differ() {
    let pictures = Style::ALL.map(|style| paint(&plain(style), 3, 64));
    for (index, one) in pictures.iter().enumerate() {
        for other in &pictures[..index] {
            let distance: f32 = one
                .iter()
                .zip(other.iter())
                .map(|(one, other)| f32::from(one.abs_diff(*other)))
                .sum::<f32>()
                / one.len() as f32;
            assert!(distance > 8.0, "{index}: {distance}");
        }
    }
}

#[test]
fn sizes_show_the_same_painting() {
    for style in Style::ALL {
        let factors = plain(style);
        let small = paint(&factors, 5, 64);
        let large = paint(&factors, 5, 200);
        assert_eq!(small.dimensions(), (64, 64));
        assert_eq!(large.dimensions(), (200, 200));
        let shrunk = image::imageops::thumbnail(&large, 64, 64);
        let distance: f32 = small
            .iter()
            .zip(shrunk.iter())
            .map(|(one, other)| f32::from(one.abs_diff(*other)))
            .sum::<f32>()
            / small.len() as f32;
        assert!(distance < 12.0, "{style:?}: {distance}");
    }
}

#[test]
fn odd_factors_and_sizes_do_no_harm() {
    let factors = PictureFactors {
        brightness: f32::NAN,
        density: -3.0,
        composition: 9.0,
        ..plain(Style::Landscape)
    };
    assert_eq!(paint(&factors, 1, 0).dimensions(), (1, 1));
    assert_eq!(paint(&factors, 1, 5).dimensions(), (5, 5));
}

#[test]
fn names_are_unique() {
    for (index, style) in Style::ALL.iter().enumerate() {
        assert!(
            Style::ALL[..index]
                .iter()
                .all(|other| other.name() != style.name())
        );
    }
}
