//! From an excerpt to a performance: transposition, instruments, and the ways of a player.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{Ensemble, Instrument, NoteStatistics, Performance, Sounding, Voice};

/// A part whose pitches reach over more semitones than this is two voices: a piano's hands.
const HANDS: u8 = 26;
/// The velocity around which a piece is played, and how much of its own differences is kept.
const VELOCITY: f32 = 82.0;
const DYNAMICS: f32 = 0.7;
/// How much more strongly the voice on top is played.
const MELODY: f32 = 8.0;
/// The shortest note in seconds.
const SHORTEST: f64 = 0.06;

/// What an arrangement is to be like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wishes {
    /// The pitch class of the tonic.
    pub tonic: u8,
    /// The mean pitch as a MIDI note number.
    pub register: f32,
    /// Who plays.
    pub ensemble: Ensemble,
    /// From 0 (a free player) to 1 (a strict one).
    pub regularity: f32,
}

/// Arranges `notes`, whose `voice` is their part in the score and whose key is `tonic`, for an ensemble.
///
/// All parts are transposed to the wanted tonic, in the octave that brings the mean pitch nearest to the
/// wanted register. Each then moves by octaves into its instrument's range; single notes that are still
/// outside move alone. The statistics are those of the notes as they are then; what follows (small shifts of
/// onsets and velocities, articulation) is not measured.
pub fn arrange(
    mut notes: Vec<Sounding>,
    tonic: u8,
    seconds: f64,
    wishes: &Wishes,
    rng: &mut ChaCha8Rng,
) -> Performance {
    transpose(&mut notes, tonic, wishes);
    let voices = split_into_voices(&mut notes);
    let pitches: Vec<f32> = (0..voices).map(|voice| mean_pitch(&notes, voice)).collect();
    // The highest voice first.
    let mut order: Vec<u16> = (0..voices).collect();
    order.sort_by(|a, b| pitches[usize::from(*b)].total_cmp(&pitches[usize::from(*a)]));
    let sorted: Vec<f32> = order
        .iter()
        .map(|voice| pitches[usize::from(*voice)])
        .collect();
    let cast = wishes.ensemble.cast(&sorted, rng);
    let mut place = vec![0u16; usize::from(voices)];
    for (new, old) in order.iter().enumerate() {
        place[usize::from(*old)] = new as u16;
    }
    notes
        .iter_mut()
        .for_each(|note| note.voice = place[usize::from(note.voice)]);
    for (voice, instrument) in cast.iter().enumerate() {
        fit_range(&mut notes, voice as u16, instrument);
    }
    let mut notes = without_overlaps(notes);
    let statistics = NoteStatistics::measure(&notes, seconds);
    play(&mut notes, &cast, seconds, wishes.regularity, rng);
    let spread = 0.6 / cast.len().max(1) as f32;
    let voices = cast.iter().enumerate().map(|(voice, instrument)| Voice {
        program: instrument.program,
        pan: spread * (voice as f32 - (cast.len() - 1) as f32 / 2.0),
        gain_db: if voice == 0 { 1.5 } else { 0.0 },
    });
    Performance {
        voices: voices.collect(),
        notes,
        seconds,
        statistics,
    }
}

fn transpose(notes: &mut [Sounding], tonic: u8, wishes: &Wishes) {
    let total: f64 = notes.iter().map(|note| note.duration).sum();
    let weighted = notes
        .iter()
        .map(|note| note.duration * f64::from(note.pitch));
    let mean = (weighted.sum::<f64>() / total.max(1e-9)) as f32;
    let shift = f32::from(wishes.tonic) - f32::from(tonic);
    let octaves = ((wishes.register - mean - shift) / 12.0).round();
    let shift = (shift + 12.0 * octaves) as i32;
    for note in notes {
        note.pitch = moved(note.pitch, shift);
    }
}

/// A pitch that many semitones higher, in another octave where MIDI has none.
fn moved(pitch: u8, shift: i32) -> u8 {
    let mut pitch = i32::from(pitch) + shift;
    while pitch < 0 {
        pitch += 12;
    }
    while pitch > 127 {
        pitch -= 12;
    }
    pitch as u8
}

