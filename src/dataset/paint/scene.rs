//! What every style paints with: the canvas, the colours, the dice, and the factors as sizes,
//! counts, angles and places.

use std::f32::consts::{FRAC_PI_4, PI};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    PictureFactors,
    canvas::{Canvas, Paint, Point, length},
    colour::{Lab, lighten},
    noise::lerp,
    palette::Palette,
};

/// A picture being painted.
#[derive(Debug)]
pub(super) struct Scene {
    /// What is painted on.
    pub canvas: Canvas,
    /// The colours.
    pub palette: Palette,
    /// The source of all chance.
    pub rng: ChaCha8Rng,
    /// Fine structure, 0..=1.
    pub density: f32,
    /// Order, 0..=1.
    pub regularity: f32,
    /// Where the weight lies: the middle, unless the composition is off-centre.
    pub focus: Point,
    /// The way that ordered strokes run, in radians.
    pub grain: f32,
}

impl Scene {
    /// An empty canvas of `side` pixels.
    pub fn new(factors: &PictureFactors, seed: u64, side: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let palette = Palette::new(&mut rng, factors.warmth);
        // Rather to the left or right than up or down.
        let flank = if rng.random::<bool>() { 0.0 } else { PI };
        let away = flank + rng.random_range(-FRAC_PI_4..FRAC_PI_4);
        let far = 0.35 * factors.composition;
        let grain = FRAC_PI_4 * rng.random_range(0..4u32) as f32;
        let softness = lerp(1.7, 1.0, factors.density) * (1.0 - factors.hardness);
        Self {
            canvas: Canvas::new(side, softness),
            palette,
            density: factors.density,
            regularity: factors.regularity,
            focus: [0.5 + far * away.cos(), 0.5 + far * away.sin()],
            grain,
            rng,
        }
    }

    /// A number between `low` and `high`.
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.rng.random::<f32>()
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.rng.random::<f32>() < probability
    }

    /// A seed for noise.
    pub fn noise_seed(&mut self) -> u32 {
        self.rng.random()
    }

    /// A size that falls from `large` to `small` as the density rises.
    pub fn size(&self, large: f32, small: f32) -> f32 {
        large * (small / large).powf(self.density)
    }

    /// A number of things that rises from `few` to `many` with the density.
    pub fn count(&self, few: f32, many: f32) -> u32 {
        (few * (many / few).powf(self.density)).round() as u32
    }

    /// What is left of `amount` of disorder.
    pub fn disorder(&self, amount: f32) -> f32 {
        amount * (1.0 - self.regularity)
    }

    /// A random deviation of at most `amount`, less the more order there is.
    pub fn stray(&mut self, amount: f32) -> f32 {
        let most = self.disorder(amount);
        self.uniform(-most, most)
    }

    /// A direction for a stroke: along the grain in an ordered picture, any in a wild one.
    pub fn heading(&mut self) -> f32 {
        self.grain + self.stray(PI)
    }

    /// Places all over the canvas and a little beyond, `spacing` apart, in random order: a grid, or
    /// what disorder leaves of it.
    pub fn scatter(&mut self, spacing: f32) -> Vec<Point> {
        let steps = (1.0 / spacing).ceil() as i32 + 1;
        let mut places = Vec::new();
        for row in -1..=steps {
            for column in -1..=steps {
                places.push([
                    (column as f32 + 0.5) * spacing + self.stray(0.9 * spacing),
                    (row as f32 + 0.5) * spacing + self.stray(0.9 * spacing),
                ]);
            }
        }
        for index in (1..places.len()).rev() {
            places.swap(index, self.rng.random_range(0..=index as u32) as usize);
        }
        places
    }

    /// A place near the focus, within about `spread`.
    pub fn near_focus(&mut self, spread: f32) -> Point {
        self.focus.map(|middle| {
            let chance = (0..3).map(|_| self.rng.random::<f32>() - 0.5).sum::<f32>();
            middle + 0.7 * spread * chance
        })
    }

    /// `count` places that cover `part` of the canvas around the focus: the nearest points of a grid,
    /// or what disorder leaves of it.
    pub fn cluster(&mut self, count: u32, part: f32) -> Vec<Point> {
        let columns = (count as f32 / part).sqrt().ceil().max(1.0);
        let spacing = 1.0 / columns;
        let far = |place: &Point| length([place[0] - self.focus[0], place[1] - self.focus[1]]);
        let mut grid: Vec<Point> = (0..(columns * columns) as u32)
            .map(|index| {
                let (row, column) = (index / columns as u32, index % columns as u32);
                [column as f32 + 0.5, row as f32 + 0.5].map(|place| place * spacing)
            })
            .collect();
        grid.sort_by(|one, other| far(other).total_cmp(&far(one)));
        let order = self.regularity * self.regularity;
        let first = grid.len().saturating_sub(count as usize);
        grid.split_off(first)
            .into_iter()
            .map(|tidy| {
                let free = self.near_focus(0.95);
                [0, 1].map(|axis| lerp(free[axis], tidy[axis], order))
            })
            .collect()
    }

    /// Lightens everything around the focus and darkens the rest.
    pub fn light(&mut self, strength: f32) {
        let focus = self.focus;
        self.canvas.wash(|place, colour| {
            let far = (place[0] - focus[0]).powi(2) + (place[1] - focus[1]).powi(2);
            lighten(colour, strength / (1.0 + 7.0 * far))
        });
    }

    /// One of the colours, a little lighter or darker.
    pub fn colour(&mut self) -> Lab {
        let by = self.uniform(-0.06, 0.06);
        lighten(self.palette.pick(&mut self.rng), by)
    }

    /// Paint with the marks of bristles.
    pub fn bristles(&mut self, colour: Lab, alpha: f32, bristle: f32) -> Paint {
        Paint {
            colour,
            alpha,
            bristle,
            seed: self.rng.random(),
        }
    }

    /// Covers the canvas with `colour`, lighter towards the focus.
    pub fn ground(&mut self, colour: Lab, glow: f32) {
        let focus = self.focus;
        self.canvas.wash(|place, _| {
            let far = (place[0] - focus[0]).powi(2) + (place[1] - focus[1]).powi(2);
            lighten(colour, glow * (1.0 - 1.6 * far))
        });
    }
}
