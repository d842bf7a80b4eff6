//! What chunks of a PNG file say of its colours where it has no profile (PNG, third edition, section 4.3).

use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, ColorPrimaries, ColorProfile,
    MatrixCoefficients, ToneReprCurve, TransferCharacteristics, XyY,
};

use crate::{Fault, Result};

/// The exponent that stands for sRGB's own curve, and how far others may be off.
const SRGB_GAMMA: u32 = 45_455;
const SAME_GAMMA: u32 = 100;

/// The colour profile of a PNG file: what `cICP` says, then the embedded profile `icc`, then `sRGB`, then `gAMA` and `cHRM`.
/// One of these two without the other says nothing in browsers, and so here.
pub(super) fn profile(bytes: &[u8], icc: Option<Vec<u8>>) -> Result<Option<Vec<u8>>> {
    if let Some(&[primaries, transfer, matrix, range]) = chunk(bytes, b"cICP") {
        if matches!(transfer, 16 | 18) {
            return Err(Fault::PictureKind { kind: "HDR PNG" }.into());
        }
        if let Some(profile) = coded(primaries, transfer, matrix, range) {
            return Ok(Some(profile));
        }
    }
    if icc.is_some() || chunk(bytes, b"sRGB").is_some() {
        return Ok(icc);
    }
    let numbers = |name| -> Option<Vec<u32>> {
        let data = chunk(bytes, name)?.as_chunks::<4>().0;
        Some(
            data.iter()
                .map(|&number| u32::from_be_bytes(number))
                .collect(),
        )
    };
    match (numbers(b"gAMA").as_deref(), numbers(b"cHRM").as_deref()) {
        (Some(&[gamma]), Some(chromaticities)) => Ok(measured(gamma, chromaticities)),
        _ => Ok(None),
    }
}

/// Code points of ITU-T H.273. None for those that no screen has.
fn coded(primaries: u8, transfer: u8, matrix: u8, range: u8) -> Option<Vec<u8>> {
    // RGB in full range is all that a PNG file can hold.
    if matrix != 0 || range != 1 {
        return None;
    }
    let cicp = CicpProfile {
        color_primaries: CicpColorPrimaries::try_from(primaries).ok()?,
        transfer_characteristics: TransferCharacteristics::try_from(transfer).ok()?,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    };
    // What has no coordinates or no curve leaves the profile as it was.
    ColorPrimaries::try_from(cicp.color_primaries).ok()?;
    ToneReprCurve::try_from(cicp.transfer_characteristics).ok()?;
    ColorProfile::new_from_cicp(cicp).encode().ok()
}

/// An exponent and the coordinates of white, red, green and blue, all in hundred thousandths.
fn measured(gamma: u32, chromaticities: &[u32]) -> Option<Vec<u8>> {
    let &[wx, wy, rx, ry, gx, gy, bx, by] = chromaticities else {
        return None;
    };
    let point = |x: u32, y: u32| Chromaticity {
        x: x as f32 / 100_000.0,
        y: y as f32 / 100_000.0,
    };
    let mut profile = ColorProfile::new_srgb();
    let white = point(wx, wy);
    let primaries = ColorPrimaries {
        red: point(rx, ry),
        green: point(gx, gy),
        blue: point(bx, by),
    };
    let points = [white, primaries.red, primaries.green, primaries.blue];
    let real = |point: &Chromaticity| point.y > 0.0 && point.x + point.y <= 1.0;
    if gamma == 0 || !points.iter().all(real) {
        return None;
    }
    profile.update_rgb_colorimetry(
        XyY {
            x: white.x.into(),
            y: white.y.into(),
            yb: 1.0,
        },
        primaries,
    );
    if gamma.abs_diff(SRGB_GAMMA) > SAME_GAMMA {
        let curve = ToneReprCurve::Parametric(vec![100_000.0 / gamma as f32]);
        profile.red_trc = Some(curve.clone());
        profile.green_trc = Some(curve.clone());
        profile.blue_trc = Some(curve);
    }
    profile.encode().ok()
}

/// The data of the first chunk `name` before the pixels.
fn chunk<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    let mut rest = bytes.get(8..)?;
    loop {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let (kind, behind) = behind.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        if kind == b"IDAT" {
            return None;
        }
        let data = behind.get(..length)?;
        if kind == name {
            return Some(data);
        }
        rest = behind.get(length.checked_add(4)?..)?;
    }
}
