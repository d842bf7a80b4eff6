//! Facets, each shaded on its own.

use std::f32::consts::TAU;

use super::super::{
    canvas::{Paint, Point, coverage, length},
    colour::{lighten, mix},
    noise::{floor, hash, hash_pair, smooth},
    scene::Scene,
};

pub(super) fn paint(scene: &mut Scene) {
    let cell = scene.size(0.34, 0.062);
    let seed = scene.noise_seed();
    let jitter = scene.disorder(0.95);
    let (sin, cos) = (scene.grain + 0.5 * TAU / 8.0 * scene.disorder(1.0)).sin_cos();
    let edge = scene.canvas.edge(0.4 * cell);
    let focus = scene.focus;
    let palette = scene.palette.clone();
    let order = scene.regularity;
    let outline = 0.02 * cell;
    scene.canvas.wash(|[x, y], _| {
        let (x, y) = ((x * cos + y * sin) / cell, (y * cos - x * sin) / cell);
        let (column, row) = (floor(x), floor(y));
        let mut nearest = [(f32::MAX, 0, 0, [0.0; 2]); 2];
        for next_row in row - 1..=row + 1 {
            for next in column - 1..=column + 1 {
                let chance = hash_pair(next, next_row, seed);
                let at = [
                    next as f32 + 0.5 + jitter * (chance[0] - 0.5) - x,
                    next_row as f32 + 0.5 + jitter * (chance[1] - 0.5) - y,
                ];
                let far = at[0] * at[0] + at[1] * at[1];
                if far < nearest[0].0 {
                    nearest[1] = nearest[0];
                    nearest[0] = (far, next, next_row, at);
                } else if far < nearest[1].0 {
                    nearest[1] = (far, next, next_row, at);
                }
            }
        }
        let facet = |(_, column, row, at): (f32, i32, i32, [f32; 2])| {
            let middle = [column as f32 + 0.5, row as f32 + 0.5].map(|part| part * cell);
            let place = [
                middle[0] * cos - middle[1] * sin - focus[0],
                middle[0] * sin + middle[1] * cos - focus[1],
            ];
            let weight = smooth(1.3 - 2.2 * length(place));
            let checks = if (column + row) % 2 == 0 { 0.2 } else { -0.2 };
            let free = hash(column, row, seed ^ 2);
            let tone = 0.18
                + 0.5 * weight * (1.0 - order)
                + free * (0.75 - 0.3 * order)
                + order * (checks + 0.35 * weight);
            let turn = TAU * (hash(column, row, seed ^ 3) * (1.0 - order) + 0.125);
            let slope = -(at[0] * turn.cos() + at[1] * turn.sin());
            let fold = coverage(slope * cell, edge) - 0.5;
            let base = if hash(column, row, seed ^ 4) < 0.12 + 0.1 * weight {
                palette.accent
            } else {
                palette.tone(tone)
            };
            lighten(base, 0.26 * slope + 0.2 * fold)
        };
        let [first, second] = nearest;
        let between = length([second.3[0] - first.3[0], second.3[1] - first.3[1]]);
        let inside = 0.5 * (second.0 - first.0) / between.max(1e-4) * cell;
        let mut colour = facet(first);
        if inside < 0.5 * edge {
            colour = mix(
                facet(second),
                colour,
                0.5 + 0.5 * smooth(2.0 * inside / edge),
            );
        }
        let line = 1.0 - smooth((inside - outline) / edge + 0.5);
        mix(colour, palette.tone(0.0), 0.55 * line)
    });
    planes(scene, cell);
}

/// Translucent planes that cut across the facets.
fn planes(scene: &mut Scene, cell: f32) {
    let count = scene.count(3.0, 26.0);
    for place in scene.cluster(count, 0.6) {
        let size = 1.1 * cell * (1.0 + scene.stray(0.4));
        let angle = scene.heading();
        let tone = if scene.chance(0.5) { 0.95 } else { 0.05 };
        let paint = Paint::glaze(scene.palette.tone(tone), 0.38);
        if scene.chance(0.3) {
            scene
                .canvas
                .arc(place, size, 0.09 * cell, [angle, 2.6], paint);
            continue;
        }
        let (sin, cos) = angle.sin_cos();
        let skew = scene.uniform(-0.8, 0.8);
        let corners: [Point; 3] =
            [[-1.0, -0.5], [1.0, -0.7], [skew, 0.7]].map(|[along, across]| {
                [
                    place[0] + size * (along * cos - across * sin),
                    place[1] + size * (along * sin + across * cos),
                ]
            });
        scene.canvas.polygon(&corners, paint);
    }
}
