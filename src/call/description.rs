//! Session descriptions (SDP, RFC 8866) between the far side and webrtc. Pure.
//!
//! ```text
//! the far side's offer ─▶ [`Offer`] ── one video section, plainly written ─▶ webrtc
//! the far side ◀── a section for each of its own ── [`Offer::answer`] ◀── webrtc's answer
//! the far side's answer ─▶ [`Answer`] ─ likewise ─▶ webrtc
//! ```
//!
//! Programs write descriptions in many ways, and rtc 0.21 reads few of them: it drops what is in no BUNDLE group,
//! fails on a candidate that it cannot read or a section without a direction, answers simulcast with all of its
//! layers, and writes refused sections without what others need to read them. So it sees nothing but the one video
//! section that is taken, in one canonical form, and what the far side sees is written here.

mod format;
mod sdp;
mod stream;

use std::fmt::Write as _;

pub(super) use format::{Format, canonical, own as own_formats};
use sdp::{Sdp, Section, after, candidate};

use super::{CallError, Media};
use crate::codec::H264Profile;

/// A session description is never longer than this.
pub(super) const MAX_DESCRIPTION: usize = 64 << 10;
/// Sections that are answered; each refused one is written out.
const MAX_SECTIONS: usize = 64;
/// Candidates that are tried.
const MAX_CANDIDATES: usize = 64;
/// What a section is called that has no name; it is told to webrtc only.
const UNNAMED: &str = "0";
/// The header extensions that are used; the others are for layers and other things that nobody here looks at.
const EXTENSIONS: [&str; 2] = [
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "urn:ietf:params:rtp-hdrext:sdes:mid",
];

/// What the two sides have agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Negotiated {
    /// Which way video goes, seen from here.
    pub(super) direction: Media,
    /// What the far side wants to see in packets of H.264.
    pub(super) payload_type: u8,
    /// And in its retransmissions.
    pub(super) rtx: Option<u8>,
    /// The payload types in which it may send again what was lost.
    pub(super) far_rtx: Vec<u8>,
    /// What it decodes.
    pub(super) profile: H264Profile,
    /// It takes nothing but one NAL unit in a packet.
    pub(super) single_nal_units: bool,
    /// SPS and PPS that need not come with its pictures.
    pub(super) parameter_sets: Vec<Vec<u8>>,
}

/// What the far side offers.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) negotiated: Negotiated,
    /// What webrtc gets to read.
    pub(super) for_webrtc: String,
    sections: Vec<Answered>,
    format: Format,
    chosen: usize,
    /// Whether the chosen section is in a BUNDLE group.
    bundled: bool,
    setup: &'static str,
}

/// What an answer repeats of an offered section.
#[derive(Debug)]
struct Answered {
    kind: String,
    protocol: String,
    mid: Option<String>,
    /// Its first format, as it stands in the `m=` line, and what is said of it.
    format: String,
    of_format: Vec<String>,
    muxed: bool,
    /// It goes over the transport of the section that is taken, and so can be there without being used.
    shares: bool,
}

/// What the far side answers to this side's offer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) negotiated: Negotiated,
    /// What webrtc gets to read.
    pub(super) for_webrtc: String,
}

impl Offer {
    /// Takes what a side that can do `media` wants of an offer.
    pub(super) fn read(offer: &str, media: Media) -> Result<Self, CallError> {
        let sdp = checked("offer", offer)?;
        let mut chosen = choose(&sdp)?;
        let section = &sdp.sections[chosen.index];
        chosen.format.rtx = chosen.format.rtx.filter(|_| names_retransmissions(&sdp, section));
        let setup = match sdp.attribute(section, "setup") {
            Some("active") => "passive",
            None | Some("actpass" | "passive") => "active",
            Some(other) => return Err(unusable("offer", format!("its a=setup:{other:.16} cannot be answered"))),
        };
        let formats = chosen.with_others(format::all(section));
        let bundle = section.mid().and_then(|mid| sdp.bundle(mid));
        let group = bundle.as_deref().unwrap_or_default();
        Ok(Self {
            negotiated: chosen.negotiated(&sdp, media, &formats),
            for_webrtc: for_webrtc(&sdp, &chosen, &formats, "offer")?,
            sections: sdp.sections.iter().map(|section| Answered::of(section, group)).collect(),
            bundled: bundle.is_some(),
            format: chosen.format,
            chosen: chosen.index,
            setup,
        })
    }

    /// What is spoken from now on, whoever offers next.
    pub(super) fn format(&self) -> &Format {
        &self.format
    }

