//! `application/trickle-ice-sdpfrag` (RFC 8840 §9): candidates, and a new start of ICE, in a few lines. Pure.

use std::fmt::Write as _;

/// A longer body is not a fragment.
pub(crate) const MAX_FRAGMENT: usize = 16 << 10;
/// More candidates than that nobody has.
const MAX_CANDIDATES: usize = 64;

/// The ICE half of a session description, or what has changed in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IceFragment {
    /// `a=ice-ufrag` and `a=ice-pwd`: which ICE session the candidates belong to.
    pub credentials: Option<(String, String)>,
    /// What follows `a=`, each beginning with `candidate:`.
    pub candidates: Vec<String>,
    /// No more candidates follow.
    pub complete: bool,
}

/// Text that is no fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    /// Too long.
    #[error("a fragment has at most {MAX_FRAGMENT} bytes and {MAX_CANDIDATES} candidates")]
    TooLarge,
    /// One of the two is missing or malformed.
    #[error("a=ice-ufrag (4 to 256 letters and digits) and a=ice-pwd (22 to 256) belong together")]
    Credentials,
    /// A line that does not start like one of a session description.
    #[error("a line is none of a session description: each starts with a letter and '='")]
    Line,
}

impl IceFragment {
    /// Reads a fragment, and a whole session description as well. Lines that say nothing of ICE are passed over.
    ///
    /// # Errors
    ///
    /// If it is too large or is none.
    pub fn parse(text: &str) -> Result<Self, FragmentError> {
        if text.len() > MAX_FRAGMENT {
            return Err(FragmentError::TooLarge);
        }
        let mut fragment = Self::default();
        let (mut ufrag, mut pwd) = (None, None);
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            if line.as_bytes().get(1) != Some(&b'=') {
                return Err(FragmentError::Line);
            }
            let Some(attribute) = line.strip_prefix("a=") else { continue };
            if let Some(value) = attribute.strip_prefix("ice-ufrag:") {
                ufrag.get_or_insert(value);
            } else if let Some(value) = attribute.strip_prefix("ice-pwd:") {
                pwd.get_or_insert(value);
            } else if attribute.starts_with("candidate:") {
                // Each section of a bundle repeats them.
                if !fragment.candidates.iter().any(|known| known == attribute) {
                    fragment.candidates.push(attribute.to_owned());
                }
            } else if attribute == "end-of-candidates" {
                fragment.complete = true;
            }
            if fragment.candidates.len() > MAX_CANDIDATES {
                return Err(FragmentError::TooLarge);
            }
        }
        fragment.credentials = match (ufrag, pwd) {
            (None, None) => None,
            (Some(ufrag), Some(pwd)) if is_ice(ufrag, 4) && is_ice(pwd, 22) => Some((ufrag.to_owned(), pwd.to_owned())),
            _ => return Err(FragmentError::Credentials),
        };
        Ok(fragment)
    }

    /// Writes it, for the first section of `description`, whose transport a bundle shares.
    pub fn to_text(&self, description: &str) -> String {
        let mut text = String::new();
        if let Some((ufrag, pwd)) = &self.credentials {
            let _ = write!(text, "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n");
        }
        let section = used_section(description);
        let media = section.first().copied().unwrap_or("m=video 9 UDP/TLS/RTP/SAVPF 0");
        let mid = section.iter().find(|line| line.starts_with("a=mid:")).copied().unwrap_or("a=mid:0");
        let _ = write!(text, "{media}\r\n{mid}\r\n");
        for candidate in &self.candidates {
            let _ = write!(text, "a={candidate}\r\n");
        }
        if self.complete {
            text.push_str("a=end-of-candidates\r\n");
        }
        text
    }

    /// `description` with the ICE of this fragment in the place of its own: what its maker would have sent.
    pub fn put_into(&self, description: &str) -> String {
        let mut text = String::new();
        let (mut media, mut placed) = (false, false);
        let mut lines = description.lines().peekable();
        while let Some(line) = lines.next() {
            let refused = line.starts_with("m=") && line.split(' ').nth(1) == Some("0");
            media = if line.starts_with("m=") { !refused } else { media };
            match (&self.credentials, line) {
                (Some((ufrag, _)), line) if line.starts_with("a=ice-ufrag:") => {
                    let _ = write!(text, "a=ice-ufrag:{ufrag}\r\n");
                }
                (Some((_, pwd)), line) if line.starts_with("a=ice-pwd:") => {
                    let _ = write!(text, "a=ice-pwd:{pwd}\r\n");
                }
                (_, line) if line.starts_with("a=candidate:") || line == "a=end-of-candidates" => {}
                (_, line) => {
                    let _ = write!(text, "{line}\r\n");
                }
            }
            let section_ends = lines.peek().is_none_or(|next| next.starts_with("m="));
            if media && section_ends && !placed {
                placed = true;
                for candidate in &self.candidates {
                    let _ = write!(text, "a={candidate}\r\n");
                }
                if self.complete {
                    text.push_str("a=end-of-candidates\r\n");
                }
            }
        }
        text
    }

    /// The name of the ICE session that a description begins.
    pub fn ufrag_of(description: &str) -> Option<&str> {
        description.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).map(str::trim)
    }
}

