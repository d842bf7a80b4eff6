//! What ImageBind's audio trunk takes: three clips of two seconds as Kaldi log filterbanks.
//!
//! After ImageBind's `data.py` and `torchaudio.compliance.kaldi.fbank` with `htk_compat`, a Hann
//! window and no dither.

use std::{f64::consts::PI, ops::Range, sync::Arc};

use realfft::{RealFftPlanner, RealToComplex};

use super::{
    SAMPLE_RATE, check_finite, filterbank::Filterbank, resample::resample, transform_failed,
};
use crate::{Error, Result};

/// The clips of a sound.
pub const CLIPS: usize = 3;

/// The mel bands of a clip.
pub const MEL_BINS: usize = 128;

/// The frames of a clip, of which two seconds fill 198.
pub const FRAMES: usize = 204;

/// The samples of a clip: two seconds.
const CLIP: usize = 32_000;

/// The samples of a frame (25 ms) and from a frame to the next (10 ms).
const WINDOW: usize = 400;
const HOP: usize = 160;

const FFT: usize = 512;
const PRE_EMPHASIS: f64 = 0.97;
const LOWEST_HZ: f64 = 20.0;
const HIGHEST_HZ: f64 = 8000.0;

/// The lowest energy: the distance from 1 to the next `f32`.
const FLOOR: f64 = 1.192_092_9e-7;

/// The mean and deviation of the training set that ImageBind normalises with.
const MEAN: f64 = -4.268;
const STD: f64 = 9.138;

/// The features of a sound, `[3 clips, 1, 128 mel bands, 204 frames]`.
///
/// The sound is resampled to 16 kHz. Clip `i` starts at `i/3` of what two seconds leave of it, so
/// that the last clip does not reach its end; a sound below two seconds is three times itself.
/// Frames that a clip lacks are 0 before the normalisation, `4.268 / 9.138` after it.
///
/// `samples` is channel 0. (ImageBind subtracts a clip's mean over all channels first, but each
/// frame then loses its own mean, and nothing is left of the first.) Less than 25 ms is refused.
///
/// ```
/// use art2mus::audio::fbank;
///
/// let features = fbank::clips(&[0.0; 44_100], 44_100)?;
/// assert_eq!(features.len(), fbank::CLIPS * fbank::MEL_BINS * fbank::FRAMES);
/// # Ok::<(), art2mus::Error>(())
/// ```
pub fn clips(samples: &[f32], sample_rate: u32) -> Result<Vec<f32>> {
    check_finite(samples)?;
    let samples = resample(samples, sample_rate, SAMPLE_RATE)?;
    if samples.len() < WINDOW {
        return Err(Error::input(
            "the sound is shorter than 25 ms",
            "give a longer one, best 10 seconds",
        ));
    }
    let plan = Plan::new();
    let mut out: Vec<f32> = Vec::with_capacity(CLIPS * MEL_BINS * FRAMES);
    for i in 0..CLIPS {
        out.extend(plan.clip(&samples[bounds(samples.len(), i)])?);
    }
    Ok(out)
}

/// The samples of clip `i`: with `room = D - 2` seconds, `trunc(16000 i room / 3)` and 2 s more.
fn bounds(samples: usize, i: usize) -> Range<usize> {
    match samples.checked_sub(CLIP) {
        Some(room) => {
            // `i * room / 3` without overflow where a `usize` has 32 bits.
            let start = room / CLIPS * i + room % CLIPS * i / CLIPS;
            start..start + CLIP
        }
        None => 0..samples,
    }
}

/// What is the same for every clip.
struct Plan {
    fft: Arc<dyn RealToComplex<f64>>,
    /// The symmetric Hann window.
    window: Vec<f64>,
    bank: Filterbank,
}

impl Plan {
    fn new() -> Self {
        let turn = 2.0 * PI / (WINDOW - 1) as f64;
        Self {
            fft: RealFftPlanner::new().plan_fft_forward(FFT),
            window: (0..WINDOW)
                .map(|n| 0.5 - 0.5 * (turn * n as f64).cos())
                .collect(),
            bank: Filterbank::kaldi(FFT, SAMPLE_RATE as usize, MEL_BINS, [LOWEST_HZ, HIGHEST_HZ]),
        }
    }

