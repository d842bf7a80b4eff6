//! Tests of what files say of their colours: profiles, inks, PNG's chunks. Files are made of the fixtures and of bytes here.

use super::*;
use crate::image::{
    decode,
    test_files::{png, png_chunk, tiff, tiff_tag},
};

fn file(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

fn mean(rgb: &[u8]) -> [f64; 3] {
    let pixels = rgb.len() / 3;
    [0, 1, 2].map(|channel| {
        let values = rgb.iter().skip(channel).step_by(3);
        values.map(|&value| f64::from(value)).sum::<f64>() / pixels as f64
    })
}

fn assert_near(found: &[u8], expected: &[u8], most: u8, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            found.abs_diff(*expected) <= most,
            "{what}: {found} for {expected}"
        );
    }
}

/// A profile of four inks: lightness and both colours of each of the sixteen mixtures without halves.
fn inks() -> Vec<u8> {
    let mut table = Vec::new();
    for mixture in 0..16_u32 {
        let [c, m, y, k] = [3, 2, 1, 0].map(|bit| f64::from(mixture >> bit & 1));
        let mut lab = [
            100.0 - 35.0 * c - 45.0 * m - 8.0 * y,
            -30.0 * c + 70.0 * m - 5.0 * y,
            -45.0 * c - 5.0 * m + 85.0 * y,
        ];
        if k > 0.0 {
            lab = [lab[0] * 0.15, lab[1] * 0.1, lab[2] * 0.1];
        }
        let lightness = lab[0].max(3.0) / 100.0 * 65_280.0;
        let numbers = [
            lightness,
            (lab[1] + 128.0) * 256.0,
            (lab[2] + 128.0) * 256.0,
        ];
        table.extend(
            numbers
                .iter()
                .flat_map(|n| (n.round() as u16).to_be_bytes()),
        );
    }
    profile(b"CMYK", b"Lab ", 4, &table)
}

/// An ICC profile (version 2) whose one table has two steps of each of `channels` colours.
fn profile(space: &[u8; 4], connection: &[u8; 4], channels: u8, table: &[u8]) -> Vec<u8> {
    let straight = [0, 0, 0xff, 0xff];
    let mut lut = b"mft2\0\0\0\0".to_vec();
    lut.extend([channels, 3, 2, 0]);
    for cell in 0..9 {
        lut.extend((if cell % 4 == 0 { 65_536_i32 } else { 0 }).to_be_bytes());
    }
    lut.extend([0, 2, 0, 2]);
    lut.extend(straight.repeat(channels.into()));
    lut.extend(table);
    lut.extend(straight.repeat(3));
    let white: Vec<u8> = [63_190_i32, 65_536, 54_061]
        .iter()
        .flat_map(|n| n.to_be_bytes())
        .collect();
    let tags = [
        (b"wtpt", [b"XYZ \0\0\0\0", &white[..]].concat()),
        (b"A2B0", lut),
    ];
    let (mut list, mut data) = (vec![0, 0, 0, 2], Vec::new());
    for (name, bytes) in tags {
        let at = 128 + 4 + 24 + data.len() as u32;
        list.extend(*name);
        list.extend(at.to_be_bytes());
        list.extend((bytes.len() as u32).to_be_bytes());
        data.extend(&bytes);
        data.resize(data.len().next_multiple_of(4), 0);
    }
    let mut head = vec![0; 128];
    head[..4].copy_from_slice(&((128 + list.len() + data.len()) as u32).to_be_bytes());
    head[8..12].copy_from_slice(&[2, 0x40, 0, 0]);
    head[12..16].copy_from_slice(b"prtr");
    head[16..20].copy_from_slice(space);
    head[20..24].copy_from_slice(connection);
    head[36..40].copy_from_slice(b"acsp");
    head[68..80].copy_from_slice(&white);
    [head, list, data].concat()
}

/// A JPEG file with `profile` in it.
fn with_profile(jpeg: &[u8], profile: &[u8]) -> Vec<u8> {
    let segment = [b"ICC_PROFILE\0\x01\x01", profile].concat();
    let length = (segment.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe2], &length, &segment, &jpeg[2..]].concat()
}

/// A JPEG file without its segment of Adobe's, which says how colours are stored.
fn without_adobe(jpeg: &[u8]) -> Vec<u8> {
    let at = jpeg.windows(5).position(|bytes| bytes == b"Adobe").unwrap() - 4;
    let length = usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
    [&jpeg[..at], &jpeg[at + 2 + length..]].concat()
}

