//! Smooth noise over the plane, from hashed lattice points: the same at every resolution.

/// A value in 0..1 for a lattice point.
pub(super) fn hash(x: i32, y: i32, seed: u32) -> f32 {
    (scramble(x, y, seed) >> 8) as f32 / 16_777_216.0
}

/// Two values in 0..1 for a lattice point.
pub(super) fn hash_pair(x: i32, y: i32, seed: u32) -> [f32; 2] {
    let bits = scramble(x, y, seed);
    [bits >> 16, bits & 0xFFFF].map(|half| half as f32 / 65_536.0)
}

fn scramble(x: i32, y: i32, seed: u32) -> u32 {
    let mut bits = (x as u32)
        .wrapping_mul(0x9E37_79B1)
        .wrapping_add((y as u32).wrapping_mul(0x85EB_CA77))
        .wrapping_add(seed.wrapping_mul(0xC2B2_AE3D));
    bits = (bits ^ (bits >> 15)).wrapping_mul(0x2C1B_3C6D);
    bits = (bits ^ (bits >> 12)).wrapping_mul(0x297A_2D39);
    bits ^ (bits >> 15)
}

/// Smooth noise in 0..1 with features one unit wide.
pub(super) fn value(x: f32, y: f32, seed: u32) -> f32 {
    let (column, row) = (floor(x), floor(y));
    let across = smooth(x - column as f32);
    let down = smooth(y - row as f32);
    let upper = lerp(hash(column, row, seed), hash(column + 1, row, seed), across);
    let lower = lerp(
        hash(column, row + 1, seed),
        hash(column + 1, row + 1, seed),
        across,
    );
    lerp(upper, lower, down)
}

/// Noise with `octaves` layers of ever finer detail, around 0 within about -1..1.
pub(super) fn fractal(x: f32, y: f32, octaves: u32, seed: u32) -> f32 {
    let mut sum = 0.0;
    let (mut scale, mut weight) = (1.0, 1.0);
    for octave in 0..octaves {
        let layer = seed.wrapping_add(octave.wrapping_mul(101));
        sum += weight * (2.0 * value(x * scale, y * scale, layer) - 1.0);
        scale *= 2.03;
        weight *= 0.5;
    }
    sum
}

/// The whole part, rounded down: faster than the library's where that is a call.
pub(super) fn floor(x: f32) -> i32 {
    let whole = x as i32;
    whole - i32::from(x < whole as f32)
}

/// The way from `from` (0) to `to` (1).
pub(super) fn lerp(from: f32, to: f32, amount: f32) -> f32 {
    from + (to - from) * amount
}

/// An S-shaped ramp from 0 to 1, flat at both ends and beyond.
pub(super) fn smooth(amount: f32) -> f32 {
    let amount = amount.clamp(0.0, 1.0);
    amount * amount * (3.0 - 2.0 * amount)
}