    /// The normalised log filterbank of a clip, `[128, 204]`.
    fn clip(&self, samples: &[f32]) -> Result<Vec<f32>> {
        let mut out = vec![normalise(0.0); MEL_BINS * FRAMES];
        let mut input = self.fft.make_input_vec();
        let mut spectrum = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        let frames = samples.windows(WINDOW).step_by(HOP).take(FRAMES);
        for (t, frame) in frames.enumerate() {
            // The transform leaves other values in its input.
            input.fill(0.0);
            self.shape(frame, &mut input);
            self.fft
                .process_with_scratch(&mut input, &mut spectrum, &mut scratch)
                .map_err(transform_failed)?;
            let energies = self.bank.sums(&spectrum, |x| x.norm_sqr());
            for (m, energy) in energies.enumerate() {
                out[m * FRAMES + t] = normalise(energy.max(FLOOR).ln());
            }
        }
        Ok(out)
    }

    /// Subtracts the frame's mean, lifts its treble and applies the window.
    fn shape(&self, frame: &[f32], out: &mut [f64]) {
        let mean = frame.iter().map(|x| f64::from(*x)).sum::<f64>() / WINDOW as f64;
        // The sample before the first is the first.
        let mut before = frame.first().map_or(0.0, |x| f64::from(*x)) - mean;
        for ((out, x), window) in out.iter_mut().zip(frame).zip(&self.window) {
            let x = f64::from(*x) - mean;
            *out = (x - PRE_EMPHASIS * before) * window;
            before = x;
        }
    }
}

fn normalise(value: f64) -> f32 {
    ((value - MEAN) / STD) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::fixtures::{distance, trace};

    const PADDING: f32 = 4.268 / 9.138;

    #[test]
    fn features_are_those_of_the_reference() {
        let (_, wave) = trace("wave");
        let (shape, expected) = trace("audio.fbank");
        assert_eq!(shape, [1, 1, MEL_BINS, FRAMES]);
        let ours = clips(&wave, SAMPLE_RATE).unwrap();
        assert_eq!(ours.len(), CLIPS * MEL_BINS * FRAMES);
        // Both sides compute in f64; what is left is the order of sums and one rounding to f32.
        // The project asks for 1e-4, which is what an implementation in f32 reaches.
        let error = distance(&ours[..MEL_BINS * FRAMES], &expected);
        assert!(error < 1e-6, "{error}");
    }

    #[test]
    fn clips_start_at_thirds_of_the_room() {
        // 2.6 s leave 9600 samples; 10 s leave 128000, whose third is truncated.
        let starts = |samples| [0, 1, 2].map(|i| bounds(samples, i).start);
        assert_eq!(starts(41_600), [0, 3200, 6400]);
        assert_eq!(starts(160_000), [0, 42_666, 85_333]);
        assert_eq!(bounds(160_000, 2), 85_333..117_333);
        assert_eq!(bounds(31_999, 2), 0..31_999);
        assert_eq!(bounds(32_000, 2), 0..32_000);
        for samples in 32_000..32_010 {
            for i in 0..CLIPS {
                assert_eq!(bounds(samples, i).start, (samples - 32_000) * i / 3);
            }
        }
    }

    #[test]
    fn the_other_clips_are_the_sound_from_there_on() {
        let (_, wave) = trace("wave");
        let all = clips(&wave, SAMPLE_RATE).unwrap();
        let second = clips(&wave[3200..35_200], SAMPLE_RATE).unwrap();
        let size = MEL_BINS * FRAMES;
        assert_eq!(all[size..2 * size], second[..size]);
    }

    #[test]
    fn missing_frames_are_zero_before_normalising() {
        let (_, wave) = trace("wave");
        let size = MEL_BINS * FRAMES;
        for (samples, frames) in [(32_000, 198), (400, 1), (559, 1), (560, 2)] {
            let ours = clips(&wave[..samples], SAMPLE_RATE).unwrap();
            assert_eq!(ours[..size], ours[2 * size..]);
            for row in ours.chunks(FRAMES) {
                assert!(row[frames..].iter().all(|x| (x - PADDING).abs() < 1e-6));
                assert!(row[..frames].iter().all(|x| (x - PADDING).abs() > 1e-6));
            }
        }
    }

    #[test]
    fn a_constant_is_silence() {
        let ours = clips(&[0.7; 40_000], SAMPLE_RATE).unwrap();
        assert_eq!(ours[0], normalise(FLOOR.ln()));
    }

    #[test]
    fn another_rate_is_resampled() {
        let ours = clips(&vec![0.0; 44_100 * 3], 44_100).unwrap();
        assert_eq!(ours.len(), CLIPS * MEL_BINS * FRAMES);
        assert!(clips(&[0.0; 1000], 44_100).is_err());
    }

    #[test]
    fn what_has_no_frame_is_refused() {
        for bad in [&[0.0; 399][..], &[], &[f32::NAN; 800]] {
            assert!(clips(bad, SAMPLE_RATE).is_err());
        }
        assert!(clips(&[0.0; 800], 0).is_err());
    }
}
