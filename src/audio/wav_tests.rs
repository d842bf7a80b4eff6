//! Tests of the WAV files, against the crate `hound` where it can read and write them.

use std::io::Cursor;

use hound::{SampleFormat, WavReader};

use super::*;

fn wave() -> Vec<f32> {
    (0..500).map(|i| (i as f32 * 0.1).sin() * 0.9).collect()
}

fn notes() -> Vec<(&'static str, String)> {
    vec![
        ("INAM", "Nächtlicher Garten".into()),
        ("ICMT", "seed 7".into()),
        ("ISFT", String::new()),
    ]
}

#[test]
fn metadata_is_read_back() {
    let bytes = encode(&wave(), 16_000, Sample::Float, &notes()).unwrap();
    let read = metadata(&bytes);
    let read: Vec<(&str, String)> = read.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
    assert_eq!(read, notes());
}

#[test]
fn hound_reads_what_is_written() {
    for notes in [notes(), vec![]] {
        let bytes = encode(&wave(), 16_000, Sample::Float, &notes).unwrap();
        let mut reader = WavReader::new(Cursor::new(bytes)).unwrap();
        let spec = reader.spec();
        assert_eq!((spec.channels, spec.sample_rate), (1, 16_000));
        assert_eq!(
            (spec.bits_per_sample, spec.sample_format),
            (32, SampleFormat::Float)
        );
        let samples: Vec<f32> = reader.samples::<f32>().map(|x| x.unwrap()).collect();
        assert_eq!(samples, wave());
    }
}

#[test]
fn the_header_is_that_of_the_reference() {
    // What scipy.io.wavfile.write makes of a float32 0.5 at 16000 Hz, in hexadecimal.
    let expected = "524946463600000057415645666d74201200000003000100803e000000fa00000400200000006661\
                    637404000000010000006461746104000000 0000003f";
    let hex: String = encode(&[0.5], 16_000, Sample::Float, &[])
        .unwrap()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(hex, expected.replace(' ', ""));
}

#[test]
fn every_length_in_the_file_is_right() {
    let bytes = encode(&wave(), 16_000, Sample::Float, &notes()).unwrap();
    let total = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    assert_eq!(total + 8, bytes.len());
    let chunks: Vec<_> = Chunks::of_file(&bytes).unwrap().collect();
    let ids: Vec<_> = chunks.iter().map(|chunk| &chunk.id).collect();
    assert_eq!(ids, [b"fmt ", b"fact", b"data", b"LIST"]);
    let end = chunks
        .iter()
        .map(|chunk| 8 + chunk.body.len().next_multiple_of(2))
        .sum::<usize>();
    assert_eq!(end + 12, bytes.len());
}

#[test]
fn no_length_and_no_wrong_byte_break_the_reader_of_metadata() {
    let bytes = encode(&wave()[..20], 16_000, Sample::Float, &notes()).unwrap();
    for length in 0..bytes.len() {
        metadata(&bytes[..length]);
    }
    for (i, flip) in (0..bytes.len()).flat_map(|i| [0x01, 0x80, 0xFF].map(|flip| (i, flip))) {
        let mut wrong = bytes.clone();
        wrong[i] ^= flip;
        metadata(&wrong);
    }
    for bad in [
        &b""[..],
        b"RIFF",
        b"not a WAV file at all",
        b"RF64\0\0\0\0WAVE",
    ] {
        assert!(metadata(bad).is_empty());
    }
}

#[test]
fn what_cannot_be_written_is_refused() {
    assert!(encode(&[], 0, Sample::Float, &[]).is_err());
    assert!(encode(&[], u32::MAX, Sample::Float, &[]).is_err());
    for code in ["", "TITLE", "Ä12", "IN\n "] {
        assert!(
            encode(&[], 16_000, Sample::Float, &[(code, "x".into())]).is_err(),
            "{code:?}"
        );
    }
    let bytes = encode(&[], 16_000, Sample::Float, &[("ICMT", "a\0b".into())]).unwrap();
    assert_eq!(metadata(&bytes), [("ICMT".into(), "a b".into())]);
}

#[test]
fn integers_are_what_everything_plays() {
    let bytes = encode(&[0.0, 0.5, -1.0, 2.0], 16_000, Sample::Integer, &notes()).unwrap();
    let ids: Vec<_> = Chunks::of_file(&bytes)
        .unwrap()
        .map(|chunk| chunk.id)
        .collect();
    assert_eq!(ids, [*b"fmt ", *b"data", *b"LIST"]);
    let mut reader = WavReader::new(Cursor::new(&bytes)).unwrap();
    let spec = reader.spec();
    assert_eq!(
        (spec.bits_per_sample, spec.sample_format),
        (16, SampleFormat::Int)
    );
    let samples: Vec<i16> = reader.samples::<i16>().map(|x| x.unwrap()).collect();
    assert_eq!(samples, [0, 16384, -32767, 32767]);
    assert_eq!(metadata(&bytes).len(), notes().len());
}
