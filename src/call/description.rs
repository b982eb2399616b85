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
//! section that is taken, in one canonical form, and what the far side sees is written here. Of the sound's section it
//! hears nothing (`call/audio.rs` says why); where a far side has sound only, that section stands for the video's.

mod for_webrtc;
mod format;
mod opus;
mod sdp;
mod stream;

use for_webrtc::{for_webrtc, names_retransmissions};
pub(super) use format::{Format, canonical, own as own_formats};
pub(super) use opus::AudioFormat;
use sdp::{Sdp, Section, after};

use super::{CallError, Media};
use crate::codec::H264Profile;

/// A session description is never longer than this.
pub(super) const MAX_DESCRIPTION: usize = 64 << 10;
/// Sections that are answered; each refused one is written out.
const MAX_SECTIONS: usize = 64;

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
    /// The sound, where both have some.
    pub(super) audio: Option<AudioFormat>,
}

impl Negotiated {
    /// Whether this side sends sound.
    pub(super) fn sends_sound(&self) -> bool {
        self.audio.as_ref().is_some_and(|audio| audio.direction.sends())
    }
}

/// Which ways this side can do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wishes {
    pub(super) video: Media,
    pub(super) audio: Media,
}

/// Where the sound's section stands in the descriptions of a call, which must not change (RFC 3264 §8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AudioPlace {
    /// What it is called.
    pub(super) mid: String,
    /// It comes before the video's.
    pub(super) first: bool,
}

impl Default for AudioPlace {
    /// In this side's offer.
    fn default() -> Self {
        Self { mid: opus::MID.to_owned(), first: false }
    }
}

/// What the far side offers.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) negotiated: Negotiated,
    /// What webrtc gets to read.
    pub(super) for_webrtc: String,
    sections: Vec<Answered>,
    format: Format,
    /// The section whose transport is used: the video's, or the sound's where there is no video.
    transport: usize,
    /// Whether there is video.
    has_video: bool,
    /// The sound's section.
    audio: Option<usize>,
    /// Whether the section of the transport is in a BUNDLE group.
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
    /// Takes what this side can do of an offer.
    pub(super) fn read(offer: &str, wishes: Wishes) -> Result<Self, CallError> {
        let sdp = checked("offer", offer)?;
        let mut chosen = choose(&sdp, wishes)?;
        let section = &sdp.sections[chosen.index];
        chosen.format.rtx = chosen.format.rtx.filter(|_| chosen.is_video && names_retransmissions(&sdp, section));
        let setup = match sdp.attribute(section, "setup") {
            Some("active") => "passive",
            None | Some("actpass" | "passive") => "active",
            Some(other) => return Err(unusable("offer", format!("its a=setup:{other:.16} cannot be answered"))),
        };
        let formats = chosen.with_others(format::all(section));
        let bundle = section.mid().and_then(|mid| sdp.bundle(mid));
        let group = bundle.as_deref().unwrap_or_default();
        let audio = chosen.audio(&sdp, wishes, &formats);
        let negotiated = chosen.negotiated(&sdp, wishes, &formats, audio);
        Ok(Self {
            for_webrtc: for_webrtc(&sdp, &chosen, &formats, negotiated.sends_sound(), "offer")?,
            negotiated,
            sections: sdp.sections.iter().map(|section| Answered::of(section, group)).collect(),
            bundled: bundle.is_some(),
            format: chosen.format,
            transport: chosen.index,
            has_video: chosen.is_video,
            audio: audio.map(|(index, _)| index),
            setup,
        })
    }

    /// Where the sound's section stands, if there is one.
    pub(super) fn audio_place(&self) -> Option<AudioPlace> {
        let index = self.audio?;
        Some(AudioPlace { mid: self.sections[index].mid.clone()?, first: index < self.transport })
    }

    /// What is spoken from now on, whoever offers next.
    pub(super) fn format(&self) -> &Format {
        &self.format
    }

    /// The answer for the far side, made of webrtc's answer to the one section that it knows. `audio_ssrc`: the number of
    /// this side's sound.
    pub(super) fn answer(&self, from_webrtc: &str, audio_ssrc: u32) -> String {
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
            let shared = self.sections.iter().enumerate().filter(|(i, s)| *i == self.transport || s.shares);
            let mids: Vec<_> = shared.filter_map(|(_, s)| s.mid.as_deref()).collect();
            line(&format!("a=group:BUNDLE {}", mids.join(" ")));
        }
        for (index, section) in self.sections.iter().enumerate() {
            let lines = match &self.negotiated.audio {
                _ if index == self.transport && self.has_video => self.used(section, &answer, used),
                Some(audio) if self.audio == Some(index) => {
                    let opus = opus_lines(audio.payload_type, audio.direction, audio_ssrc, used);
                    section.beside(&answer, used, self.setup, &audio.payload_type.to_string(), true, opus)
                }
                _ => section.unused(&answer, used, self.setup),
            };
            for text in &lines {
                line(text);
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
        let mut media = vec!["a=inactive".to_owned()];
        media.extend(self.of_format.iter().cloned());
        self.beside(answer, used, setup, &self.format, self.shares, media)
    }

    /// One beside the video's, that says `media` of its one `format`; with the transport of `used`, if it `shares` that.
    fn beside(
        &self,
        answer: &Sdp<'_>,
        used: &Section<'_>,
        setup: &str,
        format: &str,
        shares: bool,
        media: Vec<String>,
    ) -> Vec<String> {
        let port = if shares { 9 } else { 0 };
        let mut out = vec![format!("m={} {port} {} {format}", self.kind, self.protocol), "c=IN IP4 0.0.0.0".to_owned()];
        out.extend(self.mid.as_ref().map(|mid| format!("a=mid:{mid}")));
        for name in ["ice-ufrag", "ice-pwd", "fingerprint"] {
            out.extend(answer.attribute(used, name).map(|value| format!("a={name}:{value}")));
        }
        out.push(format!("a=setup:{setup}"));
        out.extend(self.muxed.then(|| "a=rtcp-mux".to_owned()));
        out.extend(media);
        if shares {
            // A bundle's transport is described in its first section.
            let of_transport = |line: &&&str| line.starts_with("a=candidate:") || **line == "a=end-of-candidates";
            out.extend(used.lines.iter().filter(of_transport).map(|line| (*line).to_owned()));
        }
        candidates_once(out)
    }
}

