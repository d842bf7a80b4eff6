//! Performances as sound, through a SoundFont.
//!
//! ```text
//! voices ─ synthesiser each ─ low-pass by velocity ─┬─ room ─ timbre ─ level ─ Stereo
//!                                                   ┴ (mixed)
//! ```
//!
//! `rustysynth` plays the samples of a SoundFont 2 file but ignores its modulators, so what makes strong notes
//! bright is done here. Everything runs at [`RATE`]: at 16 kHz its linear interpolation would alias.

mod filter;
mod level;
mod room;
mod soundfont;
#[cfg(test)]
pub(crate) mod tests;

use rustysynth::{Synthesizer, SynthesizerSettings};
use serde::{Deserialize, Serialize};

use self::filter::{Biquad, OnePole, high_energy_db};
use super::score::{Performance, Sounding, Voice};
use crate::{Error, Result, audio::Sound};

pub use soundfont::SoundFont;

/// Samples per second of what is rendered.
pub const RATE: u32 = 48_000;

/// The samples in which notes can begin: 1.3 ms.
const BLOCK: usize = 64;

/// What is above this pitch's share of the spectrum counts as bright, in Hz, for music at [`MIDDLE`].
const BRIGHT_FROM: f32 = 1500.0;
/// A mean pitch as a MIDI note number; the frequency above rises by half an octave an octave.
const MIDDLE: f32 = 65.0;
/// The power above that frequency, relative to all, of the dullest and the brightest timbre, in dB.
const BRIGHT_DB: [f32; 2] = [-24.0, -3.0];
/// By how much treble is lowered or raised at most, in dB.
const SHELF_DB: [f32; 2] = [-22.0, 10.0];

/// How a performance is to sound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tone {
    /// The timbre, from 0 (mellow) to 1 (bright).
    pub brightness: f32,
    /// The RMS of the whole in dBFS, both channels mixed down.
    pub loudness_db: f32,
}

/// Sound in two channels at [`RATE`].
#[derive(Debug, Clone, PartialEq)]
pub struct Stereo {
    /// The left channel.
    pub left: Vec<f32>,
    /// The right channel.
    pub right: Vec<f32>,
}

impl Stereo {
    /// Both channels mixed down.
    pub fn mono(&self) -> Sound {
        let both = self.left.iter().zip(&self.right);
        Sound {
            sample_rate: RATE,
            samples: both.map(|(left, right)| (left + right) / 2.0).collect(),
        }
    }
}

/// Plays a performance with the instruments of a SoundFont. The same arguments give the same samples.
pub fn render(font: &SoundFont, performance: &Performance, tone: &Tone) -> Result<Stereo> {
    let length = (performance.seconds * f64::from(RATE)).round() as usize;
    let mut mix = Stereo {
        left: vec![0.0; length],
        right: vec![0.0; length],
    };
    let padded = length.next_multiple_of(BLOCK);
    let (mut left, mut right) = (vec![0.0; padded], vec![0.0; padded]);
    for (number, voice) in performance.voices.iter().enumerate() {
        let own = performance
            .notes
            .iter()
            .filter(|note| usize::from(note.voice) == number);
        let own: Vec<Sounding> = own.copied().collect();
        if own.is_empty() {
            continue;
        }
        play(font, voice, &own, &mut left, &mut right)?;
        soften(&own, &mut left, &mut right);
        for (sum, own) in [(&mut mix.left, &left), (&mut mix.right, &right)] {
            sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
        }
    }
    room::reverberate(&mut mix);
    colour(&mut mix, tone.brightness, performance.statistics.mean_pitch);
    level::finish(&mut mix, tone.loudness_db);
    Ok(mix)
}

/// What happens to a key of an instrument, and when in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct KeyEvent {
    block: usize,
    /// Releases come first.
    press: bool,
    pitch: u8,
    velocity: u8,
}

/// The presses and releases of notes; a key that is struck again is released before.
fn key_events(notes: &[Sounding]) -> Vec<KeyEvent> {
    let block = |seconds: f64| (seconds * f64::from(RATE) / BLOCK as f64).round().max(0.0) as usize;
    let mut events = Vec::with_capacity(2 * notes.len());
    for (i, note) in notes.iter().enumerate() {
        let start = block(note.start);
        let again = notes[i + 1..]
            .iter()
            .find(|other| other.pitch == note.pitch);
        let again = again.map_or(usize::MAX, |other| block(other.start));
        if again <= start {
            continue;
        }
        let end = block(note.start + note.duration).max(start + 1).min(again);
        events.push(KeyEvent {
            block: start,
            press: true,
            pitch: note.pitch,
            velocity: note.velocity,
        });
        events.push(KeyEvent {
            block: end,
            press: false,
            pitch: note.pitch,
            velocity: 0,
        });
    }
    events.sort_unstable();
    events
}

