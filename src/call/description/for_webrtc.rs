//! What webrtc gets to read of the far side's description: one video section, in one canonical form.

use std::fmt::Write as _;

use super::{
    CallError, Chosen, Format, Media, format,
    sdp::{Sdp, Section, after, candidate},
    stream, unusable,
};

/// Candidates that are tried.
const MAX_CANDIDATES: usize = 64;
/// What a section is called that has no name; it is told to webrtc only.
const UNNAMED: &str = "0";
/// The header extensions that are used; the others are for layers and other things that nobody here looks at.
const EXTENSIONS: [&str; 2] = [
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "urn:ietf:params:rtp-hdrext:sdes:mid",
];

/// The chosen section alone, with these formats, as rtc understands it. `carries_sound`: this side's video stream has to
/// be there, even if nothing of it is sent.
pub(super) fn for_webrtc(
    sdp: &Sdp<'_>,
    chosen: &Chosen,
    formats: &[Format],
    carries_sound: bool,
    what: &'static str,
) -> Result<String, CallError> {
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
    let medium = if chosen.is_video { "video" } else { "sound" };
    let (Some(ufrag), Some(password)) = (transport("ice-ufrag"), transport("ice-pwd")) else {
        let why = format!("its {medium} has no ice-ufrag and ice-pwd, and without ICE there is no call");
        return Err(unusable(what, why));
    };
    let Some(fingerprint) = fingerprint(sdp, &group) else {
        return Err(unusable(what, format!("its {medium} is not encrypted by DTLS-SRTP (no fingerprint)")));
    };
    let setup = transport("setup").unwrap_or(if what == "answer" { "active" } else { "actpass" });
    let session = |flag: &str| sdp.session.contains(&flag) || group.iter().any(|s| s.lines.contains(&flag));

    // What this side has offered keeps its name, though another section stands for it.
    let refused = || sdp.sections.iter().find(|s| s.is_video()).and_then(Section::mid);
    let mid = if chosen.is_video || what == "offer" { mid } else { refused() }.unwrap_or(UNNAMED);
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
    // What is said of sound says nothing of video.
    let (stream, direction) = match chosen.is_video {
        true if carries_sound => (stream::declared(section), Media::of(sdp.direction(section).sends(), true)),
        true => (stream::declared(section), direction_for_webrtc(sdp.direction(section))),
        false => (None, Media::SendRecv),
    };
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
    line(format_args!("a={}", direction.in_sdp()));
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
pub(super) fn names_retransmissions(sdp: &Sdp<'_>, section: &Section<'_>) -> bool {
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
