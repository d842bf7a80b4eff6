//! Brush and ink on paper.

use std::f32::consts::FRAC_PI_2;

use super::super::{
    canvas::{Paint, Point, coverage},
    colour::mix,
    noise::{fractal, lerp, smooth},
    scene::Scene,
};

pub(super) fn paint(scene: &mut Scene) {
    let paper = scene.palette.tone(0.97);
    scene.ground(paper, 0.05);
    let peaks = scene.count(2.0, 4.0);
    for layer in 0..peaks {
        mountain(scene, layer as f32 / peaks as f32);
    }
    let stalks = scene.count(1.0, 26.0);
    let width = scene.size(0.036, 0.005);
    for stalk in 0..stalks {
        let even = (stalk as f32 + 0.5) / stalks as f32;
        let near = scene.near_focus(0.7)[0];
        let x = lerp(near, even, scene.regularity);
        let lean = scene.stray(0.2);
        bamboo(scene, x, lean, width);
    }
    let marks = scene.count(2.0, 100.0);
    for place in scene.cluster(marks, 0.8) {
        let angle = FRAC_PI_2 * 0.5 + scene.stray(1.6);
        leaf(scene, place, angle, 3.2 * width);
    }
    let corner = scene.focus.map(|part| if part > 0.5 { 0.1 } else { 0.9 });
    let seal = Paint::glaze(scene.palette.accent, 0.9);
    scene.canvas.slab(corner, [0.03, 0.03], 0.0, seal);
}

/// A mountain whose foot is lost in mist.
fn mountain(scene: &mut Scene, near: f32) {
    let seed = scene.noise_seed();
    let middle = scene.focus[0] + scene.uniform(-0.35, 0.35) * (1.0 - 0.7 * scene.regularity);
    let top = lerp(0.2, 0.62, near) + 0.3 * (scene.focus[1] - 0.5);
    let width = scene.uniform(0.16, 0.34);
    let rough = scene.disorder(0.1) + 0.02;
    let ink = scene.palette.tone(0.55 - 0.3 * near);
    let edge = scene.canvas.edge(0.09);
    let detail = 2 + (2.5 * scene.density) as u32;
    let folds = scene.size(3.0, 30.0);
    let ridge = scene.canvas.profile(|x| {
        let away = (x - middle) / width;
        let rise = (-away * away).exp();
        top + 0.28 * (1.0 - rise) - rough * fractal(x * 7.0, near, detail, seed)
    });
    scene.canvas.wash(|[x, y], below| {
        let depth = y - ridge.at(x);
        let cover = coverage(-depth, edge);
        if cover <= 0.0 {
            return below;
        }
        let mist = smooth(1.0 - depth / 0.3);
        let fold = 0.5 + 0.5 * fractal(x * folds + 3.0 * depth, depth * 0.35 * folds, 2, seed ^ 1);
        mix(below, ink, cover * mist * (0.35 + 0.6 * smooth(fold)))
    });
}

/// A stalk in segments, with a leaf at some of the joints.
fn bamboo(scene: &mut Scene, x: f32, lean: f32, width: f32) {
    let ink = scene.uniform(0.0, 0.35);
    let ink = scene.palette.tone(ink);
    let step = lerp(scene.uniform(0.13, 0.2), 0.16, scene.regularity);
    let height = lerp(scene.uniform(0.3, 1.1), 1.1, scene.regularity);
    let segments = (height / step).ceil() as u32;
    let alpha = scene.uniform(0.7, 0.95);
    for segment in 0..segments {
        let low = segment as f32 * step;
        let at = |up: f32| [x + lean * up * up, 1.02 - up];
        let (from, to) = (at(low), at(low + 0.93 * step));
        let paint = scene.bristles(ink, alpha, 0.3);
        scene.canvas.line(from, to, [width, 0.85 * width], paint);
        if scene.chance(0.4) {
            let angle = FRAC_PI_2 * 0.4 + scene.stray(1.2);
            leaf(scene, to, angle, 3.6 * width.max(0.008));
        }
    }
}

/// A stroke that swells and ends in a point.
fn leaf(scene: &mut Scene, from: Point, angle: f32, length: f32) {
    let (sin, cos) = angle.sin_cos();
    let length = length * (1.2 + scene.stray(0.6));
    let middle = [from[0] + length * cos, from[1] + length * sin];
    let dark = scene.uniform(0.0, 0.4);
    let ink = scene.palette.tone(dark);
    let paint = scene.bristles(ink, 0.9, 0.25);
    scene
        .canvas
        .dab(middle, [length, 0.19 * length], angle, paint);
}
