//! Music at any tempo from a network that knows one pulse.
//!
//! A model whose pieces all have beats of one length learns where notes begin from far fewer pieces. At which tempo they
//! are played is decided between the VAE and the vocoder, where a spectrogram is stretched in time: pitches stay. A
//! picture decides it by its edges ([`tempo_of`]); it can also be asked for.

use std::ops::RangeInclusive;

use crate::{Fault, Result, tensors::HostTensor};

/// The slowest and the fastest tempo of a picture, as shares of the model's own.
const OF_PICTURES: [f64; 2] = [0.75, 1.25];
/// The slowest and the fastest tempo that can be asked for, likewise.
const ASKED: [f64; 2] = [0.5, 2.0];

/// How many times the model's own tempo the music of a picture has which has more edges than such a share of paintings:
/// busy pictures are quick, as they have many notes.
pub fn tempo_of(edges: f32) -> f64 {
    let [slow, fast] = OF_PICTURES;
    slow * (fast / slow).powf(f64::from(edges))
}

/// The tempi, in beats a minute, that a model with beats of `pulse` seconds can be played at.
fn range(pulse: f64) -> RangeInclusive<f64> {
    let own = 60.0 / pulse;
    ASKED[0] * own..=ASKED[1] * own
}

/// Refuses a tempo, in beats a minute, that a model with beats of `pulse` seconds cannot be played at.
pub(super) fn check(tempo: f64, pulse: Option<f64>) -> Result<()> {
    let Some(pulse) = pulse else {
        return Err(Fault::NoTempo {}.into());
    };
    let range = range(pulse);
    if range.contains(&tempo) {
        return Ok(());
    }
    let (least, most) = (range.start().ceil(), range.end().floor());
    Err(Fault::Tempo {
        value: tempo,
        least,
        most,
    }
    .into())
}

/// Stretches a spectrogram `[1, 1, frames, bands]` in time, so that it is played `pace` times as fast: between two
/// frames values lie on a line.
pub(super) fn stretch(mel: &mut HostTensor, pace: f64) {
    if pace == 1.0 {
        return;
    }
    let [.., frames, bands] = mel.shape[..] else {
        return;
    };
    let count = ((frames as f64 / pace) as usize).max(1);
    let frame = |index: usize| &mel.values[index * bands..][..bands];
    let mut stretched = Vec::with_capacity(count * bands);
    for index in 0..count {
        let place = index as f64 * pace;
        let before = (place as usize).min(frames - 1);
        let after = (before + 1).min(frames - 1);
        let share = (place - before as f64) as f32;
        let pairs = frame(before).iter().zip(frame(after));
        stretched.extend(pairs.map(|(a, b)| a + share * (b - a)));
    }
    mel.values = stretched;
    let place = mel.shape.len() - 2;
    mel.shape[place] = count;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(frames: usize) -> HostTensor {
        let values = (0..frames).flat_map(|frame| [frame as f32, -2.0 * frame as f32]);
        HostTensor {
            shape: vec![1, 1, frames, 2],
            values: values.collect(),
        }
    }

    #[test]
    fn a_stretched_line_is_a_line() {
        for (pace, count) in [(0.8, 125), (1.25, 80), (1.0, 100), (2.0, 50)] {
            let mut mel = ramp(100);
            stretch(&mut mel, pace);
            assert_eq!(mel.shape, [1, 1, count, 2]);
            assert_eq!(mel.values.len(), 2 * count);
            // Behind the last frame nothing is made up.
            let inner = (99.0 / pace) as usize;
            for (index, pair) in mel.values.chunks_exact(2).take(inner).enumerate() {
                assert!((pair[0] - (index as f64 * pace) as f32).abs() < 1e-3);
                assert!((pair[1] + 2.0 * pair[0]).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn tempi_outside_the_range_are_refused() {
        assert!(check(117.0, Some(0.512)).is_ok());
        for tempo in [58.0, 235.0, f64::NAN] {
            let text = check(tempo, Some(0.512)).unwrap_err().to_string();
            assert!(text.contains("59 and 234"), "{text}");
        }
        let text = check(100.0, None).unwrap_err().to_string();
        assert!(text.contains("leave tempo out"), "{text}");
    }

    #[test]
    fn busy_pictures_are_quick() {
        let tempi = [0.0, 0.5, 1.0].map(tempo_of);
        assert!((tempi[0] - 0.75).abs() < 1e-9 && (tempi[2] - 1.25).abs() < 1e-9);
        assert!(tempi[0] < tempi[1] && tempi[1] < tempi[2]);
    }
}
