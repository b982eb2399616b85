//! Threads that wait for work, and the caller as one of them. Handing out work takes no memory.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use super::thread_time::{since, thread_time};
use crate::upscale::UpscaleError;

/// What every thread does once; it is given its number.
type Work<'a> = dyn Fn(usize) + Sync + 'a;

#[derive(Default)]
struct PoolState {
    /// Lives as long as [`Pool::run`] waits.
    work: Option<&'static Work<'static>>,
    round: u64,
    running: usize,
    /// What all threads but the caller's have computed so far.
    computed: Option<Duration>,
    panic: Option<Box<dyn Any + Send>>,
    ended: bool,
}

#[derive(Default)]
struct PoolShared {
    state: Mutex<PoolState>,
    begin: Condvar,
    done: Condvar,
}

impl PoolShared {
    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number of threads, one of which is the caller's. Dropping it ends and joins the others.
pub(super) struct Pool {
    shared: Arc<PoolShared>,
    others: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool of {}", self.threads())
    }
}

impl Pool {
    /// Starts all but one of `threads` threads.
    pub(super) fn new(threads: usize) -> Result<Self, UpscaleError> {
        let mut pool = Self { shared: Arc::default(), others: Vec::new() };
        pool.shared.lock().computed = Some(Duration::ZERO);
        for number in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let thread = std::thread::Builder::new().name(format!("upscale-{number}"));
            let thread = thread.spawn(move || wait_and_work(&shared, number));
            pool.others.push(thread.map_err(|e| UpscaleError::Threads(e.to_string()))?);
        }
        Ok(pool)
    }

    /// How many threads there are.
    pub(super) fn threads(&self) -> usize {
        self.others.len() + 1
    }

    /// What the threads other than the caller's have computed since they began, all together, where the system says.
    pub(super) fn computed_by_others(&self) -> Option<Duration> {
        self.shared.lock().computed
    }

    /// Has every thread do `work` once, with its number, and waits until all are done.
    pub(super) fn run(&mut self, work: &Work<'_>) {
        if self.others.is_empty() {
            return work(0);
        }
        {
            let mut state = self.shared.lock();
            // SAFETY: only the lifetime changes. The reference is taken back below before this function
            // returns or unwinds, when no thread uses it any more; `&mut self` keeps a second run out.
            state.work = Some(unsafe { std::mem::transmute::<&Work<'_>, &'static Work<'static>>(work) });
            state.round += 1;
            state.running = self.others.len();
        }
        self.shared.begin.notify_all();
        let own = catch_unwind(AssertUnwindSafe(|| work(0)));
        let mut state = self.shared.lock();
        while state.running > 0 {
            state = self.shared.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.work = None;
        let panic = own.err().or(state.panic.take());
        drop(state);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.begin.notify_all();
        for thread in self.others.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the CPU engine panicked");
            }
        }
    }
}

fn wait_and_work(shared: &PoolShared, number: usize) {
    let mut round = 0;
    let mut state = shared.lock();
    loop {
        if state.ended {
            return;
        }
        match state.work {
            Some(work) if state.round != round => {
                round = state.round;
                drop(state);
                let begun = thread_time();
                let result = catch_unwind(AssertUnwindSafe(|| work(number)));
                let took = since(begun);
                state = shared.lock();
                state.computed = state.computed.zip(took).map(|(sum, took)| sum + took);
                state.running -= 1;
                if let Err(panic) = result {
                    state.panic = Some(panic);
                }
                if state.running == 0 {
                    shared.done.notify_one();
                }
            }
            _ => state = shared.begin.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_thread_works_once_a_round() {
        for threads in [1, 2, 5] {
            let mut pool = Pool::new(threads).unwrap();
            let counts: Vec<_> = (0..threads).map(|_| AtomicUsize::new(0)).collect();
            for _ in 0..100 {
                pool.run(&|i| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
            }
            assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 100));
        }
    }

    /// Waiting takes time, and computing takes the processor's.
    #[cfg(unix)]
    #[test]
    fn what_the_others_compute_is_counted_and_what_they_wait_is_not() {
        let mut pool = Pool::new(3).unwrap();
        let spin = Duration::from_millis(20);
        pool.run(&|_| {
            std::thread::sleep(spin / 4);
            let begun = thread_time();
            while since(begun).unwrap() < spin {}
        });
        let computed = pool.computed_by_others().unwrap();
        // Two of them. Without the sleep; woken threads do a little besides.
        assert!(computed >= 2 * spin, "{computed:?}");
        pool.run(&|_| std::thread::sleep(spin));
        assert!(pool.computed_by_others().unwrap() - computed < spin, "sleeping is not computing");
    }

    #[test]
    fn a_panic_comes_back_and_the_pool_goes_on() {
        let mut pool = Pool::new(3).unwrap();
        for bad in 0..3 {
            let work = |i| assert!(i != bad, "as planned");
            assert!(catch_unwind(AssertUnwindSafe(|| pool.run(&work))).is_err());
        }
        let sum = AtomicUsize::new(0);
        pool.run(&|i| {
            sum.fetch_add(i, Ordering::Relaxed);
        });
        assert_eq!(sum.into_inner(), 3);
    }
}
