//! Each comment gets the music whose description is most like it, and no music is used too often.

use burn::tensor::Tensor;
use std::{cmp::Ordering, collections::BinaryHeap};

use crate::{
    Result,
    ops::Kernels,
    tensors::{read, tensor},
};

/// Comments that are compared with all music at once.
const BLOCK: usize = 1024;
/// Candidates that are kept of each comment; where all of them are used up it is compared again.
const CANDIDATES: usize = 32;

/// Vectors of one length, `[count, width]`.
#[derive(Debug, Clone, Default)]
pub struct Vectors {
    /// The numbers.
    pub values: Vec<f32>,
    /// How many a vector has.
    pub width: usize,
}

impl Vectors {
    /// The vectors of `values`, of unit length; one without a length stays 0, and is like nothing.
    pub fn normalised(mut values: Vec<f32>, width: usize) -> Self {
        for vector in values.chunks_exact_mut(width.max(1)) {
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            if length > 0.0 {
                vector.iter_mut().for_each(|x| *x /= length);
            }
        }
        Self { values, width }
    }

    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.width..(index + 1) * self.width]
    }
}

/// A comment with its music.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// The comment.
    pub comment: usize,
    /// The music.
    pub clip: usize,
    /// The cosine of both descriptions.
    pub similarity: f32,
}

/// What is asked of matches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// How often a clip may be used.
    pub reuse: Option<usize>,
    /// The least similarity.
    pub threshold: f32,
}

/// A comment that waits with the best music that it could still have. The most similar one comes first, of equal ones the
/// first comment.
#[derive(Debug, PartialEq)]
struct Waiting(Match);

impl Eq for Waiting {}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_similarity = self.0.similarity.total_cmp(&other.0.similarity);
        by_similarity.then_with(|| other.0.comment.cmp(&self.0.comment))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The best matches of `comments` with `clips`, both of unit length, in the order of comments: again and again the most
/// similar pair of those that are left, of equal ones that of the first comment and the first clip. Comments that no clip
/// is left for within `limits` have none.
///
/// Products are made of blocks of comments, so that memory does not grow with their number; `progress` hears how many
/// comments are compared.
pub fn best_matches<B: Kernels>(
    comments: &Vectors,
    clips: &Vectors,
    limits: Limits,
    device: &B::Device,
    progress: &dyn Fn(usize),
) -> Result<Vec<Match>> {
    let mut candidates = nearest::<B>(comments, clips, device, progress)?;
    let mut used = vec![0; clips.len()];
    let mut waiting = BinaryHeap::new();
    let mut offer = |comment: usize, used: &[usize], waiting: &mut BinaryHeap<Waiting>| {
        let free = |clip: usize| limits.reuse.is_none_or(|most| used[clip] < most);
        let own = &mut candidates[comment];
        while let Some(&(clip, _)) = own.last() {
            if free(clip) {
                break;
            }
            own.pop();
        }
        if own.is_empty() {
            // All candidates are used up: the others once more.
            let vector = comments.row(comment);
            let all = (0..clips.len()).filter(|clip| free(*clip));
            let all = all.map(|clip| (clip, dot(vector, clips.row(clip))));
            *own = best_of(all);
        }
        if let Some(&(clip, similarity)) = own.last()
            && similarity >= limits.threshold
        {
            waiting.push(Waiting(Match {
                comment,
                clip,
                similarity,
            }));
        }
    };
    for comment in 0..comments.len() {
        offer(comment, &used, &mut waiting);
    }
    let mut found = Vec::with_capacity(comments.len());
    while let Some(Waiting(best)) = waiting.pop() {
        if limits.reuse.is_some_and(|most| used[best.clip] >= most) {
            offer(best.comment, &used, &mut waiting);
            continue;
        }
        used[best.clip] += 1;
        found.push(best);
    }
    found.sort_by_key(|found| found.comment);
    Ok(found)
}

