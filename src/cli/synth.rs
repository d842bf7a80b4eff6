//! `art2mus synth`: synthetic pictures with music that fits them.

use image::{ImageFormat, codecs::jpeg::JpegEncoder};
use serde::Serialize;
use std::{
    io::Cursor,
    path::{Path, PathBuf},
};

use super::{print_json, print_line};
use crate::{
    Error, Result,
    audio::{SAMPLE_RATE, wav},
    dataset::synth::{Pair, Split, captions},
    files,
};

/// The largest side of a picture in pixels.
const MAX_SIZE: u32 = 4096;
/// The longest piece in seconds.
const MAX_SECONDS: f64 = 60.0;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder that will hold the pairs; it must not exist yet (or be empty).
    #[arg(short, long)]
    output: PathBuf,
    /// How many pairs.
    #[arg(long, default_value_t = 16)]
    count: u64,
    /// The number of the first pair: the same number is always the same pair.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Which pairs; the default model has never seen those of test.
    #[arg(long, value_enum, default_value = "test")]
    split: Split,
    /// Side of a picture in pixels.
    #[arg(long, default_value_t = 512)]
    size: u32,
    /// Length of a piece in seconds.
    #[arg(long, default_value_t = 5.12)]
    seconds: f64,
    /// How pictures are written.
    #[arg(long, value_enum, default_value = "png")]
    format: Format,
    /// Write pictures only.
    #[arg(long)]
    no_music: bool,
    /// Print every pair as JSON.
    #[arg(long)]
    json: bool,
}

/// How pictures are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Lossless.
    Png,
    /// Small, for a page.
    Jpeg,
}

/// Quality of JPEG files, of 100.
const JPEG_QUALITY: u8 = 82;

/// A line of `pairs.jsonl`.
#[derive(Serialize)]
struct Line {
    index: u64,
    picture: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    music: Option<String>,
    style: &'static str,
    genre: &'static str,
    picture_caption: String,
    music_caption: String,
    factors: Pair,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    check(arguments)?;
    let target = &arguments.output;
    let folder = files::unfinished_folder(target)?;
    let mut list = String::new();
    let end = arguments.first.saturating_add(arguments.count);
    for index in arguments.first..end {
        let line = write_pair(arguments, folder.path(), index)?;
        if arguments.json {
            print_json(&line)?;
        }
        list += &serde_json::to_string(&line)
            .map_err(|e| Error::internal(format!("a pair cannot be written ({e})")))?;
        list.push('\n');
    }
    files::write_file(&folder.path().join("pairs.jsonl"), list.as_bytes())?;
    files::finish_folder(folder, target)?;
    if arguments.json {
        return Ok(());
    }
    print_line(&format!("{}: {} pairs", target.display(), arguments.count))
}

fn check(arguments: &Arguments) -> Result<()> {
    let refuse = |what: String, hint: String| Err(Error::input(what, hint));
    if !(16..=MAX_SIZE).contains(&arguments.size) {
        let hint = format!("choose --size between 16 and {MAX_SIZE}");
        return refuse(
            format!("pictures cannot be {} pixels wide", arguments.size),
            hint,
        );
    }
    if !(0.1..=MAX_SECONDS).contains(&arguments.seconds) {
        let hint = format!("choose --seconds between 0.1 and {MAX_SECONDS}");
        return refuse(
            format!("music cannot be {} seconds long", arguments.seconds),
            hint,
        );
    }
    if arguments.count == 0 {
        return refuse("no pairs were asked for".into(), "give --count".into());
    }
    Ok(())
}

fn write_pair(arguments: &Arguments, folder: &Path, index: u64) -> Result<Line> {
    let pair = Pair::draw(arguments.split, index);
    let painted = pair.paint(arguments.size);
    let mut bytes = Cursor::new(Vec::new());
    let (written, extension) = match arguments.format {
        Format::Png => (painted.write_to(&mut bytes, ImageFormat::Png), "png"),
        Format::Jpeg => {
            let encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
            (painted.write_with_encoder(encoder), "jpg")
        }
    };
    written.map_err(|e| Error::internal(format!("a picture cannot be written ({e})")))?;
    let picture = format!("{index:06}.{extension}");
    files::write_file(&folder.join(&picture), bytes.get_ref())?;
    let music = if arguments.no_music {
        None
    } else {
        let name = format!("{index:06}.wav");
        let samples = pair.compose(arguments.seconds);
        let title = [("INAM", format!("synthetic pair {index}"))];
        files::write_file(
            &folder.join(&name),
            &wav::encode(&samples, SAMPLE_RATE, &title)?,
        )?;
        Some(name)
    };
    Ok(Line {
        index,
        picture,
        music,
        style: pair.picture.style.name(),
        genre: pair.music.genre.name(),
        picture_caption: captions::picture_caption(&pair.picture),
        music_caption: captions::music_caption(&pair.music),
        factors: pair,
    })
}
