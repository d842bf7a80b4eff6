//! What a JPEG file's markers say (ITU-T T.81, annex B): its decoder fills what is missing with grey and says nothing.

use std::collections::HashSet;

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

/// How many components the picture has: four are inks.
pub(super) fn components(bytes: &[u8]) -> Option<u8> {
    let mut components = None;
    walk(bytes, |marker, segment| {
        if matches!(marker, 0xC0..=0xC2) && components.is_none() {
            components = segment.get(5).copied();
        }
    });
    components
}

/// Whether the file has its end-of-image marker.
///
/// Thumbnails inside a segment have end markers of their own, which are not looked at.
pub(super) fn has_end(bytes: &[u8]) -> bool {
    walk(bytes, |_, _| {})
}

/// Whether the scans of a progressive file bring every coefficient to its last bit. A file may end earlier, and says so with
/// its end marker; where that is missing, too, scans are. Other files have all of a component in one scan.
pub(super) fn has_all_scans(bytes: &[u8]) -> bool {
    let mut components: Option<Vec<u8>> = None;
    let mut finished: HashSet<(u8, u8)> = HashSet::new();
    walk(bytes, |marker, segment| match (marker, segment) {
        // Precision, height and width, then three bytes for each component.
        (0xC2, [_, _, _, _, _, _, each @ ..]) if components.is_none() => {
            components = Some(each.chunks_exact(3).map(|each| each[0]).collect());
        }
        // Two bytes for each component, then the first and the last coefficient, and the bits that are still missing.
        (0xDA, [count, rest @ ..]) => {
            let (each, bounds) = rest.split_at(rest.len().min(2 * usize::from(*count)));
            let [first, last, bits, ..] = *bounds else {
                return;
            };
            for component in each.chunks_exact(2).filter(|_| bits & 0x0F == 0) {
                finished.extend((first..=last.min(63)).map(|at| (component[0], at)));
            }
        }
        _ => {}
    });
    let all = |component: &u8| (0..64).all(|at| finished.contains(&(*component, at)));
    components.is_none_or(|components| components.iter().all(all))
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
    use super::{has_all_scans, has_end};

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

    #[test]
    fn a_progressive_file_has_all_its_scans_or_not() {
        let start = [
            0xFF, 0xD8, 0xFF, 0xC2, 0, 14, 8, 0, 8, 0, 8, 2, 1, 0x11, 0, 2, 0x11, 0,
        ];
        let scan = |components: &[u8], first: u8, last: u8, bits: u8| {
            let length = 6 + 2 * components.len() as u8;
            let mut scan = vec![0xFF, 0xDA, 0, length, components.len() as u8];
            scan.extend(components.iter().flat_map(|&component| [component, 0]));
            scan.extend([first, last, bits, 1, 2, 3]);
            scan
        };
        let scans = [
            scan(&[1, 2], 0, 0, 0x01),
            scan(&[1], 1, 5, 0x02),
            scan(&[1], 6, 63, 0x00),
            scan(&[2], 1, 63, 0x00),
            scan(&[1], 1, 5, 0x20),
            scan(&[1, 2], 0, 0, 0x10),
        ];
        for count in 0..=scans.len() {
            let file = [&start[..], &scans[..count].concat()].concat();
            assert_eq!(has_all_scans(&file), count == scans.len(), "{count}");
        }
        // Baseline.
        assert!(has_all_scans(WHOLE));
    }
}
