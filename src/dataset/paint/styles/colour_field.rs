//! Fields of even colour.

use super::super::{
    canvas::coverage,
    colour::{Lab, lighten, mix},
    noise::{fractal, lerp},
    scene::Scene,
};

pub(super) fn paint(scene: &mut Scene) {
    let tone = if scene.chance(0.5) { 0.12 } else { 0.88 };
    let ground = scene.palette.tone(tone);
    scene.ground(ground, 0.06);
    let upright = scene.chance(0.3);
    let rows = scene.count(2.0, 12.0);
    let columns = scene.count(0.7, 11.0).max(1);
    // The block of fields leaves a border, which the composition pushes to one side.
    let block = scene.focus.map(|middle| {
        let (low, high) = (middle - 0.47, middle + 0.47);
        (low.max(0.04), high.min(0.96))
    });
    for (top, bottom) in cuts(scene, rows, 0.75) {
        let here = if scene.regularity > 0.6 {
            columns
        } else {
            let most = columns as f32 * 1.5;
            (scene.uniform(0.5, most.max(1.2)) as u32).max(1)
        };
        for (left, right) in cuts(scene, here, 0.75) {
            let colour = scene.colour();
            let gap = 0.07 * (bottom - top).min(right - left);
            let mut cell = [left + gap, right - gap, top + gap, bottom - gap];
            if upright {
                cell = [cell[2], cell[3], cell[0], cell[1]];
            }
            let place = [
                lerp(block[0].0, block[0].1, cell[0]),
                lerp(block[0].0, block[0].1, cell[1]),
                lerp(block[1].0, block[1].1, cell[2]),
                lerp(block[1].0, block[1].1, cell[3]),
            ];
            field(scene, place, colour);
            if scene.chance(0.1 + 0.65 * scene.density) {
                let inner = inset(place, scene.uniform(0.2, 0.3));
                let colour = if scene.chance(0.25) {
                    scene.palette.accent
                } else {
                    scene.colour()
                };
                field(scene, inner, colour);
            }
        }
    }
}

/// Cuts 0..1 into parts: equal ones in an ordered picture.
fn cuts(scene: &mut Scene, parts: u32, uneven: f32) -> Vec<(f32, f32)> {
    let sizes: Vec<f32> = (0..parts.max(1))
        .map(|_| 1.0 + scene.stray(uneven))
        .collect();
    let whole: f32 = sizes.iter().sum();
    sizes
        .iter()
        .scan(0.0, |place, size| {
            let start = *place;
            *place += size / whole;
            Some((start, *place))
        })
        .collect()
}

fn inset([left, right, top, bottom]: [f32; 4], part: f32) -> [f32; 4] {
    let (across, down) = (part * (right - left), part * (bottom - top));
    [left + across, right - across, top + down, bottom - down]
}

/// A rectangle of thin, uneven paint with a brushed outline.
fn field(scene: &mut Scene, [left, right, top, bottom]: [f32; 4], colour: Lab) {
    let centre = [0.5 * (left + right), 0.5 * (top + bottom)];
    let half = [0.5 * (right - left), 0.5 * (bottom - top)];
    let thin = half[0].min(half[1]);
    let seed = scene.noise_seed();
    let ragged = (0.1 * thin).min(0.012) * scene.disorder(1.0).max(0.15);
    let cloud = scene.uniform(0.02, 0.09);
    let deep = mix(colour, scene.palette.accent, scene.uniform(0.0, 0.2));
    let edge = scene.canvas.edge(0.6 * thin);
    let reach = half.map(|part| part + ragged + 0.5 * edge);
    scene.canvas.shade(centre, reach, |[x, y]| {
        let wave = fractal(x * 30.0, y * 30.0, 2, seed);
        let distance = (x.abs() - half[0]).max(y.abs() - half[1]) + ragged * wave;
        let mottle = fractal(x * 4.0, y * 5.0, 2, seed ^ 1);
        let shade = mix(colour, deep, 0.5 + 0.5 * mottle);
        (lighten(shade, cloud * mottle), coverage(distance, edge))
    });
}
