//! MusicXML: partwise scores, plain or in their compressed form (`.mxl`).
//!
//! Read are notes, chords, ties, voices (`backup`, `forward`), transposition, tempo and dynamics. Repeats are
//! not expanded; grace notes, cue notes and unpitched notes are left out.

use roxmltree::{Document, Node, ParsingOptions};
use std::{collections::HashMap, io::Read};

use super::{Bar, Note, Part, Score, Tempo};
use crate::{Error, ErrorKind, Result};

/// The velocity before the first mark.
const VELOCITY: u8 = 80;
/// What `<sound dynamics>` counts in: 100 is this velocity.
const FORTE: f64 = 90.0;
/// The largest text that is unpacked, in bytes.
const MAX_TEXT: u64 = 256 << 20;

/// Reads an uncompressed score.
pub fn parse(bytes: &[u8]) -> Result<Score> {
    let text = decode(bytes)?;
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(&text, options)
        .map_err(|e| wrong(&format!("this is no XML ({e})")))?;
    let root = document.root_element();
    match root.tag_name().name() {
        "score-partwise" => read(root),
        "score-timewise" => Err(wrong("this MusicXML is timewise, which is not read")),
        other => Err(wrong(&format!("this is no MusicXML score, but <{other}>"))),
    }
}

/// Reads a compressed score: the file that its container names.
pub fn parse_compressed(bytes: &[u8]) -> Result<Score> {
    let failed = |e: zip::result::ZipError| wrong(&format!("this is no compressed MusicXML ({e})"));
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).map_err(failed)?;
    let mut entry = |name: &str| -> Result<Vec<u8>> {
        let mut found = Vec::new();
        let file = archive.by_name(name).map_err(failed)?;
        file.take(MAX_TEXT + 1)
            .read_to_end(&mut found)
            .map_err(|e| wrong(&format!("{name} cannot be unpacked ({e})")))?;
        if found.len() as u64 > MAX_TEXT {
            return Err(Error::new(
                ErrorKind::Limits,
                "this compressed MusicXML is too large",
                "give it as plain MusicXML, in parts",
            ));
        }
        Ok(found)
    };
    let container = decode(&entry("META-INF/container.xml")?)?;
    let container = Document::parse(&container).map_err(|e| wrong(&e.to_string()))?;
    let names = container
        .descendants()
        .filter(|n| n.has_tag_name("rootfile"));
    let name = names.filter_map(|n| n.attribute("full-path")).next();
    let name = name.ok_or_else(|| wrong("the container of this MusicXML names no score"))?;
    parse(&entry(name)?)
}

fn wrong(what: &str) -> Error {
    Error::format(what, "export it again as MusicXML (partwise) or MIDI")
}

/// The text of a file in UTF-8, or in UTF-16 with a mark of its byte order.
fn decode(bytes: &[u8]) -> Result<String> {
    let wide = |from: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..]
            .chunks_exact(2)
            .map(|c| from([c[0], c[1]]))
            .collect();
        String::from_utf16(&units).map_err(|e| wrong(&format!("this is no text ({e})")))
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        _ => {
            let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
            let text = std::str::from_utf8(bytes);
            text.map(str::to_string)
                .map_err(|e| wrong(&format!("this is no text ({e})")))
        }
    }
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name)?.text().map(str::trim)
}

fn number(node: Node<'_, '_>, name: &str) -> Option<f64> {
    text(node, name)?
        .parse()
        .ok()
        .filter(|x: &f64| x.is_finite())
}

fn read(root: Node<'_, '_>) -> Result<Score> {
    let title = child(root, "work").and_then(|work| text(work, "work-title"));
    let title = title
        .or_else(|| text(root, "movement-title"))
        .unwrap_or_default();
    let creators = child(root, "identification")
        .into_iter()
        .flat_map(|n| n.children());
    let composer = creators
        .filter(|n| n.has_tag_name("creator") && n.attribute("type") == Some("composer"))
        .find_map(|n| n.text())
        .unwrap_or_default();
    let known: HashMap<&str, Part> = child(root, "part-list")
        .into_iter()
        .flat_map(|list| list.children())
        .filter(|node| node.has_tag_name("score-part"))
        .filter_map(|node| Some((node.attribute("id")?, part(node))))
        .collect();
    let mut reader = Reader::default();
    for (index, node) in root
        .children()
        .filter(|n| n.has_tag_name("part"))
        .enumerate()
    {
        let known = node.attribute("id").and_then(|id| known.get(id)).cloned();
        reader.parts.push(known.unwrap_or_else(|| Part {
            name: String::new(),
            program: 0,
            percussion: false,
        }));
        reader.part(index as u16, node);
    }
    if reader.notes.is_empty() {
        return Err(Error::input(
            "this MusicXML has no notes",
            "leave it out, or export it again",
        ));
    }
    Ok(reader.finish(title, composer))
}

