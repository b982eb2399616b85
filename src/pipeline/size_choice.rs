//! What a person says of the size that is sent.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

use super::Signaling;
use crate::frame::{Size, SizeError};

/// Which size is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SizeChoice {
    /// The one that gives the best picture from the bits that there are.
    #[default]
    Auto,
    /// What fits into this one.
    Within(Size),
}

impl SizeChoice {
    /// What is taken where nobody has said anything: a call with oneself is there to compare.
    pub fn usual(signaling: &Signaling) -> Self {
        match signaling {
            Signaling::Loopback => Self::Within(Size::USUAL),
            _ => Self::Auto,
        }
    }
}

impl fmt::Display for SizeChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Within(size) => size.fmt(f),
        }
    }
}

/// A text that is neither a size nor `auto`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}, or as auto")]
pub struct SizeChoiceError(#[from] SizeError);

impl FromStr for SizeChoice {
    type Err = SizeChoiceError;

    /// ```
    /// # use clearcall::pipeline::SizeChoice;
    /// assert_eq!("auto".parse(), Ok(SizeChoice::Auto));
    /// assert_eq!("480x360".parse(), Ok(SizeChoice::Within("480x360".parse()?)));
    /// assert!("large".parse::<SizeChoice>().is_err());
    /// # Ok::<(), clearcall::frame::SizeError>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, SizeChoiceError> {
        if text.trim().eq_ignore_ascii_case("auto") { Ok(Self::Auto) } else { Ok(Self::Within(text.parse()?)) }
    }
}

impl Serialize for SizeChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
