//! Pictures that are no paintings.

use serde::Serialize;

use super::material::generate;
use crate::{
    Result,
    audio::{peak, rms_db},
    image::Picture,
    ops::Kernels,
    weights::Bundle,
};

const SIDE: usize = 256;

/// The music of one such picture.
#[derive(Debug, Serialize)]
pub struct Robustness {
    /// What the picture is.
    pub picture: &'static str,
    /// Loudness of its music, dBFS.
    pub loudness_db: f32,
    /// Largest sample.
    pub peak: f32,
    /// Whether all samples are numbers, the music can be heard, and nothing clips.
    pub good: bool,
}

impl Robustness {
    pub(super) fn measure<B: Kernels>(bundle: &Bundle, device: &B::Device) -> Result<Vec<Self>> {
        let (names, pictures): (Vec<_>, Vec<_>) = pictures()?.into_iter().unzip();
        let (made, _) = generate::<B>(bundle, &pictures, None, 0, device)?;
        let each = names.into_iter().zip(made).map(|(picture, samples)| {
            let (loudness_db, peak) = (rms_db(&samples), peak(&samples));
            let finite = samples.iter().all(|x| x.is_finite());
            Self {
                picture,
                loudness_db,
                peak,
                good: finite && loudness_db > -55.0 && peak < 0.99,
            }
        });
        Ok(each.collect())
    }
}

/// A colour at a place, both within 0 and 1.
type Paint = fn(f32, f32) -> [f32; 3];

fn pictures() -> Result<Vec<(&'static str, Picture)>> {
    let paints: [(&'static str, Paint); 9] = [
        ("black", |_, _| [0.0; 3]),
        ("white", |_, _| [1.0; 3]),
        ("red", |_, _| [1.0, 0.0, 0.0]),
        ("grey", |_, _| [0.5; 3]),
        ("gradient", |x, y| [x, y, 1.0 - x]),
        ("noise", |x, y| {
            [hash(x, y, 1.0), hash(x, y, 2.0), hash(x, y, 3.0)]
        }),
        ("lines of text", |x, y| {
            let ink = (y * 40.0).fract() < 0.45
                && hash((x * 90.0).floor(), (y * 40.0).floor(), 0.0) < 0.6;
            [if ink && x > 0.08 && x < 0.9 {
                0.1
            } else {
                0.97
            }; 3]
        }),
        ("checkerboard", |x, y| {
            let odd = ((x * 32.0) as usize + (y * 32.0) as usize) % 2;
            [odd as f32; 3]
        }),
        ("ball in the light", |x, y| {
            // Smooth shading with grain, as a photograph has it.
            let (u, v) = (2.0 * x - 1.0, 2.0 * y - 1.0);
            let depth = 0.49 - u * u - v * v;
            let light = if depth > 0.0 {
                (0.15 + 1.1 * (depth.sqrt() - 0.4 * u - 0.5 * v)).clamp(0.0, 1.0)
            } else {
                0.55 - 0.25 * y
            };
            let grain = 0.04 * (hash(x, y, 4.0) - 0.5);
            [
                light * 0.9 + grain,
                light * 0.7 + grain,
                light * 0.55 + grain,
            ]
        }),
    ];
    let mut pictures = Vec::new();
    for (name, paint) in paints {
        let at = |i: usize| (i as f32 + 0.5) / SIDE as f32;
        let pixels = (0..SIDE * SIDE).flat_map(|i| paint(at(i % SIDE), at(i / SIDE)));
        let rgb = pixels.map(|value| (value.clamp(0.0, 1.0) * 255.0) as u8);
        pictures.push((name, Picture::from_rgb(rgb.collect(), SIDE, SIDE)?));
    }
    Ok(pictures)
}

/// A number between 0 and 1 that looks random.
fn hash(x: f32, y: f32, z: f32) -> f32 {
    let mixed = (x * 127.1 + y * 311.7 + z * 74.7).sin() * 43_758.547;
    mixed - mixed.floor()
}
