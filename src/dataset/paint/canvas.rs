//! A square canvas in Oklab, and brushes that paint on it in unit coordinates.
//!
//! `(0, 0)` is the upper left corner and `(1, 1)` the lower right one. Edges are anti-aliased from
//! the distance to the outline, and widened by the softness of the canvas.

use super::{
    colour::{Lab, lighten, mix},
    noise::{self, smooth},
};

/// A place on the canvas: to the right, down.
pub(super) type Point = [f32; 2];

/// What a brush leaves behind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    /// The colour.
    pub colour: Lab,
    /// How much it covers, 0..=1.
    pub alpha: f32,
    /// How much the bristles vary the lightness.
    pub bristle: f32,
    /// Which pattern of bristles.
    pub seed: u32,
}

impl Paint {
    /// Opaque and even.
    pub fn flat(colour: Lab) -> Self {
        Self::glaze(colour, 1.0)
    }

    /// Even, and more or less transparent.
    pub fn glaze(colour: Lab, alpha: f32) -> Self {
        Self {
            colour,
            alpha,
            bristle: 0.0,
            seed: 0,
        }
    }

    /// The colour and cover at `along` the stroke and `across` it, both in widths of the stroke.
    fn at(&self, along: f32, across: f32) -> (Lab, f32) {
        if self.bristle == 0.0 {
            return (self.colour, self.alpha);
        }
        let hair = noise::value(along * 0.35, across * 4.0, self.seed) - 0.5;
        let dry = 1.0 - 1.6 * self.bristle * (-hair).max(0.0);
        (lighten(self.colour, self.bristle * hair), self.alpha * dry)
    }
}

/// A square picture in the making.
#[derive(Debug)]
pub(super) struct Canvas {
    side: usize,
    pixel: f32,
    softness: f32,
    pixels: Vec<Lab>,
}

impl Canvas {
    /// A canvas of `side` pixels, at least 1, whose edges blur over `softness` of a shape's radius.
    pub fn new(side: usize, softness: f32) -> Self {
        let side = side.max(1);
        Self {
            side,
            pixel: 1.0 / side as f32,
            softness,
            pixels: vec![[0.5, 0.0, 0.0]; side * side],
        }
    }

    /// The width and height in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// The pixels, row by row.
    pub fn pixels_mut(&mut self) -> &mut [Lab] {
        &mut self.pixels
    }

    /// The width of an edge of a shape of this radius.
    pub fn edge(&self, radius: f32) -> f32 {
        self.pixel.max(self.softness * radius)
    }

    /// A function of the place to the right, worked out once for each column of pixels.
    pub fn profile(&self, function: impl Fn(f32) -> f32) -> Profile {
        Profile(
            (0..self.side)
                .map(|column| function((column as f32 + 0.5) * self.pixel))
                .collect(),
        )
    }

    /// Repaints everything: `shader` is told the place and what was there.
    pub fn wash(&mut self, mut shader: impl FnMut(Point, Lab) -> Lab) {
        let pixel = self.pixel;
        for (row, line) in self.pixels.chunks_exact_mut(self.side).enumerate() {
            let y = (row as f32 + 0.5) * pixel;
            for (column, value) in line.iter_mut().enumerate() {
                *value = shader([(column as f32 + 0.5) * pixel, y], *value);
            }
        }
    }

    /// Paints within `reach` of `centre`: `shader` gives the colour and the cover of a place, which is
    /// told relative to the centre.
    pub fn shade(
        &mut self,
        centre: Point,
        reach: Point,
        mut shader: impl FnMut(Point) -> (Lab, f32),
    ) {
        let [columns, rows] =
            [0, 1].map(|axis| self.span(centre[axis] - reach[axis], centre[axis] + reach[axis]));
        for row in rows.0..rows.1 {
            let y = (row as f32 + 0.5) * self.pixel - centre[1];
            let start = row * self.side;
            let line = &mut self.pixels[start + columns.0..start + columns.1];
            for (column, value) in (columns.0..).zip(line) {
                let (colour, alpha) = shader([(column as f32 + 0.5) * self.pixel - centre[0], y]);
                if alpha > 0.0 {
                    *value = mix(*value, colour, alpha);
                }
            }
        }
    }

