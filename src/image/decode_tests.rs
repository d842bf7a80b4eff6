//! Tests of the decoder, on the pictures of `tests/fixtures` and on files made here.

use super::*;
use crate::ErrorKind;
use ::image::{ExtendedColorType, ImageBuffer, Rgb, Rgba};

fn file(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

fn refused(bytes: &[u8]) -> (ErrorKind, String) {
    let error = decode(bytes).unwrap_err();
    (error.kind(), error.to_string())
}

fn mean_difference(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: u64 = a
        .iter()
        .zip(b)
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    sum as f64 / a.len() as f64
}

/// The colours of `alpha.png` without its alpha: the picture that `gray.png` and others show.
fn small() -> RgbImage {
    ::image::load_from_memory(&file("pictures/alpha.png"))
        .unwrap()
        .into_rgb8()
}

#[test]
fn a_png_comes_out_pixel_by_pixel() {
    let picture = decode(&file("picture.png")).unwrap();
    assert_eq!((picture.width(), picture.height()), (300, 260));
    let expected = ::image::load_from_memory(&file("picture.png"))
        .unwrap()
        .into_rgb8();
    assert_eq!(picture.rgb(), expected.as_raw());
}

#[test]
fn a_turned_photograph_is_upright() {
    let turned = decode(&file("pictures/exif-rotated.jpg")).unwrap();
    let upright = decode(&file("pictures/exif-upright.png")).unwrap();
    assert_eq!((turned.width(), turned.height()), (36, 48));
    assert_eq!((upright.width(), upright.height()), (36, 48));
    // Quality 95 without chroma subsampling; a wrong turn is off by tens of levels.
    let difference = mean_difference(turned.rgb(), upright.rgb());
    assert!(difference < 3.0, "{difference}");
}

#[test]
fn transparency_is_laid_over_white() {
    let picture = decode(&file("pictures/alpha.png")).unwrap();
    assert_eq!((picture.width(), picture.height()), (48, 36));
    let colours = small();
    for (i, (shown, colour)) in picture.rgb().chunks(3).zip(colours.pixels()).enumerate() {
        match i % 48 {
            0 => assert_eq!(shown, [255; 3]),
            47 => assert_eq!(shown, colour.0),
            _ => assert!(shown.iter().zip(colour.0).all(|(s, c)| *s >= c)),
        }
    }
    let raw = ::image::load_from_memory(&file("pictures/alpha.png"))
        .unwrap()
        .into_rgba8();
    assert_eq!(from_rgba(raw.as_raw(), 48, 36).unwrap(), picture);
}

#[test]
fn blending_rounds() {
    assert_eq!(over_white([0, 128, 255, 0]), [255; 3]);
    assert_eq!(over_white([0, 128, 255, 255]), [0, 128, 255]);
    assert_eq!(over_white([0, 100, 255, 128]), [127, 177, 255]);
}

#[test]
fn grey_becomes_three_equal_channels() {
    let picture = decode(&file("pictures/gray.png")).unwrap();
    assert!(
        picture
            .rgb()
            .chunks(3)
            .all(|p| p[0] == p[1] && p[1] == p[2])
    );
    assert_eq!((picture.width(), picture.height()), (48, 36));
}

#[test]
fn cmyk_shows_the_same_colours() {
    let picture = decode(&file("pictures/cmyk.jpg")).unwrap();
    // Quality 85; inverted inks would be off by about a hundred levels.
    let difference = mean_difference(picture.rgb(), small().as_raw());
    assert!(difference < 12.0, "{difference}");
}

#[test]
fn an_animation_gives_its_first_frame() {
    let bytes = file("pictures/animated.gif");
    let picture = decode(&bytes).unwrap();
    assert_eq!((picture.width(), picture.height()), (32, 32));
    use ::image::AnimationDecoder;
    let frames = ::image::codecs::gif::GifDecoder::new(Cursor::new(bytes)).unwrap();
    let first = frames.into_frames().next().unwrap().unwrap();
    let first = DynamicImage::ImageRgba8(first.into_buffer()).into_rgb8();
    assert_eq!(picture.rgb(), first.as_raw());
}

#[test]
fn one_pixel_is_enough() {
    let picture = decode(&file("pictures/one-pixel.png")).unwrap();
    assert_eq!((picture.width(), picture.height()), (1, 1));
    assert_eq!(picture.rgb(), [200, 40, 90]);
}

#[test]
fn every_format_is_read() {
    let source = decode(&file("picture.png")).unwrap();
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    for format in [Bmp, Gif, Jpeg, Png, Tiff, WebP] {
        let mut bytes = Cursor::new(Vec::new());
        ::image::write_buffer_with_format(
            &mut bytes,
            source.rgb(),
            300,
            260,
            ExtendedColorType::Rgb8,
            format,
        )
        .unwrap();
        let picture = decode(bytes.get_ref()).unwrap();
        let difference = mean_difference(picture.rgb(), source.rgb());
        let lossy = matches!(format, Gif | Jpeg);
        assert!(
            difference < if lossy { 12.0 } else { 1e-9 },
            "{format:?} {difference}"
        );
    }
}

#[test]
fn sixteen_bits_become_eight() {
    let deep = ImageBuffer::from_fn(5, 3, |x, y| Rgb([x as u16 * 257, y as u16 * 257, 0xFFFF]));
    let glass = ImageBuffer::from_pixel(5, 3, Rgba([0_u16, 0, 0, 0]));
    let mut bytes = Cursor::new(Vec::new());
    deep.write_to(&mut bytes, ImageFormat::Png).unwrap();
    let picture = decode(bytes.get_ref()).unwrap();
    assert_eq!(picture.rgb()[3 * 7..3 * 8], [2, 1, 255]);
    let mut bytes = Cursor::new(Vec::new());
    glass.write_to(&mut bytes, ImageFormat::Tiff).unwrap();
    assert_eq!(decode(bytes.get_ref()).unwrap().rgb(), [255; 45]);
}

#[test]
fn what_is_no_picture_is_named_so() {
    let (kind, text) = refused(&file("pictures/not-an-image.png"));
    assert_eq!(kind, ErrorKind::Input);
    assert_eq!(
        text,
        "this is not a picture that can be read: give a PNG, JPEG, WebP, GIF, BMP or TIFF file."
    );
    assert_eq!(refused(&[]).0, ErrorKind::Input);
    assert!(refused(b"\0\0\0\x20ftypavif").1.contains("AVIF"));
}

#[test]
fn a_cut_off_picture_is_named_so() {
    let expected = (
        ErrorKind::Input,
        "the picture is cut off: get the file again.".into(),
    );
    assert_eq!(refused(&file("pictures/truncated.jpg")), expected);
    let png = file("picture.png");
    assert_eq!(refused(&png[..png.len() / 2]), expected);
}

#[test]
fn an_enormous_picture_is_refused_from_its_header() {
    let bytes = file("pictures/enormous.png");
    // The header alone gives the same answer as the whole file.
    for part in [&bytes[..], &bytes[..200]] {
        let (kind, text) = refused(part);
        assert_eq!(kind, ErrorKind::Limits);
        assert!(
            text.contains("30000 x 30000") && text.contains("100 megapixels"),
            "{text}"
        );
    }
}

#[test]
fn no_length_of_a_file_breaks_the_decoder() {
    for name in [
        "alpha.png",
        "animated.gif",
        "cmyk.jpg",
        "exif-rotated.jpg",
        "one-pixel.png",
    ] {
        let bytes = file(&format!("pictures/{name}"));
        let whole = decode(&bytes).unwrap();
        for length in 0..bytes.len() {
            // What still decodes is the whole picture, its file's end marker apart.
            match decode(&bytes[..length]) {
                Ok(picture) => assert_eq!(picture, whole, "{name} {length}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Input, "{name} {length}"),
            }
        }
    }
}

/// A small picture with transparency in every format, JPEG and BMP without.
fn every_format() -> Vec<Vec<u8>> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    let glass = ImageBuffer::from_fn(13, 9, |x, y| {
        let [x, y] = [x, y].map(|n| n as u8 * 19);
        Rgba([x, y, x ^ y, 255 - x])
    });
    let glass = DynamicImage::ImageRgba8(glass);
    let files = [Bmp, Gif, Jpeg, Png, Tiff, WebP].map(|format| {
        let mut bytes = Cursor::new(Vec::new());
        let image = match format {
            Bmp | Jpeg => DynamicImage::ImageRgb8(glass.to_rgb8()),
            _ => glass.clone(),
        };
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    });
    files.into()
}

#[test]
fn no_fault_in_any_format_breaks_the_decoder() {
    for bytes in every_format() {
        let whole = decode(&bytes).unwrap();
        for length in 0..bytes.len() {
            match decode(&bytes[..length]) {
                Ok(picture) => assert_eq!(picture, whole, "{length} of {:?}", &bytes[..4]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Input),
            }
        }
        for (i, flip) in (0..bytes.len()).flat_map(|i| [0x01, 0x80, 0xFF].map(|flip| (i, flip))) {
            let mut wrong = bytes.clone();
            wrong[i] ^= flip;
            let _ = decode(&wrong);
        }
    }
}

#[test]
fn no_wrong_byte_breaks_the_decoder() {
    for name in [
        "alpha.png",
        "animated.gif",
        "cmyk.jpg",
        "exif-rotated.jpg",
        "gray.png",
    ] {
        let bytes = file(&format!("pictures/{name}"));
        for i in (0..bytes.len()).step_by(3) {
            let mut wrong = bytes.clone();
            wrong[i] ^= 0x55 << (i % 2);
            let _ = decode(&wrong);
        }
    }
}

#[test]
fn raw_pixels_must_fill_the_picture() {
    for (bytes, width, height) in [(15, 2, 2), (0, 0, 0), (16, usize::MAX, 2), (16, 3, 2)] {
        assert!(from_rgba(&vec![0; bytes], width, height).is_err());
    }
    let error = from_rgba(&[0; 16], 20_000, 20_000).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limits);
}

