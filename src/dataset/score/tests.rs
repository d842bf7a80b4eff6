//! Scores written for these tests, and what is read from them.

use midly::{Format, Header, MetaMessage, MidiMessage, Smf, Timing, TrackEvent, TrackEventKind};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::{fs, io::Write};

use super::*;

/// Ticks of a quarter note.
const TICKS: u16 = 480;

/// A MIDI file: a melody over held chords in 4/4 on a tonic, a bar to a chord.
pub(crate) fn midi(title: &str, composer: &str, tonic: u8, mode: Mode, bars: u32) -> Vec<u8> {
    let third = if mode == Mode::Major { 4 } else { 3 };
    let (sixth, seventh) = if mode == Mode::Major {
        (9, 11)
    } else {
        (8, 11)
    };
    // Tonic, subdominant, dominant, tonic.
    let chords = [
        [0, third, 7],
        [5, sixth, 12],
        [7, seventh, 14],
        [0, third, 7],
    ];
    let meta = |message| TrackEvent {
        delta: 0.into(),
        kind: TrackEventKind::Meta(message),
    };
    let mut tracks = vec![vec![
        meta(MetaMessage::TrackName(title.as_bytes())),
        meta(MetaMessage::Text(composer.as_bytes())),
        meta(MetaMessage::TimeSignature(4, 2, 24, 8)),
        meta(MetaMessage::Tempo(500_000.into())),
        meta(MetaMessage::EndOfTrack),
    ]];
    for (channel, (program, centre, each)) in [(53, 72, 2), (0, 48, 1)].into_iter().enumerate() {
        let mut track = vec![meta(MetaMessage::TrackName(b"part"))];
        let mut event = |delta: u32, message| {
            let kind = TrackEventKind::Midi {
                channel: (channel as u8).into(),
                message,
            };
            track.push(TrackEvent {
                delta: delta.into(),
                kind,
            });
        };
        event(
            0,
            MidiMessage::ProgramChange {
                program: program.into(),
            },
        );
        for bar in 0..bars {
            let chord = chords[bar as usize % 4];
            for step in 0..4 * each {
                let length = u32::from(TICKS) / each;
                let degrees: Vec<u8> = match channel {
                    0 => vec![chord[(step % 3) as usize]],
                    _ if step == 0 => chord.to_vec(),
                    _ => continue,
                };
                let length = if channel == 1 { 4 * length } else { length };
                for degree in &degrees {
                    let key = (centre + tonic + degree).into();
                    event(
                        0,
                        MidiMessage::NoteOn {
                            key,
                            vel: 70.into(),
                        },
                    );
                }
                for (i, degree) in degrees.iter().enumerate() {
                    let key = (centre + tonic + degree).into();
                    let delta = if i == 0 { length } else { 0 };
                    event(delta, MidiMessage::NoteOn { key, vel: 0.into() });
                }
            }
        }
        track.push(meta(MetaMessage::EndOfTrack));
        tracks.push(track);
    }
    let header = Header {
        format: Format::Parallel,
        timing: Timing::Metrical(TICKS.into()),
    };
    let mut bytes = Vec::new();
    Smf { header, tracks }.write_std(&mut bytes).unwrap();
    bytes
}

/// A score in B flat for a clarinet (written in C) and a bass, with a tie, a chord, two voices, a tempo and
/// dynamics.
const MUSICXML: &str = r#"<?xml version="1.0"?>
<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd">
<score-partwise version="4.0">
  <work><work-title>Study</work-title></work>
  <identification><creator type="composer">A. Person</creator></identification>
  <part-list>
    <score-part id="P1"><part-name>Clarinet</part-name>
      <midi-instrument id="P1-I1"><midi-program>72</midi-program></midi-instrument></score-part>
    <score-part id="P2"><part-name>Bass</part-name></score-part>
  </part-list>
  <part id="P1">
    <measure number="1">
      <attributes><divisions>2</divisions><time><beats>3</beats><beat-type>4</beat-type></time>
        <transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose></attributes>
      <direction><direction-type><dynamics><p/></dynamics></direction-type></direction>
      <direction><direction-type><metronome><beat-unit>quarter</beat-unit><per-minute>90</per-minute></metronome></direction-type></direction>
      <note><pitch><step>C</step><octave>5</octave></pitch><duration>4</duration></note>
      <note><grace/><pitch><step>D</step><octave>5</octave></pitch></note>
      <note><pitch><step>E</step><octave>5</octave></pitch><duration>2</duration><tie type="start"/></note>
    </measure>
    <measure number="2">
      <direction><direction-type><dynamics><f/></dynamics></direction-type><sound tempo="120"/></direction>
      <note><pitch><step>E</step><octave>5</octave></pitch><duration>2</duration><tie type="stop"/></note>
      <note><rest/><duration>2</duration></note>
      <note><pitch><step>F</step><alter>1</alter><octave>5</octave></pitch><duration>2</duration></note>
    </measure>
  </part>
  <part id="P2">
    <measure number="1">
      <attributes><divisions>1</divisions></attributes>
      <note><pitch><step>B</step><alter>-1</alter><octave>2</octave></pitch><duration>3</duration></note>
      <note><chord/><pitch><step>F</step><octave>3</octave></pitch><duration>3</duration></note>
      <backup><duration>3</duration></backup>
      <forward><duration>1</duration></forward>
      <note><pitch><step>D</step><octave>3</octave></pitch><duration>2</duration></note>
    </measure>
    <measure number="2"><note><rest measure="yes"/><duration>3</duration></note></measure>
  </part>
