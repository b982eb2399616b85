//! Which of a video section's formats is spoken: H.264 in one of its ways of packing (RFC 6184 §8).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::sdp::Section;
use crate::codec::H264Profile;

/// Parameter sets are some ten bytes long; what is far longer is none.
const MAX_SET: usize = 1024;
const MAX_SETS: usize = 32;
/// Some leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An H.264 format of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) payload_type: u8,
    /// Of its retransmissions.
    pub(crate) rtx: Option<u8>,
    /// Packetization mode 0: each NAL unit in a packet of its own.
    pub(crate) single_nal_units: bool,
    /// As it was written.
    pub(crate) profile_level_id: Option<String>,
    pub(crate) level_asymmetry: bool,
    /// What may be sent in it.
    pub(crate) profile: H264Profile,
    /// From `sprop-parameter-sets`: SPS and PPS that need not come with the pictures.
    pub(crate) parameter_sets: Vec<Vec<u8>>,
}

/// The three that this side offers, best first: payload type, that of the retransmissions, profile.
const OFFERED: [(u8, u8, H264Profile); 3] =
    [(102, 103, H264Profile::High), (104, 105, H264Profile::Main), (106, 107, H264Profile::ConstrainedBaseline)];

/// Level 3.1, and of the constraints what others look for: constrained high (no fields, no B pictures) as Safari has it,
/// main as Chromium has it, constrained baseline as all have it (RFC 6184 §8.1).
const fn profile_level_id(profile: H264Profile) -> &'static str {
    match profile {
        H264Profile::High => "640c1f",
        H264Profile::Main => "4d001f",
        H264Profile::ConstrainedBaseline => "42e01f",
    }
}

/// The one form of a profile that webrtc is told: it compares.
pub(crate) fn canonical(profile: H264Profile) -> String {
    format!("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={}", profile_level_id(profile))
}

/// What this side offers.
pub(crate) fn own() -> Vec<Format> {
    let format = |(payload_type, rtx, profile)| Format {
        payload_type,
        rtx: Some(rtx),
        single_nal_units: false,
        profile_level_id: Some(profile_level_id(profile).to_owned()),
        level_asymmetry: true,
        profile,
        parameter_sets: Vec::new(),
    };
    OFFERED.map(format).into()
}

impl Format {
    /// Of its packets and of their retransmissions.
    pub(super) fn payload_types(&self) -> impl Iterator<Item = u8> + use<> {
        [Some(self.payload_type), self.rtx].into_iter().flatten()
    }

    /// The format parameters that an answer has: those that both sides must have alike (RFC 6184 §8.2.2).
    pub(super) fn answered(&self) -> String {
        let mut parameters = Vec::new();
        if self.level_asymmetry {
            parameters.push("level-asymmetry-allowed=1".to_owned());
        }
        parameters.push(format!("packetization-mode={}", u8::from(!self.single_nal_units)));
        parameters.extend(self.profile_level_id.as_ref().map(|id| format!("profile-level-id={id}")));
        parameters.join(";")
    }
}

/// The best format for this program, or why there is none.
pub(super) fn choose(section: &Section<'_>) -> Result<Format, String> {
    let mut best: Option<(u8, Format)> = None;
    let (mut others, mut wrong) = (Vec::new(), Vec::new());
    for format in section.formats() {
        let name = section.of_format("rtpmap", format).unwrap_or_default();
        let Some(codec) = name.split('/').next().filter(|codec| !codec.is_empty()) else { continue };
        if !name.eq_ignore_ascii_case("h264/90000") {
            if !is_repair(codec) && !others.contains(&codec) {
                others.push(codec);
            }
            continue;
        }
        match read(section, format) {
            Ok((rank, format)) if best.as_ref().is_none_or(|(r, _)| *r < rank) => best = Some((rank, format)),
            Ok(_) => {}
            Err(why) if wrong.contains(&why) => {}
            Err(why) => wrong.push(why),
        }
    }
    best.map(|(_, format)| format).ok_or_else(|| match (wrong.as_slice(), others.as_slice()) {
        ([], []) => "no H.264 among its formats".to_owned(),
        ([], _) => format!("no H.264, only {}", list(&others)),
        _ => format!("H.264 only with {}", wrong.join(", and with ")),
    })
}