/// One picture of 64 x 48 pixels in files that other programs show rightly and that are easily read wrongly.
#[test]
fn awkward_files_show_what_browsers_show() {
    let fault = |name: &str| decode(&file(&format!("faults/{name}"))).unwrap();
    let picture = fault("bigtiff.tif");
    // Alpha is zero everywhere; the animation does not begin with the default picture.
    for name in ["v5-alpha0.bmp", "apng-hidden-default.png"] {
        assert_eq!(fault(name), picture, "{name}");
    }
    let difference = mean_difference(fault("no-eoi.jpg").rgb(), picture.rgb());
    assert!(difference < 3.0, "{difference}");
    // Colours that are multiplied by alpha already.
    let raw = ::image::load_from_memory(&file("faults/alpha-assoc.tif"))
        .unwrap()
        .into_rgba8();
    let shown = fault("alpha-assoc.tif");
    for (shown, raw) in shown.rgb().chunks(3).zip(raw.pixels()) {
        for (shown, colour) in shown.iter().zip(&raw.0[..3]) {
            let expected = i32::from(*colour) + 255 - i32::from(raw.0[3]);
            assert!(
                (i32::from(*shown) - expected).abs() <= 1,
                "{shown} for {raw:?}"
            );
        }
    }
    // What the first frame does not cover is transparent.
    let animated = fault("anim-white-bg.webp");
    assert_eq!(animated.rgb()[..3], [255; 3]);
}

