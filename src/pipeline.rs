//! A running call: its threads, the slots between them, and the handle that the program holds.
//!
//! ```text
//!  source ─slot▶ scale, encode ─queue▶ peer ══ UDP ══ peer ─queue▶ decode ─slot▶ upscale ─slot▶ window | headless
//!  thread        thread                tokio          tokio        thread        thread
//! ```
//!
//! Both halves live as long as the [`Session`]; connections come and go between them. One task owns the call
//! (`session_task`), a pure state machine decides (`state_machine`), and what is wanted is one value that every part
//! reads ([`CallSettings`]).
//!
//! Between raw pictures stands a one-place [`Slot`] that keeps the newest; between coded units a bounded
//! queue, and what does not fit into it is a gap that asks for a keyframe.

mod auto_size;
#[cfg(feature = "audio")]
mod audio;
mod audio_settings;
mod connection;
mod display_frame;
mod error;
mod governed;
mod history;
#[cfg_attr(not(feature = "audio"), expect(dead_code, reason = "sound has no picture to wait for"))]
mod lip_sync;
mod notices;
mod receiver;
mod recorder;
mod request;
mod send_size;
mod sender;
mod session;
mod session_task;
mod settings;
mod shared;
mod side_renderer;
mod size_choice;
mod slot;
mod state;
mod state_machine;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use audio_settings::{AudioProcessing, AudioSettings, SoundSource, SpeakerChoice};
pub use auto_size::{AutoSize, Room, largest};
pub use display_frame::{DisplayFrame, NetworkOff, Side};
pub use error::SessionError;
pub use governed::Auto;
#[cfg(feature = "app")]
pub(crate) use recorder::Recorder;
pub use recorder::RecorderState;
pub use session::Session;
pub use settings::{CallSettings, NetworkSettings, Signaling};
pub use size_choice::{SizeChoice, SizeChoiceError};
pub use slot::{Slot, Taken};
pub use state::{CallState, Cause};
pub use state_machine::PASTE_LIMIT;

/// Called, from any thread, whenever there is something new to look at.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