/// The name and the program of a part.
fn part(node: Node<'_, '_>) -> Part {
    let midi = child(node, "midi-instrument");
    let program = midi.and_then(|midi| number(midi, "midi-program"));
    let channel = midi.and_then(|midi| number(midi, "midi-channel"));
    Part {
        name: text(node, "part-name").unwrap_or_default().to_string(),
        program: (program.unwrap_or(1.0) as i32 - 1).clamp(0, 127) as u8,
        percussion: channel == Some(10.0),
    }
}

/// A time: the number of a measure, and quarter notes from its beginning.
type Place = (usize, f64);

/// A note whose measures do not have their places yet.
struct Placed {
    start: Place,
    end: Place,
    pitch: u8,
    /// A note may bring its own.
    velocity: Option<u8>,
    part: u16,
}

#[derive(Default)]
struct Reader {
    parts: Vec<Part>,
    notes: Vec<Placed>,
    tempi: Vec<(Place, f64)>,
    /// Marks of dynamics by part.
    marks: Vec<(u16, Place, u8)>,
    /// Length of every measure: the longest of all parts, and the metre where nothing is in it.
    lengths: Vec<(f64, [u8; 2])>,
}

/// What holds inside a part.
struct State {
    part: u16,
    measure: usize,
    divisions: f64,
    transpose: i32,
    metre: [u8; 2],
    /// Quarter notes from the beginning of the measure.
    at: f64,
    /// Where the last note began, for chords.
    last: f64,
    /// The places of tied notes that wait for their continuation, by pitch.
    ties: HashMap<u8, usize>,
}

impl Reader {
    fn part(&mut self, part: u16, node: Node<'_, '_>) {
        let mut state = State {
            part,
            measure: 0,
            divisions: 1.0,
            transpose: 0,
            metre: [4, 4],
            at: 0.0,
            last: 0.0,
            ties: HashMap::new(),
        };
        for (number, measure) in node
            .children()
            .filter(|n| n.has_tag_name("measure"))
            .enumerate()
        {
            (state.measure, state.at, state.last) = (number, 0.0, 0.0);
            let mut longest = 0.0f64;
            for element in measure.children() {
                self.element(&mut state, element);
                longest = longest.max(state.at);
            }
            if number == self.lengths.len() {
                self.lengths.push((0.0, state.metre));
            }
            let length = &mut self.lengths[number];
            length.0 = length.0.max(longest);
        }
    }

    fn element(&mut self, state: &mut State, node: Node<'_, '_>) {
        let duration = || number(node, "duration").unwrap_or(0.0).max(0.0) / state.divisions;
        match node.tag_name().name() {
            "attributes" => attributes(state, node),
            "note" => self.note(state, node),
            "backup" => state.at = (state.at - duration()).max(0.0),
            "forward" => state.at += duration(),
            "direction" => self.direction(state, node),
            "sound" => self.sound(state, node, state.at),
            _ => {}
        }
    }

    fn note(&mut self, state: &mut State, node: Node<'_, '_>) {
        let has = |name: &str| child(node, name).is_some();
        if has("grace") {
            return;
        }
        let duration = number(node, "duration").unwrap_or(0.0).max(0.0) / state.divisions;
        let start = if has("chord") {
            state.last
        } else {
            state.last = state.at;
            state.at += duration;
            state.last
        };
        let pitch = child(node, "pitch").and_then(|pitch| pitch_of(pitch, state.transpose));
        let Some(pitch) = pitch.filter(|_| !has("rest") && !has("cue") && duration > 0.0) else {
            return;
        };
        let end = (state.measure, start + duration);
        let ties = || node.children().filter(|n| n.has_tag_name("tie"));
        let tied = |kind: &str| ties().any(|tie| tie.attribute("type") == Some(kind));
        let before = if tied("stop") {
            state.ties.remove(&pitch)
        } else {
            None
        };
        let place = match before {
            Some(place) => {
                self.notes[place].end = end;
                place
            }
            None => {
                let own = node
                    .attribute("dynamics")
                    .and_then(|text| text.parse().ok());
                self.notes.push(Placed {
                    start: (state.measure, start),
                    end,
                    pitch,
                    velocity: own.map(velocity_of),
                    part: state.part,
                });
                self.notes.len() - 1
            }
        };
        if tied("start") {
            state.ties.insert(pitch, place);
        }
    }

    fn direction(&mut self, state: &State, node: Node<'_, '_>) {
        let offset = number(node, "offset").unwrap_or(0.0) / state.divisions;
        let at = (state.at + offset).max(0.0);
        for kind in node.children().filter(|n| n.has_tag_name("direction-type")) {
            for mark in kind.children() {
                match mark.tag_name().name() {
                    "dynamics" => {
                        let names = mark.children().map(|mark| mark.tag_name().name());
                        let level = names.filter_map(level).next();
                        let place = (state.measure, at);
                        self.marks
                            .extend(level.map(|level| (state.part, place, level)));
                    }
                    "metronome" => {
                        let beat = text(mark, "beat-unit").and_then(quarters);
                        let dotted = if child(mark, "beat-unit-dot").is_some() {
                            1.5
                        } else {
                            1.0
                        };
                        let speed = number(mark, "per-minute");
                        if let (Some(beat), Some(speed)) = (beat, speed) {
                            let tempo = beat * dotted * speed;
                            self.tempi.push(((state.measure, at), tempo));
                        }
                    }
                    _ => {}
                }
            }
        }
        if let Some(sound) = child(node, "sound") {
            self.sound(state, sound, at);
        }
    }

