//! Embedded colour profiles (ICC): what a picture's numbers mean, brought to sRGB.

use moxcms::{ColorProfile, DataColorSpace, Layout, Transform8BitExecutor, TransformOptions};
use std::sync::Arc;

use crate::{Error, Result};

/// Profiles that differ from sRGB by no more are sRGB under another name, and change nothing.
const SAME: u8 = 2;

/// What pixels are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pixels {
    /// Whether there is a fourth channel, alpha.
    pub alpha: bool,
    /// Whether the picture was stored as shades of grey, and has three equal channels now.
    pub grey: bool,
}

/// Converts `pixels` (8-bit RGB or RGBA) from the profile `icc` to sRGB. A profile that cannot be read, or is one of other
/// colours than the picture's, changes nothing: browsers ignore it, too. Grey may have a profile of RGB.
pub(super) fn to_srgb(pixels: &mut [u8], kind: Pixels, icc: &[u8]) -> Result<()> {
    let Ok(profile) = ColorProfile::new_from_slice(icc) else {
        return Ok(());
    };
    match profile.color_space {
        DataColorSpace::Rgb => rgb(pixels, kind.alpha, &profile),
        DataColorSpace::Gray if kind.grey => grey(pixels, kind.alpha, &profile),
        _ => Ok(()),
    }
}

/// What four inks look like on paper.
pub(super) struct Inks(Arc<Transform8BitExecutor>);

impl Inks {
    /// None of a profile that is not of CMYK, or cannot be read.
    pub fn new(icc: &[u8]) -> Option<Self> {
        let profile = ColorProfile::new_from_slice(icc).ok()?;
        if profile.color_space != DataColorSpace::Cmyk {
            return None;
        }
        // Four inks are laid out as RGBA is.
        let transform = profile.create_transform_8bit(
            Layout::Rgba,
            &ColorProfile::new_srgb(),
            Layout::Rgb,
            TransformOptions::default(),
        );
        transform.ok().map(Self)
    }

    /// The colours in sRGB of `inks`, four bytes a pixel.
    pub fn colours(&self, inks: &[u8]) -> Result<Vec<u8>> {
        let mut rgb = vec![0; inks.len() / 4 * 3];
        self.0.transform(inks, &mut rgb).map_err(failed)?;
        Ok(rgb)
    }
}

fn rgb(pixels: &mut [u8], alpha: bool, profile: &ColorProfile) -> Result<()> {
    let transform = |layout| {
        profile.create_transform_8bit(
            layout,
            &ColorProfile::new_srgb(),
            layout,
            TransformOptions::default(),
        )
    };
    let Ok(probe) = transform(Layout::Rgb) else {
        return Ok(());
    };
    // A grid over the cube of colours, nine levels a channel.
    let level = |step: u32| u8::try_from(step % 9 * 32).unwrap_or(u8::MAX);
    let grid: Vec<u8> = (0..9 * 9 * 9)
        .flat_map(|i| [i / 81, i / 9, i].map(level))
        .collect();
    let mut converted = vec![0; grid.len()];
    probe.transform(&grid, &mut converted).map_err(failed)?;
    if grid
        .iter()
        .zip(&converted)
        .all(|(a, b)| a.abs_diff(*b) <= SAME)
    {
        return Ok(());
    }
    let (layout, channels) = if alpha {
        (Layout::Rgba, 4)
    } else {
        (Layout::Rgb, 3)
    };
    let transform = transform(layout).map_err(failed)?;
    // Row by row or so: a large picture should not be in memory twice.
    let mut buffer = vec![0; channels << 16];
    for part in pixels.chunks_mut(channels << 16) {
        let source = &mut buffer[..part.len()];
        source.copy_from_slice(part);
        transform.transform(source, part).map_err(failed)?;
    }
    Ok(())
}

fn grey(pixels: &mut [u8], alpha: bool, profile: &ColorProfile) -> Result<()> {
    let srgb = ColorProfile::new_srgb();
    let options = TransformOptions::default();
    let Ok(transform) = profile.create_transform_8bit(Layout::Gray, &srgb, Layout::Rgb, options)
    else {
        return Ok(());
    };
    let levels: Vec<u8> = (0..=255).collect();
    let mut table = vec![0; 3 * levels.len()];
    transform.transform(&levels, &mut table).map_err(failed)?;
    if table
        .chunks(3)
        .zip(&levels)
        .all(|(rgb, level)| rgb.iter().all(|c| c.abs_diff(*level) <= SAME))
    {
        return Ok(());
    }
    for pixel in pixels.chunks_exact_mut(if alpha { 4 } else { 3 }) {
        let at = 3 * usize::from(pixel[0]);
        pixel[..3].copy_from_slice(&table[at..at + 3]);
    }
    Ok(())
}

fn failed(error: moxcms::CmsError) -> Error {
    Error::internal(format!("a colour profile could not be applied ({error})"))
}

#[cfg(test)]
#[path = "colour_tests.rs"]
mod tests;
