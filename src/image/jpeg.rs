//! Whether a JPEG file is all there: its decoder fills what is missing with grey and says nothing.

/// Whether the file ends before its end-of-image marker.
///
/// Walks the segments (ITU-T T.81, annex B) and, after each start of scan, the entropy-coded data.
/// Thumbnails inside a segment have end markers of their own, which are not looked at.
pub(super) fn is_cut_off(bytes: &[u8]) -> bool {
    let mut at = 2; // behind the start of image
    loop {
        let Some(marker) = next_marker(bytes, &mut at) else {
            return true;
        };
        match marker {
            0xD9 => return false,
            // Markers without a segment: TEM, restarts, another start of image.
            0x01 | 0xD0..=0xD8 => {}
            _ => {
                let Some(length) = bytes.get(at..at + 2) else {
                    return true;
                };
                // A length below 2 is a fault; going on behind it ends all the same.
                at += usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
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
    use super::is_cut_off;

    const WHOLE: &[u8] = &[
        0xFF, 0xD8, // start
        0xFF, 0xE1, 0, 6, 0xFF, 0xD9, 0xFF, 0xD9, // a segment that holds end markers
        0xFF, 0xFF, 0xDA, 0, 4, 1, 2, // filling, start of scan
        1, 0xFF, 0, 2, 0xFF, 0xD0, 3, // data with an escaped 0xFF and a restart
        0xFF, 0xD9,
    ];

    #[test]
    fn the_end_marker_counts_only_outside_segments() {
        assert!(!is_cut_off(WHOLE));
        assert!(!is_cut_off(&[WHOLE, b"appended"].concat()));
    }

    #[test]
    fn every_shorter_file_is_cut_off() {
        for length in 0..WHOLE.len() {
            assert!(is_cut_off(&WHOLE[..length]), "{length}");
        }
    }
}
