//! Painters' palettes: a few colours in harmony, warm or cool.

use std::f32::consts::PI;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    colour::{Lab, WARM_HUE, from_hue, mix},
    noise::lerp,
};

const COLOURS: usize = 6;

/// The colours of a picture.
#[derive(Debug, Clone)]
pub(super) struct Palette {
    /// From dark to light.
    ramp: [Lab; COLOURS],
    /// The colour that stands out.
    pub accent: Lab,
}

impl Palette {
    /// A palette that is blue and green at `warmth` 0 and red and yellow at 1.
    pub fn new(rng: &mut ChaCha8Rng, warmth: f32) -> Self {
        let side = if rng.random::<bool>() { 1.0 } else { -1.0 };
        let turned = (1.7 * (warmth - 0.5)).clamp(-0.85, 0.85).acos();
        let base = WARM_HUE + side * turned;
        let harmony: f32 = rng.random();
        let spread = rng.random_range(0.25..0.75);
        let opposite = base + PI + rng.random_range(-0.4..0.4);
        let darkest = rng.random_range(0.16..0.34);
        let lightest = rng.random_range(0.84..0.97);
        let chroma = rng.random_range(0.07..0.13);
        let odd = rng.random_range(1..COLOURS - 1);
        let warm_colours = warmth * COLOURS as f32;
        let ramp = std::array::from_fn(|index| {
            let part = index as f32 / (COLOURS - 1) as f32;
            let wobble = rng.random_range(-1.0..1.0f32);
            let hue = if harmony < 0.4 {
                // Analogous: neighbours on the wheel, the lights leaning to one side.
                base + spread * (2.0 * part - 1.0) + 0.2 * wobble
            } else if harmony < 0.65 {
                // Complementary: one colour answers the others.
                if index == odd {
                    opposite
                } else {
                    base + 0.35 * wobble
                }
            } else if harmony < 0.9 {
                // Warm against cool, in the proportion that the warmth asks for.
                let place = (index * 5 + odd) % COLOURS;
                let pole = if (place as f32) + 0.5 < warm_colours {
                    0.0
                } else {
                    PI
                };
                WARM_HUE + pole + 0.7 * wobble
            } else {
                // Earths: one hue, many greys of it.
                base + 0.12 * wobble
            };
            let middle = 1.0 - (2.0 * part - 1.0).powi(2);
            let strength = chroma * (0.45 + 0.75 * middle) * rng.random_range(0.55..1.35);
            from_hue(lerp(darkest, lightest, part), strength, hue)
        });
        let accent = from_hue(rng.random_range(0.5..0.72), 0.17, opposite);
        Self { ramp, accent }
    }

    /// The colour at `tone`: 0 is the darkest, 1 the lightest.
    pub fn tone(&self, tone: f32) -> Lab {
        let place = tone.clamp(0.0, 1.0) * (COLOURS - 1) as f32;
        let index = (place as usize).min(COLOURS - 2);
        mix(self.ramp[index], self.ramp[index + 1], place - index as f32)
    }

    /// One of the colours of the ramp.
    pub fn pick(&self, rng: &mut ChaCha8Rng) -> Lab {
        self.ramp[rng.random_range(0..COLOURS)]
    }
}
