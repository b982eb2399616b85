//! The one-place slot between stages: the newest picture wins.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

struct SlotState<T> {
    value: Option<T>,
    closed: bool,
}

/// A place for one value between two threads. A late picture is worth nothing, so a new one replaces it.
pub struct Slot<T> {
    shared: Arc<(Mutex<SlotState<T>>, Condvar)>,
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { shared: Arc::new((Mutex::new(SlotState { value: None, closed: false }), Condvar::new())) }
    }
}

/// What waiting at a [`Slot`] came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// The newest value.
    Value(T),
    /// Nothing came in time.
    Timeout,
    /// Nothing will come any more.
    Closed,
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, SlotState<T>> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a value in and gives back the one that nobody took.
    pub fn put(&self, value: T) -> Option<T> {
        let old = self.lock().value.replace(value);
        self.shared.1.notify_one();
        old
    }

    /// Takes the value if there is one.
    pub fn try_take(&self) -> Option<T> {
        self.lock().value.take()
    }

    /// Waits for a value, but not longer than `timeout`. What is in a closed slot can still be taken.
    pub fn take(&self, timeout: Duration) -> Taken<T> {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        loop {
            if let Some(value) = state.value.take() {
                return Taken::Value(value);
            }
            if state.closed {
                return Taken::Closed;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Taken::Timeout;
            }
            state = self.shared.1.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends the waiting on the other side.
    pub fn close(&self) {
        self.lock().closed = true;
        self.shared.1.notify_all();
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_wins_and_closing_wakes() {
        let slot = Slot::default();
        assert_eq!(slot.put(1), None);
        assert_eq!(slot.put(2), Some(1));
        assert_eq!(slot.take(Duration::ZERO), Taken::Value(2));
        assert_eq!(slot.take(Duration::ZERO), Taken::Timeout);
        let other = slot.clone();
        let waiting = std::thread::spawn(move || other.take(Duration::from_secs(60)));
        slot.close();
        assert_eq!(waiting.join().unwrap(), Taken::Closed);
        slot.put(3);
        assert_eq!(slot.take(Duration::ZERO), Taken::Value(3));
    }
}
