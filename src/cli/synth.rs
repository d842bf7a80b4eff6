//! `art2mus synth`: pictures with music that follows them, to look at and listen to.

use image::{ImageFormat, RgbImage, codecs::jpeg::JpegEncoder};
use serde::Serialize;
use std::{
    io::Cursor,
    path::{Path, PathBuf},
};

use super::{material::MaterialArguments, print_json, print_line};
use crate::{
    Error, Result,
    audio::{SAMPLE_RATE, wav},
    dataset::{
        Loader, Source, Split, cores,
        material::{Pair, Rendered, Subject},
        render::{RATE, Stereo},
    },
    files,
    image::Picture,
};

/// The largest side of a picture in pixels.
const MAX_SIZE: usize = 4096;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder that will hold the pairs; it must not exist yet (or be empty).
    #[arg(short, long)]
    output: PathBuf,
    /// How many pairs.
    #[arg(long, default_value_t = 16)]
    count: usize,
    /// The number of the first pair: the same number is always the same pair.
    #[arg(long, default_value_t = 0)]
    first: usize,
    /// Which pairs: no painter and no composer is in two splits.
    #[arg(long, value_enum, default_value = "test")]
    split: Split,
    /// Side of pictures that are painted here, in pixels.
    #[arg(long, default_value_t = 512)]
    size: usize,
    /// Length of a piece in seconds.
    #[arg(long)]
    seconds: Option<f64>,
    /// How pictures are written.
    #[arg(long, value_enum, default_value = "png")]
    format: Format,
    /// Write music in two channels at 48 kHz, as it is rendered; without it, as networks hear it.
    #[arg(long)]
    stereo: bool,
    /// Write pictures only.
    #[arg(long)]
    no_music: bool,
    /// Print every pair as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    material: MaterialArguments,
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
    index: usize,
    picture: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    music: Option<String>,
    source: Subject,
    picture_caption: Option<String>,
    music_caption: Option<String>,
    comment: String,
    emotion: Option<String>,
    factors: Pair,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    check(arguments)?;
    let target = &arguments.output;
    let material = arguments.material.open(arguments.seconds)?;
    if !arguments.no_music {
        material.check_instruments()?;
    }
    let source = Rendered::new(material, arguments.split, arguments.size);
    let folder = files::unfinished_folder(target)?;
    let mut list = String::new();
    let end = arguments.first.saturating_add(arguments.count);
    let work = |index| write_pair(arguments, &source, folder.path(), index);
    std::thread::scope(|scope| -> Result<()> {
        for line in Loader::start(scope, cores(), arguments.first..end, &work) {
            let line = line??;
            if arguments.json {
                print_json(&line)?;
            }
            list += &serde_json::to_string(&line)
                .map_err(|e| Error::internal(format!("a pair cannot be written ({e})")))?;
            list.push('\n');
        }
        Ok(())
    })?;
    files::write_file(&folder.path().join("pairs.jsonl"), list.as_bytes())?;
    files::finish_folder(folder, target, "pairs.jsonl")?;
    if arguments.json {
        return Ok(());
    }
    print_line(&format!("{}: {} pairs", target.display(), arguments.count))
}

fn check(arguments: &Arguments) -> Result<()> {
    if !(16..=MAX_SIZE).contains(&arguments.size) {
        return Err(Error::input(
            format!("pictures cannot be {} pixels wide", arguments.size),
            format!("choose --size between 16 and {MAX_SIZE}"),
        ));
    }
    if arguments.count == 0 {
        return Err(Error::input("no pairs were asked for", "give --count"));
    }
    Ok(())
}

fn write_pair(
    arguments: &Arguments,
    source: &Rendered,
    folder: &Path,
    index: usize,
) -> Result<Line> {
    let (bytes, extension) = encode(&source.picture(index)?, arguments.format)?;
    let picture = format!("{index:06}.{extension}");
    files::write_file(&folder.join(&picture), &bytes)?;
    let music = match arguments.no_music {
        true => None,
        false => {
            let name = format!("{index:06}.wav");
            let title = [("INAM", source.id(index))];
            let bytes = match arguments.stereo {
                true => {
                    let Stereo { left, right } = source.stereo(index)?;
                    wav::encode_stereo(&left, &right, RATE, wav::Sample::Float, &title)?
                }
                false => wav::encode(
                    &source.music(index)?.resampled(SAMPLE_RATE)?,
                    SAMPLE_RATE,
                    wav::Sample::Float,
                    &title,
                )?,
            };
            files::write_file(&folder.join(&name), &bytes)?;
            Some(name)
        }
    };
    let captions = source.captions(index);
    let comment = captions.comment.unwrap_or_default();
    Ok(Line {
        index,
        picture,
        music,
        source: source.subject(index)?,
        picture_caption: captions.picture,
        music_caption: captions.music,
        comment: comment.text,
        emotion: comment.emotion,
        factors: source.pair(index)?,
    })
}

/// A picture as the bytes of a file, and that file's extension.
fn encode(picture: &Picture, format: Format) -> Result<(Vec<u8>, &'static str)> {
    let (width, height) = (picture.width() as u32, picture.height() as u32);
    let pixels = RgbImage::from_raw(width, height, picture.rgb().to_vec())
        .ok_or_else(|| Error::internal("a picture of the wrong length"))?;
    let mut bytes = Cursor::new(Vec::new());
    let (written, extension) = match format {
        Format::Png => (pixels.write_to(&mut bytes, ImageFormat::Png), "png"),
        Format::Jpeg => {
            let encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
            (pixels.write_with_encoder(encoder), "jpg")
        }
    };
    written.map_err(|e| Error::internal(format!("a picture cannot be written ({e})")))?;
    Ok((bytes.into_inner(), extension))
}
