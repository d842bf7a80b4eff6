//! Pictures of four inks (CMYK) with a colour profile: decoded ink by ink, for what a profile says of inks cannot be applied
//! to the colours that a decoder would make of them.

use ::image::{ImageFormat, RgbImage};
use std::io::Cursor;
use tiff::{
    ColorType,
    decoder::{Decoder, DecodingResult, Limits},
    tags::{PlanarConfiguration, Tag},
};
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::profile::Inks;
use crate::{Error, Result};

/// The colours of a JPEG or TIFF picture of four inks, if `profile` says what these look like. Without such a profile its
/// decoder mixes them in the simple way, as browsers do.
pub(super) fn read(
    bytes: &[u8],
    format: ImageFormat,
    profile: Option<&[u8]>,
    limit: usize,
) -> Result<Option<RgbImage>> {
    let Some(profile) = profile.and_then(Inks::new) else {
        return Ok(None);
    };
    let decoded = match format {
        ImageFormat::Jpeg => of_jpeg(bytes),
        ImageFormat::Tiff => of_tiff(bytes, limit),
        _ => None,
    };
    let Some((width, height, inks)) = decoded else {
        // Its own decoder says what is wrong, or it has no inks.
        return Ok(None);
    };
    let rgb = profile.colours(&inks)?;
    let image = RgbImage::from_raw(width, height, rgb);
    let lost = || Error::internal("a picture lost pixels on its way from CMYK to RGB");
    image.ok_or_else(lost).map(Some)
}

/// Width, height, and how much of each ink there is: 0 is none.
type Decoded = (u32, u32, Vec<u8>);

fn of_jpeg(bytes: &[u8]) -> Option<Decoded> {
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().ok()?;
    let space = decoder.input_colorspace()?;
    if !matches!(space, ColorSpace::CMYK | ColorSpace::YCCK) {
        return None;
    }
    let (width, height) = decoder.dimensions()?;
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let mut inks = decoder.decode().ok()?;
    let pixels = inks.as_chunks_mut::<4>().0;
    match space {
        ColorSpace::YCCK => pixels.iter_mut().for_each(|pixel| *pixel = unmixed(*pixel)),
        // JPEG files hold how much of an ink is not there, as Photoshop began it.
        _ => pixels
            .as_flattened_mut()
            .iter_mut()
            .for_each(|ink| *ink = 255 - *ink),
    }
    Some((width.try_into().ok()?, height.try_into().ok()?, inks))
}

/// Cyan, magenta, yellow and black of luminance, two chrominances and the black that is not there: JFIF's formulas, whose
/// red, green and blue are the inks, since what is stored are the inks that are not there.
fn unmixed([y, cb, cr, black]: [u8; 4]) -> [u8; 4] {
    let [y, cb, cr] = [y, cb, cr].map(f32::from);
    let (cb, cr) = (cb - 128.0, cr - 128.0);
    let ink = |value: f32| value.round().clamp(0.0, 255.0) as u8;
    [
        ink(y + 1.402 * cr),
        ink(y - 0.344_136 * cb - 0.714_136 * cr),
        ink(y + 1.772 * cb),
        255 - black,
    ]
}

/// The colour profile of a TIFF file.
pub(super) fn profile_of_tiff(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut decoder = Decoder::new(Cursor::new(bytes)).ok()?;
    decoder.get_tag_u8_vec(Tag::IccProfile).ok()
}

fn of_tiff(bytes: &[u8], limit: usize) -> Option<Decoded> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = limit;
    limits.intermediate_buffer_size = limit;
    let mut decoder = Decoder::new(Cursor::new(bytes)).ok()?.with_limits(limits);
    let depth = match decoder.colortype().ok()? {
        ColorType::CMYK(depth @ (8 | 16)) => depth,
        _ => return None,
    };
    let planar = decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration);
    if planar
        .ok()?
        .is_some_and(|kind| kind != PlanarConfiguration::Chunky.to_u16())
    {
        return None;
    }
    let (width, height) = decoder.dimensions().ok()?;
    let inks = match (depth, decoder.read_image().ok()?) {
        (8, DecodingResult::U8(inks)) => inks,
        (16, DecodingResult::U16(inks)) => {
            let rounded = |ink: u16| (u32::from(ink) + 128) / 257;
            inks.into_iter().map(|ink| rounded(ink) as u8).collect()
        }
        _ => return None,
    };
    let whole = usize::try_from(u64::from(width) * u64::from(height) * 4).ok()?;
    (inks.len() == whole).then_some((width, height, inks))
}
