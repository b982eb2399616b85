//! Where a call stands, for the user.

/// Why a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Somebody hung up.
    Finished,
    /// A link, line, token or device was wrong.
    Input,
    /// It broke.
    Failure,
}

/// Where a call stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallState {
    /// Being set up.
    Starting,
    /// A host waits for somebody to use its link.
    Waiting {
        /// For `clearcall join` on the other machine, and for a browser.
        link: String,
        /// The same by other addresses of this machine.
        others: Vec<String>,
        /// The fingerprint of its certificate, if it speaks https.
        fingerprint: Option<String>,
    },
    /// This line must reach the other side, and its answer must come back through
    /// [`Session::accept_answer`](super::Session::accept_answer).
    Offered {
        /// The offer.
        line: String,
    },
    /// This line must reach the side that made the offer.
    Answered {
        /// The answer.
        line: String,
    },
    /// Packets flow.
    Connected {
        /// The other side's address.
        with: String,
    },
    /// The other side was connected and is not heard any more; the call tries to go on for half a minute.
    Reconnecting,
    /// It is over.
    Ended {
        /// In a sentence.
        why: String,
        /// In a word.
        cause: Cause,
    },
}
