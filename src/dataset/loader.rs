//! Work on many threads whose results come in order.

use std::{
    ops::Range,
    sync::mpsc::{Receiver, sync_channel},
    thread::Scope,
};

use crate::{Error, Result};

/// Results that a thread may be ahead.
const AHEAD: usize = 2;

/// The cores of this machine.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Gives `work(i)` for the numbers of a range, in their order, computed ahead on several threads.
///
/// Thread `t` of `n` does the numbers `t`, `t + n`, … and waits when it is two results ahead, so memory is
/// bounded and results do not depend on the number of threads. Without threads the caller's own does the
/// work, when it asks for it.
pub struct Loader<'a, T> {
    work: &'a (dyn Fn(usize) -> T + Sync),
    queues: Vec<Receiver<T>>,
    rest: Range<usize>,
    /// The queue that has the next result.
    turn: usize,
}

impl<T> std::fmt::Debug for Loader<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Loader({} threads, {:?})", self.queues.len(), self.rest)
    }
}

impl<'a, T: Send + 'a> Loader<'a, T> {
    /// Starts `threads` threads in `scope`. They end when the work is done or the loader is dropped.
    pub fn start<'scope>(
        scope: &'scope Scope<'scope, 'a>,
        threads: usize,
        range: Range<usize>,
        work: &'a (dyn Fn(usize) -> T + Sync),
    ) -> Self
    where
        'a: 'scope,
    {
        let threads = threads.min(range.len());
        let queues = (0..threads).map(|thread| {
            let (sender, queue) = sync_channel(AHEAD);
            let mut own = range.clone().skip(thread).step_by(threads);
            // The receiver is gone when the results are not wanted any more.
            scope.spawn(move || own.try_for_each(|i| sender.send(work(i)).ok()));
            queue
        });
        Self {
            work,
            queues: queues.collect(),
            rest: range,
            turn: 0,
        }
    }
}

impl<T> Iterator for Loader<'_, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        let index = self.rest.next()?;
        let Some(queue) = self.queues.get(self.turn) else {
            return Some(Ok((self.work)(index)));
        };
        self.turn = (self.turn + 1) % self.queues.len();
        let lost = |_| Error::internal("a thread that reads items has ended");
        Some(queue.recv().map_err(lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
        time::Duration,
    };

    #[test]
    fn results_come_in_order_from_any_number_of_threads() {
        // Some take longer than others.
        let work = |i: usize| {
            thread::sleep(Duration::from_millis(((i * 7) % 5) as u64));
            i * i
        };
        for threads in [0, 1, 3, 50] {
            let results = thread::scope(|scope| {
                Loader::start(scope, threads, 2..40, &work).collect::<Result<Vec<_>>>()
            });
            let expected: Vec<usize> = (2..40).map(|i| i * i).collect();
            assert_eq!(results.unwrap(), expected, "{threads}");
        }
    }

    #[test]
    fn threads_wait_for_the_reader_and_end_with_it() {
        let done = AtomicUsize::new(0);
        let work = |i: usize| {
            done.fetch_add(1, Ordering::SeqCst);
            i
        };
        thread::scope(|scope| {
            let mut loader = Loader::start(scope, 2, 0..1000, &work);
            assert_eq!(loader.next().unwrap().unwrap(), 0);
            thread::sleep(Duration::from_millis(50));
        });
        // Two threads with two results in the queue and one in hand each, and the one that was taken.
        assert!(done.load(Ordering::SeqCst) <= 8);
    }

    #[test]
    fn a_thread_that_fails_is_no_end() {
        let work = |i: usize| {
            assert!(i < 3, "a fault that this test makes");
            i
        };
        let results = std::panic::catch_unwind(|| {
            thread::scope(|scope| {
                let results: Vec<_> = Loader::start(scope, 1, 0..6, &work).collect();
                assert!(results[2].is_ok() && results[3].is_err());
            });
        });
        // A scope reports the panics of its threads.
        assert!(results.is_err());
    }
}
