//! A session description as one line of text, for copy and paste.
//!
//! `clearcall-offer:` or `clearcall-answer:`, then base64 (URL alphabet, no padding) of the description in
//! a zlib stream, whose checksum tells a line that lost a letter from a whole one. A terminal takes at
//! most 4096 characters in a line; a description of this program makes about 1000.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::call::description::MAX_DESCRIPTION;

/// The longest line that is made or taken, in characters: what a terminal's input line holds.
pub const MAX_LINE: usize = 4095;

/// What a line carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SdpType {
    /// The first line: from the side that calls.
    Offer,
    /// The second line: from the side that is called.
    Answer,
}

impl SdpType {
    const fn label(self) -> &'static str {
        match self {
            Self::Offer => "clearcall-offer:",
            Self::Answer => "clearcall-answer:",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Offer => Self::Answer,
            Self::Answer => Self::Offer,
        }
    }
}

impl fmt::Display for SdpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Offer => "offer",
            Self::Answer => "answer",
        })
    }
}

/// A line that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing was pasted.
    #[error("nothing was pasted: expected the other side's {0}, the line that starts with {label}", label = .0.label())]
    Empty(SdpType),
    /// The other of the two lines.
    #[error(
        "this is an {found}, but the other side's {expected} belongs here: the line that starts with {label}",
        found = .expected.other(), label = .expected.label()
    )]
    WrongKind {
        /// What belongs here.
        expected: SdpType,
    },
    /// Something else.
    #[error("'{start}' is not the other side's {expected}: expected the line that starts with {label}", label = .expected.label())]
    NotALine {
        /// What belongs here.
        expected: SdpType,
        /// How the text starts.
        start: String,
    },
    /// A part is missing or changed.
    #[error("the {0} is not whole: copy the line again, from {label} to its very end", label = .0.label())]
    Damaged(SdpType),
    /// Longer than a terminal takes.
    #[error("the {kind} would be a line of {length} characters, and terminals take {MAX_LINE}: use the link instead")]
    TooLong {
        /// Which.
        kind: SdpType,
        /// Characters.
        length: usize,
    },
}

/// Makes the line.
///
/// # Errors
/// When the line would be longer than a terminal takes.
pub fn to_line(kind: SdpType, description: &str) -> Result<String, TextError> {
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(description.as_bytes(), 9);
    let line = format!("{}{}", kind.label(), URL_SAFE_NO_PAD.encode(packed));
    if line.len() > MAX_LINE {
        return Err(TextError::TooLong { kind, length: line.len() });
    }
    Ok(line)
}

/// Reads the line; white space around it and line breaks that a terminal put into it do not matter.
///
/// # Errors
/// When the text is empty, no such line, the other kind's, or not whole.
pub fn from_line(expected: SdpType, text: &str) -> Result<String, TextError> {
    if text.trim().is_empty() {
        return Err(TextError::Empty(expected));
    }
    let Some(at) = text.find(expected.label()) else {
        if text.contains(expected.other().label()) {
            return Err(TextError::WrongKind { expected });
        }
        return Err(TextError::NotALine { expected, start: text.trim().chars().take(24).collect() });
    };
    let damaged = || TextError::Damaged(expected);
    let body: String =
        text[at + expected.label().len()..].chars().filter(|c| !c.is_whitespace()).take(MAX_LINE + 1).collect();
    if body.len() > MAX_LINE {
        return Err(damaged());
    }
    let packed = URL_SAFE_NO_PAD.decode(body).map_err(|_| damaged())?;
    let plain = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(&packed, MAX_DESCRIPTION);
    String::from_utf8(plain.map_err(|_| damaged())?).map_err(|_| damaged())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> String {
        let mut sdp = String::from("v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\nm=video 9 UDP/TLS/RTP/SAVPF 102 103\r\n");
        for i in 0..40 {
            sdp += &format!("a=candidate:{i} 1 udp 2130706431 192.0.2.{i} {} typ host\r\n", 40_000 + i * 37);
        }
        sdp
    }

    #[test]
    fn a_line_comes_back_as_it_was_even_when_a_terminal_has_broken_it() {
        for kind in [SdpType::Offer, SdpType::Answer] {
            let line = to_line(kind, &description()).unwrap();
            assert!(line.len() < 2000 && line.lines().count() == 1, "{}", line.len());
            assert_eq!(from_line(kind, &line).unwrap(), description());
            let broken: String = line.chars().enumerate().fold(String::new(), |mut s, (i, c)| {
                if i % 80 == 79 {
                    s.push_str(" \r\n");
                }
                s.push(c);
                s
            });
            let label = kind.label();
            // The label itself must be in one piece.
            assert!(broken.contains(label));
            assert_eq!(from_line(kind, &format!("> {broken}\n")).unwrap(), description());
        }
    }

    #[test]
    fn the_error_names_the_line_that_is_missing() {
        let answer = to_line(SdpType::Answer, &description()).unwrap();
        let say = |kind, text: &str| from_line(kind, text).unwrap_err().to_string();
        assert!(say(SdpType::Offer, &answer).contains("this is an answer, but the other side's offer belongs here"));
        assert!(say(SdpType::Answer, " \n").contains("nothing was pasted"));
        assert!(say(SdpType::Offer, "http://192.0.2.1/whip").contains("starts with clearcall-offer:"));
        for cut in [17, 18, 60, answer.len() - 1] {
            assert_eq!(from_line(SdpType::Answer, &answer[..cut]), Err(TextError::Damaged(SdpType::Answer)), "{cut}");
        }
        let mut changed = answer.clone().into_bytes();
        changed[200] = if changed[200] == b'A' { b'B' } else { b'A' };
        assert!(from_line(SdpType::Answer, &String::from_utf8(changed).unwrap()).is_err());
        assert!(from_line(SdpType::Offer, &format!("clearcall-offer:{}", "A".repeat(100_000))).is_err());
    }

    #[test]
    fn a_line_that_would_unfold_to_something_huge_is_refused() {
        let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![b'a'; 2 << 20], 9);
        let line = format!("clearcall-offer:{}", URL_SAFE_NO_PAD.encode(bomb));
        assert!(line.len() < MAX_LINE);
        assert_eq!(from_line(SdpType::Offer, &line), Err(TextError::Damaged(SdpType::Offer)));
        let mut noise = String::new();
        let mut n = 1_u32;
        while noise.len() < 8000 {
            n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            noise += &format!("{n:x}");
        }
        assert!(matches!(to_line(SdpType::Offer, &noise), Err(TextError::TooLong { .. })));
    }
}
