//! Tests of the kinds of pixels: every way of being transparent, deep, turned or laid out otherwise.

use super::*;
use crate::image::test_files::{png, png_chunk, tiff, tiff_tag};

/// Decodes `bytes`, which must be `expected` to within a level.
fn assert_shows(bytes: &[u8], expected: &[[u8; 3]], what: &str) {
    let picture = decode(bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(picture.rgb().len(), 3 * expected.len(), "{what}");
    for (shown, expected) in picture.rgb().chunks(3).zip(expected) {
        let near = shown.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= 1);
        assert!(near, "{what}: {shown:?} for {expected:?}");
    }
}

/// Bytes as samples of 16 bits, by one of both orders.
fn deep(samples: &[u8]) -> Vec<u8> {
    samples
        .iter()
        .flat_map(|&sample| [sample, sample])
        .collect()
}

const WHITE: [u8; 3] = [255; 3];

#[test]
fn every_kind_of_transparency_is_laid_over_white() {
    // Clear, half and opaque: 100 or (100, 50, 200) over white.
    let grey = [WHITE, [177; 3], [100; 3]];
    let colours = [WHITE, [177, 152, 227], [100, 50, 200]];
    let greys = [100, 0, 100, 128, 100, 255];
    let rgba = [100, 50, 200, 0, 100, 50, 200, 128, 100, 50, 200, 255];
    assert_shows(&png(3, 8, 4, &[], &[&greys]), &grey, "grey and alpha");
    assert_shows(
        &png(3, 16, 4, &[], &[&deep(&greys)]),
        &grey,
        "the same, deep",
    );
    assert_shows(
        &png(3, 16, 6, &[], &[&deep(&rgba)]),
        &colours,
        "colours, deep",
    );
    let palette = [
        png_chunk(b"PLTE", &[100, 50, 200, 100, 50, 200, 100, 50, 200]),
        png_chunk(b"tRNS", &[0, 128]),
    ]
    .concat();
    assert_shows(
        &png(3, 8, 3, &palette, &[&[0, 1, 2]]),
        &colours,
        "a palette",
    );
    assert_shows(
        &png(3, 4, 3, &palette, &[&[0x01, 0x20]]),
        &colours,
        "a packed palette",
    );
    assert_shows(
        &png(3, 2, 3, &palette, &[&[0b0001_1000]]),
        &colours,
        "two bits",
    );
    // One colour that stands for nothing.
    let key = png_chunk(b"tRNS", &[0, 100]);
    let shown = [WHITE, [101; 3]];
    assert_shows(&png(2, 8, 0, &key, &[&[100, 101]]), &shown, "a key of grey");
    let key = png_chunk(b"tRNS", &[0, 1, 0, 2, 0, 3]);
    let shown = [WHITE, [1, 2, 4]];
    assert_shows(
        &png(2, 8, 2, &key, &[&[1, 2, 3, 1, 2, 4]]),
        &shown,
        "a key of colours",
    );
    let key = png_chunk(b"tRNS", &[1, 1, 2, 2, 3, 3]);
    let pixels = deep(&[1, 2, 3, 1, 2, 4]);
    assert_shows(&png(2, 16, 2, &key, &[&pixels]), &shown, "a deep key");

    let alpha = |kind: u16| [tiff_tag(262, 2), tiff_tag(338, kind)];
    let multiplied = [0, 0, 0, 0, 50, 25, 100, 128, 100, 50, 200, 255];
    assert_shows(&tiff(3, 1, &[8; 4], &alpha(2), &rgba), &colours, "TIFF");
    assert_shows(
        &tiff(3, 1, &[8; 4], &alpha(1), &multiplied),
        &colours,
        "multiplied",
    );
    let bytes = tiff(3, 1, &[16; 4], &alpha(1), &deep(&multiplied));
    assert_shows(&bytes, &colours, "multiplied, deep");
    // A fourth sample that is no alpha.
    let opaque = [[100, 50, 200]; 3];
    assert_shows(&tiff(3, 1, &[8; 4], &alpha(0), &rgba), &opaque, "no alpha");
    let planes = [100, 100, 100, 50, 50, 50, 200, 200, 200];
    let planes = planar(3, &planes, &[]);
    assert_shows(&planes, &opaque, "planes");
}

