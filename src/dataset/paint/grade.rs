//! The final grading: shifts and stretches the colours of a picture until its factors hold.

use super::{
    PictureFactors,
    canvas::Canvas,
    colour::{Lab, WARM_HUE, gamut_limit},
    noise::{self, lerp},
};

/// How many pixels the statistics are taken from.
const SAMPLES: usize = 1600;
const DARKEST: f32 = 0.02;
const LIGHTEST: f32 = 0.985;
/// The hues of varnish and light that a picture is shifted to, from orange on, in radians: from red to yellow.
const CAST_HUES: [f32; 2] = [-0.1, 0.5];
/// The threads of the canvas, along one side.
const THREADS: f32 = 230.0;

/// Gives the picture the brightness, contrast, warmth and saturation of `factors`.
pub(super) fn grade(canvas: &mut Canvas, factors: &PictureFactors, seed: u32) {
    let extreme = (2.0 * factors.brightness - 1.0).powi(2);
    let mean = lerp(0.25, 0.85, factors.brightness);
    let spread = lerp(0.03, 0.23, factors.contrast) * (1.0 - 0.2 * extreme);

    let mut samples = sample(canvas.pixels_mut());
    let tone = Tone::fit(&samples, mean, spread);
    for colour in &mut samples {
        colour[0] = tone.at(colour[0]);
    }
    let hue = WARM_HUE + lerp(CAST_HUES[0], CAST_HUES[1], noise::hash(0, 1, seed));
    let cast = fit_cast(&samples, hue, 1.94 * (factors.warmth - 0.5));
    for colour in &mut samples {
        *colour = tint(*colour, hue, cast);
    }
    let chroma = fit_chroma(&samples, lerp(0.01, 0.125, factors.saturation));

    let weave = 0.17 * spread;
    let fine = (canvas.side() as f32 / THREADS).min(1.0);
    canvas.wash(|[x, y], colour| {
        let [lightness, a, b] = tint(colour, hue, cast);
        let lightness = tone.at(lightness);
        let factor = chroma_factor([lightness, a, b], chroma);
        let thread = noise::value(x * THREADS, y * THREADS * 0.6, seed);
        [
            lightness + weave * fine * (thread - 0.5),
            a * factor,
            b * factor,
        ]
    });
}

/// A soft-shouldered tone curve.
struct Tone {
    gain: f32,
    offset: f32,
}

impl Tone {
    /// The curve that gives the samples this mean lightness and standard deviation.
    fn fit(samples: &[Lab], mean: f32, spread: f32) -> Self {
        let (average, deviation) = moments(samples.iter().map(|colour| colour[0]));
        let range = LIGHTEST - DARKEST;
        let level = (mean - DARKEST) / range;
        let slope = range * level * (1.0 - level);
        let mut gain = spread / (slope * deviation.max(1e-4));
        let mut offset = (level / (1.0 - level)).ln() - gain * average;
        for _ in 0..10 {
            let tone = Self { gain, offset };
            let (now, deviation) = moments(samples.iter().map(|colour| tone.at(colour[0])));
            let stretch = (spread / deviation.max(1e-4)).clamp(0.6, 1.6);
            // The mean of (value - DARKEST) (LIGHTEST - value) / range, from the moments.
            let slope = ((now - DARKEST) * (LIGHTEST - now) - deviation * deviation) / range;
            let shift = ((mean - now) / slope.max(0.02)).clamp(-1.5, 1.5);
            offset += shift - gain * (stretch - 1.0) * average;
            gain *= stretch;
        }
        Self { gain, offset }
    }

    fn at(&self, lightness: f32) -> f32 {
        let scaled = self.gain * lightness + self.offset;
        DARKEST + (LIGHTEST - DARKEST) / (1.0 + (-scaled).exp())
    }
}

/// How far to shift all colours towards `hue`, so that they lean towards orange by `lean`, -1..1.
fn fit_cast(samples: &[Lab], hue: f32, lean: f32) -> f32 {
    let (sin, cos) = WARM_HUE.sin_cos();
    let (mut cool, mut warm) = (-0.4, 0.4);
    for _ in 0..12 {
        let middle = 0.5 * (cool + warm);
        let (mut along, mut whole) = (0.0, 1e-9);
        for colour in samples {
            let [_, a, b] = tint(*colour, hue, middle);
            along += a * cos + b * sin;
            whole += (a * a + b * b).sqrt();
        }
        if along < lean * whole {
            cool = middle;
        } else {
            warm = middle;
        }
    }
    0.5 * (cool + warm)
}

fn tint([lightness, a, b]: Lab, hue: f32, cast: f32) -> Lab {
    let (sin, cos) = hue.sin_cos();
    [lightness, a + cast * cos, b + cast * sin]
}

/// The factor on chroma that gives the samples this mean, as far as sRGB can show it.
fn fit_chroma(samples: &[Lab], mean: f32) -> f32 {
    let limits: Vec<(f32, f32)> = samples
        .iter()
        .map(|&[lightness, a, b]| ((a * a + b * b).sqrt(), gamut_limit(lightness, a, b)))
        .collect();
    let (mut pale, mut rich) = (0.0, 40.0);
    for _ in 0..18 {
        let middle = 0.5 * (pale + rich);
        let sum: f32 = limits
            .iter()
            .map(|&(chroma, limit)| (chroma * middle).min(limit))
            .sum();
        if sum < mean * limits.len() as f32 {
            pale = middle;
        } else {
            rich = middle;
        }
    }
    0.5 * (pale + rich)
}

/// `factor`, or less where the colour would leave the gamut.
fn chroma_factor([lightness, a, b]: Lab, factor: f32) -> f32 {
    let chroma = (a * a + b * b).sqrt().max(1e-6);
    factor.min(gamut_limit(lightness, a, b) / chroma)
}

/// Pixels from all over the picture, at most about [`SAMPLES`].
fn sample(pixels: &[Lab]) -> Vec<Lab> {
    // An odd stride does not line up with the rows.
    let stride = (pixels.len() / SAMPLES) | 1;
    pixels.iter().step_by(stride).copied().collect()
}

/// The mean and the standard deviation.
fn moments(values: impl Iterator<Item = f32>) -> (f32, f32) {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        sum += value;
        squares += value * value;
    }
    let mean = sum / f32::max(count, 1.0);
    (
        mean,
        (squares / f32::max(count, 1.0) - mean * mean)
            .max(0.0)
            .sqrt(),
    )
}