    /// The answer for the far side, made of webrtc's answer to the one section that it knows.
    pub(super) fn answer(&self, from_webrtc: &str) -> String {
        let answer = Sdp::parse(from_webrtc);
        let mut out = String::new();
        let mut line = |text: &str| {
            out.push_str(text);
            out.push_str("\r\n");
        };
        let Some(used) = answer.sections.first() else { return from_webrtc.to_owned() };
        for text in &answer.session {
            // Each section has its fingerprint: webrtcbin looks for them all there as soon as one is.
            if !["a=group:", "a=msid-semantic:", "a=fingerprint:"].iter().any(|name| text.starts_with(name)) {
                line(text);
            }
        }
        if self.bundled {
            let shared = self.sections.iter().enumerate().filter(|(i, s)| *i == self.chosen || s.shares);
            let mids: Vec<_> = shared.filter_map(|(_, s)| s.mid.as_deref()).collect();
            line(&format!("a=group:BUNDLE {}", mids.join(" ")));
        }
        for (index, section) in self.sections.iter().enumerate() {
            if index == self.chosen {
                for text in self.used(section, &answer, used) {
                    line(&text);
                }
            } else {
                for text in section.unused(&answer, used, self.setup) {
                    line(&text);
                }
            }
        }
        out
    }

    /// The section that is taken.
    fn used(&self, section: &Answered, answer: &Sdp<'_>, from_webrtc: &Section<'_>) -> Vec<String> {
        let Format { payload_type, rtx, .. } = &self.format;
        let rtx = rtx.map(|rtx| format!(" {rtx}")).unwrap_or_default();
        let mut out = vec![format!("m=video 9 {} {payload_type}{rtx}", section.protocol)];
        let sends = self.negotiated.direction.sends();
        for text in &from_webrtc.lines[1..] {
            let name = text.strip_prefix("a=").and_then(|text| text.split(':').next()).unwrap_or_default();
            let value = text.split_once(':').map(|(_, value)| value).unwrap_or_default();
            match name {
                "setup" => out.push(format!("a=setup:{}", self.setup)),
                "mid" if section.mid.is_none() => {}
                "fmtp" if after(value, &payload_type.to_string()).is_some() => {
                    out.push(format!("a=fmtp:{payload_type} {}", self.format.answered()));
                }
                // Of the formats that webrtc was told of, one is taken.
                "rtpmap" | "fmtp" | "rtcp-fb"
                    if !self.format.payload_types().any(|t| after(value, &t.to_string()).is_some()) => {}
                "ssrc" | "ssrc-group" | "msid" if !sends => {}
                "rid" | "simulcast" => {}
                _ if Media::from_sdp(name).is_some() => out.push(format!("a={}", self.negotiated.direction.in_sdp())),
                _ => out.push((*text).to_owned()),
            }
        }
        if from_webrtc.attribute("fingerprint").is_none() {
            out.extend(answer.attribute(from_webrtc, "fingerprint").map(|value| format!("a=fingerprint:{value}")));
        }
        candidates_once(out)
    }
}

impl Answered {
    fn of(section: &Section<'_>, bundle: &[&str]) -> Self {
        let format = section.formats().next().unwrap_or("0");
        let of_format = ["rtpmap", "fmtp"].iter().filter_map(|name| {
            let value = section.of_format(name, format)?;
            Some(format!("a={name}:{format} {value}"))
        });
        Self {
            kind: section.kind().to_owned(),
            protocol: section.protocol().to_owned(),
            mid: section.mid().map(str::to_owned),
            of_format: of_format.collect(),
            format: format.to_owned(),
            muxed: section.lines.contains(&"a=rtcp-mux"),
            shares: section.mid().is_some_and(|mid| bundle.contains(&mid))
                && matches!(section.kind(), "audio" | "video")
                && !section.is_refused(),
        }
    }

