//! The shape of a session description (RFC 8866): lines before the first `m=`, and sections after it.

use std::net::IpAddr;

use super::super::Media;

/// What was said, taken apart; every line without white space at its end.
pub(super) struct Sdp<'a> {
    pub(super) session: Vec<&'a str>,
    pub(super) sections: Vec<Section<'a>>,
}

/// One media section; its first line is the `m=` line.
pub(super) struct Section<'a> {
    pub(super) lines: Vec<&'a str>,
}

impl<'a> Sdp<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        let mut sdp = Self { session: Vec::new(), sections: Vec::new() };
        // A line with control characters is none.
        let clean = |line: &&str| !line.chars().any(|c| c.is_control() && c != '\t');
        for line in text.lines().map(str::trim_end).filter(clean) {
            if line.starts_with("m=") {
                sdp.sections.push(Section { lines: vec![line] });
            } else {
                sdp.sections.last_mut().map_or(&mut sdp.session, |section| &mut section.lines).push(line);
            }
        }
        sdp
    }

    /// The value of an attribute of a section, or else of the whole session.
    pub(super) fn attribute(&self, section: &Section<'a>, name: &str) -> Option<&'a str> {
        section.attribute(name).or_else(|| values(&self.session, name).next())
    }

    /// The sections that share one transport with the one that is called `mid`.
    pub(super) fn bundle(&self, mid: &str) -> Option<Vec<&'a str>> {
        values(&self.session, "group").find_map(|group| {
            let mut words = group.split_ascii_whitespace();
            let mids: Vec<_> = (words.next()? == "BUNDLE").then_some(words)?.collect();
            mids.contains(&mid).then_some(mids)
        })
    }

    /// Which way a section's media goes, seen from who wrote it. Who says nothing does both (RFC 8866 §6.7).
    pub(super) fn direction(&self, section: &Section<'a>) -> Media {
        let of = |lines: &[&str]| lines.iter().find_map(|line| Media::from_sdp(line.strip_prefix("a=")?));
        of(&section.lines).or_else(|| of(&self.session)).unwrap_or_default()
    }
}

impl<'a> Section<'a> {
    /// The words of the `m=` line: what it is, port, protocol, formats.
    fn word(&self, n: usize) -> &'a str {
        let line = self.lines.first().copied().unwrap_or_default();
        line.get(2..).unwrap_or_default().split_ascii_whitespace().nth(n).unwrap_or_default()
    }

    pub(super) fn is_video(&self) -> bool {
        self.kind() == "video"
    }

    pub(super) fn kind(&self) -> &'a str {
        self.word(0)
    }

    pub(super) fn protocol(&self) -> &'a str {
        self.word(2)
    }

    pub(super) fn formats(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let line = self.lines.first().copied().unwrap_or_default();
        line.split_ascii_whitespace().skip(3)
    }

    /// A port of 0 refuses a section (RFC 3264 §6), unless it only has no port of its own (RFC 8843 §6).
    pub(super) fn is_refused(&self) -> bool {
        self.word(1) == "0" && !self.lines.contains(&"a=bundle-only")
    }

    /// Its name, which is one word.
    pub(super) fn mid(&self) -> Option<&'a str> {
        self.attribute("mid")?.split_ascii_whitespace().next()
    }

    /// The value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&'a str> {
        values(&self.lines, name).next()
    }

    pub(super) fn attributes<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'a str> + 'b {
        values(&self.lines, name)
    }

    /// What an attribute says of one format, as in `a=rtpmap:96 H264/90000`.
    pub(super) fn of_format(&self, name: &str, format: &str) -> Option<&'a str> {
        values(&self.lines, name).find_map(|value| after(value, format))
    }
}

/// What follows a first word.
pub(super) fn after<'a>(value: &'a str, word: &str) -> Option<&'a str> {
    let rest = value.strip_prefix(word)?;
    (rest.is_empty() || rest.starts_with([' ', '\t'])).then(|| rest.trim_start())
}

fn values<'a, 'b>(lines: &'b [&'a str], name: &'b str) -> impl Iterator<Item = &'a str> + 'b {
    lines.iter().filter_map(move |line| Some(line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':')?.trim()))
}

/// A candidate that can be tried over UDP, without what nobody here reads; [`None`] for others, among them names,
/// which nobody here looks up, and what is no candidate at all.
pub(super) fn candidate(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [foundation, component, protocol, priority, address, port, "typ", kind, more @ ..] = words.as_slice() else {
        return None;
    };
    // RTCP comes along with RTP.
    if *component != "1" || !protocol.eq_ignore_ascii_case("udp") {
        return None;
    }
    let (priority, address, port): (u32, IpAddr, u16) =
        (priority.parse().ok()?, address.parse().ok()?, port.parse().ok()?);
    if port == 0 || !matches!(*kind, "host" | "srflx" | "prflx" | "relay") {
        return None;
    }
    let related = match more {
        _ if *kind == "host" => String::new(),
        ["raddr", base, "rport", port, ..] if base.parse::<IpAddr>().is_ok() && port.parse::<u16>().is_ok() => {
            format!(" raddr {base} rport {port}")
        }
        _ => " raddr 0.0.0.0 rport 0".to_owned(),
    };
    Some(format!("{foundation} 1 udp {priority} {address} {port} typ {kind}{related}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_is_taken_if_it_can_be_tried() {
        for (line, taken) in [
            ("1 1 UDP 2122317823 127.0.0.1 50001 typ host", Some("1 1 udp 2122317823 127.0.0.1 50001 typ host")),
            (
                "a/b+ 1 udp 5 2001:db8::1 9 typ host generation 0 ufrag xyz network-cost 999",
                Some("a/b+ 1 udp 5 2001:db8::1 9 typ host"),
            ),
            (
                "7 1 udp 1 192.0.2.1 80 typ srflx raddr 10.0.0.1 rport 5 generation 0",
                Some("7 1 udp 1 192.0.2.1 80 typ srflx raddr 10.0.0.1 rport 5"),
            ),
            ("7 1 udp 1 192.0.2.1 80 typ relay", Some("7 1 udp 1 192.0.2.1 80 typ relay raddr 0.0.0.0 rport 0")),
            ("foo bar", None),
            ("", None),
            ("7 1 udp 1 192.0.2.1 80", None),
            ("7 1 udp 1 192.0.2.1 99999 typ host", None),
            ("7 1 udp -1 192.0.2.1 80 typ host", None),
            ("7 1 udp 1 5f9b3.local 80 typ host", None),
            ("7 1 tcp 1 192.0.2.1 9 typ host tcptype active", None),
            ("7 2 udp 1 192.0.2.1 80 typ host", None),
            ("7 1 udp 1 192.0.2.1 80 typ ghost", None),
        ] {
            assert_eq!(candidate(line).as_deref(), taken, "{line}");
        }
    }
}
