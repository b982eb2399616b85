use proptest::prelude::*;

use super::*;

const FINGERPRINT: &str =
    "sha-256 82:B7:0E:EE:7F:1A:50:39:BE:F0:7E:C2:34:7F:06:6E:D0:8F:5D:C7:51:24:47:E3:40:43:00:02:6B:6E:54:55";

/// A transport as most write it into each section.
fn transport(mid: &str) -> String {
    format!(
        "c=IN IP4 0.0.0.0\r\na=ice-ufrag:aB3d\r\na=ice-pwd:x9x9x9x9x9x9x9x9x9x9x9x9\r\na=fingerprint:{FINGERPRINT}\r\n\
         a=setup:actpass\r\na=mid:{mid}\r\na=rtcp-mux\r\n"
    )
}

fn video(mid: &str, direction: &str) -> String {
    format!(
        "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n{}a={direction}\r\na=rtpmap:96 H264/90000\r\na=rtcp-fb:96 nack pli\r\n\
         a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n",
        transport(mid)
    )
}

fn audio(mid: &str) -> String {
    format!(
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\n{}a=sendonly\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n",
        transport(mid)
    )
}

fn described(session: &str, sections: &[String]) -> String {
    format!("v=0\r\no=- 42 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n{session}{}", sections.concat())
}

fn one(direction: &str) -> String {
    described("a=group:BUNDLE 0\r\n", &[video("0", direction)])
}

/// webrtc's part: what it would answer to the one section that it has read.
fn from_webrtc(offer: &Offer) -> String {
    let Negotiated { payload_type, rtx, .. } = offer.negotiated;
    let rtx = rtx.map(|rtx| format!(" {rtx}")).unwrap_or_default();
    format!(
        "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=msid-semantic:WMS *\r\na=fingerprint:sha-256 AA\r\n\
         a=group:BUNDLE 0\r\nm=video 9 UDP/TLS/RTP/SAVPF {payload_type}{rtx}\r\nc=IN IP4 0.0.0.0\r\na=setup:active\r\n\
         a=mid:0\r\na=ice-ufrag:uuuu\r\na=ice-pwd:pppp\r\na=rtcp-mux\r\na=rtpmap:{payload_type} H264/90000\r\n\
         a=fmtp:{payload_type} sprop-parameter-sets=AA;packetization-mode=1\r\na=msid:a b\r\na=ssrc:1 msid:a b\r\n\
         a=sendrecv\r\na=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=candidate:1 2 udp 1 192.0.2.1 1 typ host\r\n"
    )
}

/// Without sound, as a call without it is.
fn silent(video: Media) -> Wishes {
    Wishes { video, audio: Media::Inactive }
}

fn answer(offer: &str, media: Media) -> (Offer, String) {
    answer_as(offer, silent(media))
}

fn answer_as(offer: &str, wishes: Wishes) -> (Offer, String) {
    let offer = Offer::read(offer, wishes).unwrap();
    let answer = offer.answer(&from_webrtc(&offer), 4711);
    (offer, answer)
}

fn section(description: &str, index: usize) -> Vec<String> {
    Sdp::parse(description).sections[index].lines.iter().map(|line| (*line).to_owned()).collect()
}

fn has(lines: &[String], line: &str) -> bool {
    lines.iter().any(|l| l == line)
}

#[test]
fn both_follow_the_ways_that_both_can() {
    use Media::{Inactive, RecvOnly, SendOnly, SendRecv};
    for (offered, can, agreed) in [
        ("sendrecv", SendRecv, SendRecv),
        ("sendonly", SendRecv, RecvOnly),
        ("recvonly", SendRecv, SendOnly),
        ("inactive", SendRecv, Inactive),
        ("sendrecv", SendOnly, SendOnly),
        ("sendrecv", RecvOnly, RecvOnly),
        ("sendonly", SendOnly, Inactive),
        ("recvonly", RecvOnly, Inactive),
    ] {
        let (offer, answer) = answer(&one(offered), can);
        assert_eq!(offer.negotiated.direction, agreed, "{offered} for {can:?}");
        let lines = section(&answer, 0);
        assert!(has(&lines, &format!("a={}", agreed.in_sdp())), "{offered} for {can:?}: {answer}");
        assert_eq!(answer.contains("a=ssrc:1"), agreed.sends(), "{offered} for {can:?}: {answer}");
        // And as the answer to an offer of this side's.
        assert_eq!(
            Answer::read(&one(offered), silent(can), &own_formats()).unwrap().negotiated.direction,
            agreed,
            "{offered} for {can:?}"
        );
    }
}

