//! Tests of the WAV files, against the crate `hound` where it can read and write them.

use std::io::Cursor;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

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

/// A file of `channels` ramps that hound wrote: sample `i` of channel `c` is `(i + c) / 16`.
fn ramp(channels: u16, bits: u16, format: SampleFormat) -> Vec<u8> {
    let spec = WavSpec {
        channels,
        sample_rate: 22_050,
        bits_per_sample: bits,
        sample_format: format,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
    for (i, c) in (-8..8).flat_map(|i| (0..i32::from(channels)).map(move |c| (i, c))) {
        match format {
            SampleFormat::Float => writer.write_sample((i + c) as f32 / 16.0).unwrap(),
            SampleFormat::Int => {
                // A sixteenth of full scale, `2^(bits - 1)`.
                let sixteenth = 1_i32 << (bits - 5);
                writer.write_sample((i + c) * sixteenth).unwrap();
            }
        }
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

/// A file with this format chunk and data.
fn handmade(format: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = b"RIFF\0\0\0\0WAVEfmt ".to_vec();
    bytes.extend((format.len() as u32).to_le_bytes());
    bytes.extend(format);
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

fn format_chunk(format: u16, channels: u16, rate: u32, frame: u16, bits: u16) -> Vec<u8> {
    let mut chunk = Vec::new();
    chunk.extend(format.to_le_bytes());
    chunk.extend(channels.to_le_bytes());
    chunk.extend(rate.to_le_bytes());
    chunk.extend((rate.wrapping_mul(frame.into())).to_le_bytes());
    chunk.extend(frame.to_le_bytes());
    chunk.extend(bits.to_le_bytes());
    chunk
}

#[test]
fn what_is_written_is_read() {
    let bytes = encode(&wave(), 16_000, &notes()).unwrap();
    let sound = decode(&bytes).unwrap();
    assert_eq!(sound.sample_rate, 16_000);
    assert_eq!(sound.channels, [wave()]);
    let read = metadata(&bytes);
    let read: Vec<(&str, String)> = read.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
    assert_eq!(read, notes());
}

#[test]
fn hound_reads_what_is_written() {
    for notes in [notes(), vec![]] {
        let bytes = encode(&wave(), 16_000, &notes).unwrap();
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
    let hex: String = encode(&[0.5], 16_000, &[])
        .unwrap()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(hex, expected.replace(' ', ""));
}

#[test]
fn every_length_in_the_file_is_right() {
    let bytes = encode(&wave(), 16_000, &notes()).unwrap();
    let total = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    assert_eq!(total + 8, bytes.len());
    let chunks: Vec<_> = Chunks::of_file(&bytes).unwrap().collect();
    let ids: Vec<_> = chunks.iter().map(|chunk| &chunk.id).collect();
    assert_eq!(ids, [b"fmt ", b"fact", b"LIST", b"data"]);
    assert!(chunks.iter().all(|chunk| chunk.missing == 0));
}

#[test]
fn what_hound_writes_is_read() {
    for (bits, format) in [
        (8, SampleFormat::Int),
        (16, SampleFormat::Int),
        (24, SampleFormat::Int),
        (32, SampleFormat::Int),
        (32, SampleFormat::Float),
    ] {
        // hound writes WAVE_FORMAT_EXTENSIBLE for more than two channels or 16 bits.
        for channels in [1, 2, 6] {
            let sound = decode(&ramp(channels, bits, format)).unwrap();
            assert_eq!(sound.sample_rate, 22_050);
            assert_eq!(sound.channels.len(), usize::from(channels));
            for (c, channel) in sound.channels.iter().enumerate() {
                let expected: Vec<f32> = (-8..8).map(|i| (i + c as i32) as f32 / 16.0).collect();
                assert_eq!(*channel, expected, "{bits} bits, channel {c}");
            }
        }
    }
}

#[test]
fn doubles_are_read_and_what_is_not_finite_is_silence() {
    let values = [0.25, -1.5, f64::NAN, f64::INFINITY, 1e300];
    let data: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let bytes = handmade(&format_chunk(FLOAT, 1, 48_000, 8, 64), &data);
    assert_eq!(
        decode(&bytes).unwrap().channels,
        [[0.25, -1.5, 0.0, 0.0, 0.0]]
    );
}

#[test]
fn an_open_end_and_a_broken_last_sample_are_read() {
    let format = format_chunk(PCM, 2, 16_000, 4, 16);
    let mut bytes = handmade(&format, &[0, 64, 0, 192, 1, 2, 3]);
    let expected = [vec![0.5], vec![-0.5]];
    assert_eq!(decode(&bytes).unwrap().channels, expected);
    bytes[40..44].fill(0xFF);
    assert_eq!(decode(&bytes).unwrap().channels, expected);
    bytes[40..44].copy_from_slice(&8_u32.to_le_bytes());
    assert!(decode(&bytes).unwrap_err().message().contains("cut off"));
    assert_eq!(
        decode(&handmade(&format, &[])).unwrap().channels,
        [vec![0.0_f32; 0], vec![]]
    );
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (format, channels, rate, frame, bits) in [
        (PCM, 0, 16_000, 2, 16),
        (PCM, 1, 16_000, 0, 16),
        (PCM, 2, 16_000, 3, 16),
        (PCM, 1, 0, 2, 16),
        (PCM, 1, u32::MAX, 2, 16),
        (PCM, 65, 16_000, 130, 16),
        (PCM, 1, 16_000, 8, 64),
        (PCM, 1, 16_000, 2, 32),
        (FLOAT, 1, 16_000, 2, 16),
        (2, 1, 16_000, 2, 4),
        (EXTENSIBLE, 1, 16_000, 2, 16),
    ] {
        let bytes = handmade(&format_chunk(format, channels, rate, frame, bits), &[0; 40]);
        let error = decode(&bytes).unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Input,
            "{format} {channels} {rate} {frame}"
        );
    }
    for bad in [
        &b""[..],
        b"RIFF",
        b"not a WAV file at all",
        b"RF64\0\0\0\0WAVE",
    ] {
        assert_eq!(decode(bad).unwrap_err().kind(), ErrorKind::Input);
        assert!(metadata(bad).is_empty());
    }
}

#[test]
fn no_length_and_no_wrong_byte_break_the_reader() {
    let bytes = encode(&wave()[..20], 16_000, &notes()).unwrap();
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length]).is_err(), "{length}");
        metadata(&bytes[..length]);
    }
    for (i, flip) in (0..bytes.len()).flat_map(|i| [0x01, 0x80, 0xFF].map(|flip| (i, flip))) {
        let mut wrong = bytes.clone();
        wrong[i] ^= flip;
        let _ = decode(&wrong);
        metadata(&wrong);
    }
}

#[test]
fn what_cannot_be_written_is_refused() {
    assert!(encode(&[], 0, &[]).is_err());
    assert!(encode(&[], u32::MAX, &[]).is_err());
    for code in ["", "TITLE", "Ä12", "IN\n "] {
        assert!(
            encode(&[], 16_000, &[(code, "x".into())]).is_err(),
            "{code:?}"
        );
    }
    let bytes = encode(&[], 16_000, &[("ICMT", "a\0b".into())]).unwrap();
    assert_eq!(metadata(&bytes), [("ICMT".into(), "a b".into())]);
}
