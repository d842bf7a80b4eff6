//! WAV files (RIFF): written as 32-bit float with a few words on where they come from, read in all
//! the common encodings.
//!
//! ```
//! use art2mus::audio::wav;
//!
//! let notes = [("INAM", "Garden at night".to_string())];
//! let bytes = wav::encode(&[0.0, 0.5, -0.5], 16_000, &notes)?;
//! assert_eq!(wav::decode(&bytes)?.channels, [[0.0, 0.5, -0.5]]);
//! assert_eq!(wav::metadata(&bytes)[0].1, "Garden at night");
//! # Ok::<(), art2mus::Error>(())
//! ```

use crate::{Error, ErrorKind, Result};

/// The most channels that are read.
const MAX_CHANNELS: usize = 64;

/// The lowest and highest sample rate that is read, in Hz: no rate outside means what it says.
const RATES: std::ops::RangeInclusive<u32> = 1000..=1_000_000;

/// A data chunk of at least this length comes from a program that did not know it when it began.
const OPEN_END: usize = 0x7FFF_F000;

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xFFFE;

/// What a WAVE_FORMAT_EXTENSIBLE identifier ends in, behind the number of the format.
const EXTENSIBLE_TAIL: [u8; 14] = [
    0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71,
];

/// A sound as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Sound {
    /// Samples per second of each channel.
    pub sample_rate: u32,
    /// The channels, at least one, all of one length; full scale is ±1.
    pub channels: Vec<Vec<f32>>,
}

/// Writes a WAV file: mono, 32-bit float (format 3, with its `fact` chunk).
///
/// `metadata` becomes a `LIST INFO` chunk ahead of the samples: four-character codes like `INAM`
/// (title), `ISFT` (software) or `ICMT` (comment), and texts in UTF-8.
pub fn encode(samples: &[f32], sample_rate: u32, metadata: &[(&str, String)]) -> Result<Vec<u8>> {
    let bytes_per_second = sample_rate.checked_mul(4).filter(|n| *n > 0);
    let bytes_per_second = bytes_per_second.ok_or_else(|| {
        Error::input(
            format!("a WAV file cannot have a sample rate of {sample_rate} Hz"),
            "give another, like 16000",
        )
    })?;
    let info = info_chunk(metadata)?;
    let count = size(samples.len())?;
    let data = size(samples.len().saturating_mul(4))?;
    // Form type, format (18 bytes) and fact chunk, information, head of the data chunk, data.
    let total = size((4 + 26 + 12 + 8_usize).saturating_add(info.len()))?;
    let total = total.checked_add(data).ok_or_else(too_large)?;

    let mut out = Vec::with_capacity(58 + info.len() + samples.len() * 4);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&total.to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    out.extend_from_slice(&18_u32.to_le_bytes());
    out.extend_from_slice(&FLOAT.to_le_bytes());
    out.extend_from_slice(&1_u16.to_le_bytes()); // channels
    out.extend_from_slice(&sample_rate.to_le_bytes());
    out.extend_from_slice(&bytes_per_second.to_le_bytes());
    out.extend_from_slice(&4_u16.to_le_bytes()); // bytes of a sample in all channels
    out.extend_from_slice(&32_u16.to_le_bytes()); // bits of a sample
    out.extend_from_slice(&0_u16.to_le_bytes()); // bytes of an extension
    out.extend_from_slice(b"fact");
    out.extend_from_slice(&4_u32.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&info);
    out.extend_from_slice(b"data");
    out.extend_from_slice(&data.to_le_bytes());
    out.extend(samples.iter().flat_map(|x| x.to_le_bytes()));
    Ok(out)
}