#[test]
fn no_direction_is_both_and_the_session_s_counts_for_its_sections() {
    let bare = one("x-none").replace("a=x-none\r\n", "");
    assert_eq!(Offer::read(&bare, silent(Media::SendRecv)).unwrap().negotiated.direction, Media::SendRecv);
    for (direction, agreed) in [("sendonly", Media::RecvOnly), ("inactive", Media::Inactive)] {
        let session = bare.replace("t=0 0\r\n", &format!("t=0 0\r\na={direction}\r\n"));
        assert_eq!(Offer::read(&session, silent(Media::SendRecv)).unwrap().negotiated.direction, agreed);
    }
}

#[test]
fn an_unused_section_has_what_is_needed_to_read_it() {
    let data = format!("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n{}a=sctp-port:5000\r\n", transport("2"));
    let sections = [audio("0"), video("1", "sendrecv"), data, video("3", "sendonly")];
    let offer = described("a=group:BUNDLE 0 1 2 3\r\n", &sections);
    let (_, answer) = answer(&offer, Media::SendRecv);
    assert_eq!(answer.matches("m=").count(), 4);
    assert!(answer.contains("a=group:BUNDLE 0 1 3\r\n"), "{answer}");
    for (index, first) in [
        // They share the transport.
        (0, "m=audio 9 UDP/TLS/RTP/SAVPF 111"),
        (2, "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"),
        (3, "m=video 9 UDP/TLS/RTP/SAVPF 96"),
    ] {
        let candidates = usize::from(first.contains(" 9 "));
        let lines = section(&answer, index);
        assert_eq!(lines[0], first);
        let mid = format!("a=mid:{index}");
        for line in
            ["a=ice-ufrag:uuuu", "a=ice-pwd:pppp", "a=fingerprint:sha-256 AA", "a=setup:active", "a=inactive", &mid]
        {
            assert!(has(&lines, line), "{line} in {lines:?}");
        }
        assert_eq!(lines.iter().filter(|line| line.starts_with("a=candidate")).count(), candidates, "{lines:?}");
    }
    assert!(has(&section(&answer, 0), "a=rtpmap:111 opus/48000/2"));
    let used = section(&answer, 1);
    assert!(has(&used, "a=fingerprint:sha-256 AA"), "{used:?}");
    assert_eq!(answer.matches("a=fingerprint").count(), 4, "one in each section, none for all: {answer}");
    assert_eq!(used[0], "m=video 9 UDP/TLS/RTP/SAVPF 96");
    assert_eq!(used.iter().filter(|line| line.starts_with("a=candidate")).count(), 1, "{used:?}");
}

#[test]
fn without_a_bundle_group_one_section_is_taken_and_no_group_is_made_up() {
    let (offer, answer) = answer(&described("", &[audio("0"), video("1", "sendonly")]), Media::SendRecv);
    assert!(!answer.contains("a=group"), "{answer}");
    let refused = section(&answer, 0);
    assert_eq!(refused[0], "m=audio 0 UDP/TLS/RTP/SAVPF 111");
    for line in ["a=ice-ufrag:uuuu", "a=ice-pwd:pppp", "a=fingerprint:sha-256 AA", "a=setup:active", "a=mid:0"] {
        assert!(has(&refused, line), "{line} in {refused:?}");
    }
    assert!(section(&answer, 1)[0].starts_with("m=video 9 "));
    // webrtc would drop it.
    assert!(offer.for_webrtc.contains("a=group:BUNDLE 1\r\n"));
}

#[test]
fn a_section_without_a_name_is_answered_without_one() {
    let (offer, answer) =
        answer(&one("sendonly").replace("a=mid:0\r\n", "").replace("a=group:BUNDLE 0\r\n", ""), Media::SendRecv);
    assert!(offer.for_webrtc.contains("a=mid:0\r\n"));
    assert!(!answer.contains("a=mid") && !answer.contains("a=group"), "{answer}");
}