/// The lines of the first section that is not refused.
fn used_section(description: &str) -> Vec<&str> {
    let mut section = Vec::new();
    for line in description.lines() {
        if line.starts_with("m=") {
            if !section.is_empty() {
                break;
            }
            if line.split(' ').nth(1) == Some("0") {
                continue;
            }
            section.push(line);
        } else if !section.is_empty() {
            section.push(line);
        }
    }
    section
}

/// `ice-char`s (RFC 8839 §5.4), and enough of them.
fn is_ice(text: &str, least: usize) -> bool {
    (least..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9725, figure 4, shortened.
    const TRICKLE: &str = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
                           a=mid:0\r\na=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host\r\n\
                           a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host\r\na=end-of-candidates\r\n";
    const OFFER: &str = "v=0\r\na=ice-ufrag:sess\r\na=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa\r\nm=audio 0 X 0\r\na=mid:0\r\n\
                         a=ice-ufrag:old1\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=ice-ufrag:old1\r\n\
                         a=ice-pwd:bbbbbbbbbbbbbbbbbbbbbbbb\r\na=candidate:1 old\r\na=end-of-candidates\r\na=sendonly\r\n";

    #[test]
    fn a_fragment_is_read_and_each_candidate_once() {
        let fragment = IceFragment::parse(TRICKLE).unwrap();
        assert_eq!(fragment.credentials.as_ref().unwrap().0, "EsAw");
        assert_eq!(fragment.candidates.len(), 1);
        assert!(fragment.complete && fragment.candidates[0].starts_with("candidate:1387637174 "));
        let written = fragment.to_text(OFFER);
        assert!(written.contains("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=candidate:"), "{written}");
        assert_eq!(IceFragment::parse(&written).unwrap(), fragment);
    }

    #[test]
    fn a_restart_changes_the_ice_of_an_offer_and_nothing_else() {
        let restarted = IceFragment::parse(TRICKLE).unwrap().put_into(OFFER);
        assert_eq!(restarted.matches("a=ice-ufrag:EsAw").count(), 3);
        assert!(!restarted.contains("old") && !restarted.contains("bbbb") && restarted.contains("a=sendonly"));
        let (audio, video) = restarted.split_once("m=video").unwrap();
        assert!(!audio.contains("candidate") && video.matches("a=candidate:").count() == 1, "{restarted}");
        assert_eq!(IceFragment::ufrag_of(&restarted), Some("EsAw"));
    }

    #[test]
    fn what_is_no_fragment_is_refused() {
        for (text, error) in [
            ("garbage", FragmentError::Line),
            ("a=ice-ufrag:EsAw\r\n", FragmentError::Credentials),
            ("a=ice-ufrag:E\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n", FragmentError::Credentials),
            ("a=ice-ufrag:E E E\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n", FragmentError::Credentials),
        ] {
            assert_eq!(IceFragment::parse(text), Err(error), "{text}");
        }
        let many: String = (0..100).map(|i| format!("a=candidate:{i}\r\n")).collect();
        assert_eq!(IceFragment::parse(&many), Err(FragmentError::TooLarge));
        assert_eq!(IceFragment::parse(&"a=x\r\n".repeat(10_000)), Err(FragmentError::TooLarge));
        assert_eq!(IceFragment::parse("").unwrap(), IceFragment::default());
    }
}
