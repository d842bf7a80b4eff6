//! From the bytes of a picture file, or from raw RGBA, to a [`Picture`].

use std::io::{self, Cursor};

use ::image::metadata::Orientation;
use ::image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

use super::{Picture, check_length, check_size, jpeg, to_u64};
use crate::{Error, Fault, Result};

/// The most memory that the decoded pixels of a file may take, in bytes.
const MAX_DECODED: u64 = 512 << 20;

/// Reads a picture file: PNG, JPEG, WebP, GIF, BMP or TIFF, recognised by its content.
///
/// The picture comes out as a person sees it: turned as its EXIF orientation says, the first frame
/// of an animation, any depth and colour model as 8-bit RGB, transparency laid over white.
///
/// The reference does neither turn pictures nor lay them over white: it drops the alpha channel,
/// which uncovers whatever colours hide under transparent pixels. Opaque and upright pictures
/// come out the same.
///
/// More than [`MAX_PIXELS`](super::MAX_PIXELS) or half a GiB of pixels are refused by the file's
/// header, before any memory is taken for them ([`ErrorKind::Limits`](crate::ErrorKind::Limits)). A file that is cut off is
/// refused, too.
pub fn decode(bytes: &[u8]) -> Result<Picture> {
    if bytes.is_empty() {
        return Err(Fault::PictureEmpty {}.into());
    }
    let format = format_of(bytes)?;
    if format == ImageFormat::Jpeg && jpeg::is_cut_off(bytes) {
        return Err(Fault::PictureCut {}.into());
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODED);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(explain)?;
    let (width, height) = decoder.dimensions();
    check_size(width.into(), height.into())?;
    if decoder.total_bytes() > MAX_DECODED {
        return Err(too_much_memory().into());
    }
    // What cannot be read as an orientation is none.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(explain)?;
    let mut upright = DynamicImage::ImageRgb8(opaque(image)?);
    upright.apply_orientation(orientation);
    picture(upright.into_rgb8())
}

/// A picture from 8-bit RGBA pixels, row by row: `[height, width, 4]`, alpha not premultiplied.
///
/// Transparency is laid over white, as in [`decode`].
pub fn from_rgba(rgba: &[u8], width: usize, height: usize) -> Result<Picture> {
    check_size(to_u64(width), to_u64(height))?;
    check_length(rgba.len(), width, height, 4)?;
    let mut rgb = Vec::with_capacity(rgba.len() / 4 * 3);
    for pixel in rgba.chunks_exact(4) {
        rgb.extend_from_slice(&over_white([pixel[0], pixel[1], pixel[2], pixel[3]]));
    }
    Picture::from_rgb(rgb, width, height)
}

/// The file's format, if it is one of those that can be read.
fn format_of(bytes: &[u8]) -> Result<ImageFormat> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    match ::image::guess_format(bytes) {
        Ok(format @ (Bmp | Gif | Jpeg | Png | Tiff | WebP)) => Ok(format),
        Ok(other) => {
            let kind = other.to_mime_type();
            Err(Fault::PictureKind { kind }.into())
        }
        Err(_) => Err(Fault::PictureUnknown {}.into()),
    }
}

/// The image as 8-bit RGB, laid over white where it is transparent.
fn opaque(image: DynamicImage) -> Result<RgbImage> {
    if !image.color().has_alpha() {
        return Ok(image.into_rgb8());
    }
    let rgba = image.into_rgba8();
    let (width, height) = rgba.dimensions();
    // In place, for a large picture should not be in memory twice.
    let mut data = rgba.into_raw();
    let pixels = data.len() / 4;
    for i in 0..pixels {
        let from = 4 * i;
        let rgb = over_white([data[from], data[from + 1], data[from + 2], data[from + 3]]);
        data[3 * i..3 * i + 3].copy_from_slice(&rgb);
    }
    data.truncate(3 * pixels);
    RgbImage::from_raw(width, height, data)
        .ok_or_else(|| Error::internal("a picture lost pixels on its way to RGB"))
}

/// `round(alpha * colour + (1 - alpha) * white)`; an opaque colour stays as it is.
fn over_white([red, green, blue, alpha]: [u8; 4]) -> [u8; 3] {
    let alpha = u32::from(alpha);
    [red, green, blue].map(|colour| {
        let sum = u32::from(colour) * alpha + 255 * (255 - alpha);
        u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
    })
}

fn picture(image: RgbImage) -> Result<Picture> {
    let (width, height) = image.dimensions();
    let size = |n: u32| {
        usize::try_from(n).map_err(|_| Error::internal("a picture is larger than this machine"))
    };
    Picture::from_rgb(image.into_raw(), size(width)?, size(height)?)
}

fn too_much_memory() -> Fault {
    let most = MAX_DECODED >> 20;
    Fault::PictureMemory { most }
}

/// A decoder's error, as one that says what to do.
fn explain(error: ImageError) -> Error {
    let explained = match &error {
        ImageError::Limits(_) => too_much_memory(),
        ImageError::Unsupported(_) => Fault::PictureUnsupported {},
        _ if ends_early(&error) => Fault::PictureCut {},
        _ => Fault::PictureDamaged {},
    };
    Error::from(explained).with_source(error)
}

/// Whether reading beyond the end of the file is behind the error.
fn ends_early(error: &ImageError) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let io = match error.downcast_ref::<ImageError>() {
            Some(ImageError::IoError(io)) => Some(io),
            _ => error.downcast_ref::<io::Error>(),
        };
        if io.is_some_and(|io| io.kind() == io::ErrorKind::UnexpectedEof) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
