//! PNG and TIFF files of any kind, for tests: most kinds no encoder writes.

/// A PNG chunk.
pub(super) fn png_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u32).to_be_bytes();
    let body = [&kind[..], data].concat();
    let mut crc = u32::MAX;
    for byte in &body {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    [&length[..], &body, &(!crc).to_be_bytes()].concat()
}

/// A PNG file of `width` pixels a row, with `depth` bits a sample, PNG's colour type `colours`, and `chunks` in front of the
/// pixels.
pub(super) fn png(width: u32, depth: u8, colours: u8, chunks: &[u8], rows: &[&[u8]]) -> Vec<u8> {
    let height = rows.len() as u32;
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let header = [&size[..], &[depth, colours, 0, 0, 0]].concat();
    let data: Vec<u8> = rows.iter().flat_map(|row| [&[0], *row].concat()).collect();
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in &data {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    // One block of zlib that is not compressed.
    let length = u16::try_from(data.len()).unwrap();
    let mut zlib = vec![0x78, 1, 1];
    zlib.extend(length.to_le_bytes());
    zlib.extend((!length).to_le_bytes());
    zlib.extend(data);
    zlib.extend((high << 16 | low).to_be_bytes());
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        png_chunk(b"IHDR", &header),
        chunks.to_vec(),
        png_chunk(b"IDAT", &zlib),
        png_chunk(b"IEND", &[]),
    ]
    .concat()
}

/// A TIFF tag with one number of 16 bits: its number, its type and its value.
pub(super) fn tiff_tag(tag: u16, value: u16) -> (u16, u16, Vec<u8>) {
    (tag, 3, value.to_le_bytes().to_vec())
}

/// A TIFF file of one strip, with as many samples of `bits` as that has, and `tags` besides or instead.
pub(super) fn tiff(
    width: u16,
    height: u16,
    bits: &[u16],
    tags: &[(u16, u16, Vec<u8>)],
    data: &[u8],
) -> Vec<u8> {
    let mut tags = tags.to_vec();
    let depths = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let given: Vec<u16> = tags.iter().map(|(tag, ..)| *tag).collect();
    let usual = [
        tiff_tag(256, width),
        tiff_tag(257, height),
        (258, 3, depths),
        tiff_tag(259, 1),
        (273, 4, 8_u32.to_le_bytes().to_vec()),
        tiff_tag(277, bits.len() as u16),
        tiff_tag(278, height),
        (279, 4, (data.len() as u32).to_le_bytes().to_vec()),
    ];
    tags.extend(usual.into_iter().filter(|(tag, ..)| !given.contains(tag)));
    tags.sort();
    let mut file = b"II*\0\0\0\0\0".to_vec();
    file.extend(data);
    let mut directory = (tags.len() as u16).to_le_bytes().to_vec();
    for (tag, kind, bytes) in tags {
        let size = if kind == 3 {
            2
        } else if kind == 4 {
            4
        } else {
            1
        };
        directory.extend(tag.to_le_bytes());
        directory.extend(kind.to_le_bytes());
        directory.extend(((bytes.len() / size) as u32).to_le_bytes());
        let mut value = bytes.clone();
        if bytes.len() > 4 {
            file.resize(file.len().next_multiple_of(2), 0);
            value = (file.len() as u32).to_le_bytes().to_vec();
            file.extend(bytes);
        }
        value.resize(4, 0);
        directory.extend(value);
    }
    directory.extend([0; 4]);
    file.resize(file.len().next_multiple_of(2), 0);
    let at = (file.len() as u32).to_le_bytes();
    file[4..8].copy_from_slice(&at);
    [file, directory].concat()
}