    /// Nothing goes over it. One with a transport of its own is refused; webrtcbin and aiortc read the transport's
    /// parameters even then, and take no answer without. One that shares the transport stays and is inactive: aiortc
    /// would wait for the transport of a refused one before it connects any other.
    fn unused(&self, answer: &Sdp<'_>, used: &Section<'_>, setup: &str) -> Vec<String> {
        let port = if self.shares { 9 } else { 0 };
        let mut out = vec![
            format!("m={} {port} {} {}", self.kind, self.protocol, self.format),
            "c=IN IP4 0.0.0.0".to_owned(),
            "a=inactive".to_owned(),
        ];
        out.extend(self.mid.as_ref().map(|mid| format!("a=mid:{mid}")));
        for name in ["ice-ufrag", "ice-pwd", "fingerprint"] {
            out.extend(answer.attribute(used, name).map(|value| format!("a={name}:{value}")));
        }
        out.push(format!("a=setup:{setup}"));
        out.extend(self.muxed.then(|| "a=rtcp-mux".to_owned()));
        out.extend(self.of_format.iter().cloned());
        if self.shares {
            // A bundle's transport is described in its first section.
            let of_transport = |line: &&&str| line.starts_with("a=candidate:") || **line == "a=end-of-candidates";
            out.extend(used.lines.iter().filter(of_transport).map(|line| (*line).to_owned()));
        }
        candidates_once(out)
    }
}

impl Answer {
    /// Takes the answer to an offer of these formats for `media`.
    pub(super) fn read(answer: &str, media: Media, offered: &[Format]) -> Result<Self, CallError> {
        let sdp = checked("answer", answer)?;
        let chosen = choose(&sdp)?;
        // What is sent is the best that it takes; what comes may be in any of its formats.
        let formats = chosen.with_others(format::all(&sdp.sections[chosen.index]).into_iter().chain(offered.to_vec()));
        Ok(Self {
            negotiated: chosen.negotiated(&sdp, media, &formats),
            for_webrtc: for_webrtc(&sdp, &chosen, &formats, "answer")?,
        })
    }
}

/// This side's own offer, as the far side gets it: with these formats instead of those that webrtc writes.
pub(super) fn own_offer(from_webrtc: &str, formats: &[Format]) -> String {
    let sdp = Sdp::parse(from_webrtc);
    let mut lines: Vec<String> = sdp.session.iter().map(|line| (*line).to_owned()).collect();
    for section in &sdp.sections {
        if section.is_video() {
            lines.extend(with_formats(section, formats));
        } else {
            lines.extend(section.lines.iter().map(|line| (*line).to_owned()));
        }
    }
    candidates_once(lines).iter().flat_map(|line| [line.as_str(), "\r\n"]).collect()
}

fn with_formats(section: &Section<'_>, formats: &[Format]) -> Vec<String> {
    let first = section.formats().next().unwrap_or_default();
    let feedback: Vec<&str> = section.attributes("rtcp-fb").filter_map(|value| after(value, first)).collect();
    let types: Vec<String> = formats.iter().flat_map(Format::payload_types).map(|t| t.to_string()).collect();
    let head: Vec<&str> = section.lines[0].split(' ').take(3).collect();
    let mut out = vec![format!("{} {}", head.join(" "), types.join(" "))];
    let of_format = |line: &str| ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().any(|name| line.starts_with(name));
    let mut written = false;
    for line in &section.lines[1..] {
        if !of_format(line) {
            out.push((*line).to_owned());
        } else if !std::mem::replace(&mut written, true) {
            for format in formats {
                let payload_type = format.payload_type;
                out.push(format!("a=rtpmap:{payload_type} H264/90000"));
                out.push(format!("a=fmtp:{payload_type} {}", format.answered()));
                out.extend(feedback.iter().map(|kind| format!("a=rtcp-fb:{payload_type} {kind}")));
                if let Some(rtx) = format.rtx {
                    out.push(format!("a=rtpmap:{rtx} rtx/90000"));
                    out.push(format!("a=fmtp:{rtx} apt={payload_type}"));
                }
            }
        }
    }
    out
}

/// rtc writes each candidate for RTCP as well, which has no port of its own here.
fn candidates_once(lines: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(lines.len());
    for line in lines {
        let second = line.strip_prefix("a=candidate:").is_some_and(|c| c.split(' ').nth(1) == Some("2"));
        if !second && (!line.starts_with("a=candidate:") || !out.contains(&line)) {
            out.push(line);
        }
    }
    out
}

fn unusable(what: &'static str, why: impl Into<String>) -> CallError {
    CallError::Description { what, why: why.into() }
}

/// What can be seen at once.
fn checked<'a>(what: &'static str, text: &'a str) -> Result<Sdp<'a>, CallError> {
    if text.len() > MAX_DESCRIPTION {
        return Err(unusable(what, format!("it is {} bytes long, more than {MAX_DESCRIPTION}", text.len())));
    }
    let text = text.trim_start();
    if !text.starts_with("v=0") {
        return Err(unusable(what, "it is not a session description (SDP starts with v=0)"));
    }
    let sdp = Sdp::parse(text);
    if sdp.sections.len() > MAX_SECTIONS {
        let sections = sdp.sections.len();
        return Err(unusable(what, format!("it has {sections} media sections, more than {MAX_SECTIONS}")));
    }
    if !sdp.sections.iter().any(Section::is_video) {
        return Err(unusable(what, "there is no video in it"));
    }
    Ok(sdp)
}