/// Values of the profile's own formula: linear in lightness and both colours between its mixtures. Without a profile, the
/// simple mixture.
#[test]
fn inks_look_as_their_profile_says() {
    let pixels = [
        ([0, 0, 0, 0], [255, 255, 255]),
        ([255, 0, 0, 0], [0, 175, 238]),
        ([0, 255, 0, 0], [232, 60, 144]),
        ([0, 0, 255, 0], [255, 233, 38]),
        ([0, 0, 0, 255], [38, 38, 38]),
        ([0, 0, 0, 128], [138, 138, 138]),
        ([128, 64, 32, 16], [156, 161, 184]),
        ([200, 100, 50, 100], [78, 83, 105]),
    ];
    let given: Vec<u8> = pixels.iter().flat_map(|(inks, _)| *inks).collect();
    let expected: Vec<u8> = pixels.iter().flat_map(|(_, rgb)| *rgb).collect();
    let found = Inks::new(&inks()).unwrap().colours(&given).unwrap();
    assert_near(&found, &expected, 4, "inks");
    let profile = inks();
    let separated = |bits: u16, data: &[u8], more: &[(u16, u16, Vec<u8>)]| {
        let tags = [&[tiff_tag(262, 5)], more].concat();
        decode(&tiff(8, 1, &[bits; 4], &tags, data))
            .unwrap()
            .rgb()
            .to_vec()
    };
    let icc = (34_675, 7, profile.clone());
    assert_near(
        &separated(8, &given, std::slice::from_ref(&icc)),
        &expected,
        4,
        "8 bits",
    );
    let deep: Vec<u8> = given.iter().flat_map(|&ink| [ink, ink]).collect();
    assert_near(&separated(16, &deep, &[icc]), &expected, 4, "16 bits");
    let simple: Vec<u8> = given
        .chunks(4)
        .flat_map(|inks| {
            [0, 1, 2].map(|i| ((255 - inks[i] as u32) * (255 - inks[3] as u32) / 255) as u8)
        })
        .collect();
    assert_near(&separated(8, &given, &[]), &simple, 1, "without a profile");
    // A profile of other colours says nothing of inks.
    let other = (34_675, 7, ColorProfile::new_display_p3().encode().unwrap());
    assert_near(
        &separated(8, &given, &[other]),
        &simple,
        1,
        "a profile of RGB",
    );
}

/// The same picture in inks, and in luminance, chrominance and black; with Adobe's segment and without. Values of LittleCMS.
#[test]
fn jpeg_files_of_inks_look_as_their_profile_says() {
    let profile = inks();
    for (jpeg, expected) in [
        (file("pictures/cmyk.jpg"), [145.71, 84.20, 66.94]),
        (
            without_adobe(&file("pictures/cmyk.jpg")),
            [145.71, 84.20, 66.94],
        ),
        (file("pictures/ycck.jpg"), [145.60, 84.13, 66.99]),
    ] {
        let picture = decode(&with_profile(&jpeg, &profile)).unwrap();
        let found = mean(picture.rgb());
        let near = |(found, expected): (&f64, &f64)| (found - expected).abs() < 2.0;
        assert!(
            found.iter().zip(&expected).all(near),
            "{found:?} for {expected:?}"
        );
        // Without one, all are mixed in the simple way; and a cut is a cut with inks, too.
        let plain = decode(&jpeg).unwrap();
        let found = mean(plain.rgb());
        let near = |(found, expected): (&f64, f64)| (found - expected).abs() < 1.5;
        assert!(found.iter().zip([95.5, 83.5, 95.7]).all(near), "{found:?}");
        let p3 = ColorProfile::new_display_p3().encode().unwrap();
        assert_eq!(decode(&with_profile(&jpeg, &p3)).unwrap(), plain);
        let whole = with_profile(&jpeg, &profile);
        assert!(decode(&whole[..whole.len() - 300]).is_err());
        assert_eq!(decode(&whole[..whole.len() - 2]).unwrap(), picture);
    }
}

/// The decoder of TIFF files leaves out profiles that are large beside the pixels.
#[test]
fn a_small_tiff_has_its_profile() {
    let p3 = ColorProfile::new_display_p3().encode().unwrap();
    let tags = [tiff_tag(262, 2), (34_675, 7, p3)];
    let picture = decode(&tiff(1, 1, &[8; 3], &tags, &[128, 100, 80])).unwrap();
    assert_near(picture.rgb(), &[133, 99, 77], 1, "TIFF");
}

/// Inks that are not cyan, magenta, yellow and black have colours that only their program knows.
#[test]
fn other_inks_are_refused() {
    let tags = [tiff_tag(262, 5), tiff_tag(332, 2)];
    let error = decode(&tiff(2, 1, &[8; 4], &tags, &[9; 8]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("multichannel TIFF"), "{error}");
}

/// A scanner's profile, which is a table and no matrix.
#[test]
fn a_profile_may_be_a_table() {
    let mut table = Vec::new();
    for corner in 0..8_u16 {
        // Red and blue changed places, in XYZ of a linear curve.
        let [r, g, b] = [2, 1, 0].map(|bit| f64::from(corner >> bit & 1));
        let (r, b) = (b, r);
        let xyz = [
            0.436 * r + 0.385 * g + 0.143 * b,
            0.222 * r + 0.717 * g + 0.061 * b,
            0.014 * r + 0.097 * g + 0.714 * b,
        ];
        table.extend(
            xyz.iter()
                .flat_map(|n| ((n * 32_768.0) as u16).to_be_bytes()),
        );
    }
    let scanner = profile(b"RGB ", b"XYZ ", 3, &table);
    let mut pixels = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255];
    let kind = Pixels {
        alpha: false,
        grey: false,
    };
    to_srgb(&mut pixels, kind, &scanner).unwrap();
    assert_near(
        &pixels,
        &[0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255],
        6,
        "table",
    );
}

