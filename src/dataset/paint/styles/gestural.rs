//! Sweeping strokes and splashes.

use std::f32::consts::{FRAC_PI_2, PI};

use super::super::{
    canvas::Point,
    colour::{Lab, lighten},
    noise::{fractal, lerp},
    scene::Scene,
};

pub(super) fn paint(scene: &mut Scene) {
    let tone = if scene.chance(0.6) { 0.88 } else { 0.12 };
    let ground = scene.palette.tone(tone);
    let seed = scene.noise_seed();
    scene.canvas.wash(|[x, y], _| {
        let brushed = fractal(x * 3.0, y * 9.0, 2, seed);
        lighten(ground, 0.05 * brushed)
    });
    let width = scene.size(0.085, 0.0085);
    let strokes = scene.count(7.0, 260.0);
    let places = scene.cluster(strokes, 0.85);
    for (index, place) in places.into_iter().enumerate() {
        let colour = if index % 6 == 4 {
            scene.palette.accent
        } else {
            scene.colour()
        };
        let width = width * scene.uniform(0.45, 1.35);
        sweep(scene, place, width, colour);
    }
    splashes(scene, width);
}

/// One stroke: an arc and its answer, as bent as disorder makes them.
fn sweep(scene: &mut Scene, place: Point, width: f32, colour: Lab) {
    let length = (13.0 * width).clamp(0.11, 0.8) * scene.uniform(0.7, 1.3);
    let angle = scene.heading();
    let (sin, cos) = angle.sin_cos();
    let paint = scene.bristles(colour, 0.97, 0.26);
    let bend = scene.disorder(1.0) * scene.uniform(0.1, 1.0);
    if bend < 0.12 {
        let way = [0.5 * length * cos, 0.5 * length * sin];
        let from = [place[0] - way[0], place[1] - way[1]];
        let to = [place[0] + way[0], place[1] + way[1]];
        scene.canvas.line(from, to, [width, 0.6 * width], paint);
        return;
    }
    let turn = lerp(0.3, 1.25 * PI, bend);
    let radius = (length / turn).max(1.4 * width);
    // Both arcs touch at the place, with opposite centres: an S.
    let answers = scene.chance(0.55);
    let normal = angle + FRAC_PI_2;
    let off = [radius * normal.cos(), radius * normal.sin()];
    let centre = [place[0] + off[0], place[1] + off[1]];
    scene
        .canvas
        .arc(centre, radius, width, [normal + PI, turn], paint);
    if answers {
        let centre = [place[0] - off[0], place[1] - off[1]];
        scene
            .canvas
            .arc(centre, radius, width, [normal, turn], paint);
    }
}

/// Drops thrown along a few lines.
fn splashes(scene: &mut Scene, width: f32) {
    let throws = scene.count(1.0, 14.0);
    for _ in 0..throws {
        let colour = scene.colour();
        let start = scene.near_focus(1.0);
        let angle = scene.heading();
        let (sin, cos) = angle.sin_cos();
        let drops = scene.count(4.0, 12.0);
        for _ in 0..drops {
            let far = scene.uniform(0.0, 1.0).powi(2) * 0.4;
            let beside = scene.uniform(-0.3, 0.3) * far;
            let place = [
                start[0] + far * cos - beside * sin,
                start[1] + far * sin + beside * cos,
            ];
            let radius = width * scene.uniform(0.05, 0.3) + 0.002;
            let paint = scene.bristles(colour, 1.0, 0.0);
            scene
                .canvas
                .dab(place, [1.5 * radius, radius], angle, paint);
        }
    }
}
