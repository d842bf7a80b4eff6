//! WAV files (RIFF), mono or stereo, with a few words on where they come from. They are read as all music is, by
//! `audio::decode`.
//!
//! The samples follow the format at once and the words come last, which is what simple players expect.
//!
//! ```
//! use art2mus::audio::wav;
//!
//! let notes = [("INAM", "Garden at night".to_string())];
//! let bytes = wav::encode(&[0.0, 0.5, -0.5], 16_000, wav::Sample::Integer, &notes)?;
//! assert_eq!(wav::metadata(&bytes)[0].1, "Garden at night");
//! # Ok::<(), art2mus::Error>(())
//! ```

use crate::{Error, ErrorKind, Result};

/// How a sample is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// 16-bit integers (format 1), which everything plays; samples beyond -1 to 1 are clipped.
    Integer,
    /// 32-bit floats (format 3), as they are.
    Float,
}

impl Sample {
    fn bytes(self) -> u16 {
        match self {
            Self::Integer => 2,
            Self::Float => 4,
        }
    }

    fn format(self) -> u16 {
        match self {
            Self::Integer => 1,
            Self::Float => 3,
        }
    }
}

/// Writes a WAV file: mono.
///
/// `metadata` becomes a `LIST INFO` chunk behind the samples: four-character codes like `INAM`
/// (title), `ISFT` (software) or `ICMT` (comment), and texts in UTF-8.
pub fn encode(
    samples: &[f32],
    sample_rate: u32,
    sample: Sample,
    metadata: &[(&str, String)],
) -> Result<Vec<u8>> {
    write(samples, 1, sample_rate, sample, metadata)
}

/// The same in stereo. Of channels of different lengths the longer one is cut.
pub fn encode_stereo(
    left: &[f32],
    right: &[f32],
    sample_rate: u32,
    sample: Sample,
    metadata: &[(&str, String)],
) -> Result<Vec<u8>> {
    let both = left
        .iter()
        .zip(right)
        .flat_map(|(left, right)| [*left, *right]);
    write(&both.collect::<Vec<_>>(), 2, sample_rate, sample, metadata)
}

/// Writes samples whose channels alternate.
fn write(
    samples: &[f32],
    channels: u16,
    sample_rate: u32,
    sample: Sample,
    metadata: &[(&str, String)],
) -> Result<Vec<u8>> {
    let frame = u32::from(sample.bytes() * channels);
    let bytes_per_second = sample_rate.checked_mul(frame).filter(|n| *n > 0);
    let bytes_per_second = bytes_per_second.ok_or_else(|| {
        Error::input(
            format!("a WAV file cannot have a sample rate of {sample_rate} Hz"),
            "give another, like 16000",
        )
    })?;
    let info = info_chunk(metadata)?;
    let data = size(samples.len().saturating_mul(sample.bytes().into()))?;
    let head = head(
        channels,
        sample_rate,
        bytes_per_second,
        sample,
        samples.len(),
    )?;
    // Form type, format, head of the data chunk, data (always of even length), information.
    let total = size((4 + 8_usize).saturating_add(head.len() + info.len()))?;
    let total = total.checked_add(data).ok_or_else(too_large)?;

    let mut out = Vec::with_capacity(total as usize + 8);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&total.to_le_bytes());
    out.extend_from_slice(b"WAVE");
    out.extend_from_slice(&head);
    out.extend_from_slice(b"data");
    out.extend_from_slice(&data.to_le_bytes());
    match sample {
        Sample::Integer => out.extend(samples.iter().flat_map(|&x| integer(x).to_le_bytes())),
        Sample::Float => out.extend(samples.iter().flat_map(|x| x.to_le_bytes())),
    }
    out.extend_from_slice(&info);
    Ok(out)
}

/// The format chunk; floats need an empty extension and a `fact` chunk, which says how many samples there are.
fn head(
    channels: u16,
    sample_rate: u32,
    bytes_per_second: u32,
    sample: Sample,
    samples: usize,
) -> Result<Vec<u8>> {
    let float = sample == Sample::Float;
    let length: u32 = if float { 18 } else { 16 };
    let mut out = b"fmt ".to_vec();
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&sample.format().to_le_bytes());
    out.extend_from_slice(&channels.to_le_bytes());
    out.extend_from_slice(&sample_rate.to_le_bytes());
    out.extend_from_slice(&bytes_per_second.to_le_bytes());
    out.extend_from_slice(&(sample.bytes() * channels).to_le_bytes()); // bytes of a sample in all channels
    out.extend_from_slice(&(8 * sample.bytes()).to_le_bytes()); // bits of a sample
    if float {
        out.extend_from_slice(&0_u16.to_le_bytes()); // bytes of the extension
        out.extend_from_slice(b"fact");
        out.extend_from_slice(&4_u32.to_le_bytes());
        out.extend_from_slice(&size(samples / usize::from(channels))?.to_le_bytes());
    }
    Ok(out)
}

/// -1 to 1 as -32767 to 32767.
fn integer(sample: f32) -> i16 {
    (sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round() as i16
}

/// The texts of a WAV file's `LIST INFO` chunks by their codes, none if it is no WAV file.
pub fn metadata(bytes: &[u8]) -> Vec<(String, String)> {
    Chunks::of_file(bytes)
        .into_iter()
        .flatten()
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
}

/// The chunks that follow each other in `rest`.
struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Chunks<'a> {
    /// The chunks of a WAV file, none if it is no WAV file.
    fn of_file(bytes: &'a [u8]) -> Option<Self> {
        let is_wav = bytes.get(..4) == Some(b"RIFF") && bytes.get(8..12) == Some(b"WAVE");
        is_wav.then(|| Self { rest: &bytes[12..] })
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let (id, rest) = self.rest.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (body, rest) = rest.split_at(length.min(rest.len()));
        // Chunks begin at even places.
        self.rest = rest.get(length % 2..).unwrap_or_default();
        Some(Chunk { id: *id, body })
    }
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

#[cfg(test)]
#[path = "wav_tests.rs"]
mod tests;
