//! A secret that a server asks for. Pure.

use std::fmt;
use std::str::FromStr;

/// A bearer token (RFC 6750). It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer(String);

impl Bearer {
    /// The token, for the one header that it belongs into.
    pub(super) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(…)")
    }
}

/// It is empty, too long, or has characters that a header cannot carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token has 1 to 4096 printable characters and no blanks")]
pub struct NoToken;

impl FromStr for Bearer {
    type Err = NoToken;

    fn from_str(text: &str) -> Result<Self, NoToken> {
        let fits = (1..=4096).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(NoToken) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_text_for_a_header_and_is_not_printed() {
        let token: Bearer = "abc.DEF~+/=".parse().unwrap();
        assert!(token.secret() == "abc.DEF~+/=" && !format!("{token:?}").contains("abc"));
        for wrong in ["", "a b", "a\r\nb", "ü", &"a".repeat(5000)] {
            assert_eq!(wrong.parse::<Bearer>(), Err(NoToken), "{wrong}");
        }
    }
}