impl Answer {
    /// Takes the answer to an offer of these formats.
    pub(super) fn read(answer: &str, wishes: Wishes, offered: &[Format]) -> Result<Self, CallError> {
        let sdp = checked("answer", answer)?;
        let chosen = choose(&sdp, wishes)?;
        // What is sent is the best that it takes; what comes may be in any of its formats.
        let formats = chosen.with_others(format::all(&sdp.sections[chosen.index]).into_iter().chain(offered.to_vec()));
        let audio = chosen.audio(&sdp, wishes, &formats);
        let negotiated = chosen.negotiated(&sdp, wishes, &formats, audio);
        Ok(Self { for_webrtc: for_webrtc(&sdp, &chosen, &formats, negotiated.sends_sound(), "answer")?, negotiated })
    }
}

/// What this side offers of sound.
#[derive(Debug, Clone)]
pub(super) struct OwnAudio {
    pub(super) direction: Media,
    pub(super) ssrc: u32,
    pub(super) place: AudioPlace,
}

/// This side's own offer, as the far side gets it: with the ways of the video, and these formats instead of those that
/// webrtc writes, and a section for the sound.
pub(super) fn own_offer(from_webrtc: &str, video: Media, formats: &[Format], audio: Option<&OwnAudio>) -> String {
    let sdp = Sdp::parse(from_webrtc);
    let mut lines: Vec<String> = Vec::new();
    for line in &sdp.session {
        let group = line.strip_prefix("a=group:BUNDLE").zip(audio);
        lines.push(match group {
            Some((mids, audio)) if audio.place.first => format!("a=group:BUNDLE {}{mids}", audio.place.mid),
            Some((_, audio)) => format!("{line} {}", audio.place.mid),
            None => (*line).to_owned(),
        });
    }
    for section in &sdp.sections {
        let sound = audio.map(|audio| own_audio(&sdp, section, audio));
        let (before, after) = if audio.is_some_and(|a| a.place.first) { (sound, None) } else { (None, sound) };
        lines.extend(before.into_iter().flatten());
        if section.is_video() {
            lines.extend(with_formats(section, video, formats));
        } else {
            lines.extend(section.lines.iter().map(|line| (*line).to_owned()));
        }
        lines.extend(after.into_iter().flatten());
    }
    candidates_once(lines).iter().flat_map(|line| [line.as_str(), "\r\n"]).collect()
}

/// The sound's section of this side's offer, over the transport of the video's.
fn own_audio(sdp: &Sdp<'_>, video: &Section<'_>, audio: &OwnAudio) -> Vec<String> {
    let section = Answered {
        kind: "audio".to_owned(),
        protocol: video.protocol().to_owned(),
        mid: Some(audio.place.mid.clone()),
        format: opus::PAYLOAD_TYPE.to_string(),
        of_format: Vec::new(),
        muxed: true,
        shares: true,
    };
    let opus = opus_lines(opus::PAYLOAD_TYPE, audio.direction, audio.ssrc, video);
    let setup = sdp.attribute(video, "setup").unwrap_or("actpass");
    section.beside(sdp, video, setup, &section.format, true, opus)
}

