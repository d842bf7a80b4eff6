//! Edges: how many, in which direction, and whether they repeat.

use super::VIEW;

/// The gradient of L* in a pixel that counts half.
const HALF: f32 = 6.0;
/// Side of the edge map that is compared with itself, and how far it is shifted.
const MAP: usize = VIEW / 2;
const NEAREST: isize = 4;
const FARTHEST: isize = 20;
/// Pixels of the map on either side that are its surroundings.
const AROUND: usize = 6;

pub struct Structure {
    pub edges: f32,
    pub orientation: f32,
    pub regularity: f32,
}

/// Measures `[VIEW, VIEW]` colours in CIELAB.
pub fn measure(lab: &[[f32; 3]]) -> Structure {
    let light = |x: usize, y: usize| lab[y * VIEW + x][0];
    let mut map = vec![0.0f32; MAP * MAP];
    let (mut edges, mut across, mut down) = (0.0, 0.0, 0.0);
    for y in 1..VIEW - 1 {
        for x in 1..VIEW - 1 {
            // Sobel's operator.
            let column = |x: usize| light(x, y - 1) + 2.0 * light(x, y) + light(x, y + 1);
            let row = |y: usize| light(x - 1, y) + 2.0 * light(x, y) + light(x + 1, y);
            let (dx, dy) = (
                (column(x + 1) - column(x - 1)) / 8.0,
                (row(y + 1) - row(y - 1)) / 8.0,
            );
            let size = dx.hypot(dy);
            let edge = size / (size + HALF);
            edges += edge;
            // The structure tensor of unit gradients, each with the weight of its edge.
            let unit = edge / size.max(1e-6).powi(2);
            across += unit * dx * dx;
            down += unit * dy * dy;
            map[y / 2 * MAP + x / 2] += edge / 4.0;
        }
    }
    Structure {
        edges: edges / ((VIEW - 2) * (VIEW - 2)) as f32,
        orientation: (down - across) / (down + across + 1.0),
        regularity: regularity(&map),
    }
}

/// The highest correlation of a map with itself, shifted by 4 to 20 pixels.
fn regularity(map: &[f32]) -> f32 {
    let map = without_surroundings(map);
    let variance = covariance(&map, 0, 0).max(1e-9);
    let mut best = 0.0f32;
    for down in 0..=FARTHEST {
        let first = if down == 0 { NEAREST } else { -FARTHEST };
        for right in first..=FARTHEST {
            if right.abs().max(down) >= NEAREST {
                best = best.max(covariance(&map, right, down as usize));
            }
        }
    }
    (best / variance).min(1.0)
}

/// What is left of a map when the mean of the surroundings is taken off every pixel.
fn without_surroundings(map: &[f32]) -> Vec<f32> {
    // Sums over all pixels above and left.
    let side = MAP + 1;
    let mut sums = vec![0.0f32; side * side];
    for y in 0..MAP {
        let mut row = 0.0;
        for x in 0..MAP {
            row += map[y * MAP + x];
            sums[(y + 1) * side + x + 1] = sums[y * side + x + 1] + row;
        }
    }
    let reach = |at: usize| (at.saturating_sub(AROUND), (at + AROUND + 1).min(MAP));
    let mut left = Vec::with_capacity(map.len());
    for y in 0..MAP {
        let (top, bottom) = reach(y);
        for x in 0..MAP {
            let (west, east) = reach(x);
            let sum = sums[bottom * side + east] + sums[top * side + west]
                - sums[top * side + east]
                - sums[bottom * side + west];
            left.push(map[y * MAP + x] - sum / ((bottom - top) * (east - west)) as f32);
        }
    }
    left
}

/// The mean product of what meets when a map, whose mean is about 0, is shifted.
fn covariance(map: &[f32], right: isize, down: usize) -> f32 {
    let shift = right.unsigned_abs();
    let (from, to) = if right < 0 { (shift, 0) } else { (0, shift) };
    let mut sum = 0.0f32;
    for y in 0..MAP - down {
        let a = &map[y * MAP + from..][..MAP - shift];
        let b = &map[(y + down) * MAP + to..][..MAP - shift];
        sum += a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    }
    sum / ((MAP - down) * (MAP - shift)) as f32
}