/// All of a section's H.264 formats that can be used.
pub(super) fn all(section: &Section<'_>) -> Vec<Format> {
    let h264 =
        |format: &&str| section.of_format("rtpmap", format).is_some_and(|name| name.eq_ignore_ascii_case("h264/90000"));
    section.formats().filter(h264).filter_map(|format| Some(read(section, format).ok()?.1)).collect()
}

/// Names come from outside: a few, and no longer than names are.
fn list(names: &[&str]) -> String {
    let clean = |name: &&str| name.chars().filter(char::is_ascii_graphic).take(16).collect::<String>();
    names.iter().take(6).map(clean).collect::<Vec<_>>().join(", ")
}

fn is_repair(codec: &str) -> bool {
    ["rtx", "red", "ulpfec", "flexfec-03", "flexfec"].iter().any(|name| codec.eq_ignore_ascii_case(name))
}

/// One H.264 format, and how well it fits: 0 to 255.
fn read(section: &Section<'_>, format: &str) -> Result<(u8, Format), String> {
    let payload_type: u8 = format.parse().ok().filter(|n| *n < 128).ok_or("a payload type that is no number")?;
    let parameters = section.of_format("fmtp", format).unwrap_or_default();
    let get = |key: &str| parameter(parameters, key);
    let single_nal_units = match get("packetization-mode").unwrap_or("0") {
        "0" => true,
        "1" => false,
        mode => return Err(format!("packetization-mode {}, which is not spoken here", list(&[mode]))),
    };
    let id = get("profile-level-id");
    // Without one it is baseline (RFC 6184 §8.1).
    let (profile, constraints) = match id {
        None => (0x42, 0),
        Some(id) => {
            let bytes = u32::from_str_radix(id, 16).ok().filter(|_| id.len() == 6);
            let bytes = bytes.ok_or_else(|| format!("the profile-level-id {}, which is none", list(&[id])))?;
            ((bytes >> 16) as u8, (bytes >> 8) as u8)
        }
    };
    // All of these are decoded here. What is sent is what the far side decodes, and of baseline and main only what they
    // have in common where that is said (RFC 6184, table 5).
    let (fit, profile) = match profile {
        0x64 => (4, H264Profile::High),
        0x4d if constraints & 0x80 == 0 => (3, H264Profile::Main),
        0x42 if constraints & 0x40 != 0 => (2, H264Profile::ConstrainedBaseline),
        0x42 | 0x4d => (1, H264Profile::ConstrainedBaseline),
        _ => return Err(format!("profile {profile:#04x}, and no baseline, main or high profile")),
    };
    let rtx = section.formats().find(|rtx| {
        let name = section.of_format("rtpmap", rtx).unwrap_or_default();
        name.eq_ignore_ascii_case("rtx/90000")
            && section.of_format("fmtp", rtx).and_then(|p| parameter(p, "apt")) == Some(format)
    });
    let chosen = Format {
        payload_type,
        rtx: rtx.and_then(|rtx| rtx.parse().ok()).filter(|n| *n < 128),
        single_nal_units,
        profile_level_id: id.map(str::to_owned),
        profile,
        level_asymmetry: get("level-asymmetry-allowed") == Some("1"),
        parameter_sets: get("sprop-parameter-sets").map(parameter_sets).unwrap_or_default(),
    };
    Ok((fit + if single_nal_units { 0 } else { 8 }, chosen))
}

/// RFC 6184 §8.1 has the parameters parted by `;`, and many put a space behind it.
fn parameter<'a>(parameters: &'a str, key: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|one| {
        let (name, value) = one.split_once('=')?;
        name.trim().eq_ignore_ascii_case(key).then(|| value.trim())
    })
}