/// A TIFF file of three planes, one row high.
fn planar(width: u16, data: &[u8], tags: &[(u16, u16, Vec<u8>)]) -> Vec<u8> {
    let offsets = [0, 1, 2].map(|plane| 8 + plane * u32::from(width));
    let lengths = [u32::from(width); 3];
    let bytes = |numbers: [u32; 3]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    let more = [
        tiff_tag(262, 2),
        tiff_tag(284, 2),
        (273, 4, bytes(offsets)),
        (279, 4, bytes(lengths)),
    ];
    tiff(width, 1, &[8; 3], &[&more, tags].concat(), data)
}

#[test]
fn white_may_be_zero() {
    let tags = [tiff_tag(262, 0)];
    let shown = [[0; 3], [55; 3], WHITE];
    assert_shows(&tiff(3, 1, &[8], &tags, &[255, 200, 0]), &shown, "8 bits");
    assert_shows(
        &tiff(3, 1, &[16], &tags, &deep(&[255, 200, 0])),
        &shown,
        "16 bits",
    );
    let shown = [[0; 3], WHITE, [0; 3]];
    assert_shows(&tiff(3, 1, &[1], &tags, &[0b1011_1111]), &shown, "1 bit");
}

/// Numbers with a fraction are shades from 0 to 1, or something that no screen shows.
#[test]
fn fractions_are_shades_or_refused() {
    let shades = |numbers: [f32; 3]| {
        let data: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        let floats = (
            339,
            3,
            [3_u16; 3].iter().flat_map(|n| n.to_le_bytes()).collect(),
        );
        tiff(1, 1, &[32; 3], &[tiff_tag(262, 2), floats], &data)
    };
    assert_shows(&shades([0.0, 0.5, 1.0]), &[[0, 128, 255]], "shades");
    for numbers in [
        [0.0, 128.0, 255.0],
        [0.0, 0.5, 1.01],
        [-0.1, 0.0, 1.0],
        [f32::NAN, 0.0, 0.0],
    ] {
        let error = decode(&shades(numbers)).unwrap_err().to_string();
        assert!(error.contains("HDR TIFF"), "{numbers:?}: {error}");
    }
}

/// The eight ways to hold a camera, in TIFF's tag; two rows of three pixels as they are stored.
#[test]
fn pictures_are_turned_as_they_say() {
    let data: Vec<u8> = [1, 2, 3, 4, 5, 6]
        .iter()
        .flat_map(|&n| [n * 40; 3])
        .collect();
    for (orientation, size, shown) in [
        (1, (3, 2), [1, 2, 3, 4, 5, 6]),
        (2, (3, 2), [3, 2, 1, 6, 5, 4]),
        (3, (3, 2), [6, 5, 4, 3, 2, 1]),
        (4, (3, 2), [4, 5, 6, 1, 2, 3]),
        (5, (2, 3), [1, 4, 2, 5, 3, 6]),
        (6, (2, 3), [4, 1, 5, 2, 6, 3]),
        (7, (2, 3), [6, 3, 5, 2, 4, 1]),
        (8, (2, 3), [3, 6, 2, 5, 1, 4]),
    ] {
        let expected = shown.map(|n: u8| [n * 40; 3]);
        let tags = [tiff_tag(262, 2), tiff_tag(274, orientation)];
        let bytes = tiff(3, 2, &[8; 3], &tags, &data);
        assert_shows(&bytes, &expected, &format!("TIFF {orientation}"));
        let picture = decode(&bytes).unwrap();
        assert_eq!((picture.width(), picture.height()), size);
        // EXIF is a TIFF file of its own, in a chunk of PNG.
        let exif = png_chunk(
            b"eXIf",
            &tiff(1, 1, &[8], &[tiff_tag(274, orientation)], &[0]),
        );
        let bytes = png(3, 8, 2, &exif, &[&data[..9], &data[9..]]);
        assert_shows(&bytes, &expected, &format!("PNG {orientation}"));
    }
}
