//! Which of the streams (SSRC, RFC 5576) that a section declares is taken.

use super::sdp::{Section, after};

/// A stream, and the one that carries its retransmissions.
pub(super) struct Stream {
    pub(super) ssrc: u32,
    pub(super) rtx: Option<u32>,
}

/// The stream that is taken, if its number counts. Of several, as old simulcast has them (`ssrc-group:SIM`, from the
/// smallest to the largest), the last, so that no two are mixed.
pub(super) fn declared(section: &Section<'_>) -> Option<Stream> {
    // Layers that are named by rid are left out of the answer; of the numbers beside them none need be the one left.
    if section.attribute("simulcast").or(section.attribute("rid")).is_some() {
        return None;
    }
    let numbers = |text: &str| text.split_ascii_whitespace().map(str::parse).collect::<Result<Vec<u32>, _>>().ok();
    let groups =
        |name: &str| section.attributes("ssrc-group").filter_map(|g| numbers(after(g, name)?)).collect::<Vec<_>>();
    let pairs = |name: &str| -> Vec<(u32, u32)> {
        groups(name).iter().filter_map(|g| if let [a, b] = g[..] { Some((a, b)) } else { None }).collect()
    };
    let (retransmissions, corrections) = (pairs("FID"), pairs("FEC-FR"));
    let repairs = |ssrc: u32| retransmissions.iter().chain(&corrections).any(|(_, repair)| *repair == ssrc);
    let mut primary: Vec<u32> = Vec::new();
    for ssrc in section.attributes("ssrc").filter_map(|s| s.split_ascii_whitespace().next()?.parse().ok()) {
        if !repairs(ssrc) && !primary.contains(&ssrc) {
            primary.push(ssrc);
        }
    }
    let largest = groups("SIM").first().and_then(|layers| layers.last().copied());
    let ssrc = largest.or(primary.first().copied())?;
    let rtx = retransmissions.iter().find(|(of, _)| *of == ssrc).map(|(_, rtx)| *rtx);
    // One that stands alone may have another number than it says: then the first that comes is it.
    (primary.len() > 1 || rtx.is_some()).then_some(Stream { ssrc, rtx })
}
