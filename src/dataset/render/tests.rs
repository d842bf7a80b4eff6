//! A SoundFont of a few kB, and what is rendered with it.

use std::path::PathBuf;

use super::*;
use crate::{
    audio::{peak, rms_db},
    dataset::score::NoteStatistics,
};

/// Samples of the loop: one period.
const PERIOD: usize = 100;
/// What the specification asks for behind every sample.
const SILENCE: usize = 46;
/// The sample rate at which the loop is the A above middle C.
const SAMPLE_RATE: u32 = 44_000;

/// The committed file.
pub(crate) fn fixture() -> PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny.sf2")
}

fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_vec();
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(body);
    if body.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

fn list(kind: &[u8; 4], chunks: &[Vec<u8>]) -> Vec<u8> {
    chunk(b"LIST", &[kind.to_vec(), chunks.concat()].concat())
}

fn name(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(20, 0);
    bytes
}

fn words(values: &[u16]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// A SoundFont with two programs on one sample of twelve harmonics: 0 dies away, 48 is held.
fn tiny() -> Vec<u8> {
    let wave = |n: usize| {
        let phase = n as f64 / PERIOD as f64 * std::f64::consts::TAU;
        let sum: f64 = (1..=12)
            .map(|h| (phase * f64::from(h)).sin() / f64::from(h))
            .sum();
        (12_000.0 * sum) as i16
    };
    let mut samples: Vec<i16> = (0..4 * PERIOD).map(wave).collect();
    samples.resize(4 * PERIOD + SILENCE, 0);
    let samples: Vec<u8> = samples.iter().flat_map(|x| x.to_le_bytes()).collect();

    let info = list(
        b"INFO",
        &[
            chunk(b"ifil", &words(&[2, 1])),
            chunk(b"isng", b"EMU8000\0"),
            chunk(b"INAM", b"tiny\0\0"),
        ],
    );
    let preset = |text: &str, program: u16, bag: u16| {
        let numbers = words(&[program, 0, bag]);
        [name(text), numbers, vec![0; 12]].concat()
    };
    let instrument = |text: &str, bag: u16| [name(text), words(&[bag])].concat();
    // Generators: 36 decay, 37 sustain, 38 release of the volume envelope (timecents, centibels), 54 loop
    // mode, 58 root key, 53 sample, 41 instrument.
    let time = |timecents: i16| timecents as u16;
    let generators = [
        [36, time(1200)],
        [37, 1000],
        [38, time(-2400)],
        [54, 1],
        [58, 69],
        [53, 0],
        [38, time(-2400)],
        [54, 1],
        [58, 69],
        [53, 0],
        [0, 0],
    ];
    let parameters = list(
        b"pdta",
        &[
            chunk(
                b"phdr",
                &[
                    preset("struck", 0, 0),
                    preset("held", 48, 1),
                    preset("EOP", 0, 2),
                ]
                .concat(),
            ),
            chunk(b"pbag", &words(&[0, 0, 1, 0, 2, 0])),
            chunk(b"pmod", &[0; 10]),
            chunk(b"pgen", &words(&[41, 0, 41, 1, 0, 0])),
            chunk(
                b"inst",
                &[
                    instrument("struck", 0),
                    instrument("held", 1),
                    instrument("EOI", 2),
                ]
                .concat(),
            ),
            chunk(b"ibag", &words(&[0, 0, 6, 0, 10, 0])),
            chunk(b"imod", &[0; 10]),
            chunk(b"igen", &words(generators.as_flattened())),
            chunk(b"shdr", &{
                let places = [0, 4 * PERIOD, PERIOD, 3 * PERIOD].map(|place| place as u32);
                let places = places.into_iter().chain([SAMPLE_RATE]);
                let places: Vec<u8> = places.flat_map(u32::to_le_bytes).collect();
                let kind = [69, 0, 0, 0, 1, 0];
                [
                    name("wave"),
                    places,
                    kind.to_vec(),
                    name("EOS"),
                    vec![0; 26],
                ]
                .concat()
            }),
        ],
    );
    let body = [
        b"sfbk".to_vec(),
        info,
        list(b"sdta", &[chunk(b"smpl", &samples)]),
        parameters,
    ];
    chunk(b"RIFF", &body.concat())
}

fn performance(notes: &[(f64, f64, u8, u8)], program: u8) -> Performance {
    let notes: Vec<Sounding> = notes
        .iter()
        .map(|&(start, duration, pitch, velocity)| Sounding {
            start,
            duration,
            pitch,
            velocity,
            voice: 0,
        })
        .collect();
    Performance {
        voices: vec![Voice {
            program,
            pan: -0.2,
            gain_db: 0.0,
        }],
        statistics: NoteStatistics::measure(&notes, 2.0),
        notes,
        seconds: 2.0,
    }
}

const TONE: Tone = Tone {
    brightness: 0.5,
    loudness_db: -20.0,
};

/// The committed file is what [`tiny`] writes; with the variable ART2MUS_WRITE_FIXTURES it is written.
#[test]
fn the_fixture_is_what_is_written_here() {
    if std::env::var_os("ART2MUS_WRITE_FIXTURES").is_some() {
        std::fs::write(fixture(), tiny()).unwrap();
    }
    assert!(std::fs::read(fixture()).unwrap() == tiny());
}

#[test]
fn loudness_is_what_was_asked_for_and_nothing_clips() {
    let font = SoundFont::open(Some(&fixture())).unwrap();
    let notes: Vec<(f64, f64, u8, u8)> = (0..8)
        .map(|i| (0.25 * f64::from(i), 0.2, 60 + i, 60 + 8 * i))
        .collect();
    for program in [0, 48, 73] {
        let performance = performance(&notes, program);
        for loudness_db in [-26.0, -14.0] {
            let tone = Tone {
                loudness_db,
                ..TONE
            };
            let sound = render(&font, &performance, &tone).unwrap();
            assert_eq!(sound.left.len(), 2 * RATE as usize);
            assert!((rms_db(&sound.mono().samples) - loudness_db).abs() < 0.1);
            assert!(peak(&sound.left) < 0.95 && peak(&sound.right) < 0.95);
            assert_eq!(sound, render(&font, &performance, &tone).unwrap());
        }
    }
}

#[test]
fn pitch_brightness_and_velocity_can_be_measured() {
    let font = SoundFont::open(Some(&fixture())).unwrap();
    let play = |velocity, brightness| {
        let tone = Tone { brightness, ..TONE };
        let performance = performance(&[(0.0, 1.9, 69, velocity)], 48);
        render(&font, &performance, &tone).unwrap().mono()
    };
    let plain = play(90, 0.5);
    let share = |sound: &Sound| high_energy_db(&sound.samples, 1700.0, RATE as f32);
    // 440 Hz: as many periods as there should be.
    let held = &plain.samples[9600..57_600];
    let zeros = held
        .windows(2)
        .filter(|two| two[0] < 0.0 && two[1] >= 0.0)
        .count();
    assert!((435..=445).contains(&zeros), "{zeros}");
    let [dull, middle, bright] = [0.0, 0.5, 1.0].map(|brightness| share(&play(90, brightness)));
    assert!(
        dull < middle - 4.0 && bright > middle + 4.0,
        "{dull} {middle} {bright}"
    );
    // The treble that a velocity opens, before it is brought to the wanted timbre.
    let treble = |velocity: u8| {
        let note = Sounding {
            start: 0.0,
            duration: 2.0,
            pitch: 69,
            velocity,
            voice: 0,
        };
        let noise = crate::random::standard_normal(1, 0, 9600);
        let (mut left, mut right) = (noise.clone(), noise);
        soften(&[note], &mut left, &mut right);
        high_energy_db(&left, 5000.0, RATE as f32)
    };
    let (soft, hard) = (treble(60), treble(110));
    assert!(hard > soft + 2.0, "{soft} {hard}");
}

#[test]
fn a_key_that_is_struck_again_is_released_before() {
    let note = |start, duration| Sounding {
        start,
        duration,
        pitch: 60,
        velocity: 80,
        voice: 0,
    };
    let events = key_events(&[note(0.0, 2.0), note(0.5, 0.2)]);
    let presses: Vec<bool> = events.iter().map(|event| event.press).collect();
    assert_eq!(presses, [true, false, true, false]);
}

#[test]
fn what_is_no_soundfont_is_refused_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sf2");
    let error = SoundFont::open(Some(&path)).unwrap_err();
    assert!(error.message().contains("a.sf2"), "{error}");
    let whole = tiny();
    for length in [0, 3, 100, whole.len() / 2, whole.len() - 30] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = SoundFont::open(Some(&path)).unwrap_err();
        assert!(
            error.message().contains("cannot be used as a SoundFont"),
            "{error}"
        );
    }
}

/// What lies above 8 kHz hardly comes down into what networks hear: the filter is torchaudio's, whose slope
/// reaches to 10 kHz, and music has little there.
#[test]
fn sampling_down_does_not_alias() {
    let tone = |hertz: f64| Sound {
        sample_rate: RATE,
        samples: (0..RATE)
            .map(|n| (std::f64::consts::TAU * hertz * f64::from(n) / f64::from(RATE)).sin() as f32)
            .collect(),
    };
    for (hertz, below) in [(9_500.0, -25.0), (10_500.0, -44.0), (15_000.0, -60.0)] {
        let down = tone(hertz).resampled(crate::audio::SAMPLE_RATE).unwrap();
        let level = rms_db(&down[200..down.len() - 200]) + 3.01;
        assert!(level < below, "{hertz} Hz: {level} dB");
    }
}
