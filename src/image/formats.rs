//! Which format a picture file has, and how those are called that cannot be read.

use ::image::ImageFormat;

use crate::{Fault, Result};

/// The file's format, if it is one of those that can be read.
pub(super) fn format_of(bytes: &[u8]) -> Result<ImageFormat> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    if is_big_tiff(bytes) {
        return Ok(Tiff);
    }
    if let Some(kind) = unreadable(bytes) {
        return Err(Fault::PictureKind { kind }.into());
    }
    match ::image::guess_format(bytes) {
        Ok(format @ (Bmp | Gif | Jpeg | Png | Tiff | WebP)) => Ok(format),
        Ok(other) => {
            let kind = other.to_mime_type();
            Err(Fault::PictureKind { kind }.into())
        }
        Err(_) => Err(Fault::PictureUnknown {}.into()),
    }
}

/// TIFF with offsets of 64 bits.
fn is_big_tiff(bytes: &[u8]) -> bool {
    bytes.starts_with(b"II+\0") || bytes.starts_with(b"MM\0+")
}

/// The name of a format that is known and not read here.
fn unreadable(bytes: &[u8]) -> Option<&'static str> {
    let brand = bytes
        .get(4..8)
        .filter(|kind| *kind == b"ftyp")
        .and(bytes.get(8..12));
    match brand {
        Some(b"avif" | b"avis") => return Some("AVIF"),
        Some(b"crx ") => return Some("raw"),
        Some(b"heic" | b"heix" | b"hevc" | b"heim" | b"heis" | b"mif1" | b"msf1") => {
            return Some("HEIC");
        }
        _ => {}
    }
    let begins = |magic: &[u8]| bytes.starts_with(magic);
    if begins(&[0xff, 0x0a]) || begins(b"\0\0\0\x0cJXL \r\n\x87\n") {
        return Some("JPEG XL");
    }
    if begins(b"\0\0\0\x0cjP  \r\n\x87\n") || begins(&[0xff, 0x4f, 0xff, 0x51]) {
        return Some("JPEG 2000");
    }
    if begins(b"%PDF-") {
        return Some("PDF");
    }
    if begins(b"8BPS") {
        return Some("Photoshop");
    }
    // A byte-order mark is no text.
    let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let start = start[..start.len().min(4096)].trim_ascii_start();
    let text = || String::from_utf8_lossy(start).to_lowercase();
    (start.starts_with(b"<") && text().contains("<svg")).then_some("SVG")
}
