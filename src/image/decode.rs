//! From the bytes of a picture file, or from raw RGBA, to a [`Picture`].

use std::io::{self, Cursor};

use ::image::ExtendedColorType::{Cmyk8, Cmyk16};
use ::image::codecs::{png::PngDecoder, webp::WebPDecoder};
use ::image::metadata::Orientation;
use ::image::{
    AnimationDecoder, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
    RgbImage,
};
use tiff::tags::{ExtraSamples, SampleFormat, Tag};

use super::{Picture, check_length, check_size, formats::format_of, jpeg, to_u64};
use crate::{Error, Fault, Result};

/// The most memory that the decoded pixels of a file may take, in bytes.
const MAX_DECODED: u64 = 512 << 20;

/// Reads a picture file: PNG, JPEG, WebP, GIF, BMP or TIFF, recognised by its content.
///
/// The picture comes out as a person sees it: turned as its EXIF orientation says, the first frame
/// of an animation, any depth and colour model as 8-bit RGB, transparency laid over white. An
/// embedded colour profile is applied (natively; a page gives pictures as the browser shows them).
///
/// The reference does neither turn pictures nor lay them over white: it drops the alpha channel,
/// which uncovers whatever colours hide under transparent pixels. Opaque and upright pictures
/// come out the same.
///
/// More than [`MAX_PIXELS`](super::MAX_PIXELS) or half a GiB of pixels are refused by the file's
/// header, before any memory is taken for them ([`ErrorKind::Limits`](crate::ErrorKind::Limits)). A file that is cut off is
/// refused, too; a JPEG that only lacks its end marker is not.
pub fn decode(bytes: &[u8]) -> Result<Picture> {
    if bytes.is_empty() {
        return Err(Fault::PictureEmpty {}.into());
    }
    let format = format_of(bytes)?;
    if format == ImageFormat::Jpeg {
        jpeg::check(bytes)?;
    }
    let kind = if format == ImageFormat::Tiff {
        tiff_kind(bytes)?
    } else {
        Kind::default()
    };
    let mut decoded = read(bytes, format)?;
    if format == ImageFormat::Jpeg
        && !jpeg::has_end(bytes)
        && !(jpeg::has_all_scans(bytes) && is_whole_jpeg(bytes, &decoded.image)?)
    {
        return Err(Fault::PictureCut {}.into());
    }
    if format == ImageFormat::Bmp {
        without_alpha_of_zero(&mut decoded.image);
    }
    if is_brighter_than_white(&decoded.image) {
        return Err(Fault::PictureKind { kind: "HDR TIFF" }.into());
    }
    let mut upright =
        DynamicImage::ImageRgb8(opaque(decoded.image, kind, decoded.profile.as_deref())?);
    upright.apply_orientation(decoded.orientation);
    picture(upright.into_rgb8())
}

/// What a decoder gives.
struct Decoded {
    image: DynamicImage,
    orientation: Orientation,
    /// The embedded colour profile.
    profile: Option<Vec<u8>>,
}

fn read(bytes: &[u8], format: ImageFormat) -> Result<Decoded> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODED);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(explain)?;
    let (width, height) = decoder.dimensions();
    check_size(width.into(), height.into())?;
    if decoder.total_bytes() > MAX_DECODED {
        return Err(too_much_memory().into());
    }
    // What cannot be read as an orientation is none.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let profile = colours(bytes, format, decoder.icc_profile().unwrap_or_default())?;
    if let Some(image) = of_inks(bytes, format, profile.as_deref())? {
        return Ok(Decoded {
            image: DynamicImage::ImageRgb8(image),
            orientation,
            profile: None,
        });
    }
    // Inks without a profile of inks are mixed in the simple way, and what another profile says is not of them.
    let inks = match format {
        ImageFormat::Jpeg => jpeg::components(bytes) == Some(4),
        _ => matches!(decoder.original_color_type(), Cmyk8 | Cmyk16),
    };
    let image = match first_frame(bytes, format, limits)? {
        Some(frame) => frame,
        None => DynamicImage::from_decoder(decoder).map_err(explain)?,
    };
    Ok(Decoded {
        image,
        orientation,
        profile: profile.filter(|_| !inks),
    })
}

/// The file's colour profile, where `icc` is the embedded one. In a browser the page gives pictures as it shows them;
/// there, none comes this far.
fn colours(bytes: &[u8], format: ImageFormat, icc: Option<Vec<u8>>) -> Result<Option<Vec<u8>>> {
    #[cfg(feature = "native")]
    match format {
        ImageFormat::Png => return super::png::profile(bytes, icc),
        // Its decoder gives no profile that is large beside the pixels.
        ImageFormat::Tiff => return Ok(icc.or_else(|| super::inks::profile_of_tiff(bytes))),
        _ => {}
    }
    let _ = (bytes, format);
    Ok(icc)
}

/// A picture of four inks, by its profile.
fn of_inks(bytes: &[u8], format: ImageFormat, profile: Option<&[u8]>) -> Result<Option<RgbImage>> {
    #[cfg(feature = "native")]
    return super::inks::read(bytes, format, profile, MAX_DECODED as usize);
    #[cfg(not(feature = "native"))]
    {
        let _ = (bytes, format, profile);
        Ok(None)
    }
}