/// Reads a WAV file: PCM of 8, 16, 24 or 32 bits, float of 32 or 64 bits, up to 64 channels.
///
/// Samples that are not finite become 0. An incomplete last sample is left out. A file that ends
/// before its samples do is refused, unless its writer left the length open.
pub fn decode(bytes: &[u8]) -> Result<Sound> {
    let mut encoding = None;
    for chunk in Chunks::of_file(bytes)? {
        match &chunk.id {
            b"fmt " => encoding = Some(Encoding::parse(chunk.body)?),
            b"data" => {
                let encoding = encoding.ok_or_else(damaged)?;
                if chunk.missing > 0 && chunk.body.len() + chunk.missing < OPEN_END {
                    return Err(cut_off());
                }
                return Ok(encoding.read(chunk.body));
            }
            _ => {}
        }
    }
    Err(cut_off())
}

/// The texts of a WAV file's `LIST INFO` chunks by their codes, none if it is no WAV file.
pub fn metadata(bytes: &[u8]) -> Vec<(String, String)> {
    let Ok(chunks) = Chunks::of_file(bytes) else {
        return Vec::new();
    };
    chunks
        .filter(|chunk| chunk.id == *b"LIST")
        .filter_map(|chunk| chunk.body.strip_prefix(b"INFO"))
        .flat_map(|rest| Chunks { rest })
        .map(|entry| {
            let end = entry.body.iter().position(|b| *b == 0);
            let text = &entry.body[..end.unwrap_or(entry.body.len())];
            let read = |bytes| String::from_utf8_lossy(bytes).into_owned();
            (read(&entry.id), read(text))
        })
        .collect()
}

/// The `LIST INFO` chunk of the entries, empty without any.
fn info_chunk(metadata: &[(&str, String)]) -> Result<Vec<u8>> {
    if metadata.is_empty() {
        return Ok(Vec::new());
    }
    let mut body = b"INFO".to_vec();
    for (code, text) in metadata {
        if code.len() != 4 || !code.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::input(
                format!("{code:?} is not a code of four characters"),
                "name WAV metadata by codes like INAM or ICMT",
            ));
        }
        // A text ends at its first zero byte, so that it may have none inside.
        let text = text.replace('\0', " ");
        body.extend_from_slice(code.as_bytes());
        body.extend_from_slice(&size(text.len() + 1)?.to_le_bytes());
        body.extend_from_slice(text.as_bytes());
        body.push(0);
        if body.len() % 2 == 1 {
            body.push(0);
        }
    }
    let mut chunk = b"LIST".to_vec();
    chunk.extend_from_slice(&size(body.len())?.to_le_bytes());
    chunk.extend(body);
    Ok(chunk)
}

/// A chunk as far as the file has it.
struct Chunk<'a> {
    id: [u8; 4],
    body: &'a [u8],
    /// How many bytes the chunk announces that the file does not have.
    missing: usize,
}

/// The chunks that follow each other in `rest`.
struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Chunks<'a> {
    /// The chunks of a WAV file.
    fn of_file(bytes: &'a [u8]) -> Result<Self> {
        match (bytes.get(..4), bytes.get(8..12)) {
            (Some(b"RIFF"), Some(b"WAVE")) => Ok(Self { rest: &bytes[12..] }),
            (Some(b"RF64" | b"RIFX"), Some(b"WAVE")) => Err(Error::input(
                "this kind of WAV file cannot be read",
                "save the sound again as a plain WAV file",
            )),
            _ => Err(Error::input("this is not a WAV file", "give a WAV file")),
        }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let (id, rest) = self.rest.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let present = length.min(rest.len());
        let (body, rest) = rest.split_at(present);
        // Chunks begin at even places.
        self.rest = rest.get(length % 2..).unwrap_or_default();
        Some(Chunk {
            id: *id,
            body,
            missing: length - present,
        })
    }
}

/// How samples are stored.
#[derive(Clone, Copy)]
struct Encoding {
    float: bool,
    channels: usize,
    sample_rate: u32,
    /// The bytes of a sample of one channel.
    width: usize,
}

