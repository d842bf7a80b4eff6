//! What a picture is like, measured on its pixels as a network sees them.
//!
//! All statistics are taken from the picture after [`preprocess`](super::preprocess)'s resizing and cut, at
//! [`VIEW`] pixels a side, in CIELAB (CIE 15:2004; sRGB primaries, white D65). Raw values say little: two
//! thirds of real paintings lie in one tenth of the range of warmth. So [`Statistics::ranks`] gives the share
//! of real paintings that have less of each (of warmth: of real paintings and of pictures of any hue, half and
//! half).

mod colour;
mod quantiles;
mod structure;

use serde::{Deserialize, Serialize};
use std::f32::consts::{PI, TAU};

use super::{Picture, resize::resize_and_cut};

pub use quantiles::{QUANTILES, Quantiles};

/// The place of warmth among [`Statistics::values`].
pub const WARMTH: usize = 3;
/// Side of the pixels that are measured.
pub const VIEW: usize = 128;

/// The hue in CIELAB that counts as warmest, in radians: orange, 60 degrees.
pub const WARM_HUE: f32 = PI / 3.0;
/// The chroma that a colour temperature needs: greys are neither warm nor cool.
const GREY: f32 = 1.0;
/// Where the circle of hues is cut open, in radians: violet (290 degrees), which hardly any painting has
/// for its mean.
const HUE_CUT: f32 = 290.0 / 180.0 * PI;

/// What a picture is like.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Mean lightness L*, 0 to 100.
    pub lightness: f32,
    /// Standard deviation of L*.
    pub contrast: f32,
    /// Mean chroma C*.
    pub chroma: f32,
    /// From -1 (cool) to 1 (warm): the mean of `C* cos(h - 60 degrees)` over the mean of `C* + 1`.
    pub warmth: f32,
    /// The hue of the mean colour, in radians from violet on, 0 to 2 pi: red, yellow, green, blue.
    pub hue: f32,
    /// The mean of `g / (g + 6)`, with the gradient `g` of L* in a pixel: from 0 (no edges) to 1.
    pub edges: f32,
    /// From -1 (all edges are vertical) to 1 (all are horizontal), by the structure tensor of the edges'
    /// directions; 0 where neither prevails or they have no common direction.
    pub orientation: f32,
    /// The highest peak of the autocorrelation of edges away from its middle: 0 for none, 1 for a pattern
    /// that repeats exactly.
    pub regularity: f32,
}

/// Where a picture stands among those of [`QUANTILES`]: for each statistic the share of them that have less, 0
/// to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ranks {
    /// From dark to light.
    pub lightness: f32,
    /// From even to contrasted.
    pub contrast: f32,
    /// From grey to colourful.
    pub chroma: f32,
    /// From cool to warm.
    pub warmth: f32,
    /// Around the circle of hues, from violet over red, yellow and green to blue.
    pub hue: f32,
    /// From plain to detailed.
    pub edges: f32,
    /// From vertical to horizontal.
    pub orientation: f32,
    /// From irregular to patterned.
    pub regularity: f32,
}

impl Statistics {
    /// Measures a picture.
    pub fn measure(picture: &Picture) -> Self {
        let lab = colour::to_lab(&resize_and_cut(picture, VIEW));
        let mean = |of: &dyn Fn(&[f32; 3]) -> f32| {
            let sum: f64 = lab.iter().map(|colour| f64::from(of(colour))).sum();
            (sum / lab.len() as f64) as f32
        };
        let lightness = mean(&|[l, ..]| *l);
        let variance = mean(&|[l, ..]| (l - lightness).powi(2));
        let chroma = mean(&|[_, a, b]| a.hypot(*b));
        let (a, b) = (mean(&|[_, a, _]| *a), mean(&|[.., b]| *b));
        let (sin, cos) = WARM_HUE.sin_cos();
        let structure = structure::measure(&lab);
        Self {
            lightness,
            contrast: variance.sqrt(),
            chroma,
            warmth: (a * cos + b * sin) / (chroma + GREY),
            hue: (b.atan2(a) - HUE_CUT).rem_euclid(TAU),
            edges: structure.edges,
            orientation: structure.orientation,
            regularity: structure.regularity,
        }
    }

