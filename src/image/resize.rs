//! Resizing as Pillow 10 does it on 8-bit pixels, and the normalisation that CLIP brought in.
//!
//! Epilogue `src/libImaging/Resample.c` of Pillow: an antialiased cubic, width first, then height,
//! integer weights of 22 bits, and bytes between the two passes. The result is the same bit for bit.

use super::{Picture, to_u64};

/// The mean of each channel (red, green, blue) that [`preprocess`] subtracts.
pub const MEAN: [f64; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];

/// The deviation of each channel (red, green, blue) that [`preprocess`] divides by.
pub const STD: [f64; 3] = [0.268_629_54, 0.261_302_58, 0.275_777_11];

/// The bits behind the point of a weight.
const PRECISION: u32 = 22;

/// A picture as ImageBind and CLIP take it: `[3, size, size]`, channel by channel.
///
/// The shorter side becomes `size` and the other `trunc(size * long / short)` (cubic, antialiased),
/// the middle is cut out, and each channel becomes `(value / 255 - MEAN) / STD`.
///
/// Only what the cut keeps is computed, so that a very long picture takes no more than others.
pub fn preprocess(picture: &Picture, size: usize) -> Vec<f32> {
    let bytes = resize_and_cut(picture, size);
    let mut values = Vec::with_capacity(bytes.len());
    for channel in 0..3 {
        let (mean, std) = (MEAN[channel], STD[channel]);
        let table: [f32; 256] =
            std::array::from_fn(|value| ((value as f64 / 255.0 - mean) / std) as f32);
        values.extend(
            bytes
                .chunks_exact(3)
                .map(|pixel| table[usize::from(pixel[channel])]),
        );
    }
    values
}

/// The middle `[size, size, 3]` of the picture after its shorter side has become `size`.
pub(super) fn resize_and_cut(picture: &Picture, size: usize) -> Vec<u8> {
    if size == 0 {
        return Vec::new();
    }
    let (width, height) = (to_u64(picture.width()), to_u64(picture.height()));
    let short = width.min(height);
    let side = |length: u64| to_u64(size).saturating_mul(length) / short;
    let columns = taps(picture.width(), side(width), size);
    let rows = taps(picture.height(), side(height), size);

    // The source rows that the second pass reads.
    let top = rows.iter().map(|tap| tap.first).min().unwrap_or(0);
    let bottom = rows.iter().map(Tap::end).max().unwrap_or(0);
    let mut narrow = Vec::with_capacity((bottom - top) * size * 3);
    for row in picture
        .rgb()
        .chunks_exact(3 * picture.width())
        .take(bottom)
        .skip(top)
    {
        for tap in &columns {
            narrow.extend_from_slice(&tap.sum(row[3 * tap.first..].chunks_exact(3)));
        }
    }

    let stride = 3 * size;
    let mut out = Vec::with_capacity(size * stride);
    for tap in &rows {
        let first = (tap.first - top) * stride;
        for column in 0..size {
            let pixels = narrow[first + 3 * column..].chunks(stride);
            out.extend_from_slice(&tap.sum(pixels));
        }
    }
    out
}

/// The source pixels that make one output pixel along an axis, and their weights.
struct Tap {
    first: usize,
    weights: Vec<i32>,
}

impl Tap {
    /// The source pixel behind the last.
    fn end(&self) -> usize {
        self.first + self.weights.len()
    }

    /// The weighted sum of the pixels, of which each item starts with its red, green and blue.
    ///
    /// The positive weights add up to less than 1.3, so that 255 times them fit 31 bits.
    fn sum<'a>(&self, pixels: impl Iterator<Item = &'a [u8]>) -> [u8; 3] {
        let mut sums = [1_i32 << (PRECISION - 1); 3];
        for (weight, pixel) in self.weights.iter().zip(pixels) {
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += weight * i32::from(*value);
            }
        }
        sums.map(|sum| (sum >> PRECISION).clamp(0, 255) as u8)
    }
}