impl Encoding {
    /// Reads the body of a format chunk.
    fn parse(body: &[u8]) -> Result<Self> {
        let short = |at: usize| match body.get(at..at + 2) {
            Some(pair) => Ok(u16::from_le_bytes([pair[0], pair[1]])),
            None => Err(damaged()),
        };
        let mut format = short(0)?;
        if format == EXTENSIBLE {
            format = short(24)?;
            if body.get(26..40) != Some(&EXTENSIBLE_TAIL) {
                return Err(unreadable(EXTENSIBLE, 0));
            }
        }
        let channels = usize::from(short(2)?);
        let sample_rate = u32::from(short(4)?) | u32::from(short(6)?) << 16;
        let frame = usize::from(short(12)?);
        let bits = short(14)?;
        if channels == 0 || frame == 0 || frame % channels != 0 {
            return Err(damaged());
        }
        if channels > MAX_CHANNELS || !RATES.contains(&sample_rate) {
            return Err(Error::input(
                format!("the WAV file says it has {channels} channels at {sample_rate} Hz"),
                "save the sound again with one or two channels at 16000 to 48000 Hz",
            ));
        }
        let width = frame / channels;
        let float = match (format, width) {
            (PCM, 1..=4) => false,
            (FLOAT, 4 | 8) => true,
            _ => return Err(unreadable(format, bits)),
        };
        // Samples of fewer bits lie at the upper end of their bytes.
        if usize::from(bits).div_ceil(8) > width {
            return Err(damaged());
        }
        Ok(Self {
            float,
            channels,
            sample_rate,
            width,
        })
    }

    /// Reads the samples of a data chunk.
    fn read(self, data: &[u8]) -> Sound {
        let frames = data.len() / (self.width * self.channels);
        let mut channels = vec![Vec::with_capacity(frames); self.channels];
        for frame in data.chunks_exact(self.width * self.channels) {
            for (channel, bytes) in channels.iter_mut().zip(frame.chunks_exact(self.width)) {
                channel.push(self.sample(bytes));
            }
        }
        Sound {
            sample_rate: self.sample_rate,
            channels,
        }
    }

    /// One sample; integers are divided by `2^(bits - 1)`, those of one byte are unsigned.
    fn sample(self, bytes: &[u8]) -> f32 {
        let value = match (self.float, bytes) {
            (false, [a]) => (f32::from(*a) - 128.0) / 128.0,
            (false, [a, b]) => f32::from(i16::from_le_bytes([*a, *b])) / 32_768.0,
            // 24 bits fit a float exactly, 32 bits are rounded.
            (false, [a, b, c]) => whole([0, *a, *b, *c]),
            (false, [a, b, c, d]) => whole([*a, *b, *c, *d]),
            (true, [a, b, c, d]) => f32::from_le_bytes([*a, *b, *c, *d]),
            (true, [a, b, c, d, e, f, g, h]) => {
                f64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) as f32
            }
            _ => 0.0,
        };
        if value.is_finite() { value } else { 0.0 }
    }
}

fn whole(bytes: [u8; 4]) -> f32 {
    (f64::from(i32::from_le_bytes(bytes)) / 2_147_483_648.0) as f32
}

/// A length as WAV files store it.
fn size(length: usize) -> Result<u32> {
    u32::try_from(length).map_err(|_| too_large())
}

fn too_large() -> Error {
    Error::new(
        ErrorKind::Limits,
        "the sound does not fit a WAV file, which holds 4 GiB",
        "make it shorter",
    )
}

fn damaged() -> Error {
    Error::input("the WAV file is damaged", "get the file again")
}

fn cut_off() -> Error {
    Error::input("the WAV file is cut off", "get the file again")
}

fn unreadable(format: u16, bits: u16) -> Error {
    Error::input(
        format!("the WAV file has samples of format {format} with {bits} bits"),
        "save the sound again as 16-bit PCM or 32-bit float",
    )
}

#[cfg(test)]
#[path = "wav_tests.rs"]
mod tests;
