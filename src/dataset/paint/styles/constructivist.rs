//! Plain geometry on an empty ground.

use std::f32::consts::{FRAC_PI_2, FRAC_PI_4, TAU};

use super::super::{
    canvas::{Paint, Point},
    colour::Lab,
    noise::lerp,
    scene::Scene,
};

pub(super) fn paint(scene: &mut Scene) {
    let light = scene.chance(0.65);
    let ground = scene.palette.tone(if light { 0.9 } else { 0.08 });
    scene.ground(ground, 0.05);
    let size = scene.size(0.3, 0.055);
    let count = scene.count(5.0, 150.0);
    if scene.density < 0.75 {
        let tone = if light { 0.72 } else { 0.25 };
        let backdrop = Paint::flat(scene.palette.tone(tone));
        let radius = scene.uniform(0.2, 0.36);
        scene.canvas.disc(scene.focus, radius, backdrop);
    }
    for (index, place) in scene.cluster(count, 0.7).into_iter().enumerate() {
        let angle = scene.heading() + scene.stray(FRAC_PI_4);
        let colour = if index % 4 == 1 {
            scene.palette.accent
        } else {
            // Against the ground.
            let away = scene.uniform(0.25, 1.0);
            scene.palette.tone(if light {
                0.85 - 0.85 * away
            } else {
                0.15 + 0.85 * away
            })
        };
        let size = size * (lerp(1.0, 0.75, scene.regularity) + scene.stray(0.6));
        figure(scene, place, size, angle, colour);
    }
}

fn figure(scene: &mut Scene, place: Point, size: f32, angle: f32, colour: Lab) {
    let bowl = scene.regularity * 0.5;
    let paint = Paint::glaze(colour, 0.94);
    let kind = scene.uniform(0.0, 1.0);
    if kind < lerp(0.34, 0.5, bowl) {
        let thin = scene.uniform(0.08, 0.28);
        scene
            .canvas
            .slab(place, [size * 1.3, size * thin], angle, paint);
    } else if kind < 0.56 {
        let (sin, cos) = angle.sin_cos();
        let slim = scene.uniform(0.4, 0.9) * size;
        let corners = [[-size, -slim], [size, -slim], [-size, slim]].map(|[along, across]| {
            [
                place[0] + along * cos - across * sin,
                place[1] + along * sin + across * cos,
            ]
        });
        scene.canvas.polygon(&corners, paint);
    } else if kind < 0.7 {
        scene.canvas.disc(place, 0.55 * size, paint);
    } else if kind < 0.84 {
        let sweep = if scene.chance(0.5) {
            TAU
        } else {
            FRAC_PI_2 * 2.0
        };
        scene
            .canvas
            .arc(place, 0.7 * size, 0.12 * size, [angle, sweep], paint);
    } else {
        let (sin, cos) = angle.sin_cos();
        for bar in -2..=2 {
            let off = 0.3 * size * bar as f32;
            let place = [place[0] - off * sin, place[1] + off * cos];
            scene.canvas.slab(place, [size, 0.055 * size], angle, paint);
        }
    }
}
