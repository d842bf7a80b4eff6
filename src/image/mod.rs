//! Pictures: from the bytes of a file to the pixels that an image encoder takes.
//!
//! Bytes in, values out: nothing here opens a file or knows of a network.
//!
//! ```text
//! bytes ── decode ──┐
//! RGBA ── from_rgba ┴─ Picture ─ crop ─ preprocess ─ [3, size, size] f32
//! ```
//!
//! ```
//! use art2mus::image;
//!
//! let picture = image::from_rgba(&[200, 40, 90, 255], 1, 1)?;
//! let pixels = image::preprocess(&picture, 224);
//! assert_eq!(pixels.len(), 3 * 224 * 224);
//! # Ok::<(), art2mus::Error>(())
//! ```

mod decode;
mod formats;
#[cfg(feature = "native")]
mod inks;
mod jpeg;
#[cfg(feature = "native")]
mod png;
#[cfg(feature = "native")]
mod profile;
mod resize;
pub mod statistics;
#[cfg(all(test, feature = "native"))]
mod test_files;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, Fault, Result};

pub use decode::{decode, from_rgba};
pub use resize::{MEAN, STD, preprocess};

/// The largest picture that is accepted, in pixels.
pub const MAX_PIXELS: u64 = 100_000_000;

/// An upright picture of 8-bit RGB without transparency, at least one pixel large.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Picture {
    /// A picture from its pixels, row by row: `[height, width, 3]`.
    pub fn from_rgb(rgb: Vec<u8>, width: usize, height: usize) -> Result<Self> {
        check_size(to_u64(width), to_u64(height))?;
        check_length(rgb.len(), width, height, 3)?;
        Ok(Self { width, height, rgb })
    }

    /// The width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The pixels, row by row: `[height, width, 3]`.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The part of the picture inside `region`, at least one pixel of it.
    ///
    /// Edges fall on the nearest pixel boundary.
    pub fn crop(&self, region: Region) -> Result<Self> {
        let region = region.checked()?;
        let (left, right) = span(region.x, region.width, self.width);
        let (top, bottom) = span(region.y, region.height, self.height);
        let rgb = self
            .rgb
            .chunks_exact(3 * self.width)
            .take(bottom)
            .skip(top)
            .flat_map(|row| &row[3 * left..3 * right])
            .copied()
            .collect();
        Self::from_rgb(rgb, right - left, bottom - top)
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({} x {})", self.width, self.height)
    }
}

/// A rectangle in a picture, in fractions of its width and height: the whole is `0, 0, 1, 1`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// The left edge, from 0 at the picture's left.
    pub x: f64,
    /// The top edge, from 0 at the picture's top.
    pub y: f64,
    /// The width, 1 for the whole.
    pub width: f64,
    /// The height, 1 for the whole.
    pub height: f64,
}

impl Region {
    /// How far a region may reach beyond the picture: what adding two fractions can be off by.
    const SLACK: f64 = 1e-6;

    /// The region itself if it lies inside the picture and has an area.
    fn checked(self) -> Result<Self> {
        let inside = |start: f64, length: f64| {
            start >= 0.0 && length > 0.0 && start + length <= 1.0 + Self::SLACK
        };
        // A comparison with NaN is false, so that a region of NaN is refused.
        if inside(self.x, self.width) && inside(self.y, self.height) {
            return Ok(self);
        }
        let Self {
            x,
            y,
            width,
            height,
        } = self;
        Err(Fault::PictureRegion {
            x,
            y,
            width,
            height,
        }
        .into())
    }
}

/// The pixels `first..end` of an axis of `pixels` that a checked region covers, never none.
fn span(start: f64, length: f64, pixels: usize) -> (usize, usize) {
    let at = |fraction: f64| (fraction * pixels as f64).round() as usize;
    let first = at(start).min(pixels - 1);
    let end = at(start + length).clamp(first + 1, pixels);
    (first, end)
}