/// The taps of the middle `keep` output pixels when an axis of `source` pixels becomes `target`.
fn taps(source: usize, target: u64, keep: usize) -> Vec<Tap> {
    let scale = source as f64 / target as f64;
    let stretch = scale.max(1.0);
    let support = 2.0 * stretch;
    let offset = half_to_even(target.saturating_sub(to_u64(keep)));
    (0..keep)
        .map(|i| {
            let centre = ((offset + to_u64(i)) as f64 + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(source);
            let weights: Vec<f64> = (first..end)
                .map(|x| cubic((x as f64 - centre + 0.5) * (1.0 / stretch)))
                .collect();
            let total: f64 = weights.iter().sum();
            let one = f64::from(1 << PRECISION);
            // `round` takes halves away from zero.
            let weights = weights
                .iter()
                .map(|weight| (weight / total * one).round() as i32)
                .collect();
            Tap { first, weights }
        })
        .collect()
}

/// Keys' cubic with `a = -0.5`.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// `n / 2`, halves rounded to the even neighbour.
fn half_to_even(n: u64) -> u64 {
    let half = n / 2;
    half + (n & half & 1)
}

#[cfg(test)]
mod tests {
    use super::super::{Picture, decode};
    use super::*;

    fn patterned(width: usize, height: usize) -> Picture {
        let mut rgb = Vec::new();
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let value = |c: usize| (x * x * 7 + y * 13 + c * 31 + x * y) ^ (x * 3 + y);
            rgb.extend((0..3).map(|c| (value(c) % 256) as u8));
        }
        Picture::from_rgb(rgb, width, height).unwrap()
    }

    /// FNV-1a.
    fn hash(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    #[test]
    fn bytes_are_those_of_pillow() {
        // Width, height, size, and the hash of what Pillow 10.3 makes of the pattern: resize with
        // BICUBIC to the whole target, then cut. Noise, so that any other rounding would show.
        let known = [
            (300, 260, 224, 0x9e4acca762d069a5),
            (37, 211, 224, 0xcb9778267d5eb139),
            (1, 300, 224, 0xea54fb775d44ad45),
            (300, 1, 224, 0x7f438a609a1918a5),
            (223, 224, 224, 0xb6cebdf4b728c82b),
            (224, 301, 224, 0xfa54ca6bcf22c3a5),
            (640, 481, 224, 0xf0eeedcae33b6009),
            (2, 3, 224, 0x192759f5f3f11ae3),
            (1201, 803, 224, 0x11b259001fb72d6a),
            (227, 224, 224, 0xb0ddc9974a850725),
            (229, 224, 224, 0xb0ddc9974a850725),
            (97, 64, 20, 0x71f2d86928d2eed6),
        ];
        for (width, height, size, expected) in known {
            let bytes = resize_and_cut(&patterned(width, height), size);
            assert_eq!(hash(&bytes), expected, "{width} x {height} to {size}");
        }
    }

    #[test]
    fn pixels_are_those_of_the_reference() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/");
        let file = std::fs::read(format!("{folder}trace-imagebind.safetensors")).unwrap();
        let trace = safetensors::SafeTensors::deserialize(&file).unwrap();
        let expected = trace.tensor("image.pixels").unwrap();
        assert_eq!(expected.shape(), [1, 3, 224, 224]);
        let picture = decode(&std::fs::read(format!("{folder}picture.png")).unwrap()).unwrap();
        let pixels = preprocess(&picture, 224);
        assert_eq!(pixels.len(), 3 * 224 * 224);
        for (value, bytes) in pixels.iter().zip(expected.data().chunks_exact(4)) {
            let expected = f32::from_le_bytes(bytes.try_into().unwrap());
            // A grey level is 0.014; both sides compute in f64 and round once.
            assert!((value - expected).abs() < 1e-6, "{value} {expected}");
        }
    }

    #[test]
    fn very_long_pictures_take_no_more_than_others() {
        for (width, height) in [(1, 5000), (5000, 1), (1, 3_000_000), (2, 999_999)] {
            let rgb = vec![77; 3 * width * height];
            let picture = Picture::from_rgb(rgb, width, height).unwrap();
            let bytes = resize_and_cut(&picture, 224);
            assert_eq!(bytes.len(), 3 * 224 * 224);
            assert!(bytes.iter().all(|b| *b == 77), "{width} x {height}");
        }
    }

    #[test]
    fn a_pixel_fills_the_square_and_no_size_is_empty() {
        let pixel = Picture::from_rgb(vec![200, 40, 90], 1, 1).unwrap();
        assert!(
            resize_and_cut(&pixel, 224)
                .chunks(3)
                .all(|rgb| rgb == [200, 40, 90])
        );
        assert!(preprocess(&pixel, 0).is_empty());
        assert_eq!(preprocess(&pixel, 1).len(), 3);
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        let halved = [0, 1, 2, 3, 4, 5, 6, 7].map(half_to_even);
        assert_eq!(halved, [0, 0, 1, 2, 2, 2, 3, 4]);
    }

    #[test]
    fn weights_keep_a_constant() {
        for (source, target) in [(300, 224), (1, 224), (5000, 224), (224, 224), (3, 7)] {
            for tap in taps(source, target, 3) {
                let total: i32 = tap.weights.iter().sum();
                // Each weight is rounded by at most half a unit.
                let rounding = tap.weights.len() as i32;
                assert!(
                    (total - (1 << PRECISION)).abs() <= rounding,
                    "{source} to {target}"
                );
                assert!(tap.end() <= source);
            }
        }
    }
}