/// Numbers the voices: each part is one, or two where it reaches far, split at its mean pitch. Gives how many
/// there are.
fn split_into_voices(notes: &mut [Sounding]) -> u16 {
    let mut parts: Vec<u16> = notes.iter().map(|note| note.voice).collect();
    parts.sort_unstable();
    parts.dedup();
    let mut voices = 0;
    // The numbers of voices would meet those of parts.
    let mut numbers = vec![0; notes.len()];
    for part in parts {
        let own = || notes.iter().filter(|note| note.voice == part);
        let lowest = own().map(|note| note.pitch).min().unwrap_or(0);
        let highest = own().map(|note| note.pitch).max().unwrap_or(0);
        let split = match highest - lowest > HANDS {
            true => mean_pitch(notes, part),
            false => 0.0,
        };
        for (number, note) in numbers.iter_mut().zip(notes.iter()) {
            if note.voice == part {
                *number = voices + u16::from(f32::from(note.pitch) < split);
            }
        }
        voices += if split > 0.0 { 2 } else { 1 };
    }
    for (note, number) in notes.iter_mut().zip(numbers) {
        note.voice = number;
    }
    voices
}

/// The mean pitch of a voice, weighted with durations.
fn mean_pitch(notes: &[Sounding], voice: u16) -> f32 {
    let own = notes.iter().filter(|note| note.voice == voice);
    let (sum, total) = own.fold((0.0, 0.0), |(sum, total), note| {
        (
            sum + note.duration * f64::from(note.pitch),
            total + note.duration,
        )
    });
    (sum / f64::max(total, 1e-9)) as f32
}

/// Moves a voice by octaves, so that as many of its notes as can be are in the instrument's range, and then
/// those that are not.
fn fit_range(notes: &mut [Sounding], voice: u16, instrument: &Instrument) {
    let range = i32::from(instrument.lowest)..=i32::from(instrument.highest);
    let outside = |octaves: i32| {
        let own = notes.iter().filter(|note| note.voice == voice);
        own.filter(|note| !range.contains(&(i32::from(note.pitch) + 12 * octaves)))
            .count()
    };
    let octaves = [0, -1, 1, -2, 2, -3, 3]
        .into_iter()
        .min_by_key(|octaves| outside(*octaves));
    let shift = 12 * octaves.unwrap_or(0);
    for note in notes.iter_mut().filter(|note| note.voice == voice) {
        let mut pitch = i32::from(note.pitch) + shift;
        while pitch < *range.start() {
            pitch += 12;
        }
        while pitch > *range.end() {
            pitch -= 12;
        }
        note.pitch = moved(0, pitch);
    }
}

/// Without notes that a voice already plays; a note that is struck again ends there.
fn without_overlaps(mut notes: Vec<Sounding>) -> Vec<Sounding> {
    notes.sort_by(|a, b| {
        let time = a.start.total_cmp(&b.start);
        time.then(a.pitch.cmp(&b.pitch)).then(a.voice.cmp(&b.voice))
    });
    let mut kept: Vec<Sounding> = Vec::with_capacity(notes.len());
    for note in notes {
        let before = kept
            .iter_mut()
            .rev()
            .find(|other| other.voice == note.voice && other.pitch == note.pitch);
        if let Some(other) = before {
            if note.start - other.start < SHORTEST {
                other.duration = other.duration.max(note.duration);
                continue;
            }
            other.duration = other.duration.min(note.start - other.start);
        }
        kept.push(note);
    }
    kept
}

/// The ways of a player: small shifts of onsets and velocities, longer or shorter notes.
fn play(
    notes: &mut [Sounding],
    cast: &[Instrument],
    seconds: f64,
    regularity: f32,
    rng: &mut ChaCha8Rng,
) {
    let mut normal = |deviation: f32| -> f32 {
        let draw: f32 = StandardNormal.sample(rng);
        deviation * draw.clamp(-2.0, 2.0)
    };
    let count = notes.len().max(1) as f32;
    let mean = notes
        .iter()
        .map(|note| f32::from(note.velocity))
        .sum::<f32>()
        / count;
    // How much of a note's length is held, per piece.
    let articulation = 0.97 + f64::from(normal(0.05));
    let together = 0.003 + 0.009 * (1.0 - regularity);
    let (mut last, mut shift) = (f64::NEG_INFINITY, 0.0f32);
    for note in notes.iter_mut() {
        if note.start > last + 0.01 {
            shift = normal(together);
            last = note.start;
        }
        let own = f64::from(shift + normal(0.003));
        note.start = (note.start + own).max(0.0);
        let sustained = cast
            .get(usize::from(note.voice))
            .is_some_and(|i| i.sustained);
        // What is plucked or struck is left to ring a little.
        let held = if sustained {
            articulation
        } else {
            articulation + 0.1
        };
        note.duration = (note.duration * held)
            .max(SHORTEST)
            .min((seconds - note.start).max(SHORTEST));
        let melody = if note.voice == 0 { MELODY } else { 0.0 };
        let velocity =
            VELOCITY + DYNAMICS * (f32::from(note.velocity) - mean) + melody + normal(4.0);
        note.velocity = velocity.round().clamp(24.0, 124.0) as u8;
    }
    notes.sort_by(|a, b| a.start.total_cmp(&b.start));
}
