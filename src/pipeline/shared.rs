//! What a session tells its user, from any thread.

use std::{
    sync::{Condvar, Mutex},
    time::Duration,
};

use super::{CallState, Wake, lock, notices::Notices};
use crate::stats::Stats;

/// What the parts of a session share, besides what is wanted.
pub(super) struct SessionShared {
    pub(super) stats: Stats,
    pub(super) notices: Notices,
    state: Mutex<CallState>,
    changed: Condvar,
    wake: Wake,
}

impl SessionShared {
    pub(super) fn new(wake: Wake) -> Self {
        Self {
            stats: Stats::default(),
            notices: Notices::default(),
            state: Mutex::new(CallState::Starting),
            changed: Condvar::new(),
            wake,
        }
    }

    /// Where the call stands.
    pub(super) fn state(&self) -> CallState {
        lock(&self.state).clone()
    }

    /// Waits until that changes, or for `timeout`.
    pub(super) fn wait_change(&self, timeout: Duration) {
        let state = lock(&self.state);
        let before = state.clone();
        let _ = self.changed.wait_timeout_while(state, timeout, |s| *s == before);
    }

    pub(super) fn set_state(&self, state: CallState) {
        let mut now = lock(&self.state);
        if *now == state {
            return;
        }
        match &state {
            // Whoever has the link can call: it is not for logs.
            CallState::Waiting { .. } => tracing::info!("Waiting"),
            CallState::Offered { .. } => tracing::info!("Offered"),
            CallState::Answered { .. } => tracing::info!("Answered"),
            state => tracing::info!("{state:?}"),
        }
        *now = state;
        drop(now);
        self.changed.notify_all();
        (self.wake)();
    }
}
