//! Which pitches sound, without deciding on notes.
//!
//! Spectra over logarithmic frequency are explained as sums of harmonic tones by non-negative
//! matrix factorisation with a fixed dictionary (Lee and Seung 2001; for pitches Mauch and Dixon
//! 2010), which takes harmonics from the notes that would otherwise claim them.

use std::sync::LazyLock;

use super::{RATE, spectrum::frames};

/// The samples of a frame (half a second, to separate low notes), and from a frame to the next.
const SIZE: usize = 8192;
const HOP: usize = 4096;

/// The MIDI notes of the tones, and of the spectrum's end.
pub(super) const LOWEST: usize = 28;
const HIGHEST: usize = 100;
const END: usize = 113;
const TONES: usize = HIGHEST - LOWEST + 1;

/// The spectrum's cells for a semitone; it begins one below the lowest tone.
const CELLS: usize = 3;

/// A tone's harmonics, each this much weaker than the one before.
const HARMONICS: usize = 12;
const DECAY: f32 = 0.65;

/// The half width of a harmonic: in semitones for the tuning, in Hz for the window.
const TUNING: f32 = 0.25;
const WINDOW: f32 = 3.0;

/// Magnitudes are compressed to their square root, relative to the highest; less is left out.
const FLOOR: f32 = 0.03;

/// The penalty on the strengths, and the number of updates.
const SPARSITY: f32 = 0.1;
const UPDATES: usize = 30;

/// How much more than its strength a strong tone weighs for the register.
const EMPHASIS: i32 = 3;

/// The register of silence: middle C.
const MIDDLE: f32 = 60.0;

/// What depends on the constants only.
struct Plan {
    /// The place in a spectrum of each cell's centre, lower and upper edge, in bins.
    cells: Vec<[f32; 3]>,
    /// The cells that each tone excites, and how strongly.
    tones: Vec<Vec<(usize, f32)>>,
}

static PLAN: LazyLock<Plan> = LazyLock::new(|| {
    let cells = (END - LOWEST + 1) * CELLS;
    let place = |cell: f32| {
        let note = LOWEST as f32 - 1.0 + cell / CELLS as f32;
        hertz(note) * SIZE as f32 / RATE
    };
    let edges = |cell: usize| [0.0, -0.5, 0.5].map(|offset| place(cell as f32 + offset));
    Plan {
        cells: (0..cells).map(edges).collect(),
        tones: (LOWEST..=HIGHEST).map(|note| tone(note, cells)).collect(),
    }
});

/// The frequency of a MIDI note in Hz.
fn hertz(note: f32) -> f32 {
    440.0 * ((note - 69.0) / 12.0).exp2()
}

/// The cells that a tone excites: a Gaussian around each harmonic.
fn tone(note: usize, cells: usize) -> Vec<(usize, f32)> {
    let mut excited = Vec::new();
    for harmonic in 0..HARMONICS {
        let note = note as f32 + 12.0 * (harmonic as f32 + 1.0).log2();
        let width = TUNING.max(WINDOW / hertz(note) * 12.0 / std::f32::consts::LN_2);
        let (centre, width) = (
            (note - LOWEST as f32 + 1.0) * CELLS as f32,
            width * CELLS as f32,
        );
        let strength = DECAY.powi(harmonic as i32);
        let first = (centre - 2.5 * width).max(0.0) as usize;
        let end = ((centre + 2.5 * width) as usize + 1).min(cells);
        excited.extend((first..end).map(|cell| {
            let away = (cell as f32 - centre) / width;
            (cell, strength * (-0.5 * away * away).exp())
        }));
    }
    excited
}

/// How strongly each tone from [`LOWEST`] on sounds: sums over the frames, 0 for silence.
pub(super) fn strengths(samples: &[f32]) -> Vec<f32> {
    let spectra: Vec<Vec<f32>> = frames(samples, SIZE, HOP)
        .iter()
        .map(|frame| PLAN.cells.iter().map(|cell| peak(frame, *cell)).collect())
        .collect();
    let highest = spectra.iter().flatten().fold(0.0, |a: f32, b| a.max(*b));
    let mut sums = vec![0.0; TONES];
    if highest <= 0.0 {
        return sums;
    }
    for spectrum in &spectra {
        let compressed = spectrum.iter().map(|x| (x / highest).sqrt() - FLOOR);
        let compressed: Vec<f32> = compressed.map(|x| x.max(0.0)).collect();
        for (sum, strength) in sums.iter_mut().zip(explain(&compressed)) {
            *sum += strength;
        }
    }
    sums
}

/// The highest magnitude of a cell: of the bins in it, or interpolated between those around it.
fn peak(frame: &[f32], [centre, lower, upper]: [f32; 3]) -> f32 {
    let at = |bin: usize| frame.get(bin).copied().unwrap_or_default();
    let (bin, part) = (centre as usize, centre.fract());
    let between = at(bin) * (1.0 - part) + at(bin + 1) * part;
    (lower.ceil() as usize..=upper as usize).fold(between, |peak, bin| peak.max(at(bin)))
}

/// The strengths of tones that add up to a spectrum, by multiplicative updates.
fn explain(spectrum: &[f32]) -> [f32; TONES] {
    let mut strengths = [1.0; TONES];
    let mut model = vec![0.0; spectrum.len()];
    for _ in 0..UPDATES {
        model.fill(0.0);
        for (strength, tone) in strengths.iter().zip(&PLAN.tones) {
            for (cell, weight) in tone {
                model[*cell] += strength * weight;
            }
        }
        for (strength, tone) in strengths.iter_mut().zip(&PLAN.tones) {
            let (mut wanted, mut given) = (0.0, SPARSITY);
            for (cell, weight) in tone {
                wanted += weight * spectrum[*cell];
                given += weight * model[*cell];
            }
            *strength *= wanted / given;
        }
    }
    strengths
}

/// The register as a MIDI note number: the centre of all notes that sound, bass included,
/// weighted by the cube of their strengths; 60 for silence.
pub fn register(samples: &[f32]) -> f32 {
    let strengths = strengths(samples);
    let highest = strengths.iter().fold(0.0, |a: f32, b| a.max(*b));
    if highest <= 0.0 {
        return MIDDLE;
    }
    let (mut sum, mut total) = (0.0, 0.0);
    for (tone, strength) in strengths.iter().enumerate() {
        let weight = (strength / highest).powi(EMPHASIS);
        sum += weight * (LOWEST + tone) as f32;
        total += weight;
    }
    sum / total
}