/// Base64 with commas between; what is no parameter set is left out.
fn parameter_sets(value: &str) -> Vec<Vec<u8>> {
    let sets = value.split(',').take(MAX_SETS).filter(|set| set.len() <= MAX_SET * 4 / 3);
    sets.filter_map(|set| BASE64.decode(set.trim()).ok())
        .filter(|set| set.first().is_some_and(|header| header & 0x80 == 0 && matches!(header & 0x1f, 7 | 8)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::sdp::Sdp;
    use super::*;

    fn chosen(formats: &str, attributes: &str) -> Result<Format, String> {
        let text = format!("v=0\nm=video 9 UDP/TLS/RTP/SAVPF {formats}\n{attributes}");
        choose(&Sdp::parse(&text).sections[0])
    }

    #[test]
    fn spaces_between_parameters_do_not_matter() {
        let format = chosen(
            "96 97",
            "a=rtpmap:96 h264/90000\na=fmtp:96  level-asymmetry-allowed=1; Packetization-Mode=1 ;profile-level-id=42e01f; \n\
             a=rtpmap:97 rtx/90000\na=fmtp:97 rtx-time=200; apt=96",
        );
        let format = format.unwrap();
        assert_eq!((format.payload_type, format.rtx, format.single_nal_units), (96, Some(97), false));
        assert_eq!(format.answered(), "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f");
    }

    #[test]
    fn the_format_that_fits_best_is_chosen() {
        let of = |id: &str, mode: u8| format!("packetization-mode={mode};profile-level-id={id}");
        let attributes: String = [
            (96, of("64001f", 1)),
            (97, of("42e01f", 0)),
            (98, of("42001f", 1)),
            (99, of("42e01f", 1)),
            (100, of("42c01f", 1)),
        ]
        .iter()
        .map(|(n, fmtp)| format!("a=rtpmap:{n} H264/90000\na=fmtp:{n} {fmtp}\n"))
        .collect();
        let pick = |formats: &str| chosen(formats, &attributes).unwrap().payload_type;
        assert_eq!(pick("100 99 98 97 96"), 96, "what needs fewer bits goes first");
        assert_eq!(pick("97 98 99 100"), 99);
        assert_eq!(pick("100 97 98 99"), 100);
        assert_eq!(pick("97 98"), 98, "a mode that packs well goes before a profile");
        assert_eq!(pick("97"), 97);
        assert!(chosen("97", &attributes).unwrap().single_nal_units);
    }

    #[test]
    fn who_gives_no_parameters_gets_single_units_and_none_back() {
        let format = chosen("96", "a=rtpmap:96 H264/90000").unwrap();
        assert!(format.single_nal_units);
        assert_eq!(format.answered(), "packetization-mode=0");
    }

    #[test]
    fn a_refusal_says_what_was_offered_instead() {
        for (formats, attributes, why) in [
            ("96", "a=rtpmap:96 VP8/90000", "only VP8"),
            ("96 97 98", "a=rtpmap:96 VP8/90000\na=rtpmap:97 rtx/90000\na=rtpmap:98 AV1/90000", "only VP8, AV1"),
            ("96", "a=rtpmap:96 H264/90000\na=fmtp:96 packetization-mode=2", "packetization-mode 2"),
            ("96", "a=rtpmap:96 H264/90000\na=fmtp:96 profile-level-id=f4001f", "profile 0xf4"),
            ("96", "a=rtpmap:96 H264/90000\na=fmtp:96 profile-level-id=zz", "zz"),
            ("300", "a=rtpmap:300 H264/90000", "no number"),
            ("", "", "no H.264"),
        ] {
            let error = chosen(formats, attributes).unwrap_err();
            assert!(error.contains(why), "{attributes}: {error}");
        }
    }

    #[test]
    fn parameter_sets_are_read_and_what_is_none_is_not() {
        let sets = chosen(
            "96",
            "a=rtpmap:96 H264/90000\na=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LgH5U,aM48gA==,!,AAAA,ZYiA",
        );
        let sets = sets.unwrap().parameter_sets;
        assert_eq!(sets, [vec![0x67, 0x42, 0xe0, 0x1f, 0x95], vec![0x68, 0xce, 0x3c, 0x80]]);
    }
}