#[test]
fn who_begins_the_handshake_is_told_the_other_part() {
    for (offered, answered) in
        [("a=setup:active", "passive"), ("a=setup:passive", "active"), ("a=setup:actpass", "active"), ("a=x", "active")]
    {
        let (_, answer) = answer(&one("sendonly").replace("a=setup:actpass", offered), Media::SendRecv);
        assert!(has(&section(&answer, 0), &format!("a=setup:{answered}")), "{offered}: {answer}");
    }
}

#[test]
fn the_transport_of_a_bundle_is_where_its_first_section_has_it() {
    let bare = |section: String| {
        let kept =
            section.split("\r\n").filter(|l| !["a=ice-", "a=fingerprint", "a=setup"].iter().any(|p| l.starts_with(p)));
        kept.collect::<Vec<_>>().join("\r\n")
    };
    let candidate = "a=candidate:1 1 udp 5 192.0.2.7 7 typ host\r\n";
    let bundled = [audio("a") + candidate, bare(video("b", "sendonly").replace(" 9 ", " 0 ")) + "a=bundle-only\r\n"];
    let offer = Offer::read(&described("a=group:BUNDLE a b\r\n", &bundled), silent(Media::SendRecv)).unwrap();
    assert!(offer.for_webrtc.contains("a=ice-ufrag:aB3d\r\n") && offer.for_webrtc.contains(candidate));
    // Of the session as well.
    let session = "a=ice-ufrag:sess\r\na=ice-pwd:x\r\na=fingerprint:SHA-256 AB\r\na=setup:active\r\n";
    let offer = Offer::read(&described(session, &[bare(video("b", "sendonly"))]), silent(Media::SendRecv)).unwrap();
    for line in ["a=ice-ufrag:sess", "a=fingerprint:sha-256 AB", "a=setup:active"] {
        assert!(offer.for_webrtc.contains(line), "{line}");
    }
}

#[test]
fn what_cannot_be_tried_is_left_out_and_the_rest_is_used() {
    let lines = "a=candidate:1 1 UDP 2122317823 127.0.0.1 50001 typ host\r\na=candidate:foo bar\r\n\
                 a=candidate:2 1 udp 1 d5a0.local 9 typ host\r\na=candidate:3 1 udp 1 ::1 9 typ host\r\n";
    let offer = Offer::read(&(one("sendonly") + lines), silent(Media::SendRecv)).unwrap();
    let taken: Vec<_> = offer.for_webrtc.lines().filter(|line| line.starts_with("a=candidate")).collect();
    assert_eq!(
        taken,
        ["a=candidate:1 1 udp 2122317823 127.0.0.1 50001 typ host", "a=candidate:3 1 udp 1 ::1 9 typ host"]
    );
}

#[test]
fn layers_are_not_answered_and_never_mixed() {
    // As browsers have it: names, no numbers.
    let rids = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\na=rid:h send\r\na=rid:l send\r\n\
                a=simulcast:send h;l\r\na=ssrc:1 cname:x\r\na=ssrc:2 cname:x\r\n";
    let rtx = "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n";
    let one = |direction| one(direction).replace("SAVPF 96", "SAVPF 96 97") + rtx;
    let (offer, answer) = answer(&(one("sendonly") + rids), Media::SendRecv);
    // rtc would take the first retransmission of a stream without a number for the picture.
    assert!(!offer.for_webrtc.contains("rtx") && !answer.contains(" 97"), "{answer}");
    for text in [&offer.for_webrtc, &answer] {
        for gone in ["simulcast", "a=rid", "rtp-stream-id"] {
            assert!(!text.contains(gone), "{gone} in {text}");
        }
    }
    assert!(!offer.for_webrtc.contains("a=ssrc"));
    // As old ones have it: numbers, the largest picture last.
    let numbers = "a=ssrc-group:SIM 11 12 13\r\na=ssrc-group:FID 11 21\r\na=ssrc-group:FID 12 22\r\n\
                   a=ssrc-group:FID 13 23\r\na=ssrc:11 cname:x\r\na=ssrc:12 cname:x\r\na=ssrc:13 cname:x\r\n\
                   a=ssrc:21 cname:x\r\na=ssrc:22 cname:x\r\na=ssrc:23 cname:x\r\n";
    let offer = Offer::read(&(one("sendonly") + numbers), silent(Media::SendRecv)).unwrap();
    let streams: Vec<_> = offer.for_webrtc.lines().filter(|line| line.starts_with("a=ssrc")).collect();
    assert_eq!(streams, ["a=ssrc-group:FID 13 23", "a=ssrc:13 msid:far video", "a=ssrc:23 msid:far video"]);
    assert!(offer.for_webrtc.contains("a=fmtp:97 apt=96") && offer.negotiated.rtx == Some(97));
    // Who only receives has no streams.
    let offer = Offer::read(&one("recvonly"), silent(Media::SendRecv)).unwrap();
    assert!(offer.for_webrtc.contains("a=fmtp:97 apt=96"));
    // An answer cannot be asked to do without any more: what it sends again is opened by its type.
    let answer = Answer::read(&one("sendonly"), silent(Media::SendRecv), &own_formats()).unwrap();
    assert!(!answer.for_webrtc.contains("rtx") && answer.negotiated.rtx == Some(97));
}