/// The most similar clips of each comment, the best last.
fn nearest<B: Kernels>(
    comments: &Vectors,
    clips: &Vectors,
    device: &B::Device,
    progress: &dyn Fn(usize),
) -> Result<Vec<Vec<(usize, f32)>>> {
    let count = clips.len();
    if count == 0 {
        return Ok(vec![Vec::new(); comments.len()]);
    }
    let width = clips.width;
    let all: Tensor<B, 2> = tensor(clips.values.clone(), [count, width], device);
    let all = all.transpose();
    let mut candidates = Vec::with_capacity(comments.len());
    for block in comments.values.chunks(BLOCK * width) {
        let rows = block.len() / width;
        let block: Tensor<B, 2> = tensor(block.to_vec(), [rows, width], device);
        let similar = pollster::block_on(read(block.matmul(all.clone())))?;
        candidates.extend(
            similar
                .chunks_exact(count)
                .map(|row| best_of(row.iter().copied().enumerate())),
        );
        progress(candidates.len());
    }
    Ok(candidates)
}

/// The best of some clips, the best last; of equal ones the first.
fn best_of(clips: impl Iterator<Item = (usize, f32)>) -> Vec<(usize, f32)> {
    let mut all: Vec<(usize, f32)> = clips.collect();
    let better = |a: &(usize, f32), b: &(usize, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if all.len() > CANDIDATES {
        all.select_nth_unstable_by(CANDIDATES, better);
        all.truncate(CANDIDATES);
    }
    all.sort_unstable_by(better);
    all.reverse();
    all
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ops::Cpu, random::standard_normal};

    fn vectors(seed: u64, count: usize) -> Vectors {
        Vectors::normalised(standard_normal(seed, 0, count * 6), 6)
    }

    fn matches(
        comments: &Vectors,
        clips: &Vectors,
        reuse: Option<usize>,
        threshold: f32,
    ) -> Vec<Match> {
        let limits = Limits { reuse, threshold };
        best_matches::<Cpu>(comments, clips, limits, &Default::default(), &|_| ()).unwrap()
    }

    /// All pairs in the order of their similarity, one after the other.
    fn plain(
        comments: &Vectors,
        clips: &Vectors,
        reuse: Option<usize>,
        threshold: f32,
    ) -> Vec<(usize, usize)> {
        let mut pairs = Vec::new();
        for comment in 0..comments.len() {
            for clip in 0..clips.len() {
                pairs.push((dot(comments.row(comment), clips.row(clip)), comment, clip));
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut used = vec![0; clips.len()];
        let mut found = std::collections::BTreeMap::new();
        for (similarity, comment, clip) in pairs {
            let free = reuse.is_none_or(|most| used[clip] < most);
            if similarity >= threshold && free && !found.contains_key(&comment) {
                used[clip] += 1;
                found.insert(comment, clip);
            }
        }
        found.into_iter().collect()
    }

    #[test]
    fn matches_are_those_of_all_pairs_in_order() {
        // More comments than a block has, and more clips than there are candidates.
        let (comments, clips) = (vectors(1, 1100), vectors(2, 60));
        for (reuse, threshold) in [
            (None, -1.0),
            (Some(19), -1.0),
            (Some(3), -1.0),
            (Some(40), 0.7),
        ] {
            let found = matches(&comments, &clips, reuse, threshold);
            let pairs: Vec<_> = found
                .iter()
                .map(|found| (found.comment, found.clip))
                .collect();
            assert_eq!(
                pairs,
                plain(&comments, &clips, reuse, threshold),
                "{reuse:?} {threshold}"
            );
            for found in &found {
                let own = dot(comments.row(found.comment), clips.row(found.clip));
                assert!((own - found.similarity).abs() < 1e-5);
            }
        }
        assert_eq!(matches(&comments, &clips, Some(3), -1.0).len(), 180);
    }

    #[test]
    fn nothing_is_matched_with_nothing() {
        let (comments, none) = (
            vectors(1, 3),
            Vectors {
                values: Vec::new(),
                width: 6,
            },
        );
        assert!(matches(&comments, &none, None, -1.0).is_empty());
        assert!(matches(&none, &comments, None, -1.0).is_empty());
    }
}