/// What the sound's section says of Opus, with the names under which this side's video goes.
fn opus_lines(payload_type: u8, direction: Media, ssrc: u32, video: &Section<'_>) -> Vec<String> {
    let cname = video.attributes("ssrc").find_map(|value| value.split_once(" cname:")).map_or("clearcall", |(_, n)| n);
    let stream = video.attribute("msid").and_then(|value| value.split_ascii_whitespace().next()).unwrap_or("clearcall");
    opus::lines(payload_type, direction, ssrc, cname, stream)
}

fn with_formats(section: &Section<'_>, ways: Media, formats: &[Format]) -> Vec<String> {
    let first = section.formats().next().unwrap_or_default();
    let feedback: Vec<&str> = section.attributes("rtcp-fb").filter_map(|value| after(value, first)).collect();
    let types: Vec<String> = formats.iter().flat_map(Format::payload_types).map(|t| t.to_string()).collect();
    let head: Vec<&str> = section.lines[0].split(' ').take(3).collect();
    let mut out = vec![format!("{} {}", head.join(" "), types.join(" "))];
    let of_format = |line: &str| ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().any(|name| line.starts_with(name));
    let mut written = false;
    for line in &section.lines[1..] {
        let name = line.strip_prefix("a=").and_then(|text| text.split(':').next()).unwrap_or_default();
        if Media::from_sdp(name).is_some() {
            out.push(format!("a={}", ways.in_sdp()));
        } else if !ways.sends() && matches!(name, "ssrc" | "ssrc-group" | "msid") {
            // The stream is there for the sound's sake.
        } else if !of_format(line) {
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
    if sdp.sections.is_empty() {
        return Err(unusable(what, "there is no video in it"));
    }
    Ok(sdp)
}

/// The section that is used.
struct Chosen {
    index: usize,
    format: Format,
    /// It is video; else it is sound, and stands for the video that is not there.
    is_video: bool,
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

    /// The sound's section, and the payload type of Opus in it; none where no sound is wanted.
    fn audio(&self, sdp: &Sdp<'_>, wishes: Wishes, formats: &[Format]) -> Option<(usize, u8)> {
        let section = &sdp.sections[self.index];
        if wishes.audio == Media::Inactive {
            return None;
        }
        if !self.is_video {
            return Some((self.index, opus::payload_type(section)?));
        }
        let bundle = section.mid().and_then(|mid| sdp.bundle(mid)).unwrap_or_default();
        let video: Vec<u8> = formats.iter().flat_map(Format::payload_types).collect();
        opus::choose(sdp, &bundle, &video)
    }

    /// What comes may be in any of the formats.
    fn negotiated(&self, sdp: &Sdp<'_>, wishes: Wishes, formats: &[Format], audio: Option<(usize, u8)>) -> Negotiated {
        let far = if self.is_video { sdp.direction(&sdp.sections[self.index]) } else { Media::Inactive };
        let media = wishes.video;
        Negotiated {
            audio: audio.map(|(index, payload_type)| {
                let mut audio = opus::agreed(sdp, index, payload_type, wishes.audio);
                // What is video's is never taken for sound.
                let is_video = |t: &u8| formats.iter().flat_map(Format::payload_types).any(|u| u == *t);
                audio.far_payload_types.retain(|t| !is_video(t));
                audio
            }),
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

/// Of the video sections that can be used, the first of those with the most ways; where there is none, and sound is
/// wanted, a section with Opus.
fn choose(sdp: &Sdp<'_>, wishes: Wishes) -> Result<Chosen, CallError> {
    let without = |error: CallError| {
        let is_opus = |s: &Section<'_>| s.kind() == "audio" && !s.is_refused() && opus::payload_type(s).is_some();
        let sound = sdp.sections.iter().position(is_opus).filter(|_| wishes.audio != Media::Inactive);
        let format = own_formats().into_iter().next();
        sound.zip(format).map(|(index, format)| Chosen { index, format, is_video: false }).ok_or(error)
    };
    if !sdp.sections.iter().any(Section::is_video) {
        return without(CallError::NoH264("there is no video in it".to_owned()));
    }
    choose_video(sdp).or_else(without)
}

fn choose_video(sdp: &Sdp<'_>) -> Result<Chosen, CallError> {
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
                    best = Some((ways, Chosen { index, format, is_video: true }));
                }
            }
            Err(reason) => _ = why.get_or_insert(reason),
        }
    }
    let refused = || "it refuses video: the port of every video section is 0".to_owned();
    best.map(|(_, chosen)| chosen).ok_or_else(|| CallError::NoH264(why.unwrap_or_else(refused)))
}

#[cfg(test)]
mod tests;
