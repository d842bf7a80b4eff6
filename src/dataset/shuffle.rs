//! In which order items are taken.

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// Orders that are kept: threads that make batches ahead can be in two epochs at once.
const KEPT: usize = 2;

/// The items of every step: each epoch takes all of them once, in an order of its own.
///
/// The items of a step are a function of the seed and the step, so a run that is resumed takes the same.
/// What is left of an epoch behind its last whole batch is dropped; with fewer items than a batch has,
/// epochs follow each other within a batch.
#[derive(Debug)]
pub struct Shuffled {
    items: usize,
    batch: usize,
    seed: u64,
    orders: Mutex<VecDeque<(u64, Arc<[u32]>)>>,
}

impl Shuffled {
    /// Batches of `batch` of the items `0..items`, both at least 1.
    pub fn new(items: usize, batch: usize, seed: u64) -> Self {
        Self {
            items: items.clamp(1, u32::MAX as usize),
            batch: batch.max(1),
            seed,
            orders: Mutex::default(),
        }
    }

    /// The epoch that `step` begins in, counted from 0.
    pub fn epoch(&self, step: usize) -> usize {
        match self.items / self.batch {
            0 => step * self.batch / self.items,
            batches => step / batches,
        }
    }

    /// The items of `step`.
    pub fn items(&self, step: usize) -> Vec<usize> {
        let item = |i: usize| {
            let (epoch, position) = self.place(step, i);
            self.order(epoch)[position] as usize
        };
        (0..self.batch).map(item).collect()
    }

    /// Item `i` of `step`, and those that take its place when it cannot be read: the ones behind it in the
    /// epoch's order, which begins again at its end.
    pub fn candidates(&self, step: usize, i: usize) -> impl Iterator<Item = usize> + use<> {
        let (epoch, position) = self.place(step, i);
        let (order, items) = (self.order(epoch), self.items);
        (0..items).map(move |k| order[(position + k) % items] as usize)
    }

    /// The epoch of item `i` of `step`, and its place in the epoch's order.
    fn place(&self, step: usize, i: usize) -> (u64, usize) {
        match self.items / self.batch {
            0 => {
                let position = step * self.batch + i;
                ((position / self.items) as u64, position % self.items)
            }
            batches => ((step / batches) as u64, step % batches * self.batch + i),
        }
    }

    /// All items in the order of an epoch.
    pub fn order(&self, epoch: u64) -> Arc<[u32]> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, order)) = orders.iter().find(|(of, _)| *of == epoch) {
            return order.clone();
        }
        let mut order: Vec<u32> = (0..self.items as u32).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(epoch + 1);
        order.shuffle(&mut rng);
        let order: Arc<[u32]> = order.into();
        if orders.len() == KEPT {
            orders.pop_front();
        }
        orders.push_back((epoch, order.clone()));
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(shuffled: &Shuffled, steps: std::ops::Range<usize>) -> Vec<usize> {
        steps.flat_map(|step| shuffled.items(step)).collect()
    }

    #[test]
    fn an_epoch_takes_all_items_once_and_the_next_one_in_another_order() {
        let shuffled = Shuffled::new(24, 4, 7);
        let (first, second) = (epoch(&shuffled, 0..6), epoch(&shuffled, 6..12));
        assert_ne!(first, second);
        for mut items in [first.clone(), second] {
            items.sort_unstable();
            assert_eq!(items, (0..24).collect::<Vec<_>>());
        }
        assert_eq!((shuffled.epoch(5), shuffled.epoch(6)), (0, 1));
        // Another run, from the middle, after other steps.
        let other = Shuffled::new(24, 4, 7);
        assert_eq!(epoch(&other, 10..12), epoch(&shuffled, 10..12));
        assert_eq!(epoch(&other, 0..6), first);
        assert_ne!(epoch(&Shuffled::new(24, 4, 8), 0..6), first);
        let candidates: Vec<usize> = shuffled.candidates(1, 2).collect();
        assert_eq!(candidates[..18], first[6..]);
        assert_eq!(candidates[18..], first[..6]);
    }

    #[test]
    fn an_incomplete_batch_is_dropped() {
        let shuffled = Shuffled::new(10, 4, 0);
        assert_eq!((shuffled.epoch(1), shuffled.epoch(2)), (0, 1));
        let mut seen = epoch(&shuffled, 0..2);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 8);
    }

    #[test]
    fn few_items_make_whole_batches() {
        let shuffled = Shuffled::new(3, 4, 0);
        let items = epoch(&shuffled, 0..3);
        for part in items.chunks(3) {
            let mut part = part.to_vec();
            part.sort_unstable();
            assert_eq!(part, [0, 1, 2]);
        }
    }

    #[test]
    fn the_published_data_set_is_shuffled() {
        let shuffled = Shuffled::new(105_884, 128, 0);
        let [first, second] = [0, 1].map(|epoch| shuffled.order(epoch));
        let same = first.iter().zip(second.iter()).filter(|(a, b)| a == b);
        // One is expected to stay in its place.
        assert!(same.count() < 10);
        let mut all = second.to_vec();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..105_884));
        assert_eq!(shuffled.epoch(826), 0);
        assert_eq!(shuffled.epoch(827), 1);
    }
}
