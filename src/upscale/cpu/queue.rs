//! Which thread computes which rows.
//!
//! Every thread begins with a stretch of its own and takes it row by row, since a row costs least after the
//! one above it. A thread that is through takes the later half of the longest stretch that is left: so
//! one that is held up by something else on the machine holds up nobody.

use std::sync::atomic::{AtomicU64, Ordering};

/// A picture's rows, to be taken by several threads, each row once.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// For each thread the first row that is left and the one behind the last, in 32 bits each.
    stretches: Vec<AtomicU64>,
    /// What is left of another's stretch is not cut when it is shorter than two of these.
    least: u32,
}

const fn pack(first: u32, end: u32) -> u64 {
    (first as u64) << 32 | end as u64
}

const fn unpack(stretch: u64) -> (u32, u32) {
    ((stretch >> 32) as u32, stretch as u32)
}

impl Queue {
    /// `rows` rows for `threads` threads. Beginning at a new place costs as much as `least` rows.
    pub(super) fn fill(&mut self, rows: u32, threads: usize, least: u32) {
        self.stretches.resize_with(threads, AtomicU64::default);
        self.least = least.max(1);
        let cut = |i: usize| (u64::from(rows) * i as u64 / threads as u64) as u32;
        for (i, stretch) in self.stretches.iter_mut().enumerate() {
            *stretch.get_mut() = pack(cut(i), cut(i + 1));
        }
    }

    /// The next row for a thread.
    pub(super) fn take(&self, thread: usize) -> Option<u32> {
        let own = &self.stretches[thread];
        loop {
            let first = own.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |stretch| {
                let (first, end) = unpack(stretch);
                (first < end).then(|| pack(first + 1, end))
            });
            match first {
                Ok(stretch) => return Some(unpack(stretch).0),
                Err(_) => own.store(self.steal()?, Ordering::Relaxed),
            }
        }
    }

    /// The later half of the longest stretch.
    ///
    /// A row is never twice in the queue, so a stretch that reads as before has not changed meanwhile.
    fn steal(&self) -> Option<u64> {
        loop {
            let left = |s: u64| unpack(s).1.saturating_sub(unpack(s).0);
            let lengths = self.stretches.iter().map(|s| (s, s.load(Ordering::Relaxed)));
            let (victim, stretch) = lengths.max_by_key(|(_, s)| left(*s))?;
            if left(stretch) < 2 * self.least {
                return None;
            }
            let (first, end) = unpack(stretch);
            let middle = first + (end - first) / 2;
            let cut = pack(first, middle);
            if victim.compare_exchange(stretch, cut, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return Some(pack(middle, end));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn a_thread_alone_takes_everything_in_order_and_then_others_later_halves() {
        let mut queue = Queue::default();
        queue.fill(16, 2, 2);
        let taken: Vec<_> = std::iter::from_fn(|| queue.take(0)).collect();
        // Its own; half of 8..16; half of 8..12; what is then left is too short to be cut.
        assert_eq!(taken, [0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15, 10, 11]);
        let taken: Vec<_> = std::iter::from_fn(|| queue.take(1)).collect();
        assert_eq!(taken, [8, 9]);
    }

    #[test]
    fn every_row_is_taken_once() {
        let mut queue = Queue::default();
        for (rows, threads) in [(1, 4), (3, 2), (1000, 4)] {
            queue.fill(rows, threads, 3);
            let counts: Vec<_> = (0..rows).map(|_| AtomicUsize::new(0)).collect();
            std::thread::scope(|scope| {
                for i in 0..threads {
                    let (queue, counts) = (&queue, &counts);
                    scope.spawn(move || {
                        while let Some(row) = queue.take(i) {
                            counts[row as usize].fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            });
            assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1), "{rows} rows, {threads} threads");
        }
    }
}
