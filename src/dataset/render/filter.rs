//! Filters of first and second order.

use std::f32::consts::{FRAC_1_SQRT_2, PI, TAU};

/// A low-pass of first order: 6 dB an octave.
#[derive(Debug, Clone, Copy, Default)]
pub struct OnePole {
    state: f32,
}

impl OnePole {
    /// Filters samples in place; the cut-off in Hz may change from call to call.
    pub fn run(&mut self, cutoff: f32, rate: f32, samples: &mut [f32]) {
        // Impulse invariance: the step that a resistor and a capacitor take in a sample.
        let step = 1.0 - (-TAU * (cutoff / rate).min(0.5)).exp();
        for x in samples {
            self.state += step * (*x - self.state);
            *x = self.state;
        }
    }
}

/// A section of second order of the audio EQ cookbook (Bristow-Johnson).
#[derive(Debug, Clone, Copy)]
pub struct Biquad {
    b: [f32; 3],
    a: [f32; 2],
    state: [f32; 2],
}

impl Biquad {
    fn new(b: [f32; 3], a: [f32; 3]) -> Self {
        Self {
            b: b.map(|b| b / a[0]),
            a: [a[1] / a[0], a[2] / a[0]],
            state: [0.0; 2],
        }
    }

    /// A Butterworth high-pass.
    pub fn high_pass(cutoff: f32, rate: f32) -> Self {
        let (sin, cos) = (TAU * cutoff / rate).sin_cos();
        let alpha = sin * FRAC_1_SQRT_2;
        let outer = (1.0 + cos) / 2.0;
        Self::new(
            [outer, -2.0 * outer, outer],
            [1.0 + alpha, -2.0 * cos, 1.0 - alpha],
        )
    }

    /// Raises what is above `corner` by `gain` dB, with the steepest slope that has no hump.
    pub fn high_shelf(corner: f32, gain: f32, rate: f32) -> Self {
        let (sin, cos) = (TAU * corner / rate).sin_cos();
        let a = 10f32.powf(gain / 40.0);
        let alpha = sin * FRAC_1_SQRT_2;
        let root = 2.0 * a.sqrt() * alpha;
        let (more, less) = (a + 1.0, a - 1.0);
        Self::new(
            [
                a * (more + less * cos + root),
                -2.0 * a * (less + more * cos),
                a * (more + less * cos - root),
            ],
            [
                more - less * cos + root,
                2.0 * (less - more * cos),
                more - less * cos - root,
            ],
        )
    }

    /// The next sample.
    pub fn next(&mut self, x: f32) -> f32 {
        let y = self.b[0] * x + self.state[0];
        self.state[0] = self.b[1] * x - self.a[0] * y + self.state[1];
        self.state[1] = self.b[2] * x - self.a[1] * y;
        y
    }

    /// Filters samples in place.
    pub fn run(&mut self, samples: &mut [f32]) {
        samples.iter_mut().for_each(|x| *x = self.next(*x));
    }
}

/// The power above a frequency in Hz, relative to all, in dB.
pub fn high_energy_db(samples: &[f32], from: f32, rate: f32) -> f32 {
    let mut filter = Biquad::high_pass(from, rate);
    let (mut high, mut all) = (1e-12f64, 1e-9f64);
    for x in samples {
        high += f64::from(filter.next(*x)).powi(2);
        all += f64::from(*x).powi(2);
    }
    (10.0 * (high / all).log10()) as f32
}

/// Raised cosines over the first `rise` and the last `fall` samples.
pub fn fade(samples: &mut [f32], rise: usize, fall: usize) {
    let ramp = |n: usize, count: usize| 0.5 - 0.5 * (PI * n as f32 / count as f32).cos();
    for (n, x) in samples.iter_mut().take(rise).enumerate() {
        *x *= ramp(n, rise);
    }
    for (n, x) in samples.iter_mut().rev().take(fall).enumerate() {
        *x *= ramp(n, fall);
    }
}
