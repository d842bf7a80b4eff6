//! Reads music files: MP3, FLAC, Ogg Vorbis and WAV, through the crate `symphonia` (native).

use std::io::Cursor;

use symphonia::core::{
    codecs::audio::{AudioDecoder, AudioDecoderOptions},
    errors::Error as Fault,
    formats::{FormatReader, TrackType, probe::Hint},
    io::MediaSourceStream,
};

use super::{Sound, check_finite};
use crate::{Error, ErrorKind, Result};

/// The lowest and highest sample rate that is read, in Hz: no rate outside means what it says.
const RATES: std::ops::RangeInclusive<u32> = 1000..=1_000_000;

/// The longest sound that is read: four hours at 48 kHz. A damaged file can claim any length.
const MAX_SAMPLES: usize = 4 * 3600 * 48_000;

/// The share of the announced samples that must be there; the rest may be padding of the encoder.
const COMPLETE: f64 = 0.98;

/// Lengths that writers of WAV files give when they do not know the length, in samples of at least a byte.
const OPEN_END: u64 = 0x0FFF_0000;

/// Decodes a music file and mixes its channels down to their mean.
///
/// A packet that cannot be decoded is left out, as players do; a file of which nothing can be decoded,
/// and one that ends long before its header says or has samples that are no numbers, are refused.
pub fn decode(bytes: &[u8]) -> Result<Sound> {
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let format = symphonia::default::get_probe()
        .probe(&Hint::new(), source, Default::default(), Default::default())
        .map_err(|e| {
            Error::input(
                format!("this is no music file that can be read ({e})"),
                "give MP3, FLAC, Ogg Vorbis or WAV",
            )
        })?;
    read(format)
}

fn read(mut format: Box<dyn FormatReader + '_>) -> Result<Sound> {
    let (id, announced, mut decoder) = open_track(format.as_ref())?;
    let mut sound = Sound {
        sample_rate: 0,
        samples: Vec::new(),
    };
    let mut interleaved: Vec<f32> = Vec::new();
    // An error here is the end of what can be read: whether that is enough is decided below.
    while let Ok(Some(packet)) = format.next_packet() {
        if packet.track_id != id {
            continue;
        }
        let decoded = match decoder.decode(&packet) {
            Ok(decoded) => decoded,
            Err(Fault::DecodeError(_)) => continue,
            Err(_) => break,
        };
        let rate = decoded.spec().rate();
        let channels = decoded.num_planes();
        if !RATES.contains(&rate) || channels == 0 {
            return Err(Error::input(
                format!("the music file says it has {channels} channels at {rate} Hz"),
                "save the sound again with one or two channels at 16000 to 48000 Hz",
            ));
        }
        if sound.sample_rate != 0 && sound.sample_rate != rate {
            break;
        }
        sound.sample_rate = rate;
        decoded.copy_to_vec_interleaved(&mut interleaved);
        let frames = interleaved.chunks_exact(channels);
        sound.samples.extend(frames.map(|frame| {
            let sum: f64 = frame.iter().map(|x| f64::from(*x)).sum();
            (sum / channels as f64) as f32
        }));
        if sound.samples.len() > MAX_SAMPLES {
            return Err(Error::new(
                ErrorKind::Limits,
                "the music is longer than four hours",
                "give shorter files",
            ));
        }
    }
    let announced = announced.filter(|frames| *frames < OPEN_END).unwrap_or(0);
    if sound.samples.is_empty() || (sound.samples.len() as f64) < announced as f64 * COMPLETE {
        return Err(Error::input(
            "the music file is damaged or cut off",
            "get the file again",
        ));
    }
    check_finite(&sound.samples)?;
    Ok(sound)
}