/// Fails for a picture without pixels or with more than [`MAX_PIXELS`].
fn check_size(width: u64, height: u64) -> Result<()> {
    if width == 0 || height == 0 {
        return Err(Fault::PictureNoPixels {}.into());
    }
    let fits = width
        .checked_mul(height)
        .is_some_and(|pixels| pixels <= MAX_PIXELS);
    if fits {
        return Ok(());
    }
    Err(Fault::PictureLarge {
        width,
        height,
        most: MAX_PIXELS / 1_000_000,
    }
    .into())
}

/// Fails unless `bytes` is what `width` x `height` pixels of `channels` bytes take.
fn check_length(bytes: usize, width: usize, height: usize, channels: u64) -> Result<()> {
    let expected = to_u64(width)
        .saturating_mul(to_u64(height))
        .saturating_mul(channels);
    if to_u64(bytes) == expected {
        return Ok(());
    }
    Err(Error::input(
        format!("{width} x {height} pixels of {channels} bytes are {expected} bytes, not {bytes}"),
        "give the width and the height that belong to the pixels",
    ))
}

/// A length as a number that does not overflow on a 32-bit machine.
fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn numbered(width: usize, height: usize) -> Picture {
        let rgb = (0..width * height * 3).map(|i| i as u8).collect();
        Picture::from_rgb(rgb, width, height).unwrap()
    }

    fn region(x: f64, y: f64, width: f64, height: f64) -> Region {
        Region {
            x,
            y,
            width,
            height,
        }
    }

    #[test]
    fn the_whole_region_is_the_picture() {
        let picture = numbered(7, 5);
        assert_eq!(picture.crop(region(0.0, 0.0, 1.0, 1.0)).unwrap(), picture);
        // 0.1 + 0.9 and the like may come out a little above 1.
        assert!(picture.crop(region(0.3, 0.1, 0.7 + 1e-9, 0.9)).is_ok());
    }

    #[test]
    fn a_crop_takes_the_rows_and_columns_inside() {
        let part = numbered(4, 4).crop(region(0.25, 0.5, 0.5, 0.5)).unwrap();
        assert_eq!((part.width(), part.height()), (2, 2));
        let row = |y: u8| (12 * y + 3..12 * y + 9).collect::<Vec<u8>>();
        assert_eq!(part.rgb(), [row(2), row(3)].concat());
    }

    #[test]
    fn the_smallest_crop_is_a_pixel() {
        for x in [0.0, 0.4999, 0.999_999_9] {
            let part = numbered(3, 3).crop(region(x, x, 1e-9, 1e-9)).unwrap();
            assert_eq!((part.width(), part.height()), (1, 1));
        }
    }

    #[test]
    fn a_region_outside_is_refused() {
        for bad in [
            region(-0.1, 0.0, 0.5, 0.5),
            region(0.0, 0.0, 0.0, 0.5),
            region(0.0, 0.6, 0.5, 0.5),
            region(f64::NAN, 0.0, 0.5, 0.5),
            region(0.0, 0.0, f64::INFINITY, 0.5),
            region(0.0, 0.0, 0.5, f64::NAN),
        ] {
            let error = numbered(3, 3).crop(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Input, "{bad:?}");
        }
    }

    #[test]
    fn a_region_is_plain_json() {
        let text = r#"{"x":0.25,"y":0.0,"width":0.5,"height":1.0}"#;
        let parsed: Region = serde_json::from_str(text).unwrap();
        assert_eq!(parsed, region(0.25, 0.0, 0.5, 1.0));
        assert_eq!(serde_json::to_string(&parsed).unwrap(), text);
    }

    #[test]
    fn pixels_must_fill_the_picture() {
        for (bytes, width, height) in [(11, 2, 2), (12, 0, 2), (12, usize::MAX, 2), (12, 3, 2)] {
            assert!(Picture::from_rgb(vec![0; bytes], width, height).is_err());
        }
    }
}
