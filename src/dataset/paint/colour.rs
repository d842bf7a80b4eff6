//! The Oklab colour space: lightness, then two opponent axes.

use std::sync::LazyLock;

/// A colour in Oklab: lightness 0..=1, green to red, blue to yellow.
pub(super) type Lab = [f32; 3];

/// The hue, in radians, that counts as warmest: orange. Its opposite, azure, is the coldest.
pub(super) const WARM_HUE: f32 = 1.02;

const LIGHTNESS_STEPS: usize = 48;
const HUE_STEPS: usize = 72;
const GAMMA_STEPS: f32 = 4095.0;

static GAMMA: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..4096u16)
        .map(|step| encode(f32::from(step) / GAMMA_STEPS))
        .collect()
});

/// The largest chroma that sRGB can show, by lightness and hue.
static GAMUT: LazyLock<Vec<[f32; HUE_STEPS + 1]>> = LazyLock::new(|| {
    (0..=LIGHTNESS_STEPS)
        .map(|row| {
            let lightness = row as f32 / LIGHTNESS_STEPS as f32;
            std::array::from_fn(|column| {
                let hue = column as f32 / HUE_STEPS as f32 * std::f32::consts::TAU;
                largest_chroma(lightness, hue)
            })
        })
        .collect()
});

/// A colour from its lightness, chroma and hue in radians.
pub(super) fn from_hue(lightness: f32, chroma: f32, hue: f32) -> Lab {
    [lightness, chroma * hue.cos(), chroma * hue.sin()]
}

/// The way from `from` (0) to `to` (1).
pub(super) fn mix(from: Lab, to: Lab, amount: f32) -> Lab {
    std::array::from_fn(|axis| from[axis] + (to[axis] - from[axis]) * amount)
}

/// The colour with another lightness.
pub(super) fn lighten(colour: Lab, by: f32) -> Lab {
    [colour[0] + by, colour[1], colour[2]]
}

/// The largest chroma that sRGB can show at this lightness in the hue of `(a, b)`.
pub(super) fn gamut_limit(lightness: f32, a: f32, b: f32) -> f32 {
    let turn = fast_turn(a, b) * HUE_STEPS as f32;
    let column = (turn as usize).min(HUE_STEPS - 1);
    let across = turn - column as f32;
    let height = lightness.clamp(0.0, 1.0) * LIGHTNESS_STEPS as f32;
    let row = (height as usize).min(LIGHTNESS_STEPS - 1);
    let up = height - row as f32;
    let at = |row: usize| {
        let line = &GAMUT[row];
        line[column] + (line[column + 1] - line[column]) * across
    };
    let low = at(row);
    low + (at(row + 1) - low) * up
}

/// The nearest 8-bit sRGB; what lies outside the gamut is clipped.
pub(super) fn to_srgb(colour: Lab) -> [u8; 3] {
    let gamma: &[u8] = &GAMMA;
    to_linear(colour).map(|value| gamma[(value.clamp(0.0, 1.0) * GAMMA_STEPS + 0.5) as usize])
}

fn to_linear([lightness, a, b]: Lab) -> [f32; 3] {
    let l = (lightness + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let m = (lightness - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let s = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    [
        4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s,
        -1.268_438 * l + 2.609_757_4 * m - 0.341_319_38 * s,
        -0.004_196_086_3 * l - 0.703_418_6 * m + 1.707_614_7 * s,
    ]
}

fn encode(linear: f32) -> u8 {
    let value = if linear <= 0.003_130_8 {
        12.92 * linear
    } else {
        1.055 * linear.powf(1.0 / 2.4) - 0.055
    };
    (value * 255.0).round() as u8
}

fn largest_chroma(lightness: f32, hue: f32) -> f32 {
    let (mut inside, mut outside) = (0.0, 0.4);
    for _ in 0..12 {
        let middle = 0.5 * (inside + outside);
        let shown = to_linear(from_hue(lightness, middle, hue))
            .iter()
            .all(|value| (-0.002..=1.002).contains(value));
        if shown {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    inside
}

/// The angle of `(x, y)` as a part of the full turn, 0..1, within a thousandth of a radian.
fn fast_turn(x: f32, y: f32) -> f32 {
    let (ax, ay) = (x.abs(), y.abs());
    let ratio = ax.min(ay) / ax.max(ay).max(1e-9);
    let square = ratio * ratio;
    let arc = ratio
        * (0.999_866
            + square
                * (-0.330_299_5
                    + square * (0.180_141 - square * (0.085_133 - square * 0.020_835_1))));
    let eighth = arc / std::f32::consts::TAU;
    let quarter = if ay > ax { 0.25 - eighth } else { eighth };
    let half = if x < 0.0 { 0.5 - quarter } else { quarter };
    if y < 0.0 { 1.0 - half } else { half }
}