fn pixels_of(grey: bool) -> crate::image::profile::Pixels {
    crate::image::profile::Pixels { alpha: false, grey }
}

/// Values of LittleCMS.
#[test]
fn embedded_profiles_are_applied() {
    for (name, mean) in [
        ("icc-p3.jpg", [143.44, 96.89, 147.61]),
        ("icc-adobe.jpg", [144.49, 103.39, 150.20]),
    ] {
        let picture = decode(&file(&format!("faults/{name}"))).unwrap();
        for (channel, expected) in mean.into_iter().enumerate() {
            let values = picture.rgb().iter().skip(channel).step_by(3);
            let sum: u64 = values.map(|&value| u64::from(value)).sum();
            let found = sum as f64 / (picture.rgb().len() / 3) as f64;
            assert!(
                (found - expected).abs() < 1.5,
                "{name}: {found} for {expected}"
            );
        }
    }
    let linear = moxcms::ColorProfile::new_gray_with_gamma(1.0)
        .encode()
        .unwrap();
    let mut grey = [128_u8, 128, 128, 0, 0, 0];
    crate::image::profile::to_srgb(&mut grey, pixels_of(true), &linear).unwrap();
    assert!(
        grey[..3].iter().all(|level| level.abs_diff(188) <= 1) && grey[3..] == [0; 3],
        "{grey:?}"
    );
    // sRGB under another name, and what is no profile.
    let srgb = moxcms::ColorProfile::new_srgb().encode().unwrap();
    for profile in [&srgb[..], b"nonsense"] {
        let mut pixels: Vec<u8> = (0..=255).cycle().take(300).collect();
        let before = pixels.clone();
        crate::image::profile::to_srgb(&mut pixels, pixels_of(false), profile).unwrap();
        assert_eq!(pixels, before);
    }
}

#[test]
fn a_jpeg_without_its_end_is_whole_only_with_all_blocks() {
    let whole = file("faults/no-eoi.jpg");
    let picture = decode(&whole).unwrap();
    assert_eq!(
        decode(&[&whole[..], b"a trailer of a camera"].concat()).unwrap(),
        picture
    );
    for less in [8, 50, 200, 600] {
        let (kind, message) = refused(&whole[..whole.len() - less]);
        assert_eq!(kind, ErrorKind::Input);
        assert!(
            message.contains("cut off") || message.contains("damaged"),
            "{less}: {message}"
        );
    }
}

#[test]
fn formats_that_are_not_read_are_called_by_their_names() {
    for (bytes, name) in [
        (file("faults/twelve-bit.jpg"), "12-bit JPEG"),
        (file("faults/lossless.jpg"), "lossless JPEG"),
        (file("faults/iphone.jpg"), "HEIC"),
        (file("faults/uint32.tif"), "32-bit integer TIFF"),
        (b"\xff\x0a\xfa\x1f".to_vec(), "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n".to_vec(), "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n".to_vec(), "JPEG 2000"),
        (b"\0\0\0\x1cftypavif\0\0\0\0".to_vec(), "AVIF"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<svg/>".to_vec(), "SVG"),
        (b"%PDF-1.7".to_vec(), "PDF"),
    ] {
        let (kind, message) = refused(&bytes);
        assert_eq!(kind, ErrorKind::Input);
        assert!(message.contains(name), "{message}");
    }
}
