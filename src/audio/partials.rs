//! Low tones from a spectrogram, without a network: each partial is an oscillator whose phase goes on from frame to frame.
//!
//! A convolutional vocoder sees the same frames while a tone is held, and so makes the same samples for each of them: what it
//! makes repeats with the frames and has only their rate and its multiples, 62.5 Hz apart at a hop of 256 samples. Where
//! semitones lie closer together than that, held tones are out of tune. Below a frequency, the sound is therefore made as in
//! McAulay and Quatieri, "Speech analysis/synthesis based on a sinusoidal representation", 1986: peaks of a
//! frame are joined with those of the next, and amplitude and frequency change evenly between them.

use std::f64::consts::{PI, TAU};

use super::spectrogram::{FrequencyScale, SpectrogramConfig};
use crate::{Error, Result};

/// Taps of the filter that parts low from high, on either side of the middle one.
const REACH: usize = 160;
/// The logarithm of the amplitude below which there is no partial.
const SILENCE: f32 = -7.5;
/// Bands on either side that a peak exceeds.
const NEIGHBOURS: usize = 2;
/// How many bands a partial may move from a frame to the next.
const STEP: f64 = 1.2;
/// Hz between the entries of the table of the filter's response.
const TABLE: f64 = 4.0;
/// What phases of new partials differ by, in turns: the golden ratio spreads them.
const PHASE: f64 = 0.618_033_988_749_895;

/// A peak of a frame, or a partial as it is at a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Peak {
    /// Where it lies among bands.
    band: f64,
    /// In Hz.
    frequency: f64,
    /// Of the part of it that is below.
    amplitude: f64,
}

impl Peak {
    /// What a partial begins from and ends in.
    fn silent(self) -> Self {
        Self {
            amplitude: 0.0,
            ..self
        }
    }
}

/// The plan of making the tones below a frequency.
#[derive(Debug, Clone)]
pub struct LowPartials {
    rate: f64,
    hop: usize,
    bands: usize,
    lowest: f64,
    per_octave: f64,
    /// Bands in which peaks are looked for.
    searched: usize,
    /// The low-pass filter, from its middle on.
    taps: Vec<f64>,
    /// Its response at multiples of [`TABLE`], as far as partials lie.
    responses: Vec<f64>,
}

impl LowPartials {
    /// Tones below `limit` Hz of a spectrogram, which must be of the logarithmic scale.
    pub fn new(config: &SpectrogramConfig, limit: f64) -> Result<Self> {
        let rate = f64::from(config.sample_rate);
        let FrequencyScale::Log {
            bands,
            lowest,
            per_octave,
            ..
        } = config.scale
        else {
            return Err(Error::format(
                "partials are made of a spectrogram on the mel scale",
                "leave partials_below out, or give the vocoder a logarithmic scale",
            ));
        };
        if !(limit > lowest && limit < rate / 4.0) {
            return Err(Error::format(
                format!("partials cannot be made below {limit} Hz"),
                format!(
                    "give partials_below a number between {lowest} and {}",
                    rate / 4.0
                ),
            ));
        }
        // A sinc under a Hann window.
        let mut taps: Vec<f64> = (0..=REACH)
            .map(|n| {
                let x = TAU * limit / rate * n as f64;
                let sinc = if n == 0 { 1.0 } else { x.sin() / x };
                sinc * (0.5 + 0.5 * (PI * n as f64 / (REACH + 1) as f64).cos())
            })
            .collect();
        let sum = taps[0] + 2.0 * taps[1..].iter().sum::<f64>();
        taps.iter_mut().for_each(|tap| *tap /= sum);
        let per_octave = per_octave as f64;
        // The filter lets a little through above the limit.
        let last = ((1.25 * limit / lowest).log2() * per_octave).ceil();
        // A peak lies up to half a band above its own.
        let highest = lowest * ((last + 1.0) / per_octave).exp2();
        let entries = (highest / TABLE).ceil() as usize + 2;
        Ok(Self {
            rate,
            hop: config.hop,
            bands,
            lowest,
            per_octave,
            searched: bands.min(last as usize + 1),
            responses: (0..entries)
                .map(|entry| response(&taps, TABLE * entry as f64 / rate))
                .collect(),
            taps,
        })
    }

