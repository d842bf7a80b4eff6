//! A town under the moon, with its lights on the water.

use super::super::{
    canvas::{Paint, length},
    colour::{lighten, mix},
    noise::{fractal, lerp, smooth},
    scene::Scene,
};

pub(super) fn paint(scene: &mut Scene) {
    let quay = scene.uniform(0.6, 0.72);
    let moon = [scene.focus[0], (scene.focus[1] - 0.25).clamp(0.1, 0.4)];
    let radius = scene.uniform(0.05, 0.085);
    sky(scene, quay, moon, radius);
    town(scene, quay, moon[0]);
    glitter(scene, quay, moon[0]);
}

fn sky(scene: &mut Scene, quay: f32, moon: [f32; 2], radius: f32) {
    let seed = scene.noise_seed();
    let palette = scene.palette.clone();
    let wild = scene.disorder(1.0);
    scene.canvas.wash(|[x, y], _| {
        let far = length([x - moon[0], y - moon[1]]) / radius;
        let cloud = wild * fractal(x * 2.5, y * 6.0, 3, seed);
        let halo = 0.5 * (-0.28 * far).exp() * (1.0 + 0.5 * cloud);
        let depth = (y - quay).max(0.0);
        palette.tone(0.16 + 0.16 * (y / quay).min(1.0) + 0.09 * cloud + halo - 0.5 * depth)
    });
    let stars = scene.count(3.0, 240.0);
    let spacing = (quay / stars as f32).sqrt().min(0.3);
    let light = scene.palette.tone(1.0);
    for place in scene.scatter(spacing) {
        if place[1] > quay {
            continue;
        }
        let size = scene.size(0.008, 0.0065) * (1.0 + scene.stray(0.4));
        scene.canvas.disc(place, size, Paint::glaze(light, 0.9));
    }
    scene.canvas.disc(moon, radius, Paint::flat(light));
    let shadow = mix(light, scene.palette.tone(0.5), 0.35);
    let spot = [moon[0] - 0.3 * radius, moon[1] + 0.1 * radius];
    scene
        .canvas
        .disc(spot, 0.35 * radius, Paint::glaze(shadow, 0.6));
}

/// Houses on the quay, with lit windows.
fn town(scene: &mut Scene, quay: f32, middle: f32) {
    let houses = scene.count(2.0, 22.0);
    let window = scene.size(0.065, 0.0085);
    for house in 0..houses {
        let even = (house as f32 + 0.5) / houses as f32;
        let half = 0.5 / houses as f32 * (0.92 + scene.stray(0.7));
        let x = even + scene.stray(0.6 / houses as f32);
        let tall = smooth(1.25 - 1.5 * (x - middle).abs());
        let height = (0.1 + 0.3 * tall) * (1.0 + scene.stray(0.6));
        let dark = scene.uniform(0.0, 0.12);
        let wall = mix(scene.palette.tone(dark), scene.colour(), 0.12);
        let centre = [x, quay - 0.5 * height];
        scene
            .canvas
            .slab(centre, [half, 0.5 * height], 0.0, Paint::flat(wall));
        if scene.chance(scene.disorder(0.5)) {
            let roof = [
                [x, quay - height - 0.9 * half],
                [x + half, quay - height],
                [x - half, quay - height],
            ];
            scene.canvas.polygon(&roof, Paint::flat(wall));
        }
        windows(scene, [x, quay], [half, height], window);
    }
}

fn windows(scene: &mut Scene, [x, quay]: [f32; 2], [half, height]: [f32; 2], window: f32) {
    let step = 2.1 * window;
    let columns = ((2.0 * half - 0.6 * window) / step) as i32;
    let rows = ((height - 0.5 * window) / (1.3 * step)) as i32;
    for row in 0..rows {
        for column in 0..columns {
            if !scene.chance(lerp(0.4, 0.75, scene.regularity) + 0.2 * scene.density) {
                continue;
            }
            let across = (column as f32 - 0.5 * (columns - 1) as f32) * step;
            let up = (row as f32 + 0.65) * 1.3 * step;
            let place = [x + across + scene.stray(0.25 * step), quay - up];
            let lamp = if scene.chance(0.6) {
                lighten(scene.palette.accent, 0.15)
            } else {
                scene.palette.tone(0.95)
            };
            let size = [0.5 * window, 0.72 * window];
            scene.canvas.slab(place, size, 0.0, Paint::flat(lamp));
        }
    }
}

/// Broken reflections on the water.
fn glitter(scene: &mut Scene, quay: f32, moon: f32) {
    let lights = scene.count(2.0, 18.0);
    let thin = scene.size(0.032, 0.0045);
    let step = 3.4 * thin;
    let rows = ((1.0 - quay) / step) as u32;
    for light in 0..=lights {
        let even = (light as f32 + 0.5) / lights as f32;
        let free = scene.uniform(0.0, 1.0);
        let x = if light == lights {
            moon
        } else {
            lerp(free, even, scene.regularity)
        };
        let colour = if light == lights || scene.chance(0.3) {
            scene.palette.tone(0.95)
        } else {
            lighten(scene.palette.accent, 0.1)
        };
        let strong = if light == lights {
            1.0
        } else {
            scene.uniform(0.35, 0.8)
        };
        for row in 0..rows {
            let depth = (row as f32 + 0.5) / rows as f32;
            let y = quay + (row as f32 + 0.6) * step;
            let long = lerp(1.2, 4.5, depth) * thin * (1.4 + scene.stray(0.9));
            let place = [
                x + scene.stray(0.035) * (0.3 + depth),
                y + scene.stray(0.3 * step),
            ];
            let wide = if light == lights { 1.8 } else { 1.0 };
            let paint = Paint::glaze(colour, strong * (1.0 - 0.6 * depth));
            scene.canvas.dab(place, [wide * long, thin], 0.0, paint);
        }
    }
}
