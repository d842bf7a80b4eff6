//! The short-time Fourier transform and its matrices, for networks that compute it themselves.

use std::{f64::consts::PI, fmt, sync::Arc};

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex, num_complex::Complex};

use super::{check_finite, transform_failed};
use crate::{Error, Result};

/// The periodic Hann window of `length` samples.
pub fn hann(length: usize) -> Vec<f64> {
    let turn = 2.0 * PI / length.max(1) as f64;
    (0..length)
        .map(|n| 0.5 - 0.5 * (turn * n as f64).cos())
        .collect()
}

/// Where frames lie.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// The signal is mirrored at its ends, which are not repeated, by so many samples; frames begin with the mirrored ones.
    Mirrored(usize),
    /// From the first sample on; zeros fill the last frame.
    FromStart,
}

/// Short-time Fourier transforms: frames of `n_fft` samples every `hop`, under a Hann window.
#[derive(Clone)]
pub struct Stft {
    fft: Arc<dyn RealToComplex<f64>>,
    window: Vec<f64>,
    hop: usize,
    framing: Framing,
}

impl fmt::Debug for Stft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stft({}, {})", self.window.len(), self.hop)
    }
}

impl Stft {
    /// Plans transforms of frames around the sample they stand for, under the periodic window; the signal
    /// is mirrored at its ends, which are not repeated. There are `1 + samples / hop` frames, and a sound of
    /// half a frame or less is refused.
    pub fn new(n_fft: usize, hop: usize) -> Self {
        Self::mirrored(n_fft, hop, n_fft / 2)
    }

    /// The same with `padding` samples mirrored at either end, of which half a frame makes frames centred. A sound is
    /// refused that has no more samples than that, or too few for a frame.
    pub fn mirrored(n_fft: usize, hop: usize, padding: usize) -> Self {
        Self {
            fft: RealFftPlanner::new().plan_fft_forward(n_fft),
            window: hann(n_fft),
            hop: hop.max(1),
            framing: Framing::Mirrored(padding),
        }
    }

    /// Plans transforms of frames from the first sample on, under a window whose middle lies between
    /// samples; zeros fill the last frame. There is at least one frame.
    pub fn from_start(n_fft: usize, hop: usize) -> Self {
        let turn = 2.0 * PI / n_fft.max(1) as f64;
        let window = (0..n_fft).map(|n| 0.5 - 0.5 * (turn * (n as f64 + 0.5)).cos());
        Self {
            window: window.collect(),
            framing: Framing::FromStart,
            ..Self::new(n_fft, hop)
        }
    }

    /// Calls `frame` with the `n_fft / 2 + 1` bins of each frame.
    pub fn each(&self, samples: &[f32], mut frame: impl FnMut(&[Complex<f64>])) -> Result<()> {
        check_finite(samples)?;
        // A frame of an odd length is centred on a sample.
        let length = self.window.len() - self.window.len() % 2;
        if let Framing::Mirrored(padding) = self.framing {
            let least = padding.max(length.saturating_sub(2 * padding + 1));
            if samples.len() <= least {
                return Err(Error::input(
                    format!("the sound has {} samples", samples.len()),
                    format!("give one of more than {least}"),
                ));
            }
        }
        let mut input = self.fft.make_input_vec();
        let mut spectrum = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        let count = match self.framing {
            Framing::Mirrored(padding) => 1 + (samples.len() + 2 * padding - length) / self.hop,
            Framing::FromStart => {
                let behind = samples.len().saturating_sub(self.window.len());
                1 + behind.div_ceil(self.hop)
            }
        };
        for at in (0..count).map(|i| i * self.hop) {
            for (n, (value, window)) in input.iter_mut().zip(&self.window).enumerate() {
                let sample = match self.framing {
                    Framing::Mirrored(padding) => samples[mirrored(at + n, padding, samples.len())],
                    Framing::FromStart => samples.get(at + n).copied().unwrap_or(0.0),
                };
                *value = f64::from(sample) * window;
            }
            self.fft
                .process_with_scratch(&mut input, &mut spectrum, &mut scratch)
                .map_err(transform_failed)?;
            frame(&spectrum);
        }
        Ok(())
    }

    /// Calls `frame` with the number and the bins of each frame that begins at a multiple of the hop and lies inside of
    /// `samples`: nothing is mirrored.
    pub fn each_inside(
        &self,
        samples: &[f64],
        mut frame: impl FnMut(usize, &[Complex<f64>]),
    ) -> Result<()> {
        let mut input = self.fft.make_input_vec();
        let mut spectrum = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        let frames = samples.windows(self.window.len()).step_by(self.hop);
        for (number, samples) in frames.enumerate() {
            for ((value, sample), window) in input.iter_mut().zip(samples).zip(&self.window) {
                *value = sample * window;
            }
            self.fft
                .process_with_scratch(&mut input, &mut spectrum, &mut scratch)
                .map_err(transform_failed)?;
            frame(number, &spectrum);
        }
        Ok(())
    }

