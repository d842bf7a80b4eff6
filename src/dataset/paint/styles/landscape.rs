//! Ridges behind each other under a sky.

use std::f32::consts::FRAC_PI_2;

use super::super::{
    canvas::{Paint, coverage},
    colour::{lighten, mix},
    noise::{fractal, lerp, smooth},
    scene::Scene,
};

pub(super) fn paint(scene: &mut Scene) {
    let horizon = scene.uniform(0.32, 0.52);
    sky(scene, horizon);
    let ridges = scene.count(3.0, 8.0);
    let crests: Vec<Crest> = (0..ridges)
        .map(|layer| {
            let near = layer as f32 / (ridges as f32 - 1.0).max(1.0);
            Crest::new(scene, horizon, near)
        })
        .collect();
    let nearer = crests.iter().skip(1).map(Some).chain([None]);
    for (crest, next) in crests.iter().zip(nearer) {
        slope(scene, crest, next, 0.6 / ridges as f32);
        trees(scene, crest);
    }
}

/// The upper outline of a ridge.
struct Crest {
    /// 0 for the farthest ridge, 1 for the nearest.
    near: f32,
    base: f32,
    swing: f32,
    phase: f32,
    waves: f32,
    peak: f32,
    wild: f32,
    detail: u32,
    seed: u32,
}

impl Crest {
    fn new(scene: &mut Scene, horizon: f32, near: f32) -> Self {
        Self {
            near,
            base: lerp(horizon, 0.86, near),
            swing: lerp(0.14, 0.07, near),
            phase: scene.stray(3.0),
            waves: scene.size(1.3, 2.6),
            peak: scene.focus[0],
            wild: scene.disorder(1.0),
            detail: 2 + (3.0 * scene.density) as u32,
            seed: scene.noise_seed(),
        }
    }

    fn at(&self, x: f32) -> f32 {
        let noise = fractal(x * self.waves, self.near * 7.0, self.detail, self.seed);
        let wave = (x * self.waves * 5.0 + self.phase).sin();
        let shape = (1.0 - ((x - self.peak) / 0.3).powi(2)).max(-0.6);
        let hill = (1.0 - self.near) * 0.12 * shape;
        self.base - self.swing * lerp(0.6 * wave, noise, self.wild) - hill
    }
}

fn sky(scene: &mut Scene, horizon: f32) {
    let seed = scene.noise_seed();
    let (high, low) = (scene.uniform(0.55, 0.75), scene.uniform(0.85, 1.0));
    let palette = scene.palette.clone();
    let wild = scene.disorder(1.0);
    let wisps = scene.size(2.0, 9.0);
    let soft = lerp(3.0, 1.2, smooth(scene.canvas.edge(0.6)));
    scene.canvas.wash(|[x, y], _| {
        let clear = palette.tone(lerp(high, low, y / horizon));
        if y > horizon + 0.25 {
            return clear;
        }
        let cloud = fractal(x * wisps, y * wisps * 3.0, 3, seed);
        let banks = (y * wisps * 12.0).sin() * 0.6;
        let amount = smooth(soft * (lerp(banks, cloud, wild) - 0.1));
        mix(clear, palette.tone(1.0), 0.65 * amount)
    });
    let sun = [scene.focus[0], (scene.focus[1] - 0.24).clamp(0.08, horizon)];
    let radius = scene.uniform(0.045, 0.09);
    let accent = scene.palette.accent;
    scene.canvas.disc(
        sun,
        radius * 1.7,
        Paint::glaze(scene.palette.tone(1.0), 0.35),
    );
    scene.canvas.disc(
        sun,
        radius,
        Paint::flat(lighten(mix(accent, scene.palette.tone(1.0), 0.45), 0.08)),
    );
}

/// The slope below a crest, in furrows, as far as the next ridge leaves it in sight.
fn slope(scene: &mut Scene, crest: &Crest, next: Option<&Crest>, lit: f32) {
    let (near, wild, seed) = (crest.near, crest.wild, crest.seed);
    let stripe = if scene.chance(0.5) { 0.12 } else { -0.12 };
    let tone = lerp(0.72, 0.12, near) + stripe * scene.density;
    let colour = scene.palette.tone(tone);
    let colour = mix(colour, scene.colour(), 0.3);
    let edge = scene.canvas.edge(0.05);
    let furrows = scene.size(14.0, 80.0);
    let rough = scene.size(0.03, 0.25);
    let profile = scene.canvas.profile(|x| crest.at(x));
    let hidden = scene
        .canvas
        .profile(|x| next.map_or(f32::MAX, |next| next.at(x) + edge));
    scene.canvas.wash(|[x, y], below| {
        let depth = y - profile.at(x);
        let cover = coverage(-depth, edge);
        if cover <= 0.0 || y > hidden.at(x) {
            return below;
        }
        let light = 0.1 * smooth(1.0 - depth / lit);
        let bend = 2.0 * wild * fractal(x * 3.0, y * 3.0, 1, seed ^ 3);
        let furrow = (furrows * (depth + 0.25 * x * (near - 0.5)) + bend).sin();
        let patch = fractal(x * furrows * 0.3, y * furrows * 0.6, 1, seed ^ 4);
        let texture = lerp(furrow, patch, 0.6 * wild);
        mix(below, lighten(colour, light + rough * texture), cover)
    });
}

/// Trees along a crest.
fn trees(scene: &mut Scene, crest: &Crest) {
    let near = crest.near;
    let trees = scene.count(1.0, 34.0);
    let size = scene.size(0.085, 0.018) * lerp(0.6, 1.25, near);
    let round = scene.chance(0.5);
    let dark = scene.palette.tone(lerp(0.4, 0.0, near));
    let bright = mix(scene.palette.tone(0.9), scene.colour(), 0.5);
    for tree in 0..trees {
        let even = (tree as f32 + 0.5) / trees as f32;
        let free = scene.near_focus(0.9)[0];
        let x = lerp(free, even, scene.regularity);
        let foot = crest.at(x) + scene.disorder(0.5) * size + scene.stray(0.05).max(0.0);
        let size = size * (1.0 + scene.stray(0.4));
        let leaf = if scene.chance(0.4) { bright } else { dark };
        let paint = scene.bristles(leaf, 1.0, 0.12);
        if round {
            let top = [x, foot - 1.3 * size];
            let stem = Paint::flat(dark);
            scene
                .canvas
                .line([x, foot], top, [0.1 * size, 0.08 * size], stem);
            scene
                .canvas
                .dab(top, [0.75 * size, 0.65 * size], FRAC_PI_2, paint);
        } else {
            let corners = [
                [x, foot - 2.6 * size],
                [x + 0.55 * size, foot],
                [x - 0.55 * size, foot],
            ];
            scene.canvas.polygon(&corners, paint);
        }
    }
}
