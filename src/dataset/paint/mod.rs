//! Synthetic paintings whose factors are known.
//!
//! A style family lays out the picture in unit coordinates and realises the factors of its geometry:
//! density, hardness, regularity and composition. A final grading in Oklab then gives it the mean
//! lightness, the spread of lightness, the mean chroma and the hues that were asked for.
//!
//! ```text
//! factors, seed ── Scene ── a style paints ── blur ── grade ── RGB
//! ```
//!
//! The same seed at another size is the same painting at another resolution.

mod blur;
mod canvas;
mod colour;
mod grade;
mod motif;
mod noise;
mod palette;
mod scene;
mod styles;
#[cfg(test)]
mod tests;

use image::RgbImage;

use self::{noise::lerp, scene::Scene};

/// A style family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Fields of even colour, stacked or side by side.
    ColourField,
    /// Short brush strokes that follow the forms of a view.
    Impressionist,
    /// Dots of pure colour.
    Pointillist,
    /// Wedges, bars, rings and discs on an empty ground.
    Constructivist,
    /// Brush and ink on paper: mountains in mist, bamboo.
    InkWash,
    /// Ridges behind each other, trees, a sun.
    Landscape,
    /// A town under the moon, with its lights on the water.
    Nocturne,
    /// Sweeping strokes of a loaded brush, and splashes.
    Gestural,
    /// Facets, each shaded on its own.
    Cubist,
    /// Small tiles set in mortar.
    Mosaic,
}

impl Style {
    /// Every style.
    pub const ALL: [Self; 10] = [
        Self::ColourField,
        Self::Impressionist,
        Self::Pointillist,
        Self::Constructivist,
        Self::InkWash,
        Self::Landscape,
        Self::Nocturne,
        Self::Gestural,
        Self::Cubist,
        Self::Mosaic,
    ];

    /// The name in lower case, with hyphens: `colour-field`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ColourField => "colour-field",
            Self::Impressionist => "impressionist",
            Self::Pointillist => "pointillist",
            Self::Constructivist => "constructivist",
            Self::InkWash => "ink-wash",
            Self::Landscape => "landscape",
            Self::Nocturne => "nocturne",
            Self::Gestural => "gestural",
            Self::Cubist => "cubist",
            Self::Mosaic => "mosaic",
        }
    }
}

/// The factors of a picture, each within 0..=1.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PictureFactors {
    /// The style family.
    pub style: Style,
    /// The mean lightness, from dark to light.
    pub brightness: f32,
    /// The spread of lightness.
    pub contrast: f32,
    /// The mean colourfulness.
    pub saturation: f32,
    /// From blue, green and violet to red, orange and yellow.
    pub warmth: f32,
    /// From a few large shapes to many small ones.
    pub density: f32,
    /// From soft, blurred edges to crisp ones.
    pub hardness: f32,
    /// From irregular scatter to grids and parallels.
    pub regularity: f32,
    /// Where the weight lies, from the centre to far from it.
    pub composition: f32,
}

impl PictureFactors {
    /// The same with every number within 0..=1; what is not a number becomes one half.
    fn within_bounds(&self) -> Self {
        let bound = |value: f32| {
            if value.is_nan() {
                0.5
            } else {
                value.clamp(0.0, 1.0)
            }
        };
        Self {
            style: self.style,
            brightness: bound(self.brightness),
            contrast: bound(self.contrast),
            saturation: bound(self.saturation),
            warmth: bound(self.warmth),
            density: bound(self.density),
            hardness: bound(self.hardness),
            regularity: bound(self.regularity),
            composition: bound(self.composition),
        }
    }
}

/// Paints a square picture of `size` pixels a side, at least 1.
///
/// The same factors, seed and size give the same pixels.
pub fn paint(factors: &PictureFactors, seed: u64, size: u32) -> RgbImage {
    let factors = factors.within_bounds();
    let size = size.max(1);
    let mut scene = Scene::new(&factors, seed, size as usize);
    styles::paint(factors.style, &mut scene);

    scene.light(0.13);
    let softness = (1.0 - factors.hardness).powf(1.3);
    blur::blur(
        &mut scene.canvas,
        softness * lerp(0.06, 0.006, factors.density.sqrt()),
    );
    let grain = scene.noise_seed();
    grade::grade(&mut scene.canvas, &factors, grain);

    let pixels = scene.canvas.pixels_mut();
    let mut bytes = Vec::with_capacity(3 * pixels.len());
    for pixel in pixels {
        bytes.extend_from_slice(&colour::to_srgb(*pixel));
    }
    RgbImage::from_raw(size, size, bytes).unwrap_or_else(|| RgbImage::new(size, size))
}
