//! Session descriptions (SDP), as far as they have to be understood outside webrtc. Pure.

/// A session description is never longer than this.
pub(super) const MAX_DESCRIPTION: usize = 64 << 10;

/// What can be seen of the far side's description before webrtc parses it.
pub(super) fn check(description: &str) -> Result<(), String> {
    if description.len() > MAX_DESCRIPTION {
        return Err(format!("it is {} bytes long, more than {MAX_DESCRIPTION}", description.len()));
    }
    if !description.trim_start().starts_with("v=0") {
        return Err("it is not a session description (SDP starts with v=0)".to_owned());
    }
    if !description.contains("m=video") {
        return Err("there is no video in it".to_owned());
    }
    Ok(())
}

/// Whether a video section was accepted.
pub(super) fn has_video(description: &str) -> bool {
    description.lines().any(|line| line.starts_with("m=video ") && !is_refused(line))
}

/// A port of 0 refuses a section (RFC 3264 §6).
fn is_refused(media_line: &str) -> bool {
    media_line.split(' ').nth(1) == Some("0")
}

/// Moves the candidates out of refused sections into the first that is used.
///
/// rtc 0.21 always writes them into the first section. When a browser offers audio before video, that is
/// the audio, which we refuse, and the browser ignores everything in it.
pub(super) fn candidates_in_place(description: &str) -> String {
    let is_candidate = |line: &str| line.starts_with("a=candidate:") || line == "a=end-of-candidates";
    let mut moved = Vec::new();
    let mut sections: Vec<Vec<&str>> = vec![Vec::new()];
    let mut refused = false;
    for line in description.lines() {
        if line.starts_with("m=") {
            refused = is_refused(line);
            sections.push(Vec::new());
        }
        if refused && is_candidate(line) {
            moved.push(line);
        } else if let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    let used = sections.iter_mut().skip(1).find(|s| s.first().is_some_and(|line| !is_refused(line)));
    if let Some(section) = used {
        section.extend(moved);
    }
    sections.concat().iter().flat_map(|line| [line, "\r\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_move_to_the_section_that_is_used() {
        let from_rtc = "v=0\r\nm=audio 0 X 0\r\na=mid:0\r\na=candidate:1 udp\r\na=end-of-candidates\r\n\
                        m=video 9 X 102\r\na=mid:1\r\nm=video 9 X 103\r\na=mid:2\r\n";
        let right = "v=0\r\nm=audio 0 X 0\r\na=mid:0\r\nm=video 9 X 102\r\na=mid:1\r\na=candidate:1 udp\r\n\
                     a=end-of-candidates\r\nm=video 9 X 103\r\na=mid:2\r\n";
        assert_eq!(candidates_in_place(from_rtc), right);
        assert_eq!(candidates_in_place(right), right);
    }

    #[test]
    fn a_refused_section_is_no_video() {
        assert!(has_video("v=0\r\nm=audio 0 X 0\r\nm=video 9 X 102\r\n"));
        assert!(!has_video("v=0\r\nm=audio 9 X 0\r\nm=video 0 X 102\r\n"));
        assert!(!has_video("v=0\r\n"));
    }
}
