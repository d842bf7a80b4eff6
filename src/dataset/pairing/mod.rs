//! Pairing without replacement, from the highest similarity down: how ArtSound's pairs were found.
//!
//! The best of all pairs of a track and a picture that are both still free is taken, until every track has a picture. Among
//! equal similarities the lower track counts, then the lower picture. Tracks of 105,884 and pictures of 116,475 have
//! 1.2e10 pairs, which are never in memory together: each track keeps its best few candidates, a heap has the best of
//! each track, and a track whose candidates have all been taken is searched again among the pictures that are free.

mod candidates;
mod list;

use std::{cmp::Ordering, collections::BinaryHeap};

pub use list::{ListedPair, PairList, read_pairs, write_columns, write_lines};

use super::Embeddings;
use crate::{Error, Result};
use candidates::{Candidates, Search};

/// Candidates that a track keeps.
const CANDIDATES: usize = 64;
/// Tracks that are searched for together, at first and later.
const ROWS: usize = 2048;
const ROWS_AGAIN: usize = 256;

/// A track and the picture that was found for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SimilarPair {
    /// The track's place among the embeddings of tracks.
    pub track: usize,
    /// The picture's place among the embeddings of pictures.
    pub picture: usize,
    /// The cosine of the angle between both embeddings, from -1 to 1.
    pub similarity: f64,
}

/// Pairs every one of `tracks` with one of `pictures`, greedily and without replacement; in the order of `tracks`.
///
/// Either side may be embeddings of captions. `progress` hears how many tracks have been searched for, then how many
/// are paired, each of how many. Similarities are sums in `f64` of products of unit vectors in `f32`; products in `f32`
/// only choose candidates, with room for all that rounding can do, so the result does not depend on blocks or threads.
///
/// Memory is that of both sets, 16 bytes for each of 64 candidates of a track, and about 100 MB.
///
/// Fails if there are fewer pictures than tracks, if embeddings differ in length, or if one of them is 0.
pub fn pair(
    tracks: &Embeddings,
    pictures: &Embeddings,
    progress: &dyn Fn(&str, usize, usize),
) -> Result<Vec<SimilarPair>> {
    let sizes = Sizes {
        candidates: CANDIDATES,
        rows: ROWS,
        rows_again: ROWS_AGAIN,
    };
    pair_with(tracks, pictures, progress, sizes)
}

/// How much is done at once; the result does not depend on it.
#[derive(Clone, Copy)]
struct Sizes {
    candidates: usize,
    rows: usize,
    rows_again: usize,
}

fn pair_with(
    tracks: &Embeddings,
    pictures: &Embeddings,
    progress: &dyn Fn(&str, usize, usize),
    sizes: Sizes,
) -> Result<Vec<SimilarPair>> {
    if pictures.len() < tracks.len() {
        return Err(Error::input(
            format!(
                "there are {} pictures for {} tracks",
                pictures.len(),
                tracks.len()
            ),
            "give at least as many pictures: each of them is taken once",
        ));
    }
    if u32::try_from(pictures.len()).is_err() {
        return Err(Error::input(
            format!("{} pictures are too many", pictures.len()),
            "give at most 4294967295",
        ));
    }
    let search = Search::new(tracks, pictures, sizes.candidates)?;
    let everything: Vec<u32> = (0..pictures.len() as u32).collect();
    let all: Vec<u32> = (0..tracks.len() as u32).collect();
    let mut lists = Vec::with_capacity(tracks.len());
    for rows in all.chunks(sizes.rows) {
        progress("searched", lists.len(), tracks.len());
        lists.extend(search.best(rows, &everything)?);
    }
    let mut state = State {
        cursors: vec![0; lists.len()],
        versions: vec![0; lists.len()],
        paired: vec![None; lists.len()],
        taken: vec![false; pictures.len()],
        heap: BinaryHeap::new(),
        lists,
    };
    for track in 0..tracks.len() {
        state.enqueue(track);
    }
    let mut done = 0;
    while done < tracks.len() {
        let Some(entry) = state.heap.pop() else {
            return Err(Error::internal("a track has no candidates"));
        };
        let track = entry.track as usize;
        if entry.version != state.versions[track] {
            continue;
        }
        match entry.picture {
            Some(picture) if !state.taken[picture as usize] => {
                state.taken[picture as usize] = true;
                state.paired[track] = Some((picture, entry.similarity));
                done += 1;
                if done.is_multiple_of(1000) {
                    progress("paired", done, tracks.len());
                }
            }
            Some(_) => state.enqueue(track),
            None => state.search_again(track, &search, sizes.rows_again)?,
        }
    }
    let pairs = state.paired.into_iter().enumerate();
    let pairs = pairs.filter_map(|(track, found)| {
        let (picture, similarity) = found?;
        Some(SimilarPair {
            track,
            picture: picture as usize,
            similarity,
        })
    });
    Ok(pairs.collect())
}

