//! From sRGB to CIELAB.

use std::sync::LazyLock;

/// IEC 61966-2-1.
static LINEAR: LazyLock<[f32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|value| {
        let value = value as f32 / 255.0;
        match value <= 0.040_45 {
            true => value / 12.92,
            false => ((value + 0.055) / 1.055).powf(2.4),
        }
    })
});

/// X, Y and Z over those of white (D65), from linear red, green and blue.
const TO_XYZ: [[f32; 3]; 3] = [
    [0.433_953, 0.376_219, 0.189_828],
    [0.212_671, 0.715_160, 0.072_169],
    [0.017_758, 0.109_477, 0.872_766],
];

/// L*, a* and b* of pixels `[n, 3]`.
pub fn to_lab(rgb: &[u8]) -> Vec<[f32; 3]> {
    let linear: &[f32; 256] = &LINEAR;
    let pixels = rgb.chunks_exact(3);
    let lab = |pixel: &[u8]| {
        let [r, g, b] = [0, 1, 2].map(|i| linear[usize::from(pixel[i])]);
        let [x, y, z] = TO_XYZ.map(|row| compress(row[0] * r + row[1] * g + row[2] * b));
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    };
    pixels.map(lab).collect()
}

/// The cube root, and a line near 0.
fn compress(value: f32) -> f32 {
    const EDGE: f32 = 216.0 / 24_389.0;
    match value > EDGE {
        true => value.cbrt(),
        false => (24_389.0 / 27.0 * value + 16.0) / 116.0,
    }
}
