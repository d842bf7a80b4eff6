//! Pictures of a view in many small marks: strokes, dots, tiles.

use std::f32::consts::{PI, TAU};

use super::super::{
    canvas::Paint,
    colour::{lighten, mix},
    motif::Motif,
    noise::{fractal, lerp, value},
    scene::Scene,
};

/// Strokes that flow.
pub(super) fn impressionist(scene: &mut Scene) {
    let motif = Motif::new(scene);
    let flow = scene.noise_seed();
    let grain = if scene.chance(0.6) { 0.0 } else { scene.grain };
    let wild = scene.disorder(1.0);
    let bristle = lerp(0.09, 0.16, scene.density);
    let under = scene.palette.tone(0.5);
    scene.canvas.wash(|_, _| under);
    let length = scene.size(0.25, 0.027);
    let vary = lerp(0.04, 0.19, scene.density);
    for scale in [1.6, 1.0] {
        let half = [scale * length, scale * length * 0.3];
        for place in scene.scatter(1.35 * scale * length * 0.62) {
            let turn = 2.6 * wild * fractal(place[0] * 2.3, place[1] * 2.3, 1, flow);
            let angle = grain + turn + scene.stray(0.5);
            let colour = lighten(motif.at(place), scene.uniform(-vary, vary));
            let other = scene.colour();
            let colour = mix(colour, other, if scene.chance(0.15) { 0.5 } else { 0.08 });
            let marks = if scale > 1.0 { 0.0 } else { bristle };
            let paint = scene.bristles(colour, 0.95, marks);
            scene.canvas.dab(place, half, angle, paint);
        }
    }
}

/// Dots, some of them in the colour that answers the local one.
pub(super) fn pointillist(scene: &mut Scene) {
    let motif = Motif::new(scene);
    let radius = scene.size(0.095, 0.0125);
    let ground = scene.palette.tone(0.65);
    let vary = lerp(0.05, 0.25, scene.density);
    scene.canvas.wash(|_, _| ground);
    let passes = if scene.regularity > 0.7 { 1 } else { 2 };
    for pass in 0..passes {
        let alpha = if pass == 0 { 1.0 } else { 0.9 };
        for place in scene.scatter(2.1 * radius) {
            let local = motif.at(place);
            let answer = [local[0] + 0.12, -local[1], -local[2]];
            let colour = if scene.chance(0.14) {
                answer
            } else {
                let strong = scene.uniform(1.0, 1.7);
                [local[0], local[1] * strong, local[2] * strong]
            };
            let colour = lighten(colour, scene.uniform(-vary, vary));
            let size = radius * (1.0 + scene.stray(0.35));
            scene.canvas.disc(place, size, Paint::glaze(colour, alpha));
        }
    }
}

/// Tiles in mortar, in rows or along the curves of the view.
pub(super) fn mosaic(scene: &mut Scene) {
    let motif = Motif::new(scene);
    let mortar = if scene.chance(0.6) { 0.04 } else { 0.93 };
    let mortar = scene.palette.tone(mortar);
    scene.ground(lighten(mortar, -0.06), 0.04);
    let side = scene.size(0.26, 0.036);
    let vary = lerp(0.04, 0.22, scene.density);
    let wild = scene.disorder(1.0);
    let flow = scene.noise_seed();
    let steps = (1.5 / side) as i32 + 1;
    let centre = scene.focus;
    for ring in 0..steps {
        // Rings around the focus while there is disorder, rows when there is none.
        let radius = (ring as f32 + 0.5) * side;
        let around = ((TAU * radius / side) as i32).max(1);
        let count = if wild > 0.35 { around } else { 2 * steps };
        for tile in 0..count {
            let (place, angle) = if wild > 0.35 {
                let turn = TAU * tile as f32 / around as f32 + ring as f32;
                let wobble =
                    1.0 + 0.25 * wild * (value(turn.cos() + 5.0, turn.sin() + 5.0, flow) - 0.5);
                let place = [
                    centre[0] + wobble * radius * turn.cos(),
                    centre[1] + wobble * radius * turn.sin(),
                ];
                (place, turn)
            } else {
                let place = [tile as f32 * side - 0.25, ring as f32 * side + 0.5 * side];
                (place, 0.0)
            };
            if place.iter().any(|part| !(-side..1.0 + side).contains(part)) {
                continue;
            }
            let place = place.map(|part| part + scene.stray(0.12 * side));
            let angle = angle + scene.stray(0.16 * PI);
            let grout = lerp(0.48, 0.405, scene.density) + 0.01 * scene.regularity;
            let half = [grout * side, (grout + scene.stray(0.05)) * side];
            let colour = lighten(motif.at(place), scene.uniform(-vary, vary));
            let paint = scene.bristles(colour, 1.0, 0.05);
            scene.canvas.slab(place, half, angle, paint);
        }
    }
}
