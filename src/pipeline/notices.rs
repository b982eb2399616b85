//! What a call has to say to its user, bounded.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// So many wait to be read; older ones are forgotten.
const KEPT: usize = 32;

/// Short sentences for the window or the terminal: a camera was unplugged, a keyframe was asked for.
#[derive(Clone, Default)]
pub(super) struct Notices {
    waiting: Arc<Mutex<VecDeque<String>>>,
}

impl Notices {
    /// Adds one, unless it says the same as the newest.
    pub(super) fn say(&self, text: impl Into<String>) {
        let text = text.into();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.back() == Some(&text) {
            return;
        }
        tracing::info!("{text}");
        if waiting.len() == KEPT {
            waiting.pop_front();
        }
        waiting.push_back(text);
    }

    /// Takes all.
    pub(super) fn take(&self) -> Vec<String> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}
