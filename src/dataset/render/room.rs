//! A room: Schroeder's reverberator with the delays of Freeverb (public domain, by Jezar), at 48 kHz.

use super::Stereo;

/// Samples around a comb and an all-pass, for 44.1 kHz, and how much later the right channel's are.
const COMBS: [usize; 8] = [1116, 1188, 1277, 1356, 1422, 1491, 1557, 1617];
const ALL_PASSES: [usize; 4] = [556, 441, 341, 225];
const SPREAD: usize = 23;
/// What comes back from a wall, how much of its treble is lost, and how loud the room is.
const FEEDBACK: f32 = 0.76;
const DAMPING: f32 = 0.35;
const WET: f32 = 0.022;

/// Adds the sound of a small hall (about one second) to both channels.
pub fn reverberate(sound: &mut Stereo) {
    let input = sound.mono().samples;
    for (channel, spread) in [(&mut sound.left, 0), (&mut sound.right, SPREAD)] {
        let mut wet = vec![0.0; input.len()];
        for delay in COMBS {
            comb(&input, scaled(delay + spread), &mut wet);
        }
        for delay in ALL_PASSES {
            all_pass(&mut wet, scaled(delay + spread));
        }
        let both = channel.iter_mut().zip(&wet);
        both.for_each(|(dry, wet)| *dry += WET * wet);
    }
}

fn scaled(delay: usize) -> usize {
    delay * super::RATE as usize / 44_100
}

fn comb(input: &[f32], delay: usize, sum: &mut [f32]) {
    let mut line = vec![0.0f32; delay];
    let mut soft = 0.0;
    for (input, sum) in input.chunks(delay).zip(sum.chunks_mut(delay)) {
        for ((x, y), memory) in input.iter().zip(sum).zip(&mut line) {
            soft = *memory + DAMPING * (soft - *memory);
            *y += *memory;
            *memory = x + FEEDBACK * soft;
        }
    }
}

fn all_pass(samples: &mut [f32], delay: usize) {
    let mut line = vec![0.0f32; delay];
    for samples in samples.chunks_mut(delay) {
        for (x, memory) in samples.iter_mut().zip(&mut line) {
            let late = *memory;
            *memory = *x + 0.5 * late;
            *x = late - *x;
        }
    }
}
