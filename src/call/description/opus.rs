//! The sound's section of a description: Opus (RFC 7587 §6 and §7), over the transport of the video.

use super::super::Media;
use super::sdp::{Sdp, Section};

/// What the two sides have agreed on for the sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AudioFormat {
    /// Which way it goes, seen from here.
    pub(crate) direction: Media,
    /// What the far side wants to see in packets of Opus.
    pub(crate) payload_type: u8,
    /// What its packets of Opus may have.
    pub(crate) far_payload_types: Vec<u8>,
}

/// What this side offers.
pub(super) const PAYLOAD_TYPE: u8 = 111;
/// Packets of 20 ms; bits for what was lost before; pauses are not sent. The channels are always two in `rtpmap`.
const PARAMETERS: &str = "minptime=10;useinbandfec=1;usedtx=1";
/// The section's name in this side's offer.
pub(super) const MID: &str = "audio";

/// The section that is taken, and the payload type that stands for Opus in it: the first that shares the transport
/// `bundle` and clashes with none of the video's payload types.
pub(super) fn choose(sdp: &Sdp<'_>, bundle: &[&str], video: &[u8]) -> Option<(usize, u8)> {
    let usable = |section: &Section<'_>| {
        let shares = section.mid().is_some_and(|mid| bundle.contains(&mid));
        if section.kind() != "audio" || section.is_refused() || !shares {
            return None;
        }
        payload_type(section).filter(|t| !video.contains(t))
    };
    sdp.sections.iter().enumerate().find_map(|(index, section)| Some((index, usable(section)?)))
}

/// What stands for Opus in a section.
pub(super) fn payload_type(section: &Section<'_>) -> Option<u8> {
    let opus = |format: &&str| {
        section.of_format("rtpmap", format).is_some_and(|name| name.eq_ignore_ascii_case("opus/48000/2"))
    };
    // RFC 5761 §4: what could be taken for RTCP is no payload type here.
    section.formats().find(opus)?.parse().ok().filter(|t| *t < 128 && !(64..96).contains(t))
}

/// What is agreed with a far side whose section this is.
pub(super) fn agreed(sdp: &Sdp<'_>, index: usize, payload_type: u8, media: Media) -> AudioFormat {
    let far = sdp.direction(&sdp.sections[index]);
    let mut far_payload_types = vec![payload_type];
    if payload_type != PAYLOAD_TYPE {
        far_payload_types.push(PAYLOAD_TYPE);
    }
    AudioFormat {
        direction: Media::of(media.sends() && far.receives(), media.receives() && far.sends()),
        payload_type,
        far_payload_types,
    }
}

/// What a section says besides its transport. `cname` and `stream` are the video's, so that both are played together.
pub(super) fn lines(payload_type: u8, direction: Media, ssrc: u32, cname: &str, stream: &str) -> Vec<String> {
    let mut out = vec![
        format!("a={}", direction.in_sdp()),
        format!("a=rtpmap:{payload_type} opus/48000/2"),
        format!("a=fmtp:{payload_type} {PARAMETERS}"),
        "a=ptime:20".to_owned(),
    ];
    if direction.sends() {
        out.push(format!("a=msid:{stream} audio"));
        out.push(format!("a=ssrc:{ssrc} cname:{cname}"));
        out.push(format!("a=ssrc:{ssrc} msid:{stream} audio"));
    }
    out
}