/// A profile of grey says nothing of colours; one of RGB says something of grey.
#[test]
fn a_profile_of_other_colours_than_the_picture_changes_nothing() {
    let linear = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
    let before = [200, 10, 60, 7, 0, 255];
    let mut pixels = before;
    to_srgb(
        &mut pixels,
        Pixels {
            alpha: false,
            grey: false,
        },
        &linear,
    )
    .unwrap();
    assert_eq!(pixels, before);
    let mut inked = before;
    to_srgb(
        &mut inked,
        Pixels {
            alpha: false,
            grey: false,
        },
        &inks(),
    )
    .unwrap();
    assert_eq!(inked, before);
    let mut curved = ColorProfile::new_srgb();
    curved.cicp = None;
    let linear = moxcms::ToneReprCurve::Parametric(vec![1.0]);
    curved.red_trc = Some(linear.clone());
    curved.green_trc = Some(linear.clone());
    curved.blue_trc = Some(linear);
    let mut grey = [128; 3];
    to_srgb(
        &mut grey,
        Pixels {
            alpha: false,
            grey: true,
        },
        &curved.encode().unwrap(),
    )
    .unwrap();
    assert_near(&grey, &[188; 3], 1, "grey");
}

/// `gAMA` and `cHRM` count together and after everything else; `cICP` counts before it.
#[test]
fn chunks_of_a_png_say_what_its_numbers_mean() {
    let gamma = |value: u32| png_chunk(b"gAMA", &value.to_be_bytes());
    let points = |points: [u32; 8]| {
        let data: Vec<u8> = points.iter().flat_map(|n| n.to_be_bytes()).collect();
        png_chunk(b"cHRM", &data)
    };
    let srgb = || {
        points([
            31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000,
        ])
    };
    let p3 = || {
        points([
            31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000,
        ])
    };
    let code = |primaries: u8, transfer: u8| png_chunk(b"cICP", &[primaries, transfer, 0, 1]);
    let plain = [128, 100, 80, 255];
    let linear = [188, 168, 152, 255];
    // sRGB of these numbers in the colours of Display P3.
    let wide = [133, 99, 77, 255];
    let standard = png_chunk(b"sRGB", &[0]);
    for (chunks, expected) in [
        (vec![], plain),
        (vec![gamma(100_000), srgb()], linear),
        (vec![gamma(45_455), srgb()], plain),
        (vec![gamma(45_455), p3()], wide),
        (vec![gamma(100_000)], plain),
        (vec![p3()], plain),
        (vec![standard.clone(), gamma(100_000), srgb()], plain),
        (vec![code(12, 13)], wide),
        (vec![code(1, 13), gamma(100_000), srgb()], plain),
        (vec![code(12, 13), standard], wide),
        // Code points that say nothing, and numbers that no screen has.
        (vec![code(2, 2), gamma(100_000), srgb()], linear),
        (vec![gamma(0), srgb()], plain),
        (vec![gamma(100_000), points([0; 8])], plain),
    ] {
        let chunks = chunks.concat();
        let rgb = png(1, 8, 2, &chunks, &[&plain[..3]]);
        let alpha = png(1, 8, 6, &chunks, &[&plain]);
        let deep: Vec<u8> = plain[..3]
            .iter()
            .flat_map(|&level| [level, level])
            .collect();
        let deep = png(1, 16, 2, &chunks, &[&deep]);
        for (kind, bytes) in [("rgb", rgb), ("alpha", alpha), ("deep", deep)] {
            let picture = decode(&bytes).unwrap();
            assert_near(
                picture.rgb(),
                &expected[..3],
                1,
                &format!("{kind} {chunks:?}"),
            );
        }
    }
    let grey = png(1, 8, 0, &[gamma(100_000), srgb()].concat(), &[&[128]]);
    assert_near(decode(&grey).unwrap().rgb(), &[188; 3], 1, "grey");
    for transfer in [16, 18] {
        let bytes = png(1, 8, 2, &code(9, transfer), &[&plain[..3]]);
        let error = decode(&bytes).unwrap_err().to_string();
        assert!(error.contains("HDR PNG"), "{error}");
    }
}