    fn sound(&mut self, state: &State, node: Node<'_, '_>, at: f64) {
        let value = |name: &str| {
            node.attribute(name)
                .and_then(|text| text.trim().parse::<f64>().ok())
        };
        let place = (state.measure, at);
        // What is said for players comes behind what is printed, and holds.
        self.tempi
            .extend(value("tempo").map(|tempo| (place, tempo)));
        let level = value("dynamics").map(velocity_of);
        self.marks
            .extend(level.map(|level| (state.part, place, level)));
    }

    fn finish(self, title: &str, composer: &str) -> Score {
        let mut bars = Vec::with_capacity(self.lengths.len());
        let mut start = 0.0;
        for (length, metre) in self.lengths {
            let whole = 4.0 * f64::from(metre[0]) / f64::from(metre[1]);
            let length = if length > 0.0 { length } else { whole };
            bars.push(Bar {
                start,
                length,
                metre,
            });
            start += length;
        }
        let time = |(measure, at): Place| bars.get(measure).map_or(start, |bar| bar.start + at);
        let mut marks: Vec<(u16, f64, u8)> = self
            .marks
            .iter()
            .map(|(part, place, level)| (*part, time(*place), *level))
            .collect();
        // Stable: of marks at one time the last holds.
        marks.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let level = |part: u16, at: f64| {
            let until = marks.partition_point(|mark| (mark.0, mark.1) <= (part, at + 1e-6));
            let last = until.checked_sub(1).map(|last| marks[last]);
            last.filter(|mark| mark.0 == part)
                .map_or(VELOCITY, |mark| mark.2)
        };
        let notes = self.notes.iter().map(|note| {
            let onset = time(note.start);
            Note {
                onset,
                duration: time(note.end) - onset,
                pitch: note.pitch,
                velocity: note.velocity.unwrap_or_else(|| level(note.part, onset)),
                part: note.part,
            }
        });
        let tempi = self.tempi.iter().map(|(place, tempo)| Tempo {
            start: time(*place),
            quarters_per_minute: *tempo,
        });
        let score = Score {
            title: title.to_string(),
            composer: composer.trim().to_string(),
            parts: self.parts,
            notes: notes.collect(),
            tempi: tempi.collect(),
            bars: bars.clone(),
        };
        score.in_order()
    }
}

fn attributes(state: &mut State, node: Node<'_, '_>) {
    if let Some(divisions) = number(node, "divisions").filter(|d| *d > 0.0) {
        state.divisions = divisions;
    }
    if let Some(transpose) = child(node, "transpose") {
        let chromatic = number(transpose, "chromatic").unwrap_or(0.0);
        let octaves = number(transpose, "octave-change").unwrap_or(0.0);
        state.transpose = (chromatic + 12.0 * octaves) as i32;
    }
    if let Some(time) = child(node, "time") {
        // Additive metres are written 3+2.
        let beats = text(time, "beats").unwrap_or_default().split('+');
        let beats: u32 = beats
            .filter_map(|part| part.trim().parse::<u32>().ok())
            .sum();
        let value = number(time, "beat-type").unwrap_or(4.0) as u8;
        if (1..=255).contains(&beats) && value.is_power_of_two() {
            state.metre = [beats as u8, value];
        }
    }
}

/// The MIDI note number of a pitch, where there is one.
fn pitch_of(node: Node<'_, '_>, transpose: i32) -> Option<u8> {
    let step = match text(node, "step")? {
        "C" => 0,
        "D" => 2,
        "E" => 4,
        "F" => 5,
        "G" => 7,
        "A" => 9,
        "B" => 11,
        _ => return None,
    };
    let alter = number(node, "alter").unwrap_or(0.0).round() as i32;
    let octave = number(node, "octave")? as i32;
    let pitch = 12 * (octave + 1) + step + alter + transpose;
    u8::try_from(pitch).ok().filter(|pitch| *pitch < 128)
}

/// The velocity of a mark, as in most notation programs.
fn level(mark: &str) -> Option<u8> {
    Some(match mark {
        "pppp" | "ppppp" | "pppppp" => 10,
        "ppp" => 16,
        "pp" => 33,
        "p" => 49,
        "mp" => 64,
        "mf" => 80,
        "f" => 96,
        "ff" => 112,
        "fff" | "ffff" | "fffff" | "ffffff" => 126,
        _ => return None,
    })
}

/// The velocity of a percentage of forte.
fn velocity_of(percent: f64) -> u8 {
    (percent / 100.0 * FORTE).round().clamp(1.0, 127.0) as u8
}

/// Quarter notes of a beat.
fn quarters(unit: &str) -> Option<f64> {
    Some(match unit {
        "breve" => 8.0,
        "whole" => 4.0,
        "half" => 2.0,
        "quarter" => 1.0,
        "eighth" => 0.5,
        "16th" => 0.25,
        "32nd" => 0.125,
        _ => return None,
    })
}
