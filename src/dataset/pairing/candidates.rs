//! The best pictures of many tracks at once.

use rayon::prelude::*;

use crate::{
    Error, Result,
    dataset::Embeddings,
    ops::Cpu,
    tensors::{read, tensor},
};

/// Pictures of a block.
const COLUMNS: usize = 4096;
/// Sums that a product in `f64` keeps, so that a processor adds several numbers at once.
const LANES: usize = 8;

/// The best of the pictures that were free when a track was searched for.
#[derive(Debug)]
pub(super) struct Candidates {
    /// Similarity and picture, the best first and the lower picture of equal ones first. Every other picture comes behind.
    pub list: Vec<(f64, u32)>,
    /// What no other picture exceeds.
    pub rest: f64,
}

/// Unit vectors of both sides.
pub(super) struct Search {
    tracks: Vec<f32>,
    pictures: Vec<f32>,
    width: usize,
    /// Candidates that are kept.
    wanted: usize,
}

/// The best of a track by products in `f32`, in no order.
struct Row {
    best: Vec<(f32, u32)>,
    /// Nothing that is not above it is among the best.
    least: f32,
}

impl Search {
    pub fn new(tracks: &Embeddings, pictures: &Embeddings, wanted: usize) -> Result<Self> {
        if tracks.width() != pictures.width() {
            return Err(Error::input(
                format!(
                    "embeddings of tracks have {} numbers and those of pictures {}",
                    tracks.width(),
                    pictures.width()
                ),
                "make both with the same model",
            ));
        }
        Ok(Self {
            tracks: tracks.unit_vectors()?,
            pictures: pictures.unit_vectors()?,
            width: tracks.width(),
            wanted,
        })
    }

    /// The best of the pictures `free` for each of `tracks`.
    pub fn best(&self, tracks: &[u32], free: &[u32]) -> Result<Vec<Candidates>> {
        let device = Default::default();
        let block = |vectors: &[f32], chosen: &[u32]| {
            let values: Vec<f32> = chosen
                .iter()
                .flat_map(|index| self.vector(vectors, *index))
                .copied()
                .collect();
            tensor::<Cpu, 2>(values, [chosen.len(), self.width], &device)
        };
        let left = block(&self.tracks, tracks);
        let mut rows: Vec<Row> = tracks
            .iter()
            .map(|_| Row {
                best: Vec::with_capacity(2 * self.wanted),
                least: f32::NEG_INFINITY,
            })
            .collect();
        for columns in free.chunks(COLUMNS) {
            let right = block(&self.pictures, columns);
            let products = pollster::block_on(read(left.clone().matmul(right.transpose())))?;
            rows.par_iter_mut()
                .zip(products.par_chunks(columns.len()))
                .for_each(|(row, products)| row.offer(products, columns, self.wanted));
        }
        let found = rows.into_par_iter().zip(tracks.par_iter());
        Ok(found
            .map(|(row, track)| self.exactly(row, *track, free))
            .collect())
    }

    /// What can be said for certain of a row, and at least one candidate.
    fn exactly(&self, mut row: Row, track: u32, free: &[u32]) -> Candidates {
        row.shorten(self.wanted);
        // A product in f32 of n numbers is off by at most n 2^-24 of the sum of its absolute terms, which is at most 1 for
        // unit vectors, in whatever order it is added up; and unit vectors are a little longer than 1, or shorter.
        let rounding = (self.width + 8) as f64 / f64::from(1 << 24);
        let rest = match free.len() > self.wanted {
            true => f64::from(row.least) + rounding,
            false => f64::NEG_INFINITY,
        };
        let mut list = self.similarities(track, row.best.iter().map(|(_, picture)| *picture));
        list.retain(|(similarity, _)| *similarity > rest);
        if !list.is_empty() {
            return Candidates { list, rest };
        }
        // More pictures than are kept are as good as equal.
        let mut list = self.similarities(track, free.iter().copied());
        list.truncate(self.wanted);
        let rest = list.last().map_or(f64::NEG_INFINITY, |last| last.0);
        Candidates { list, rest }
    }

    /// Similarities of a track and `pictures`, the best first.
    fn similarities(&self, track: u32, pictures: impl Iterator<Item = u32>) -> Vec<(f64, u32)> {
        let track = self.vector(&self.tracks, track);
        let mut list: Vec<(f64, u32)> = pictures
            .map(|picture| (dot(track, self.vector(&self.pictures, picture)), picture))
            .collect();
        list.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        list
    }

    fn vector<'a>(&self, vectors: &'a [f32], index: u32) -> &'a [f32] {
        let start = index as usize * self.width;
        &vectors[start..start + self.width]
    }
}

impl Row {
    fn offer(&mut self, products: &[f32], pictures: &[u32], wanted: usize) {
        for (product, picture) in products.iter().zip(pictures) {
            if *product > self.least {
                self.best.push((*product, *picture));
                if self.best.len() == 2 * wanted {
                    self.shorten(wanted);
                }
            }
        }
    }

    /// Keeps the best `wanted`.
    fn shorten(&mut self, wanted: usize) {
        if self.best.len() < wanted {
            return;
        }
        let last = wanted - 1;
        self.best
            .select_nth_unstable_by(last, |a, b| b.0.total_cmp(&a.0));
        self.best.truncate(wanted);
        self.least = self.best[last].0;
    }
}

/// The sum of products in `f64`, in an order that depends on nothing but the length.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0f64; LANES];
    for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += f64::from(*a) * f64::from(*b);
        }
    }
    // Never -0, which would be less than 0.
    sums.iter().sum::<f64>() + 0.0
}