/// What a track hopes for.
#[derive(Debug, PartialEq)]
struct Entry {
    /// The similarity of its best candidate, or what no picture that is not a candidate exceeds.
    similarity: f64,
    track: u32,
    /// The candidate; none where the track has to be searched for again.
    picture: Option<u32>,
    /// Entries of a track that was searched for again count no more.
    version: u32,
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// The largest comes first: a bound before candidates that are equal to it, then the lower track and picture.
    fn cmp(&self, other: &Self) -> Ordering {
        let bound = |entry: &Self| entry.picture.is_none();
        self.similarity
            .total_cmp(&other.similarity)
            .then(bound(self).cmp(&bound(other)))
            .then(other.track.cmp(&self.track))
            .then(other.picture.cmp(&self.picture))
    }
}

struct State {
    lists: Vec<Candidates>,
    /// The first candidate of each track that may be free.
    cursors: Vec<usize>,
    versions: Vec<u32>,
    paired: Vec<Option<(u32, f64)>>,
    taken: Vec<bool>,
    heap: BinaryHeap<Entry>,
}

impl State {
    /// Goes on to the best candidate of `track` that is free.
    fn candidate(&mut self, track: usize) -> Option<(f64, u32)> {
        let (list, cursor) = (&self.lists[track].list, &mut self.cursors[track]);
        while let Some(candidate) = list.get(*cursor) {
            if !self.taken[candidate.1 as usize] {
                return Some(*candidate);
            }
            *cursor += 1;
        }
        None
    }

    /// Puts what `track` hopes for into the heap.
    fn enqueue(&mut self, track: usize) {
        let candidate = self.candidate(track);
        self.heap.push(Entry {
            similarity: candidate.map_or(self.lists[track].rest, |candidate| candidate.0),
            track: track as u32,
            picture: candidate.map(|candidate| candidate.1),
            version: self.versions[track],
        });
    }

    /// Searches for `track` again, and for other tracks that have no candidates left, at most `rows` together.
    fn search_again(&mut self, track: usize, search: &Search, rows: usize) -> Result<()> {
        let mut without: Vec<usize> = Vec::new();
        for other in 0..self.lists.len() {
            if other != track && self.paired[other].is_none() && self.candidate(other).is_none() {
                without.push(other);
            }
        }
        let rest = |track: &usize| self.lists[*track].rest;
        without.sort_by(|a, b| rest(b).total_cmp(&rest(a)).then(a.cmp(b)));
        without.truncate(rows.saturating_sub(1));
        without.insert(0, track);
        let free: Vec<u32> = (0..)
            .zip(&self.taken)
            .filter_map(|(picture, taken)| (!taken).then_some(picture))
            .collect();
        let rows: Vec<u32> = without.iter().map(|track| *track as u32).collect();
        let found = search.best(&rows, &free)?;
        for (track, candidates) in without.into_iter().zip(found) {
            self.lists[track] = candidates;
            self.cursors[track] = 0;
            self.versions[track] += 1;
            self.enqueue(track);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
