//! What VGGish takes: patches of 0.96 seconds as log-mel spectrograms.
//!
//! After Hershey et al., "CNN architectures for large-scale audio classification", 2017, and the front end that was
//! published with it.

use realfft::RealFftPlanner;

use super::{
    SAMPLE_RATE, check_finite, filterbank::Filterbank, resample::resample, stft::hann,
    transform_failed,
};
use crate::{Error, Result};

/// The mel bands of a patch.
pub const BANDS: usize = 64;

/// The frames of a patch.
pub const FRAMES: usize = 96;

/// The samples of a frame (25 ms) and from a frame to the next (10 ms).
const WINDOW: usize = 400;
const HOP: usize = 160;

const FFT: usize = 512;
const RANGE_HZ: [f64; 2] = [125.0, 7500.0];
/// What is added to magnitudes.
const OFFSET: f64 = 0.01;

/// The patches of a sound, `[patches, 96 frames, 64 mel bands]`; none overlaps another.
///
/// ```text
/// ln(|X[t, k]| W[k, m] + 0.01)
/// ```
///
/// with magnitudes of whole frames of 400 samples every 160 at 16 kHz, under a periodic Hann window and filled up to 512,
/// and `W` 64 triangles in mel (`1127 ln(1 + f / 700)`) from 125 to 7500 Hz. What is left at the end is dropped. Sounds of
/// less than 0.975 s are refused.
///
/// ```
/// use art2mus::audio::vggish;
///
/// let patches = vggish::patches(&[0.0; 32_000], 16_000)?;
/// assert_eq!(patches.len(), 2 * vggish::FRAMES * vggish::BANDS);
/// # Ok::<(), art2mus::Error>(())
/// ```
pub fn patches(samples: &[f32], sample_rate: u32) -> Result<Vec<f32>> {
    check_finite(samples)?;
    let samples = resample(samples, sample_rate, SAMPLE_RATE)?;
    let fft = RealFftPlanner::new().plan_fft_forward(FFT);
    let (mut input, mut spectrum) = (fft.make_input_vec(), fft.make_output_vec());
    let mut scratch = fft.make_scratch_vec();
    let window = hann(WINDOW);
    let bank = Filterbank::kaldi(FFT, SAMPLE_RATE as usize, BANDS, RANGE_HZ);
    let frames = (samples.len() + HOP).saturating_sub(WINDOW) / HOP;
    let whole = frames / FRAMES * FRAMES;
    if whole == 0 {
        return Err(Error::input(
            "the sound is shorter than 0.975 seconds",
            "give a longer one, best 10 seconds",
        ));
    }
    let mut patches = Vec::with_capacity(whole * BANDS);
    for frame in samples.windows(WINDOW).step_by(HOP).take(whole) {
        // The transform leaves other values in its input.
        input.fill(0.0);
        for ((value, sample), window) in input.iter_mut().zip(frame).zip(&window) {
            *value = f64::from(*sample) * window;
        }
        fft.process_with_scratch(&mut input, &mut spectrum, &mut scratch)
            .map_err(transform_failed)?;
        let sums = bank.sums(&spectrum, |bin| bin.norm());
        patches.extend(sums.map(|sum| (sum + OFFSET).ln() as f32));
    }
    Ok(patches)
}