    /// An ellipse with `half` axes, the first of which points along `angle`.
    pub fn dab(&mut self, centre: Point, half: Point, angle: f32, paint: Paint) {
        let thin = half[0].min(half[1]);
        let edge = self.edge(thin);
        let (sin, cos) = angle.sin_cos();
        let margin = 0.5 * edge;
        let reach = [
            length([half[0] * cos, half[1] * sin]) + margin,
            length([half[0] * sin, half[1] * cos]) + margin,
        ];
        let inverse = half.map(|axis| 1.0 / axis);
        let limit = (1.0 + margin / thin).powi(2);
        self.shade(centre, reach, |[x, y]| {
            let along = (x * cos + y * sin) * inverse[0];
            let across = (y * cos - x * sin) * inverse[1];
            let square = along * along + across * across;
            if square > limit {
                return (paint.colour, 0.0);
            }
            let slope = (along * inverse[0]).powi(2) + (across * inverse[1]).powi(2);
            // The distance to first order: exact where it matters, on the outline.
            let distance = 0.5 * (square - 1.0) / slope.max(1e-12).sqrt();
            let cover = coverage(distance, edge);
            if cover <= 0.0 {
                return (paint.colour, 0.0);
            }
            let (colour, alpha) = paint.at(along * half[0] / half[1], across);
            (colour, alpha * cover)
        });
    }

    /// A round spot.
    pub fn disc(&mut self, centre: Point, radius: f32, paint: Paint) {
        self.dab(centre, [radius, radius], 0.0, paint);
    }

    /// A rectangle with `half` sides, the first of which points along `angle`.
    pub fn slab(&mut self, centre: Point, half: Point, angle: f32, paint: Paint) {
        let edge = self.edge(half[0].min(half[1]));
        let (sin, cos) = angle.sin_cos();
        let margin = 0.5 * edge;
        let reach = [
            half[0] * cos.abs() + half[1] * sin.abs() + margin,
            half[0] * sin.abs() + half[1] * cos.abs() + margin,
        ];
        self.shade(centre, reach, |[x, y]| {
            let along = x * cos + y * sin;
            let across = y * cos - x * sin;
            let distance = (along.abs() - half[0]).max(across.abs() - half[1]);
            let cover = coverage(distance, edge);
            if cover <= 0.0 {
                return (paint.colour, 0.0);
            }
            let (colour, alpha) = paint.at(along / half[1], across / half[1]);
            (colour, alpha * cover)
        });
    }

    /// A brush stroke from one point to another, as wide as `radii` at its ends.
    pub fn line(&mut self, from: Point, to: Point, radii: [f32; 2], paint: Paint) {
        let wide = radii[0].max(radii[1]);
        let edge = self.edge(wide);
        let way = [to[0] - from[0], to[1] - from[1]];
        let long = length(way).max(1e-6);
        let forward = way.map(|part| part / long);
        let centre = [0.5 * (from[0] + to[0]), 0.5 * (from[1] + to[1])];
        let reach = way.map(|part| 0.5 * part.abs() + wide + edge);
        self.shade(centre, reach, |[x, y]| {
            let along = x * forward[0] + y * forward[1] + 0.5 * long;
            let across = y * forward[0] - x * forward[1];
            let part = (along / long).clamp(0.0, 1.0);
            let beyond = along - part * long;
            let radius = noise::lerp(radii[0], radii[1], part);
            let cover = coverage(length([beyond, across]) - radius, edge);
            if cover <= 0.0 {
                return (paint.colour, 0.0);
            }
            let (colour, alpha) = paint.at(along / wide, across / wide);
            (colour, alpha * cover)
        });
    }

