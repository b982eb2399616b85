//! Time for devices that have none of their own.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What time it is: the system's, or a test's.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    Manual(Arc<Mutex<Instant>>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "system",
            Self::Manual(_) => "manual",
        })
    }
}

impl Clock {
    /// The system's monotonic clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// The moment.
    pub fn now(&self) -> Instant {
        match &self.0 {
            Source::System => Instant::now(),
            Source::Manual(now) => *now.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// A clock for tests, that stands still until it is moved.
#[derive(Clone)]
pub struct ManualClock(Arc<Mutex<Instant>>);

impl ManualClock {
    /// A clock that stands at any moment; only what passes from there on has a meaning.
    #[expect(clippy::new_without_default, reason = "no two of them are equal")]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    /// The moment.
    pub fn now(&self) -> Instant {
        self.clock().now()
    }

    /// The clock to hand on: it shows what this one shows.
    pub fn clock(&self) -> Clock {
        Clock(Source::Manual(self.0.clone()))
    }
}