#[test]
fn a_profile_is_answered_as_it_was_offered_and_without_its_sets() {
    let high = "packetization-mode=1; profile-level-id=640c1f; sprop-parameter-sets=Z0LgH5U=,aM48gA==";
    let offer = one("sendrecv").replace("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", high);
    let (offer, answer) = answer(&offer, Media::SendRecv);
    assert!(has(&section(&answer, 0), "a=fmtp:96 packetization-mode=1;profile-level-id=640c1f"), "{answer}");
    assert_eq!(offer.negotiated.parameter_sets.len(), 2);
    // webrtc is set up for one profile and compares.
    assert!(offer.for_webrtc.contains(&format!("a=fmtp:96 {}", canonical(H264Profile::High))));
}

#[test]
fn mode_0_is_kept() {
    let (offer, answer) = answer(&one("recvonly").replace("packetization-mode=1;", ""), Media::SendRecv);
    assert!(offer.negotiated.single_nal_units);
    assert!(answer.contains("packetization-mode=0"), "{answer}");
}

#[test]
fn a_refusal_says_why() {
    let no = |text: &str| Offer::read(text, silent(Media::SendRecv)).unwrap_err().to_string();
    let whole = one("sendrecv");
    let without = |prefix: &str| -> String {
        whole.lines().filter(|line| !line.starts_with(prefix)).map(|line| format!("{line}\r\n")).collect()
    };
    for (offer, why) in [
        (described("", &[audio("0")]), "no video"),
        (whole.replace("H264", "VP8"), "only VP8"),
        (whole.replace("m=video 9", "m=video 0"), "refuses video"),
        (whole.replace("packetization-mode=1", "packetization-mode=2"), "packetization-mode 2"),
        (without("a=fingerprint"), "no fingerprint"),
        (without("a=ice-pwd"), "ice-pwd"),
        (whole.replace("a=setup:actpass", "a=setup:holdconn"), "holdconn"),
        (described("", &vec![audio("0"); 70]), "70 media sections"),
    ] {
        let error = no(&offer);
        assert!(error.contains(why), "{why}: {error}");
    }
    let error = Answer::read(&whole.replace("m=video 9", "m=video 0"), silent(Media::SendRecv), &own_formats())
        .unwrap_err()
        .to_string();
    assert!(error.contains("refuses video"), "{error}");
}

/// The video section of an offer with these formats, each but mode 0 in Firefox with its retransmissions.
fn with_h264(formats: &[(u8, Option<u8>, &str)]) -> String {
    let types: Vec<String> =
        formats.iter().flat_map(|(t, rtx, _)| [Some(*t), *rtx]).flatten().map(|t| t.to_string()).collect();
    let lines: String = formats
        .iter()
        .map(|(t, rtx, fmtp)| {
            let rtx =
                rtx.map(|rtx| format!("a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={t}\r\n")).unwrap_or_default();
            let feedback =
                "nack,nack pli,ccm fir,transport-cc".split(',').map(|kind| format!("a=rtcp-fb:{t} {kind}\r\n"));
            format!("a=rtpmap:{t} H264/90000\r\n{}a=fmtp:{t} {fmtp}\r\n{rtx}", feedback.collect::<String>())
        })
        .collect();
    let section = format!(
        "m=video 9 UDP/TLS/RTP/SAVPF {}\r\n{}a=sendrecv\r\n{lines}a=ssrc-group:FID 5 6\r\na=ssrc:5 cname:x\r\na=ssrc:6 cname:x\r\n",
        types.join(" "),
        transport("0")
    );
    described("a=group:BUNDLE 0\r\n", &[section])
}

