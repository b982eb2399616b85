//! Names as they stand in a report: of contestants, clips and people.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Letters of a name, at most.
const MAX_LETTERS: usize = 120;

/// A name that can be printed as it is: neither empty nor longer than 120 letters, and without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlainName(String);

/// A name that is none.
#[derive(Debug, thiserror::Error)]
#[error("a name has 1 to {MAX_LETTERS} letters, and no control characters")]
pub struct NotPlain;

impl PlainName {
    /// Of what a file is called: control characters are replaced, and what is too long is cut.
    pub fn of_file(name: &str) -> Self {
        let letters = name.chars().take(MAX_LETTERS).map(|c| if c.is_control() { '\u{fffd}' } else { c });
        let name: String = letters.collect();
        Self(if name.is_empty() { "?".to_owned() } else { name })
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PlainName {
    type Err = NotPlain;

    fn from_str(text: &str) -> Result<Self, NotPlain> {
        let plain = (1..=MAX_LETTERS).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if plain { Ok(Self(text.to_owned())) } else { Err(NotPlain) }
    }
}

impl TryFrom<String> for PlainName {
    type Error = NotPlain;

    fn try_from(text: String) -> Result<Self, NotPlain> {
        text.parse()
    }
}

impl From<PlainName> for String {
    fn from(name: PlainName) -> Self {
        name.0
    }
}

impl fmt::Display for PlainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_printed() {
        assert_eq!("small@0.6".parse::<PlainName>().unwrap().to_string(), "small@0.6");
        for wrong in ["", "a\u{1b}[31m", "a\nb", &"x".repeat(MAX_LETTERS + 1)] {
            assert!(wrong.parse::<PlainName>().is_err(), "{wrong:?}");
            let made = PlainName::of_file(wrong);
            assert_eq!(made.as_str().parse::<PlainName>().unwrap(), made);
        }
        assert_eq!(PlainName::of_file("clip.mp4").as_str(), "clip.mp4");
    }
}
