//! A soft blur of the whole canvas.

use super::{canvas::Canvas, colour::Lab};

/// Blurs by a tent `radius` wide to either side, in sides of the canvas.
pub(super) fn blur(canvas: &mut Canvas, radius: f32) {
    let side = canvas.side();
    let reach = 0.5 * radius * side as f32;
    if reach < 0.05 {
        return;
    }
    let mut spare = vec![[0.0; 3]; side * side];
    let pixels = canvas.pixels_mut();
    // Twice along each of the axes.
    for _ in 0..4 {
        blur_rows(pixels, &mut spare, side, reach);
        transpose(&spare, pixels, side);
    }
}

/// Averages each row over `reach` pixels to either side; edge pixels repeat outwards.
fn blur_rows(from: &[Lab], to: &mut [Lab], side: usize, reach: f32) {
    let whole = reach as usize;
    let part = reach - whole as f32;
    let norm = 1.0 / (2.0 * reach + 1.0);
    let last = side - 1;
    for (source, target) in from.chunks_exact(side).zip(to.chunks_exact_mut(side)) {
        let mut sum = [0.0f32; 3];
        for place in 0..=2 * whole {
            add(&mut sum, source[place.saturating_sub(whole).min(last)], 1.0);
        }
        for (place, value) in target.iter_mut().enumerate() {
            let before = source[place.saturating_sub(whole + 1)];
            let after = source[(place + whole + 1).min(last)];
            *value = std::array::from_fn(|axis| {
                norm * (sum[axis] + part * (before[axis] + after[axis]))
            });
            add(&mut sum, after, 1.0);
            add(&mut sum, source[place.saturating_sub(whole)], -1.0);
        }
    }
}

fn transpose(from: &[Lab], to: &mut [Lab], side: usize) {
    for (column, line) in to.chunks_exact_mut(side).enumerate() {
        for (value, row) in line.iter_mut().zip(from.chunks_exact(side)) {
            *value = row[column];
        }
    }
}

fn add(sum: &mut Lab, value: Lab, weight: f32) {
    for (total, part) in sum.iter_mut().zip(value) {
        *total += weight * part;
    }
}