/// The section that is used.
struct Chosen {
    index: usize,
    format: Format,
}

impl Chosen {
    /// The format that is sent, and of the others those that can be told apart from it and from each other. webrtc is
    /// told of them all, since it learns of none when a call is negotiated anew.
    fn with_others(&self, others: impl IntoIterator<Item = Format>) -> Vec<Format> {
        let mut formats = vec![self.format.clone()];
        for format in others {
            let clashes = |other: &Format| {
                let shares = other.payload_types().any(|t| format.payload_types().any(|u| t == u));
                shares || other.profile == format.profile
            };
            if format.single_nal_units == self.format.single_nal_units && !formats.iter().any(clashes) {
                formats.push(format);
            }
        }
        formats
    }

    /// What comes may be in any of the formats.
    fn negotiated(&self, sdp: &Sdp<'_>, media: Media, formats: &[Format]) -> Negotiated {
        let far = sdp.direction(&sdp.sections[self.index]);
        Negotiated {
            direction: Media::of(media.sends() && far.receives(), media.receives() && far.sends()),
            payload_type: self.format.payload_type,
            rtx: self.format.rtx,
            far_rtx: formats.iter().filter_map(|format| format.rtx).collect(),
            profile: self.format.profile,
            single_nal_units: self.format.single_nal_units,
            parameter_sets: self.format.parameter_sets.clone(),
        }
    }
}

/// Of the video sections that can be used, the first of those with the most ways.
fn choose(sdp: &Sdp<'_>) -> Result<Chosen, CallError> {
    let mut best: Option<(u8, Chosen)> = None;
    let mut why = None;
    for (index, section) in sdp.sections.iter().enumerate().filter(|(_, section)| section.is_video()) {
        if section.is_refused() {
            continue;
        }
        match format::choose(section) {
            Ok(format) => {
                let direction = sdp.direction(section);
                let ways = u8::from(direction.sends()) * 2 + u8::from(direction.receives());
                if best.as_ref().is_none_or(|(w, _)| *w < ways) {
                    best = Some((ways, Chosen { index, format }));
                }
            }
            Err(reason) => _ = why.get_or_insert(reason),
        }
    }
    let refused = || "it refuses video: the port of every video section is 0".to_owned();
    best.map(|(_, chosen)| chosen).ok_or_else(|| CallError::NoH264(why.unwrap_or_else(refused)))
}