    /// All frames.
    pub fn spectrum(&self, samples: &[f32]) -> Result<Vec<Vec<Complex<f64>>>> {
        let mut frames = Vec::with_capacity(1 + samples.len() / self.hop);
        self.each(samples, |frame| frames.push(frame.to_vec()))?;
        Ok(frames)
    }
}

/// The inverse of [`Stft::each_inside`]: windowed frames are added up and divided by the sum of the squared windows
/// (Griffin and Lim, "Signal estimation from modified short-time Fourier transform", 1984).
#[derive(Clone)]
pub struct InverseStft {
    fft: Arc<dyn ComplexToReal<f64>>,
    window: Vec<f64>,
    hop: usize,
    /// One over the sum of the squared windows at every sample, and over the frame length, which the transform leaves in.
    scale: Vec<f64>,
}

impl InverseStft {
    /// Plans the transform of `frames` frames of `n_fft` samples every `hop`.
    pub fn new(n_fft: usize, hop: usize, frames: usize) -> Self {
        let window = hann(n_fft);
        let mut sum = vec![0.0; hop * frames.saturating_sub(1) + n_fft];
        for frame in 0..frames {
            for (sum, w) in sum[frame * hop..].iter_mut().zip(&window) {
                *sum += w * w;
            }
        }
        // Only the outermost samples are below the floor.
        let scale = sum.iter().map(|sum| 1.0 / (sum.max(1e-3) * n_fft as f64));
        Self {
            fft: RealFftPlanner::new().plan_fft_inverse(n_fft),
            scale: scale.collect(),
            window,
            hop,
        }
    }

    /// The samples of the frames' sound.
    pub fn samples(&self) -> usize {
        self.scale.len()
    }

    /// Overwrites `sound`, which has [`InverseStft::samples`] samples, with the sound of `frames` frames, whose bins
    /// `bins` fills in by their number. Imaginary parts of the first and the last bin are dropped.
    pub fn write(
        &self,
        frames: usize,
        mut bins: impl FnMut(usize, &mut [Complex<f64>]),
        sound: &mut [f64],
    ) -> Result<()> {
        let mut input = self.fft.make_input_vec();
        let mut frame = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        sound.fill(0.0);
        for number in 0..frames {
            bins(number, &mut input);
            if let [first, .., last] = &mut input[..] {
                (first.im, last.im) = (0.0, 0.0);
            }
            self.fft
                .process_with_scratch(&mut input, &mut frame, &mut scratch)
                .map_err(transform_failed)?;
            let windowed = frame.iter().zip(&self.window).map(|(x, w)| x * w);
            for (sum, x) in sound[number * self.hop..].iter_mut().zip(windowed) {
                *sum += x;
            }
        }
        let scaled = sound.iter_mut().zip(&self.scale);
        scaled.for_each(|(x, scale)| *x *= scale);
        Ok(())
    }
}

impl fmt::Debug for InverseStft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InverseStft({}, {})", self.window.len(), self.hop)
    }
}

/// The sample at `at - before`, mirrored at the first and the last, which are not repeated.
///
/// For `at` below `samples + 2 before` and `before` below `samples`.
fn mirrored(at: usize, before: usize, samples: usize) -> usize {
    let last = samples - 1;
    let at = at.abs_diff(before);
    if at <= last { at } else { 2 * last - at }
}

/// The transform of one windowed frame as a matrix `[n_fft, 2 bins]`: real parts, then imaginary.
pub fn analysis(n_fft: usize) -> Vec<f32> {
    let bins = n_fft / 2 + 1;
    let turn = 2.0 * PI / n_fft as f64;
    let mut matrix = Vec::with_capacity(n_fft * 2 * bins);
    for (n, window) in hann(n_fft).into_iter().enumerate() {
        // The product is reduced first: sines of large angles lose digits.
        let angle = |k: usize| turn * (k * n % n_fft) as f64;
        matrix.extend((0..bins).map(|k| (window * angle(k).cos()) as f32));
        matrix.extend((0..bins).map(|k| (-window * angle(k).sin()) as f32));
    }
    matrix
}