    /// Where the picture stands among those of [`QUANTILES`].
    pub fn ranks(&self) -> Ranks {
        let [
            lightness,
            contrast,
            chroma,
            warmth,
            hue,
            edges,
            orientation,
            regularity,
        ] = std::array::from_fn(|i| QUANTILES.0[i].rank(self.values()[i]));
        Ranks {
            lightness,
            contrast,
            chroma,
            warmth,
            hue,
            edges,
            orientation,
            regularity,
        }
    }

    /// All statistics in their order.
    pub fn values(&self) -> [f32; 8] {
        [
            self.lightness,
            self.contrast,
            self.chroma,
            self.warmth,
            self.hue,
            self.edges,
            self.orientation,
            self.regularity,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(paint: impl Fn(usize, usize) -> [u8; 3]) -> Picture {
        let pixels = (0..VIEW * VIEW).flat_map(|i| paint(i % VIEW, i / VIEW));
        Picture::from_rgb(pixels.collect(), VIEW, VIEW).unwrap()
    }

    fn measure(paint: impl Fn(usize, usize) -> [u8; 3]) -> Statistics {
        Statistics::measure(&picture(paint))
    }

    #[test]
    fn known_colours_have_their_values_in_cielab() {
        // sRGB red is L* 53.2, a* 80.1, b* 67.2.
        let red = measure(|_, _| [255, 0, 0]);
        assert!(
            (red.lightness - 53.2).abs() < 0.1 && (red.chroma - 104.6).abs() < 0.2,
            "{red:?}"
        );
        assert!((red.hue + HUE_CUT - TAU - 40f32.to_radians()).abs() < 0.01);
        assert!(red.warmth > 0.85 && red.contrast < 1e-3 && red.edges < 1e-4);
        let blue = measure(|_, _| [0, 0, 255]);
        assert!(blue.warmth < -0.35, "{blue:?}");
        let grey = measure(|_, _| [119, 119, 119]);
        assert!((grey.lightness - 50.0).abs() < 0.2 && grey.chroma < 0.1);
        assert!(grey.warmth.abs() < 0.05);
        let halves = measure(|x, _| if x < VIEW / 2 { [0; 3] } else { [255; 3] });
        assert!((halves.contrast - 50.0).abs() < 0.1);
    }

    #[test]
    fn stripes_have_their_direction_and_period() {
        let stripes = |at: usize| {
            if (at / 8).is_multiple_of(2) {
                [40; 3]
            } else {
                [220; 3]
            }
        };
        let horizontal = measure(|_, y| stripes(y));
        let vertical = measure(|x, _| stripes(x));
        assert!(horizontal.orientation > 0.95 && vertical.orientation < -0.95);
        assert!(horizontal.regularity > 0.8, "{horizontal:?}");
        let noise = |x: usize, y: usize| {
            let mixed = ((x / 4) as u32).wrapping_mul(0x9e37_79b1)
                ^ ((y / 4) as u32).wrapping_mul(0x85eb_ca6b);
            [(mixed.wrapping_mul(0xc2b2_ae35) >> 24) as u8; 3]
        };
        let noise = measure(noise);
        assert!(
            noise.orientation.abs() < 0.2 && noise.regularity < 0.5,
            "{noise:?}"
        );
        assert!(noise.edges > 2.0 * measure(|x, y| stripes((x + y) / 2)).edges);
    }

    #[test]
    fn ranks_are_shares_of_paintings() {
        for (values, table) in QUANTILES.0.iter().enumerate() {
            let steps = &table.values;
            assert!(steps.windows(2).all(|two| two[0] <= two[1]), "{values}");
            assert_eq!(table.rank(steps[0] - 1.0), 0.0);
            assert_eq!(table.rank(steps[steps.len() - 1] + 1.0), 1.0);
        }
        let black = measure(|_, _| [0; 3]).ranks();
        assert_eq!(
            (black.lightness, black.contrast, black.chroma),
            (0.0, 0.0, 0.0)
        );
    }

    #[test]
    fn orange_is_warm_and_blue_is_cool() {
        for (colour, warm) in [
            ([226, 120, 40], true),
            ([190, 60, 40], true),
            ([120, 90, 60], true),
            ([40, 90, 200], false),
            ([60, 140, 110], false),
            ([128; 3], false),
        ] {
            let rank = measure(|_, _| colour).ranks().warmth;
            assert_eq!(rank > 0.5, warm, "{colour:?}: {rank}");
        }
    }
}
