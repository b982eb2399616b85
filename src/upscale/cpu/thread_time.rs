//! What threads compute, whatever else the machine does meanwhile.

use std::time::Duration;

/// What the thread that asks has computed since it began. None on systems without such a clock; Windows has one that
/// moves 64 times a second, which says nothing about a frame.
#[cfg(unix)]
pub(super) fn thread_time() -> Option<Duration> {
    Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime)).ok()
}

#[cfg(not(unix))]
pub(super) fn thread_time() -> Option<Duration> {
    None
}

/// What it has computed since it had computed `begun`.
pub(super) fn since(begun: Option<Duration>) -> Option<Duration> {
    Some(thread_time()?.saturating_sub(begun?))
}
