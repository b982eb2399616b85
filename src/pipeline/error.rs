//! What can go wrong with a call.

use super::Cause;
use crate::{
    call::{
        CallError,
        signal::{SignalError, TextError},
    },
    source::SourceError,
};

/// A call that could not be started or told something.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The source would not open.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The network or the other side.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The endpoint, or the link to one.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// A line that was pasted.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The file for the sound that arrives.
    #[cfg(feature = "audio")]
    #[error(transparent)]
    AudioOut(#[from] crate::audio::wav::WavError),
    /// No thread or runtime could be made.
    #[error("cannot start the call's threads: {0}")]
    Threads(#[from] std::io::Error),
    /// An answer came when no offer was waiting for one.
    #[error("no offer is waiting for an answer; start a copy-and-paste call first")]
    NoOffer,
}

impl SessionError {
    /// Whether what the user gave is at fault, not the machine.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Source(_) | Self::Text(_) | Self::NoOffer => true,
            Self::Call(error) => matches!(error, CallError::Description { .. } | CallError::NoH264(_)),
            Self::Signal(error) => matches!(
                error,
                SignalError::Listen { .. }
                    | SignalError::Link { .. }
                    | SignalError::NobodyThere { .. }
                    | SignalError::Unreachable { .. }
                    | SignalError::UnknownHost { .. }
                    | SignalError::WrongToken { .. }
                    | SignalError::NotClearcall { .. }
                    | SignalError::Certificate { .. }
            ),
            #[cfg(feature = "audio")]
            Self::AudioOut(_) => true,
            Self::Threads(_) => false,
        }
    }

    pub(super) fn cause(&self) -> Cause {
        if self.is_input() { Cause::Input } else { Cause::Failure }
    }

    /// Whether a call that was lost need not try to come back.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::Signal(error) if error.is_final())
    }
}
