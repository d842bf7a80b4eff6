//! The view that a picture made of dabs shows.

use super::{
    canvas::{Point, length},
    colour::{Lab, mix},
    noise::{fractal, lerp, smooth},
    palette::Palette,
    scene::Scene,
};

/// A simple view, told by the colour at each place.
#[derive(Debug)]
pub(super) struct Motif {
    kind: Kind,
    palette: Palette,
    focus: Point,
    horizon: f32,
    size: f32,
    bend: f32,
    seed: u32,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A sun over water.
    Sea,
    /// Rolling fields under a sky.
    Hills,
    /// A round tree on a meadow.
    Tree,
    /// Flower beds.
    Garden,
    /// A vase on a table.
    Vase,
}

impl Motif {
    /// A view whose main thing stands at the focus of the scene.
    pub fn new(scene: &mut Scene) -> Self {
        let kinds = [Kind::Sea, Kind::Hills, Kind::Tree, Kind::Garden, Kind::Vase];
        let chosen = scene.uniform(0.0, kinds.len() as f32) as usize;
        Self {
            kind: kinds[chosen.min(kinds.len() - 1)],
            palette: scene.palette.clone(),
            focus: scene.focus,
            horizon: scene.uniform(0.4, 0.65),
            size: scene.uniform(0.12, 0.2),
            bend: scene.disorder(1.0),
            seed: scene.noise_seed(),
        }
    }

    /// The colour at a place.
    pub fn at(&self, place: Point) -> Lab {
        let [x, y] = place;
        let far = length([x - self.focus[0], y - self.focus[1]]);
        let cloud = 0.16 * self.bend * fractal(x * 3.0, y * 5.0, 2, self.seed);
        let sky = self.palette.tone(0.95 - 0.5 * y + cloud);
        match self.kind {
            Kind::Sea => self.sea(place, sky),
            Kind::Hills => self.hills(place, sky),
            Kind::Tree => self.tree(place, sky),
            Kind::Garden => {
                let bed = fractal(x * 4.0, y * 4.0, 2, self.seed ^ 9);
                let rows = (y * 26.0).sin();
                let tone = 0.5 + 0.5 * lerp(rows, 0.9 * bed, self.bend) - 0.7 * (far - 0.3);
                let leaf = self.palette.tone(tone);
                let bloom = smooth(8.0 * (fractal(x * 9.0, y * 9.0, 1, self.seed ^ 5) - 0.45));
                mix(leaf, self.palette.accent, bloom * smooth(1.6 - 3.2 * far))
            }
            Kind::Vase => self.vase(place),
        }
    }

    fn sea(&self, [x, y]: Point, sky: Lab) -> Lab {
        let sun = [self.focus[0], self.focus[1].min(self.horizon - 0.05)];
        let far = length([x - sun[0], y - sun[1]]);
        if y < self.horizon {
            let glow = smooth(1.2 - far / (3.0 * self.size));
            let lit = mix(sky, self.palette.tone(1.0), 0.8 * glow);
            return if far < 0.55 * self.size {
                self.palette.accent
            } else {
                lit
            };
        }
        let depth = (y - self.horizon) / (1.0 - self.horizon);
        let ripple = (y * 70.0 + 4.0 * fractal(x * 4.0, y * 8.0, 1, self.seed)).sin();
        let path = smooth(1.2 - (x - sun[0]).abs() / (self.size * (0.6 + depth)));
        let water = self.palette.tone(0.42 - 0.32 * depth + 0.1 * ripple);
        mix(
            water,
            self.palette.tone(0.95),
            0.75 * path * smooth(0.6 + ripple),
        )
    }

    fn hills(&self, [x, y]: Point, sky: Lab) -> Lab {
        let mut colour = sky;
        for layer in 0..4u32 {
            let near = layer as f32 / 3.0;
            let roll = fractal(x * 2.2, near * 9.0, 2, self.seed ^ layer);
            let wave = (x * 9.0 + near * 4.0).sin();
            let rise = 0.1 * (1.0 - 2.5 * (x - self.focus[0]).abs());
            let top = self.horizon - 0.1 + 0.42 * near
                - 0.07 * lerp(wave, 1.3 * roll, self.bend)
                - rise * (1.0 - near);
            if y > top {
                let furrow = 0.08 * ((y - top) * 60.0).sin();
                colour = self.palette.tone(0.72 - 0.62 * near + furrow);
            }
        }
        colour
    }

    fn tree(&self, [x, y]: Point, sky: Lab) -> Lab {
        let foot = self.focus[1] + 2.2 * self.size;
        let meadow = self.palette.tone(0.5 + 0.25 * (y - foot));
        let behind = if y > foot - 0.06 { meadow } else { sky };
        let trunk = 0.13 * self.size * (1.0 + 2.0 * smooth((y - foot + 0.1) * 5.0));
        let leaf = fractal(x * 7.0, y * 7.0, 2, self.seed ^ 3);
        let far = length([x - self.focus[0], 1.1 * (y - self.focus[1])]) / (1.5 * self.size);
        if far + 0.18 * self.bend * leaf < 1.0 {
            let light = 0.3 - 0.9 * (y - self.focus[1]) + 0.22 * leaf;
            let fruit = smooth(8.0 * (leaf - 0.75));
            return mix(self.palette.tone(light), self.palette.accent, fruit);
        }
        let stands = y > self.focus[1] && y < foot;
        if stands && (x - self.focus[0]).abs() < trunk {
            return self.palette.tone(0.0);
        }
        let shade = (x - self.focus[0] - 0.1).abs() / 0.3 + (y - foot).abs() / 0.06;
        if shade < 1.0 {
            self.palette.tone(0.2)
        } else {
            behind
        }
    }

    fn vase(&self, [x, y]: Point) -> Lab {
        let across = x - self.focus[0];
        let down = y - self.focus[1];
        let table = self.focus[1] + 1.6 * self.size;
        let behind = if y > table {
            self.palette.tone(0.4 - 0.3 * (y - table))
        } else {
            self.palette
                .tone(0.8 - 0.25 * y - 0.3 * (x - self.focus[0]).abs())
        };
        let bloom_far = length([across, down + 0.9 * self.size]) / (1.45 * self.size);
        let petal = fractal(x * 11.0, y * 11.0, 1, self.seed ^ 7);
        if bloom_far + 0.25 * petal < 1.0 {
            let flower = mix(
                self.palette.accent,
                self.palette.tone(1.0),
                smooth(2.5 * petal),
            );
            return mix(flower, self.palette.tone(0.25), smooth(-3.0 * petal - 0.3));
        }
        let height = down / (1.9 * self.size);
        let belly = self.size * (0.35 + 0.5 * (3.3 * height).sin().max(0.0));
        if (0.0..1.0).contains(&height) && across.abs() < belly {
            return self
                .palette
                .tone(0.15 + 0.5 * smooth(0.5 - across / (1.6 * belly)));
        }
        behind
    }
}