/// The identity of the first track of music, how many samples its header announces, and a decoder for it.
fn open_track(format: &dyn FormatReader) -> Result<(u32, Option<u64>, Box<dyn AudioDecoder>)> {
    let unreadable = |what: String| {
        Error::input(
            format!("the music file cannot be decoded ({what})"),
            "save the sound again as MP3, FLAC, Ogg Vorbis or WAV",
        )
    };
    let track = format
        .default_track(TrackType::Audio)
        .ok_or_else(|| unreadable("it has no sound".into()))?;
    let parameters = track.codec_params.as_ref().and_then(|codec| codec.audio());
    let parameters = parameters.ok_or_else(|| unreadable("its codec is not known".into()))?;
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|e| unreadable(e.to_string()))?;
    Ok((track.id, track.num_frames, decoder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::wav;
    use hound::{SampleFormat, WavSpec, WavWriter};
    use std::f64::consts::TAU;

    fn fixture(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sounds");
        std::fs::read(std::path::Path::new(folder).join(name)).unwrap()
    }

    /// The mean of the two channels of the fixtures: see their README.
    fn mean(n: usize) -> f64 {
        let wave = |hz: f64| (TAU * hz * n as f64 / 44_100.0).sin();
        (0.5 * wave(441.0) + 0.3 * wave(882.0)) / 2.0
    }

    #[test]
    fn every_format_is_mixed_down() {
        // Lossless, Vorbis at quality 2, MP3 at 128 kbit/s.
        for (name, tolerance) in [
            ("stereo.flac", 1e-4),
            ("stereo.ogg", 0.03),
            ("stereo.mp3", 0.03),
        ] {
            let sound = decode(&fixture(name)).unwrap();
            assert_eq!(sound.sample_rate, 44_100);
            assert_eq!(sound.samples.len(), 8820, "{name}");
            // Encoders blur the ends.
            for (n, x) in sound.samples.iter().enumerate().take(8000).skip(800) {
                let error = (f64::from(*x) - mean(n)).abs();
                assert!(error < tolerance, "{name}, sample {n}: {error}");
            }
        }
    }

    /// A file of ramps that hound wrote: sample `i` of channel `c` is `(i + c) / 16`.
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

    #[test]
    fn wav_files_of_all_widths_are_read() {
        for (bits, format) in [
            (8, SampleFormat::Int),
            (16, SampleFormat::Int),
            (24, SampleFormat::Int),
            (32, SampleFormat::Int),
            (32, SampleFormat::Float),
        ] {
            for channels in [1, 2, 6] {
                let sound = decode(&ramp(channels, bits, format)).unwrap();
                assert_eq!(sound.sample_rate, 22_050);
                let middle = f32::from(channels - 1) / 2.0;
                let expected: Vec<f32> = (-8..8).map(|i| (i as f32 + middle) / 16.0).collect();
                assert_eq!(sound.samples.len(), expected.len());
                for (a, b) in sound.samples.iter().zip(&expected) {
                    assert!((a - b).abs() < 1e-6, "{bits} bits, {channels} channels");
                }
            }
        }
    }

    #[test]
    fn what_we_write_is_read() {
        let encode = |wave: &[f32]| wav::encode(wave, 16_000, wav::Sample::Float, &[]).unwrap();
        let sound = decode(&encode(&[0.0, 0.25, -0.5])).unwrap();
        assert_eq!(sound.samples, [0.0, 0.25, -0.5]);
        assert_eq!(sound.sample_rate, 16_000);
        for bad in [f32::NAN, f32::INFINITY] {
            let error = decode(&encode(&[0.0, 0.25, bad])).unwrap_err();
            assert!(error.message().contains("not numbers"), "{error}");
        }
    }

    #[test]
    fn what_is_no_music_or_cut_off_is_refused() {
        for bad in [&b""[..], b"RIFF", b"a picture, perhaps", &[0; 4000]] {
            assert!(decode(bad).is_err());
        }
        for name in ["stereo.flac", "stereo.ogg"] {
            let whole = fixture(name);
            let error = decode(&whole[..whole.len() / 2]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Input, "{name}");
        }
        let whole = wav::encode(&[0.5; 4000], 16_000, wav::Sample::Float, &[]).unwrap();
        assert!(decode(&whole[..whole.len() / 2]).is_err());
    }

    #[test]
    fn no_wrong_byte_breaks_the_reader() {
        for name in ["stereo.flac", "stereo.ogg", "stereo.mp3"] {
            let whole = fixture(name);
            for at in (0..whole.len()).step_by(whole.len() / 40) {
                let mut wrong = whole.clone();
                wrong[at] ^= 0x5A;
                // Whatever it gives, it ends.
                let _ = decode(&wrong);
            }
        }
    }
}