</score-partwise>"#;

#[test]
fn midi_is_read() {
    let score = midi::parse(&midi("A Song", "Some Body", 2, Mode::Major, 4)).unwrap();
    assert_eq!(
        (score.title.as_str(), score.composer.as_str()),
        ("A Song", "Some Body")
    );
    let programs: Vec<u8> = score.parts.iter().map(|part| part.program).collect();
    assert_eq!(programs, [53, 0]);
    assert_eq!((score.notes.len(), score.bars.len()), (4 * (8 + 3), 4));
    assert_eq!(
        score.bars[1],
        Bar {
            start: 4.0,
            length: 4.0,
            metre: [4, 4]
        }
    );
    assert_eq!(score.clock().seconds(8.0), 4.0);
    assert_eq!(score.notes[0].pitch, 50);
    assert_eq!(score.end(), 16.0);
}

#[test]
fn musicxml_is_read() {
    let score = musicxml::parse(MUSICXML.as_bytes()).unwrap();
    assert_eq!(
        (score.title.as_str(), score.composer.as_str()),
        ("Study", "A. Person")
    );
    assert_eq!(score.parts[0].program, 71);
    let lengths: Vec<f64> = score.bars.iter().map(|bar| bar.length).collect();
    assert_eq!(lengths, [3.0, 3.0]);
    let notes: Vec<(f64, f64, u8, u8, u16)> = score
        .notes
        .iter()
        .map(|n| (n.onset, n.duration, n.pitch, n.velocity, n.part))
        .collect();
    let expected = [
        (0.0, 3.0, 46, 80, 1),
        (0.0, 3.0, 53, 80, 1),
        (0.0, 2.0, 70, 49, 0),
        (1.0, 2.0, 50, 80, 1),
        // The tie goes over the bar line.
        (2.0, 2.0, 74, 49, 0),
        (5.0, 1.0, 76, 96, 0),
    ];
    assert_eq!(notes, expected);
    // Two thirds of a second a quarter, then a half.
    assert!((score.clock().seconds(4.0) - 2.5).abs() < 1e-9);

    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    let container =
        r#"<container><rootfiles><rootfile full-path="a.xml"/></rootfiles></container>"#;
    for (name, text) in [("META-INF/container.xml", container), ("a.xml", MUSICXML)] {
        archive.start_file(name, options).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    let packed = archive.finish().unwrap().into_inner();
    assert_eq!(musicxml::parse_compressed(&packed).unwrap(), score);
}

#[test]
fn broken_files_are_named_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("people/anonymous")).unwrap();
    fs::write(
        root.join("people/a.mid"),
        midi("A", "Some Body", 0, Mode::Minor, 8),
    )
    .unwrap();
    let unnamed = MUSICXML.replace("A. Person", "");
    fs::write(root.join("people/anonymous/b.xml"), unnamed).unwrap();
    fs::write(root.join("c.mid"), "no music").unwrap();
    fs::write(root.join("d.musicxml"), "<opus/>").unwrap();
    fs::write(root.join("e.mxl"), "PK").unwrap();
    fs::write(root.join("read.txt"), "not a score").unwrap();
    let library = Library::open(root).unwrap();
    assert_eq!(library.names, ["people/a.mid", "people/anonymous/b.xml"]);
    assert_eq!(library.scores[1].composer, "anonymous");
    let reasons: Vec<&str> = library
        .skipped
        .iter()
        .map(|(_, reason)| reason.as_str())
        .collect();
    assert_eq!(reasons.len(), 3);
    assert!(
        reasons[0].contains("no MIDI file") && reasons[1].contains("<opus>"),
        "{reasons:?}"
    );
    assert!(reasons[2].contains("no compressed MusicXML"), "{reasons:?}");

    let none = tempfile::tempdir().unwrap();
    let error = Library::open(none.path()).unwrap_err();
    assert!(error.message().contains("no scores can be read"), "{error}");
}

