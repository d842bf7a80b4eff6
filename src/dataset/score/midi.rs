//! Standard MIDI Files.

use midly::{Fps, MetaMessage, MidiMessage, Smf, Timing, TrackEventKind};
use std::collections::HashMap;

use super::{Note, Part, Score, Tempo, bars_of};
use crate::{Error, Result};

/// The channel of drums, counted from 0.
const DRUMS: u8 = 9;

/// Reads a Standard MIDI File.
///
/// Every channel of every track is a part. The title is the name of the first track, the composer its first
/// text. Notes that never end last until their track does.
pub fn parse(bytes: &[u8]) -> Result<Score> {
    let file = Smf::parse(bytes).map_err(|e| {
        Error::format(
            format!("this is no MIDI file ({e})"),
            "export it again as a Standard MIDI File",
        )
    })?;
    // With time codes, ticks are seconds: the tempo is 120 then.
    let (ticks, coded) = match file.header.timing {
        Timing::Metrical(ticks) => (f64::from(ticks.as_int()), false),
        Timing::Timecode(frames, parts) => {
            let frames = match frames {
                Fps::Fps24 => 24.0,
                Fps::Fps25 => 25.0,
                Fps::Fps29 => 30.0 / 1.001,
                Fps::Fps30 => 30.0,
            };
            (frames * f64::from(parts) / 2.0, true)
        }
    };
    if ticks <= 0.0 {
        return Err(Error::format(
            "this MIDI file has no ticks in a quarter note",
            "export it again as a Standard MIDI File",
        ));
    }
    let mut reader = Reader::default();
    for (number, track) in file.tracks.iter().enumerate() {
        let mut tick = 0u64;
        reader.begin_track(number);
        for event in track {
            tick += u64::from(event.delta.as_int());
            reader.event(tick as f64 / ticks, event.kind);
        }
        reader.end_track(tick as f64 / ticks);
    }
    if coded {
        reader.tempi.clear();
    }
    if reader.notes.is_empty() {
        return Err(Error::input(
            "this MIDI file has no notes",
            "leave it out, or export it again",
        ));
    }
    reader.metres.sort_by(|a, b| a.0.total_cmp(&b.0));
    let score = Score {
        title: reader.title,
        composer: reader.composer,
        parts: reader.parts,
        notes: reader.notes,
        bars: Vec::new(),
        tempi: reader.tempi,
    };
    let mut score = score.in_order();
    score.bars = bars_of(&reader.metres, score.end());
    Ok(score)
}

/// What has been read so far.
#[derive(Default)]
struct Reader {
    title: String,
    composer: String,
    parts: Vec<Part>,
    notes: Vec<Note>,
    tempi: Vec<Tempo>,
    metres: Vec<(f64, [u8; 2])>,
    /// Of the current track: its number, its name, the part of each channel, and the programs so far.
    track: usize,
    name: String,
    own: HashMap<u8, u16>,
    programs: HashMap<u8, u8>,
    /// The places in `notes` of those that sound, by channel and pitch.
    sounding: HashMap<(u8, u8), Vec<usize>>,
}

impl Reader {
    fn begin_track(&mut self, number: usize) {
        self.track = number;
        self.name.clear();
        self.own.clear();
        self.programs.clear();
    }

    fn end_track(&mut self, at: f64) {
        for places in std::mem::take(&mut self.sounding).into_values() {
            for place in places {
                self.notes[place].duration = at - self.notes[place].onset;
            }
        }
    }

    fn event(&mut self, at: f64, event: TrackEventKind<'_>) {
        match event {
            TrackEventKind::Midi { channel, message } => {
                self.message(at, channel.as_int(), message);
            }
            TrackEventKind::Meta(message) => self.meta(at, message),
            _ => {}
        }
    }

    fn message(&mut self, at: f64, channel: u8, message: MidiMessage) {
        match message {
            MidiMessage::NoteOn { key, vel } if vel > 0 => {
                let part = self.part(channel);
                let pitch = key.as_int();
                let waiting = self.sounding.entry((channel, pitch)).or_default();
                waiting.push(self.notes.len());
                self.notes.push(Note {
                    onset: at,
                    duration: 0.0,
                    pitch,
                    velocity: vel.as_int(),
                    part,
                });
            }
            MidiMessage::NoteOn { key, .. } | MidiMessage::NoteOff { key, .. } => {
                let waiting = self.sounding.get_mut(&(channel, key.as_int()));
                if let Some(places) = waiting.filter(|places| !places.is_empty()) {
                    let note = &mut self.notes[places.remove(0)];
                    note.duration = at - note.onset;
                }
            }
            MidiMessage::ProgramChange { program } => {
                // The first one is the part's.
                self.programs.entry(channel).or_insert(program.as_int());
            }
            _ => {}
        }
    }

    fn part(&mut self, channel: u8) -> u16 {
        if let Some(part) = self.own.get(&channel) {
            return *part;
        }
        let part = self.parts.len() as u16;
        self.parts.push(Part {
            name: self.name.clone(),
            program: self.programs.get(&channel).copied().unwrap_or(0),
            percussion: channel == DRUMS,
        });
        self.own.insert(channel, part);
        part
    }

    fn meta(&mut self, at: f64, message: MetaMessage<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
        match message {
            MetaMessage::TrackName(name) => {
                self.name = text(name);
                if self.track == 0 {
                    self.title = self.name.clone();
                }
            }
            MetaMessage::Text(line) if self.track == 0 && self.composer.is_empty() => {
                self.composer = text(line);
            }
            MetaMessage::Tempo(microseconds) if microseconds.as_int() > 0 => {
                self.tempi.push(Tempo {
                    start: at,
                    quarters_per_minute: 6e7 / f64::from(microseconds.as_int()),
                });
            }
            MetaMessage::TimeSignature(beats, power, ..) if beats > 0 && power < 7 => {
                self.metres.push((at, [beats, 1 << power]));
            }
            _ => {}
        }
    }
}