/// The chosen section alone, with these formats, as rtc understands it.
fn for_webrtc(sdp: &Sdp<'_>, chosen: &Chosen, formats: &[Format], what: &'static str) -> Result<String, CallError> {
    let section = &sdp.sections[chosen.index];
    let mid = section.mid();
    // The whole group goes over one transport, which its first section describes (RFC 8843 §7).
    let bundle = mid.and_then(|mid| sdp.bundle(mid)).unwrap_or_default();
    let in_bundle = |s: &&Section<'_>| s.mid().is_some_and(|mid| bundle.contains(&mid));
    let group: Vec<&Section<'_>> = std::iter::once(section).chain(sdp.sections.iter().filter(in_bundle)).collect();
    let transport = |name: &str| {
        let own = group.iter().find_map(|s| s.attribute(name));
        own.or_else(|| sdp.attribute(section, name)).filter(|value| !value.is_empty())
    };
    let (Some(ufrag), Some(password)) = (transport("ice-ufrag"), transport("ice-pwd")) else {
        return Err(unusable(what, "its video has no ice-ufrag and ice-pwd, and without ICE there is no call"));
    };
    let Some(fingerprint) = fingerprint(sdp, &group) else {
        return Err(unusable(what, "its video is not encrypted by DTLS-SRTP (no fingerprint)"));
    };
    let setup = transport("setup").unwrap_or(if what == "answer" { "active" } else { "actpass" });
    let session = |flag: &str| sdp.session.contains(&flag) || group.iter().any(|s| s.lines.contains(&flag));

    let mid = mid.unwrap_or(UNNAMED);
    let mut out = String::from("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
    // Writing into a string does not fail.
    let mut line = |text: std::fmt::Arguments<'_>| _ = write!(out, "{text}\r\n");
    line(format_args!("a=group:BUNDLE {mid}"));
    for flag in ["a=ice-lite", "a=extmap-allow-mixed"] {
        if session(flag) {
            line(format_args!("{flag}"));
        }
    }
    let of_feedback = chosen.format.payload_type.to_string();
    let stream = stream::declared(section);
    let repairs = chosen.format.rtx.is_some() && names_retransmissions(sdp, section);
    let formats = || formats.iter().map(|f| (f.payload_type, f.profile, f.rtx.filter(|_| repairs)));
    let types = formats().flat_map(|(payload_type, _, rtx)| [Some(payload_type), rtx]).flatten();
    let types: Vec<String> = types.map(|t| t.to_string()).collect();
    line(format_args!("m=video 9 UDP/TLS/RTP/SAVPF {}", types.join(" ")));
    line(format_args!("c=IN IP4 0.0.0.0"));
    line(format_args!("a=ice-ufrag:{ufrag}"));
    line(format_args!("a=ice-pwd:{password}"));
    line(format_args!("a=fingerprint:{fingerprint}"));
    line(format_args!("a=setup:{setup}"));
    line(format_args!("a=mid:{mid}"));
    line(format_args!("a={}", direction_for_webrtc(sdp.direction(section)).in_sdp()));
    line(format_args!("a=rtcp-mux"));
    for (payload_type, profile, rtx) in formats() {
        // In the forms that this side's webrtc is set up for, whatever the level and the way of packing are.
        line(format_args!("a=rtpmap:{payload_type} H264/90000"));
        line(format_args!("a=fmtp:{payload_type} {}", format::canonical(profile)));
        if let Some(rtx) = rtx {
            line(format_args!("a=rtpmap:{rtx} rtx/90000"));
            line(format_args!("a=fmtp:{rtx} apt={payload_type}"));
        }
        for feedback in section.attributes("rtcp-fb") {
            if let Some(kind) = after(feedback, &of_feedback).or_else(|| after(feedback, "*")) {
                line(format_args!("a=rtcp-fb:{payload_type} {kind}"));
            }
        }
    }
    for extension in section.attributes("extmap") {
        let mut words = extension.split_ascii_whitespace();
        let id = words.next().and_then(|id| id.split('/').next()?.parse::<u8>().ok()).filter(|id| *id > 0);
        if let (Some(id), Some(uri)) = (id, words.next().filter(|uri| EXTENSIONS.contains(uri))) {
            line(format_args!("a=extmap:{id} {uri}"));
        }
    }
    line(format_args!("a=msid:far video"));
    if let Some(stream) = stream {
        if let Some(rtx) = stream.rtx {
            line(format_args!("a=ssrc-group:FID {} {rtx}", stream.ssrc));
        }
        for ssrc in std::iter::once(stream.ssrc).chain(stream.rtx) {
            line(format_args!("a=ssrc:{ssrc} msid:far video"));
        }
    }
    let mut tried = Vec::new();
    for candidate in group.iter().flat_map(|s| s.attributes("candidate")).filter_map(candidate) {
        if tried.len() < MAX_CANDIDATES && !tried.contains(&candidate) {
            line(format_args!("a=candidate:{candidate}"));
            tried.push(candidate);
        }
    }
    Ok(out)
}

/// rtc ends for good what is inactive once; that nothing is sent is seen to here.
fn direction_for_webrtc(far: Media) -> Media {
    if far == Media::Inactive { Media::SendOnly } else { far }
}

/// Whether it is said which stream repairs which. rtc takes the first packet that comes for the picture's stream, and
/// of a browser whose streams have no numbers that is one of the others; what is lost comes again as it was then.
fn names_retransmissions(sdp: &Sdp<'_>, section: &Section<'_>) -> bool {
    !direction_for_webrtc(sdp.direction(section)).sends()
        || stream::declared(section).is_some_and(|stream| stream.rtx.is_some())
}

/// The one that rtc checks, of a hash that it knows.
fn fingerprint(sdp: &Sdp<'_>, group: &[&Section<'_>]) -> Option<String> {
    let of_group = group.iter().flat_map(|s| s.attributes("fingerprint"));
    let session = Section { lines: sdp.session.clone() };
    let all: Vec<&str> = of_group.chain(session.attributes("fingerprint")).collect();
    let mut hashes = ["sha-256", "sha-384", "sha-512", "sha-1"].iter();
    hashes.find_map(|hash| {
        all.iter().find_map(|print| {
            let (name, value) = print.split_once(' ')?;
            name.eq_ignore_ascii_case(hash).then(|| format!("{hash} {}", value.trim()))
        })
    })
}

#[cfg(test)]
mod tests;