    /// Puts the tones that `frames`, `[frames, bands]` logarithms of amplitudes, have below the limit in the place of what
    /// `samples` have there.
    pub fn replace(&self, frames: &[f32], samples: &mut [f32]) {
        self.remove(samples);
        let mut partials: Vec<(Peak, f64)> = Vec::new();
        let mut begun = 0u32;
        for (number, frame) in frames.chunks_exact(self.bands).enumerate() {
            let mut peaks: Vec<Option<Peak>> = self.peaks(frame).map(Some).collect();
            let mut next = Vec::with_capacity(peaks.len());
            // Frames lie around their samples: a frame's changes begin at the one before it.
            let start = (number as isize - 1) * self.hop as isize;
            for (from, phase) in partials {
                let distance = |peak: &Option<Peak>| {
                    peak.map_or(f64::MAX, |peak| (peak.band - from.band).abs())
                };
                let nearest = (0..peaks.len())
                    .min_by(|a, b| distance(&peaks[*a]).total_cmp(&distance(&peaks[*b])));
                let to = nearest.filter(|place| distance(&peaks[*place]) < STEP);
                let to = to.and_then(|place| peaks[place].take());
                let target = to.unwrap_or(from.silent());
                let end = self.add(samples, start, from, target, phase);
                next.extend(to.map(|to| (to, end)));
            }
            for to in peaks.into_iter().flatten() {
                let phase = TAU * (f64::from(begun) * PHASE).fract();
                begun += 1;
                next.push((to, self.add(samples, start, to.silent(), to, phase)));
            }
            partials = next;
        }
    }

    /// The response of the low-pass filter at `frequency` Hz, between two entries of its table.
    fn response(&self, frequency: f64) -> f64 {
        let place = frequency / TABLE;
        let below = (place as usize).min(self.responses.len() - 2);
        let [low, high] = [self.responses[below], self.responses[below + 1]];
        low + (high - low) * (place - below as f64)
    }

    /// The peaks of a frame, with the amplitudes of what is below.
    fn peaks<'a>(&'a self, frame: &'a [f32]) -> impl Iterator<Item = Peak> + 'a {
        let last = self.searched.min(self.bands - 1);
        (1..last).filter_map(move |band| {
            let value = frame[band];
            let before = &frame[band.saturating_sub(NEIGHBOURS)..band];
            let behind = &frame[band + 1..self.bands.min(band + 1 + NEIGHBOURS)];
            let exceeds = before.iter().all(|other| value >= *other)
                && behind.iter().all(|other| value > *other);
            if value < SILENCE || !exceeds {
                return None;
            }
            // The top of the parabola through the peak and its neighbours.
            let [left, middle, right] = [frame[band - 1], value, frame[band + 1]].map(f64::from);
            let bend = left - 2.0 * middle + right;
            let shift = if bend < 0.0 {
                (0.5 * (left - right) / bend).clamp(-0.5, 0.5)
            } else {
                0.0
            };
            let place = band as f64 + shift;
            let frequency = self.lowest * (place / self.per_octave).exp2();
            let high = 1.0 - self.response(frequency);
            // What is left above has another phase: powers add up to the whole.
            let share = (1.0 - high * high).max(0.0).sqrt();
            Some(Peak {
                band: place,
                frequency,
                amplitude: share * (middle - 0.25 * (left - right) * shift).exp(),
            })
        })
    }

    /// Adds a partial from a frame to the next, from sample `start` on, and gives the phase at its end.
    fn add(&self, samples: &mut [f32], start: isize, from: Peak, to: Peak, phase: f64) -> f64 {
        let hop = self.hop as f64;
        let step = TAU / self.rate;
        let slope = (to.frequency - from.frequency) / hop;
        let growth = (to.amplitude - from.amplitude) / hop;
        if from.amplitude > 0.0 || to.amplitude > 0.0 {
            for n in 0..self.hop {
                let place = start + n as isize;
                let Some(sample) = usize::try_from(place).ok().and_then(|i| samples.get_mut(i))
                else {
                    continue;
                };
                let n = n as f64;
                // The integral of a frequency that changes evenly.
                let angle = phase + step * n * (from.frequency + 0.5 * slope * n);
                *sample += ((from.amplitude + growth * n) * angle.cos()) as f32;
            }
        }
        let turns = (phase + step * hop * 0.5 * (from.frequency + to.frequency)) / TAU;
        TAU * turns.fract()
    }

    /// Takes away what samples have below the limit.
    fn remove(&self, samples: &mut [f32]) {
        // What the samples were, as far back as the filter reaches.
        let mut padded = vec![0.0f32; samples.len() + 2 * REACH];
        padded[REACH..REACH + samples.len()].copy_from_slice(samples);
        let taps: Vec<f32> = self.taps.iter().map(|tap| *tap as f32).collect();
        for (place, sample) in samples.iter_mut().enumerate() {
            let middle = place + REACH;
            let ahead = padded[middle + 1..middle + 1 + REACH].iter();
            let behind = padded[place..middle].iter().rev();
            let sides = taps[1..].iter().zip(ahead.zip(behind));
            let low: f32 = sides.map(|(tap, (a, b))| tap * (a + b)).sum();
            *sample -= low + taps[0] * padded[middle];
        }
    }
}