/// A payload type, that of its retransmissions, and its parameters.
type Offered = (u8, Option<u8>, String);

fn id(mode: u8, profile_level: &str) -> String {
    format!("level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile_level}")
}

#[test]
fn the_best_profile_of_a_browser_s_offer_is_answered_and_sent() {
    use H264Profile::{ConstrainedBaseline, High, Main};
    // As Chromium 148, Safari 18, Firefox 140 and aiortc 1.16 write them.
    let chromium = [
        (103, Some(104), id(1, "42001f")),
        (107, Some(108), id(0, "42001f")),
        (109, Some(114), id(1, "42e01f")),
        (115, Some(116), id(0, "42e01f")),
        (117, Some(118), id(1, "4d001f")),
        (39, Some(40), id(0, "4d001f")),
        (119, Some(120), id(1, "64001f")),
        (121, Some(122), id(0, "64001f")),
    ];
    let safari = [
        (96, Some(97), id(1, "640c1f")),
        (98, Some(99), id(1, "42e01f")),
        (100, Some(101), id(0, "640c1f")),
        (127, Some(125), id(0, "42e01f")),
    ];
    let firefox = [
        (126, Some(127), "profile-level-id=42e01f;level-asymmetry-allowed=1;packetization-mode=1".to_owned()),
        (97, Some(98), "profile-level-id=42e01f;level-asymmetry-allowed=1".to_owned()),
    ];
    let aiortc = [(99, Some(100), id(1, "42001f")), (101, Some(102), id(1, "42e01f"))];
    let mode_0 = [(97, None, id(0, "42e01f"))];
    let cases: [(&[Offered], _, _, _); 6] = [
        (&chromium, 119, High, "64001f"),
        (&chromium[..6], 117, Main, "4d001f"),
        (&safari, 96, High, "640c1f"),
        (&firefox, 126, ConstrainedBaseline, "42e01f"),
        (&aiortc, 101, ConstrainedBaseline, "42e01f"),
        (&mode_0, 97, ConstrainedBaseline, "42e01f"),
    ];
    for (formats, payload_type, profile, id) in cases {
        let formats: Vec<_> = formats.iter().map(|(t, rtx, fmtp)| (*t, *rtx, fmtp.as_str())).collect();
        let (offer, answer) = answer(&with_h264(&formats), Media::SendRecv);
        let rtx = formats.iter().find(|f| f.0 == payload_type).unwrap().1;
        let agreed = &offer.negotiated;
        assert_eq!((agreed.payload_type, agreed.rtx, agreed.profile), (payload_type, rtx, profile));
        let lines = section(&answer, 0);
        let rtx = rtx.map(|rtx| format!(" {rtx}")).unwrap_or_default();
        assert_eq!(lines[0], format!("m=video 9 UDP/TLS/RTP/SAVPF {payload_type}{rtx}"));
        assert!(lines.iter().any(|l| l.starts_with(&format!("a=fmtp:{payload_type} ")) && l.contains(id)), "{lines:?}");
        // And the offerer, be it one of ours, reads the same from it.
        let read = Answer::read(&answer, silent(Media::SendRecv), &own_formats()).unwrap().negotiated;
        assert_eq!((read.payload_type, read.profile), (payload_type, profile));
    }
}

#[test]
fn what_an_offer_says_of_its_profile_is_kept_to() {
    use H264Profile::{ConstrainedBaseline, High, Main};
    for (id, profile) in [
        ("640034", High),
        ("640c1f", High),
        ("4d401f", Main),
        // Main with constraint_set0: what baseline has as well.
        ("4d801f", ConstrainedBaseline),
        ("42c01f", ConstrainedBaseline),
        ("420029", ConstrainedBaseline),
    ] {
        let fmtp = format!("packetization-mode=1;profile-level-id={id}");
        assert_eq!(
            Offer::read(&with_h264(&[(96, None, &fmtp)]), silent(Media::SendRecv)).unwrap().negotiated.profile,
            profile
        );
    }
    let none = Offer::read(&with_h264(&[(96, None, "packetization-mode=1")]), silent(Media::SendRecv)).unwrap();
    assert_eq!(none.negotiated.profile, ConstrainedBaseline, "no profile is baseline");
}

