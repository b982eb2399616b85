//! Calls that are hanging up: closing a connection and joining threads takes a moment, and the window goes on.

use std::thread::{Builder, JoinHandle};

/// The threads on which calls end.
#[derive(Default)]
pub(crate) struct BackgroundDrops {
    threads: Vec<JoinHandle<()>>,
}

impl BackgroundDrops {
    /// Drops `call` on a thread of its own.
    pub(crate) fn hang_up<T: Send + 'static>(&mut self, call: T) {
        // Where no thread can be made, the call is dropped with the closure: slower, but it ends.
        if let Ok(thread) = Builder::new().name("hang up".to_owned()).spawn(move || drop(call)) {
            self.threads.push(thread);
        }
    }

    /// Whether a call is still ending.
    pub(crate) fn busy(&mut self) -> bool {
        self.threads.retain(|t| !t.is_finished());
        !self.threads.is_empty()
    }

    /// Waits until all have ended.
    pub(crate) fn wait(&mut self) {
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a call ended badly");
            }
        }
    }
}