/// The inverse transform of one frame, windowed, as a matrix `[n_fft, n_fft]`: each row makes a sample
/// of the `n_fft / 2 + 1` real parts, then of the imaginary parts but the first and the last, which
/// are none.
pub fn synthesis(n_fft: usize) -> Vec<f32> {
    let last = n_fft / 2;
    let turn = 2.0 * PI / n_fft as f64;
    let sample = |(n, window): (usize, f64)| {
        let part = move |k: usize, wave: fn(f64) -> f64, sign: f64| {
            // All bins but the first and the last stand for two of the full transform.
            let share = if k == 0 || k == last { 1.0 } else { 2.0 };
            let scale = sign * share * window / n_fft as f64;
            (scale * wave(turn * (k * n % n_fft) as f64)) as f32
        };
        let real = (0..=last).map(move |k| part(k, f64::cos, 1.0));
        real.chain((1..last).map(move |k| part(k, f64::sin, -1.0)))
    };
    let window = hann(n_fft).into_iter().enumerate();
    window.flat_map(sample).collect()
}

/// What the squared windows of `frames` frames add up to at each of `hop * frames` samples.
pub fn envelope(n_fft: usize, hop: usize, frames: usize) -> Vec<f32> {
    let window = hann(n_fft);
    let mut sum = vec![0.0; hop * frames + n_fft];
    for frame in 0..frames {
        for (sum, w) in sum[frame * hop..].iter_mut().zip(&window) {
            *sum += w * w;
        }
    }
    let inside = sum.iter().skip(n_fft / 2).take(hop * frames);
    inside.map(|sum| sum.max(1e-3) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_do_not_repeat_the_ends() {
        let places = |samples| (0..samples + 4).map(move |at| mirrored(at, 2, samples));
        assert_eq!(places(4).collect::<Vec<_>>(), [2, 1, 0, 1, 2, 3, 2, 1]);
        assert_eq!(places(3).collect::<Vec<_>>(), [2, 1, 0, 1, 2, 1, 0]);
    }

    #[test]
    fn the_inverse_gives_the_sound_again() {
        let (n, hop, frames) = (64, 16, 9);
        let inverse = InverseStft::new(n, hop, frames);
        let sound: Vec<f64> = (0..inverse.samples())
            .map(|i| (i as f64 * 0.7).sin())
            .collect();
        let mut spectrum = vec![Vec::new(); frames];
        let keep = |number: usize, bins: &[Complex<f64>]| spectrum[number] = bins.to_vec();
        Stft::new(n, hop).each_inside(&sound, keep).unwrap();
        let mut back = vec![1.0; sound.len()];
        let bins =
            |number: usize, bins: &mut [Complex<f64>]| bins.copy_from_slice(&spectrum[number]);
        inverse.write(frames, bins, &mut back).unwrap();
        // At the ends the windows add up to less than the floor.
        for (a, b) in sound
            .iter()
            .zip(&back)
            .skip(n / 4)
            .take(sound.len() - n / 2)
        {
            assert!((a - b).abs() < 1e-9, "{a} {b}");
        }
    }

    #[test]
    fn frames_from_the_start_are_filled_with_zeros() {
        let stft = Stft::from_start(8, 3);
        let frames = |samples: &[f32]| stft.spectrum(samples).unwrap();
        for (samples, count) in [(0, 1), (5, 1), (8, 1), (9, 2), (11, 2), (12, 3)] {
            assert_eq!(frames(&vec![1.0; samples]).len(), count, "{samples}");
        }
        let sound: Vec<f32> = (0..10).map(|i| i as f32).collect();
        let mut rest = sound[3..].to_vec();
        rest.push(0.0);
        for (a, b) in frames(&sound)[1].iter().zip(&frames(&rest)[0]) {
            assert!((a - b).norm() < 1e-12);
        }
        // The window is even, so the sum of a constant is that of the window: half of it.
        assert!((frames(&[1.0; 8])[0][0].re - 4.0).abs() < 1e-12);
    }

    #[test]
    fn matrices_agree_with_the_fast_transform() {
        let n = 64;
        let sound: Vec<f32> = (0..4 * n).map(|i| (i as f32 * 0.7).sin()).collect();
        let fast = Stft::new(n, n).spectrum(&sound).unwrap();
        let matrix = analysis(n);
        let bins = n / 2 + 1;
        // Frame 1 stands for sample n.
        let frame = &sound[n - n / 2..n + n / 2];
        for (k, bin) in fast[1].iter().enumerate() {
            let column = |c: usize| -> f32 {
                let rows = frame.iter().enumerate();
                rows.map(|(i, x)| x * matrix[i * 2 * bins + c]).sum()
            };
            assert!((column(k) - bin.re as f32).abs() < 1e-4);
            assert!((column(bins + k) - bin.im as f32).abs() < 1e-4);
        }
    }
}