#[test]
fn all_profiles_are_offered_the_best_first() {
    let from_webrtc = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 102 103\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=mid:0\r\n\
         a=rtpmap:102 H264/90000\r\na=fmtp:102 packetization-mode=1;profile-level-id=640c1f\r\n\
         a=rtcp-fb:102 nack\r\na=rtcp-fb:102 nack pli\r\na=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\n\
         a=ssrc:1 msid:a b\r\na=sendrecv\r\na=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n";
    let offer = own_offer(from_webrtc, Media::SendRecv, &own_formats(), None);
    let lines = section(&offer, 0);
    assert_eq!(lines[0], "m=video 9 UDP/TLS/RTP/SAVPF 102 103 104 105 106 107");
    let of =
        |t: u8, id: &str| format!("a=fmtp:{t} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={id}");
    for line in [of(102, "640c1f"), of(104, "4d001f"), of(106, "42e01f"), "a=fmtp:107 apt=106".to_owned()] {
        assert!(has(&lines, &line), "{line}: {offer}");
    }
    for t in [102, 104, 106] {
        assert!(has(&lines, &format!("a=rtpmap:{t} H264/90000")) && has(&lines, &format!("a=rtcp-fb:{t} nack pli")));
    }
    assert_eq!(offer.matches("rtx/90000").count(), 3);
    for line in ["a=mid:0", "a=ssrc:1 msid:a b", "a=sendrecv", "a=candidate:1 1 udp 1 192.0.2.1 1 typ host"] {
        assert_eq!(lines.iter().filter(|l| *l == line).count(), 1, "{line}: {offer}");
    }
}

#[test]
fn of_an_answer_the_best_is_sent_and_all_are_received() {
    let (high, main, base) = (id(1, "640c1f"), id(1, "4d001f"), id(1, "42e01f"));
    let of = |formats: &[(u8, Option<u8>, &str)]| {
        Answer::read(&with_h264(formats), silent(Media::SendRecv), &own_formats()).unwrap()
    };
    let types = |answer: &Answer| section(&answer.for_webrtc, 0)[0].clone();
    // Chromium's, which knows no constrained high.
    let two = of(&[(104, Some(105), &main), (106, Some(107), &base)]);
    assert_eq!((two.negotiated.payload_type, two.negotiated.profile), (104, H264Profile::Main));
    assert_eq!(types(&two), "m=video 9 UDP/TLS/RTP/SAVPF 104 105 106 107 102 103");
    assert_eq!(two.negotiated.far_rtx, [105, 107, 103]);
    // Firefox's.
    let one = of(&[(106, Some(107), &base)]);
    assert_eq!((one.negotiated.payload_type, one.negotiated.profile), (106, H264Profile::ConstrainedBaseline));
    // Another order and other types, of which one is another format's of ours.
    let odd = of(&[(102, None, &base), (96, None, &high)]);
    assert_eq!((odd.negotiated.payload_type, odd.negotiated.profile), (96, H264Profile::High));
    assert_eq!(types(&odd), "m=video 9 UDP/TLS/RTP/SAVPF 96 102 104", "nobody repairs, and no type stands twice");
}