/// The first frame of an animated PNG or WebP. A PNG's picture for programs that know no animations need not be one of
/// its frames; what a WebP's first frame does not cover is transparent, whatever background its header names, and so white.
fn first_frame(bytes: &[u8], format: ImageFormat, limits: Limits) -> Result<Option<DynamicImage>> {
    let mut frames = match format {
        ImageFormat::Png => {
            let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(explain)?;
            if !decoder.is_apng().map_err(explain)? {
                return Ok(None);
            }
            decoder.apng().map_err(explain)?.into_frames()
        }
        ImageFormat::WebP => {
            let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(explain)?;
            if !decoder.has_animation() {
                return Ok(None);
            }
            decoder
                .set_background_color(::image::Rgba([255; 4]))
                .map_err(explain)?;
            decoder.into_frames()
        }
        _ => return Ok(None),
    };
    let frame = frames.next().transpose().map_err(explain)?;
    Ok(frame.map(|frame| DynamicImage::ImageRgba8(frame.into_buffer())))
}

/// Whether a JPEG file without an end marker has all its blocks: then it does not matter what comes behind them.
fn is_whole_jpeg(bytes: &[u8], image: &DynamicImage) -> Result<bool> {
    // Bits of zeros are always a code; the others are codes of other lengths, or none.
    for filling in [0, 0x55, 0xaa] {
        let mut longer = bytes.to_vec();
        longer.extend(std::iter::repeat_n(filling, 4096));
        longer.extend([0xff, 0xd9]);
        match read(&longer, ImageFormat::Jpeg) {
            Ok(decoded) if decoded.image == *image => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Many programs write pictures of 32 bits a pixel and leave the fourth byte zero; browsers show these as opaque.
fn without_alpha_of_zero(image: &mut DynamicImage) {
    if let DynamicImage::ImageRgba8(pixels) = image
        && pixels.pixels().all(|pixel| pixel.0[3] == 0)
    {
        pixels.pixels_mut().for_each(|pixel| pixel.0[3] = 255);
    }
}

/// Whether numbers with a fraction go beyond black and white: then they are of another scale, or of light.
fn is_brighter_than_white(image: &DynamicImage) -> bool {
    let numbers: &[f32] = match image {
        DynamicImage::ImageRgb32F(pixels) => pixels.as_raw(),
        DynamicImage::ImageRgba32F(pixels) => pixels.as_raw(),
        _ => return false,
    };
    // NaN lies nowhere.
    !numbers.iter().all(|number| (0.0..=1.0).contains(number))
}

/// What tags of a TIFF file say of its numbers.
#[derive(Debug, Clone, Copy, Default)]
struct Kind {
    /// Colours are multiplied by alpha already ("associated alpha").
    premultiplied: bool,
}

/// TIFF's tag `InkSet`, and its value for inks that are not cyan, magenta, yellow and black.
const INK_SET: Tag = Tag::Unknown(332);
const NOT_CMYK: u16 = 2;

fn tiff_kind(bytes: &[u8]) -> Result<Kind> {
    let Ok(mut decoder) = tiff::decoder::Decoder::new(Cursor::new(bytes)) else {
        // Its own decoder says what is wrong.
        return Ok(Kind::default());
    };
    let mut tag = |tag| {
        decoder
            .find_tag_unsigned_vec::<u16>(tag)
            .ok()
            .flatten()
            .unwrap_or_default()
    };
    // Photoshop calls them multichannel; what is mixed of them only its own program knows.
    if tag(INK_SET).first() == Some(&NOT_CMYK) {
        let kind = "multichannel TIFF";
        return Err(Fault::PictureKind { kind }.into());
    }
    let bits = tag(Tag::BitsPerSample);
    let floats = tag(Tag::SampleFormat)
        .iter()
        .all(|&format| format == SampleFormat::IEEEFP.to_u16())
        && !tag(Tag::SampleFormat).is_empty();
    if bits.iter().any(|&bits| bits >= 32) && !floats {
        let kind = "32-bit integer TIFF";
        return Err(Fault::PictureKind { kind }.into());
    }
    let premultiplied =
        tag(Tag::ExtraSamples).first() == Some(&ExtraSamples::AssociatedAlpha.to_u16());
    Ok(Kind { premultiplied })
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

/// The image as 8-bit sRGB, laid over white where it is transparent.
fn opaque(image: DynamicImage, kind: Kind, profile: Option<&[u8]>) -> Result<RgbImage> {
    let grey = !image.color().has_color();
    if !image.color().has_alpha() {
        let mut rgb = image.into_rgb8();
        to_srgb(&mut rgb, false, grey, profile)?;
        return Ok(rgb);
    }
    let mut rgba = image.into_rgba8();
    if kind.premultiplied {
        rgba.pixels_mut()
            .for_each(|pixel| pixel.0 = divided(pixel.0));
    }
    to_srgb(&mut rgba, true, grey, profile)?;
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

/// The colour that was multiplied by alpha.
fn divided([red, green, blue, alpha]: [u8; 4]) -> [u8; 4] {
    let colour = |c: u8| match alpha {
        0 => 0,
        _ => u8::try_from((u32::from(c) * 255 + u32::from(alpha) / 2) / u32::from(alpha))
            .unwrap_or(u8::MAX),
    };
    [colour(red), colour(green), colour(blue), alpha]
}

fn to_srgb(pixels: &mut [u8], alpha: bool, grey: bool, profile: Option<&[u8]>) -> Result<()> {
    #[cfg(feature = "native")]
    if let Some(profile) = profile {
        let kind = super::profile::Pixels { alpha, grey };
        super::profile::to_srgb(pixels, kind, profile)?;
    }
    let _ = (pixels, alpha, grey, profile);
    Ok(())
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

#[cfg(all(test, feature = "native"))]
#[path = "kinds_tests.rs"]
mod kinds_tests;