/// The sound of one voice; its instrument is brought to the loudness of the others.
fn play(
    font: &SoundFont,
    voice: &Voice,
    notes: &[Sounding],
    left: &mut [f32],
    right: &mut [f32],
) -> Result<()> {
    let mut synthesizer = synthesizer(font, voice.program)?;
    let pan = (64.0 + 63.0 * voice.pan.clamp(-1.0, 1.0)) as i32;
    synthesizer.process_midi_message(0, 0xB0, 0x0A, pan);
    let mut at = 0;
    let mut until = |synthesizer: &mut Synthesizer, block: usize| {
        let end = (block * BLOCK).clamp(at, left.len());
        synthesizer.render(&mut left[at..end], &mut right[at..end]);
        at = end;
    };
    for event in key_events(notes) {
        until(&mut synthesizer, event.block);
        let (pitch, velocity) = (i32::from(event.pitch), i32::from(event.velocity));
        match event.press {
            true => synthesizer.note_on(0, pitch, velocity),
            false => synthesizer.note_off(0, pitch),
        }
    }
    until(&mut synthesizer, usize::MAX / BLOCK);
    let gain = level::gain(voice.gain_db - font.level_db(voice.program));
    left.iter_mut().chain(right).for_each(|x| *x *= gain);
    Ok(())
}

/// A synthesiser that plays a program on its first channel, without effects.
fn synthesizer(font: &SoundFont, program: u8) -> Result<Synthesizer> {
    let mut settings = SynthesizerSettings::new(RATE as i32);
    settings.block_size = BLOCK;
    settings.enable_reverb_and_chorus = false;
    let made = Synthesizer::new(font.samples(), &settings);
    let mut made =
        made.map_err(|e| Error::internal(format!("a synthesiser cannot be made ({e})")))?;
    made.process_midi_message(0, 0xC0, i32::from(program), 0);
    Ok(made)
}

/// A gentle low-pass (6 dB an octave) that opens with the velocity of the latest note: 4 kHz at 64, an octave
/// more for every 20.
fn soften(notes: &[Sounding], left: &mut [f32], right: &mut [f32]) {
    let mut filters = [OnePole::default(), OnePole::default()];
    let mut notes = notes.iter().peekable();
    let mut wanted = notes.peek().map_or(64.0, |note| f32::from(note.velocity));
    let mut velocity = wanted;
    let blocks = left.chunks_mut(BLOCK).zip(right.chunks_mut(BLOCK));
    for (block, (left, right)) in blocks.enumerate() {
        let time = (block * BLOCK) as f64 / f64::from(RATE);
        while let Some(note) = notes.next_if(|note| note.start <= time) {
            wanted = f32::from(note.velocity);
        }
        velocity += 0.2 * (wanted - velocity);
        let cutoff = 4000.0 * ((velocity - 64.0) / 20.0).exp2();
        for (filter, channel) in filters.iter_mut().zip([left, right]) {
            filter.run(cutoff, RATE as f32, channel);
        }
    }
}

/// Raises or lowers the treble so that its share of the power is what `brightness` asks for, as far as that
/// can be done without harm.
fn colour(sound: &mut Stereo, brightness: f32, pitch: f32) {
    let from = BRIGHT_FROM * ((pitch - MIDDLE) / 24.0).exp2();
    let [dull, bright] = BRIGHT_DB;
    let wanted = dull + (bright - dull) * brightness.clamp(0.0, 1.0);
    // What is raised begins below what is measured, as a shelf has a slope.
    let shelf = |gain: f32| Biquad::high_shelf(from / 1.5, gain, RATE as f32);
    let mono = sound.mono().samples;
    let mut gain = 0.0;
    for _ in 0..3 {
        let mut tried = mono.clone();
        shelf(gain).run(&mut tried);
        let off = wanted - high_energy_db(&tried, from, RATE as f32);
        gain = (gain + off).clamp(SHELF_DB[0], SHELF_DB[1]);
    }
    for channel in [&mut sound.left, &mut sound.right] {
        shelf(gain).run(channel);
    }
}
