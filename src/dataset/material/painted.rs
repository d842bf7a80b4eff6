//! What is painted here: as light, as colourful and as detailed as real paintings are, of any hue.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::{
    dataset::paint::{PictureFactors, Style},
    image::statistics::QUANTILES,
};

/// Chroma in CIELAB of one unit of chroma in Oklab, about.
const CHROMA: f32 = 340.0;

/// Draws what to paint: each statistic of the picture is to have any rank alike, and none is to depend on another.
///
/// The painter's factors are ends of its own scales (`paint::grade`), in Oklab. For greys Oklab's lightness is
/// `(L* + 16) / 116`.
pub fn draw(rng: &mut ChaCha8Rng) -> PictureFactors {
    let style = Style::ALL[rng.random_range(0..Style::ALL.len())];
    let mut unit = || rng.random_range(0.0..1.0f32);
    let [lightness, contrast, chroma, warmth] =
        [0, 1, 2, 3].map(|place| QUANTILES.0[place].value(unit()));
    let lean = warmth * (chroma + 1.0) / chroma.max(1.0);
    PictureFactors {
        style,
        brightness: share((lightness + 16.0) / 116.0, [0.25, 0.85]),
        contrast: share(contrast / 116.0, [0.03, 0.21]),
        saturation: share(chroma / CHROMA, [0.01, 0.125]),
        warmth: share(lean, [-0.97, 0.97]),
        // Real paintings have more and crisper detail than the middle of its scale, and fewer patterns.
        density: unit().powf(0.6),
        hardness: 0.5 + 0.5 * unit(),
        regularity: unit().powi(3),
        composition: unit(),
    }
}

fn share(value: f32, [low, high]: [f32; 2]) -> f32 {
    ((value - low) / (high - low)).clamp(0.0, 1.0)
}
