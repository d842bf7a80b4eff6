//! What a JPEG file's markers say (ITU-T T.81, annex B): its decoder fills what is missing with grey and says nothing.

use crate::{Fault, Result};

/// Refuses kinds of JPEG that are not read, by their names.
pub(super) fn check(bytes: &[u8]) -> Result<()> {
    let mut kind = None;
    walk(bytes, |marker, segment| {
        // Starts of frame, which all but three of these markers are.
        if matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC) && kind.is_none()
        {
            kind = Some((marker, segment.first().copied().unwrap_or(8)));
        }
    });
    let kind = match kind {
        Some((0xC3 | 0xC7 | 0xCB | 0xCF, _)) => "lossless JPEG",
        Some((0xC5 | 0xC6 | 0xCD | 0xCE, _)) => "hierarchical JPEG",
        Some((0xC9 | 0xCA, _)) => "arithmetic JPEG",
        Some((_, 12)) => "12-bit JPEG",
        _ => return Ok(()),
    };
    Err(Fault::PictureKind { kind }.into())
}

/// Whether the file has its end-of-image marker.
///
/// Thumbnails inside a segment have end markers of their own, which are not looked at.
pub(super) fn has_end(bytes: &[u8]) -> bool {
    walk(bytes, |_, _| {})
}

/// Calls `visit` with each marker before the end of the image and its segment, and says whether that end comes.
fn walk(bytes: &[u8], mut visit: impl FnMut(u8, &[u8])) -> bool {
    let mut at = 2; // behind the start of image
    loop {
        let Some(marker) = next_marker(bytes, &mut at) else {
            return false;
        };
        match marker {
            0xD9 => return true,
            // Markers without a segment: TEM, restarts, another start of image.
            0x01 | 0xD0..=0xD8 => {}
            _ => {
                let Some(length) = bytes.get(at..at + 2) else {
                    return false;
                };
                // A length below 2 is a fault; going on behind it ends all the same.
                let length = usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
                visit(marker, bytes.get(at + 2..at + length).unwrap_or_default());
                at += length;
            }
        }
    }
}

/// The code of the next marker at or after `at`, which moves behind it.
///
/// A marker is 0xFF and a code other than 0 (a 0xFF of the entropy-coded data) and 0xFF (filling).
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    let rest = bytes.get(*at..)?;
    let found = rest
        .windows(2)
        .position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0xFF))?;
    *at += found + 2;
    Some(rest[found + 1])
}

#[cfg(test)]
mod tests {
    use super::has_end;

    const WHOLE: &[u8] = &[
        0xFF, 0xD8, // start
        0xFF, 0xE1, 0, 6, 0xFF, 0xD9, 0xFF, 0xD9, // a segment that holds end markers
        0xFF, 0xFF, 0xDA, 0, 4, 1, 2, // filling, start of scan
        1, 0xFF, 0, 2, 0xFF, 0xD0, 3, // data with an escaped 0xFF and a restart
        0xFF, 0xD9,
    ];

    #[test]
    fn the_end_marker_counts_only_outside_segments() {
        assert!(has_end(WHOLE));
        assert!(has_end(&[WHOLE, b"appended"].concat()));
    }

    #[test]
    fn every_shorter_file_is_cut_off() {
        for length in 0..WHOLE.len() {
            assert!(!has_end(&WHOLE[..length]), "{length}");
        }
    }
}