/// The response of a symmetric filter, whose taps are given from its middle on, at `frequency` in turns a sample.
fn response(taps: &[f64], frequency: f64) -> f64 {
    let sides = taps[1..].iter().enumerate();
    let sides = sides.map(|(n, tap)| tap * (TAU * frequency * (n + 1) as f64).cos());
    taps[0] + 2.0 * sides.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::spectrogram::{Spectrogram, tests::log};

    const LIMIT: f64 = 520.0;

    fn tones(hertz: &[f64], seconds: f64) -> Vec<f32> {
        let sample = |n: usize| {
            let waves = hertz
                .iter()
                .map(|hz| 0.2 * (TAU * hz * n as f64 / 16_000.0).cos());
            waves.sum::<f64>() as f32
        };
        (0..(16_000.0 * seconds) as usize).map(sample).collect()
    }

    /// The amplitude of a tone in the middle of a sound.
    fn amplitude(samples: &[f32], hz: f64) -> f64 {
        let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
        let count = middle.len() as f64;
        let [mut real, mut imaginary] = [0.0; 2];
        for (n, sample) in middle.iter().enumerate() {
            let window = 1.0 - (TAU * n as f64 / count).cos();
            let angle = TAU * hz * n as f64 / 16_000.0;
            real += window * f64::from(*sample) * angle.cos();
            imaginary += window * f64::from(*sample) * angle.sin();
        }
        2.0 * real.hypot(imaginary) / count
    }

    #[test]
    fn held_tones_are_in_tune() {
        let config = log();
        // No multiples of the 62.5 Hz of the frames.
        let wanted = [98.0, 146.83, 220.0, 329.63];
        let frames = Spectrogram::new(&config)
            .unwrap()
            .compute(&tones(&wanted, 2.0))
            .unwrap();
        let mut samples = vec![0.0; 32_000];
        LowPartials::new(&config, LIMIT)
            .unwrap()
            .replace(&frames, &mut samples);
        for hz in wanted {
            let found = amplitude(&samples, hz);
            assert!((0.14..0.24).contains(&found), "{hz}: {found}");
            // A semitone beside it there is hardly anything.
            for other in [hz * 2f64.powf(1.0 / 12.0), hz / 2f64.powf(1.0 / 12.0)] {
                assert!(amplitude(&samples, other) < 0.03, "{hz}: {other}");
            }
        }
    }

    #[test]
    fn what_is_high_stays_and_what_was_low_goes() {
        let config = log();
        let silence = vec![-9.2; 126 * config.bands()];
        let before = tones(&[250.0, 1000.0], 2.0);
        let mut samples = before.clone();
        LowPartials::new(&config, LIMIT)
            .unwrap()
            .replace(&silence, &mut samples);
        assert!((amplitude(&samples, 1000.0) - 0.2).abs() < 0.002);
        assert!(amplitude(&samples, 250.0) < 0.002);
        assert_eq!(samples.len(), before.len());
    }

    #[test]
    fn powers_at_the_limit_add_up() {
        let plan = LowPartials::new(&log(), LIMIT).unwrap();
        for hz in [100.0, 400.0] {
            assert!((plan.response(hz) - 1.0).abs() < 0.02, "{hz}");
        }
        assert!((plan.response(LIMIT) - 0.5).abs() < 0.02);
        assert!(plan.response(660.0).abs() < 0.02);
        for hz in [1000.0, 4000.0] {
            assert!(response(&plan.taps, hz / plan.rate).abs() < 0.02, "{hz}");
        }
        for hz in [101.0, 403.7, 530.3, 660.1] {
            let exact = response(&plan.taps, hz / plan.rate);
            assert!((plan.response(hz) - exact).abs() < 1e-3, "{hz}");
        }
    }

    #[test]
    fn it_needs_a_logarithmic_scale_and_a_limit_on_it() {
        let refused = |config: &SpectrogramConfig, limit| {
            LowPartials::new(config, limit).unwrap_err().to_string()
        };
        assert!(
            refused(&SpectrogramConfig::audioldm(), LIMIT).contains("leave partials_below out")
        );
        for limit in [0.0, 5000.0, f64::NAN] {
            assert!(refused(&log(), limit).contains("give partials_below a number"));
        }
    }
}