    /// A bent brush stroke: the part of a ring around `centre` from `start` over `sweep` radians.
    pub fn arc(
        &mut self,
        centre: Point,
        radius: f32,
        half_width: f32,
        [start, sweep]: [f32; 2],
        paint: Paint,
    ) {
        let edge = self.edge(half_width);
        let outer = half_width + 0.5 * edge;
        let (middle, half_sweep) = (start + 0.5 * sweep, 0.5 * sweep.abs());
        let (sin, cos) = middle.sin_cos();
        let (box_centre, reach, shift) = if half_sweep < 1.0 {
            let shift = [radius * cos, radius * sin];
            let box_centre = [centre[0] + shift[0], centre[1] + shift[1]];
            (box_centre, radius * half_sweep + outer, shift)
        } else {
            (centre, radius + outer, [0.0; 2])
        };
        self.shade(box_centre, [reach; 2], |[x, y]| {
            let (x, y) = (x + shift[0], y + shift[1]);
            let far = length([x, y]);
            let across = far - radius;
            if across.abs() > outer {
                return (paint.colour, 0.0);
            }
            let turn = (y * cos - x * sin).atan2(x * cos + y * sin);
            let beyond = (turn.abs() - half_sweep).max(0.0) * far;
            let cover = coverage(length([beyond, across]) - half_width, edge);
            if cover <= 0.0 {
                return (paint.colour, 0.0);
            }
            let (colour, alpha) = paint.at(turn * radius / half_width, across / half_width);
            (colour, alpha * cover)
        });
    }

    /// A convex polygon whose corners follow each other clockwise as seen on the canvas.
    pub fn polygon(&mut self, corners: &[Point], paint: Paint) {
        let bounds = [0, 1].map(|axis| {
            corners
                .iter()
                .fold((f32::MAX, f32::MIN), |(low, high), corner| {
                    (low.min(corner[axis]), high.max(corner[axis]))
                })
        });
        let centre = bounds.map(|(low, high)| 0.5 * (low + high));
        let half = bounds.map(|(low, high)| 0.5 * (high - low));
        let edge = self.edge(0.5 * half[0].min(half[1]));
        let sides: Vec<(Point, f32)> = corners
            .iter()
            .zip(corners.iter().cycle().skip(1))
            .map(|(from, to)| {
                let way = [to[0] - from[0], to[1] - from[1]];
                let long = length(way).max(1e-6);
                let normal = [way[1] / long, -way[0] / long];
                let offset = (from[0] - centre[0]) * normal[0] + (from[1] - centre[1]) * normal[1];
                (normal, offset)
            })
            .collect();
        self.shade(centre, half.map(|part| part + 0.5 * edge), |[x, y]| {
            let distance = sides.iter().fold(f32::MIN, |most, (normal, offset)| {
                most.max(x * normal[0] + y * normal[1] - offset)
            });
            let (colour, alpha) = paint.at(0.0, 0.0);
            (colour, alpha * coverage(distance, edge))
        });
    }

    /// The pixels whose centres lie between two places on an axis.
    fn span(&self, low: f32, high: f32) -> (usize, usize) {
        let side = self.side as f32;
        let first = (low * side - 0.5).ceil().clamp(0.0, side) as usize;
        let last = (high * side + 0.5).floor().clamp(0.0, side) as usize;
        (first, last.max(first))
    }
}

/// A height for each column of pixels.
#[derive(Debug)]
pub(super) struct Profile(Vec<f32>);

impl Profile {
    /// The height at a place between 0 and 1.
    pub fn at(&self, x: f32) -> f32 {
        let last = self.0.len() - 1;
        self.0[((x * self.0.len() as f32) as usize).min(last)]
    }
}

/// The length of a way.
pub(super) fn length([x, y]: Point) -> f32 {
    (x * x + y * y).sqrt()
}

/// How much of a place is covered at `distance` outside an outline whose edge is `edge` wide.
pub(super) fn coverage(distance: f32, edge: f32) -> f32 {
    smooth(0.5 - distance / edge)
}