/// Lines that mean something, in any order.
fn soup() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("m=video 9 UDP/TLS/RTP/SAVPF 96 97".to_owned()),
        Just("m=audio 9 UDP/TLS/RTP/SAVPF 111".to_owned()),
        Just("m=video 0".to_owned()),
        Just("m=".to_owned()),
        Just("a=rtpmap:96 H264/90000".to_owned()),
        Just("a=fmtp:96 packetization-mode=1".to_owned()),
        Just("a=rtpmap:97 rtx/90000".to_owned()),
        Just("a=fmtp:97 apt=96".to_owned()),
        Just("a=ice-ufrag:aB3d".to_owned()),
        Just("a=ice-pwd:x9x9x9x9x9x9x9x9x9x9x9x9".to_owned()),
        Just(format!("a=fingerprint:{FINGERPRINT}")),
        Just("a=group:BUNDLE 0 1".to_owned()),
        "a=(mid|setup|ssrc|ssrc-group|extmap|rid|simulcast|candidate|rtcp-fb|group|fmtp|rtpmap):[ -~]{0,24}",
        "a=mid:[01]",
        "a=ssrc:[1-3] x",
        "a=ssrc-group:(FID|SIM) [1-3] [1-3]",
        "a=(sendrecv|sendonly|recvonly|inactive)",
        "\\PC{0,20}",
    ];
    proptest::collection::vec(line, 0..40).prop_map(|lines| format!("v=0\n{}", lines.join("\n")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever is offered: webrtc reads one plain section, which says the same when it is read again, and each
    /// section gets one in the answer.
    #[test]
    fn anything_is_answered_section_by_section_or_refused(text in soup()) {
        let Ok(offer) = Offer::read(&text, silent(Media::SendRecv)) else { return Ok(()) };
        let count = |text: &str| Sdp::parse(text).sections.len();
        prop_assert_eq!(count(&offer.for_webrtc), 1);
        prop_assert_eq!(count(&offer.answer(&from_webrtc(&offer), 4711)), count(&text));
        let again = Offer::read(&offer.for_webrtc, silent(Media::SendRecv)).unwrap();
        // Of several streams one was chosen, and that may have another number than it says.
        let plain = |text: &str| text.lines().filter(|l| !l.starts_with("a=ssrc")).map(str::to_owned).collect::<Vec<_>>();
        prop_assert_eq!(plain(&again.for_webrtc), plain(&offer.for_webrtc));
    }
}

/// Wishes of a side with sound.
fn sounding() -> Wishes {
    Wishes { video: Media::SendRecv, audio: Media::SendRecv }
}

#[test]
fn a_refusal_of_sound_alone_speaks_of_sound() {
    let alone = described("a=group:BUNDLE 0\r\n", &[audio("0")]);
    assert!(Offer::read(&alone, sounding()).is_ok());
    for (prefix, why) in [("a=ice-pwd", "its sound has no ice-ufrag"), ("a=fingerprint", "its sound is not encrypted")]
    {
        let offer: String =
            alone.lines().filter(|line| !line.starts_with(prefix)).map(|line| format!("{line}\r\n")).collect();
        let error = Offer::read(&offer, sounding()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn sound_beside_video_is_answered_over_its_transport() {
    let offer = described("a=group:BUNDLE 0 1\r\n", &[audio("0"), video("1", "sendrecv")]);
    let (offer, answer) = answer_as(&offer, sounding());
    let agreed = offer.negotiated.audio.clone().unwrap();
    // The far side only sends it.
    assert_eq!((agreed.direction, agreed.payload_type), (Media::RecvOnly, 111));
    assert_eq!(offer.audio_place(), Some(AudioPlace { mid: "0".to_owned(), first: true }));
    let lines = section(&answer, 0);
    assert_eq!(lines[0], "m=audio 9 UDP/TLS/RTP/SAVPF 111");
    assert!(has(&lines, "a=recvonly") && has(&lines, "a=rtpmap:111 opus/48000/2"), "{answer}");
    assert!(has(&lines, "a=ice-ufrag:uuuu") && has(&lines, "a=mid:0"), "{answer}");
    assert!(!offer.for_webrtc.contains("audio"), "{}", offer.for_webrtc);
    assert!(answer.contains("a=group:BUNDLE 0 1\r\n"), "{answer}");
}

#[test]
fn sound_over_a_transport_of_its_own_or_of_a_type_that_is_video_s_is_refused() {
    let apart = described("a=group:BUNDLE 1\r\n", &[audio("0"), video("1", "sendrecv")]);
    let clashing = described("a=group:BUNDLE 0 1\r\n", &[audio("0").replace("111", "96"), video("1", "sendrecv")]);
    for offer in [apart, clashing] {
        let (offer, answer) = answer_as(&offer, sounding());
        assert_eq!(offer.negotiated.audio, None);
        assert!(has(&section(&answer, 0), "a=inactive"), "{answer}");
    }
}

#[test]
fn what_is_video_s_is_never_taken_for_sound() {
    // Its Opus has another type than ours, and its video has that of our Opus.
    let sections = [audio("0").replace("111", "109"), video("1", "sendrecv").replace("96", "111")];
    let (offer, _) = answer_as(&described("a=group:BUNDLE 0 1\r\n", &sections), sounding());
    let agreed = offer.negotiated.audio.unwrap();
    assert_eq!((agreed.payload_type, agreed.far_payload_types), (109, vec![109]));
}