/// Files cut anywhere, and files with a byte changed, are read or refused, and nothing else happens.
#[test]
fn hostile_files_end() {
    let whole = midi("A", "B", 0, Mode::Major, 2);
    for length in 0..whole.len() {
        let _ = midi::parse(&whole[..length]);
    }
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 0xff;
        let _ = midi::parse(&changed);
    }
    for length in (0..MUSICXML.len()).step_by(7) {
        let _ = musicxml::parse(&MUSICXML.as_bytes()[..length]);
    }
    let bad = MUSICXML.replace("<duration>3</duration>", "<duration>1e300</duration>");
    let _ = musicxml::parse(bad.as_bytes());
}

/// A library of twelve scores in several keys.
pub(crate) fn library() -> (tempfile::TempDir, Library) {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..12u8 {
        let mode = if number % 2 == 0 {
            Mode::Major
        } else {
            Mode::Minor
        };
        let bytes = midi("Song", &format!("Composer Nr{number}"), number, mode, 24);
        fs::write(folder.path().join(format!("{number:02}.mid")), bytes).unwrap();
    }
    let library = Library::open(folder.path()).unwrap();
    (folder, library)
}

#[test]
fn excerpts_are_whole_bars_in_a_clear_key() {
    let (_folder, mut library) = library();
    library.splits.fill(crate::dataset::Split::Training);
    let catalogue = Catalogue::new(&library, 8.0, None);
    assert!(catalogue.excerpts.len() > 100);
    let mut own = 0;
    for excerpt in &catalogue.excerpts {
        let score = &library.scores[excerpt.score as usize];
        let expected = (excerpt.score as u8, excerpt.score % 2 == 0);
        let key = excerpt.statistics.key;
        assert!(key.correlation >= 0.75 && key.mode_margin >= 0.08);
        // Some begin and end on the dominant.
        own += usize::from((key.tonic, key.mode == Mode::Major) == expected);
        let notes = catalogue::notes(score, &score.clock(), excerpt, 8.0);
        let end = notes
            .iter()
            .map(|note| note.start + note.duration)
            .fold(0.0, f64::max);
        assert!((notes[0].start - 0.03).abs() < 1e-3 && (end - 7.75).abs() < 1e-3);
    }
    assert!(10 * own > 7 * catalogue.excerpts.len(), "{own}");
}

#[test]
fn excerpts_on_a_pulse_have_beats_of_its_length() {
    let (_folder, mut library) = library();
    library.splits.fill(crate::dataset::Split::Training);
    let catalogue = Catalogue::new(&library, 8.0, Some(0.5));
    assert!(catalogue.excerpts.len() > 50);
    for excerpt in &catalogue.excerpts {
        let notes = excerpt.notes(&library, 8.0);
        assert!((0.55..1.8).contains(&excerpt.tempo));
        assert!((notes[0].start - 0.03).abs() < 1e-3);
        for note in &notes {
            // Whatever note value was taken for a beat, notes begin at twelfths of it.
            let beats = 12.0 * (note.start - 0.03) / 0.5;
            assert!((beats - beats.round()).abs() < 0.02, "{note:?} {excerpt:?}");
            assert!(note.start + note.duration < 8.0 + 1e-6);
        }
        let last = notes.iter().map(|note| note.start).fold(0.0, f64::max);
        assert!(last > 7.0, "the music ends at {last}");
    }
}

#[test]
fn arrangements_keep_to_wishes_and_ranges() {
    let (_folder, mut library) = library();
    library.splits.fill(crate::dataset::Split::Training);
    let catalogue = Catalogue::new(&library, 8.0, None);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for (number, ensemble) in Ensemble::ALL.into_iter().cycle().take(48).enumerate() {
        let mode = if number % 3 == 0 {
            Mode::Minor
        } else {
            Mode::Major
        };
        let (tonic, register) = ((5 * number % 12) as u8, 58.0 + (number % 12) as f32);
        let wanted = catalogue::Wanted {
            mode,
            rate: 4.0,
            regularity: 0.5,
            tonic,
            register,
        };
        let excerpt = *catalogue
            .choose(crate::dataset::Split::Training, &wanted, &mut rng)
            .unwrap();
        let score = &library.scores[excerpt.score as usize];
        let notes = catalogue::notes(score, &score.clock(), &excerpt, 8.0);
        let wishes = Wishes {
            tonic,
            register,
            ensemble,
            regularity: 0.5,
        };
        let performance = arrange(notes, excerpt.statistics.key.tonic, 8.0, &wishes, &mut rng);
        let found = performance.statistics;
        assert_eq!((found.key.tonic, found.key.mode), (tonic, mode));
        if ensemble.suits(register) {
            assert!(
                (found.mean_pitch - register).abs() < 10.0,
                "{ensemble:?} {register} {found:?}"
            );
        }
        assert!((found.onset_rate - excerpt.statistics.onset_rate).abs() < 0.3);
        assert!(
            performance
                .notes
                .iter()
                .all(|note| note.start + note.duration <= 8.1)
        );
        assert!(
            performance
                .notes
                .iter()
                .all(|note| usize::from(note.voice) < performance.voices.len())
        );
    }
}
