//! What two sides agree on, over real UDP on 127.0.0.1: which way video goes, how it is packed, and what an offer of
//! another program's making comes to.

mod call_support;

use std::time::Duration;

use call_support::{is_keyframe_wanted, unit, wait_for, wait_stats, wait_unit};
use clearcall::{
    call::{CallError, Media, Peer, PeerConfig, PeerEvent, SendError},
    codec::{
        Decoder, Encoder, EncoderConfig, H264Profile,
        nal::{Pps, Sps, nal_units},
    },
    frame::{Size, Stamp},
    source::scene::Scene,
};
use tokio::{runtime::Handle, sync::mpsc};

struct Side {
    peer: Peer,
    events: mpsc::Receiver<PeerEvent>,
}

async fn side(media: Media) -> Side {
    let (sender, events) = mpsc::channel(256);
    let peer = Peer::new(PeerConfig::new(media, 300_000), &Handle::current(), sender).await.unwrap();
    Side { peer, events }
}

/// `near` offers what `rewrite` makes of its offer; `far` answers, and `near` gets what `back` makes of the answer.
async fn negotiate(
    near: &Side,
    far: &Side,
    rewrite: impl Fn(String) -> String,
    back: impl Fn(String) -> String,
) -> String {
    let offer = rewrite(near.peer.offer().await.unwrap());
    let answer = far.peer.answer(&offer).await.unwrap();
    near.peer.accept_answer(&back(answer.clone())).await.unwrap_or_else(|e| panic!("{e}\n{offer}\n{answer}"));
    answer
}

async fn connect(
    near: &Side,
    far: &Side,
    rewrite: impl Fn(String) -> String,
    back: impl Fn(String) -> String,
) -> String {
    let answer = negotiate(near, far, rewrite, back).await;
    for side in [near, far] {
        side.peer.connected(call_support::PATIENCE).await.unwrap();
    }
    answer
}

async fn first_keyframe_wanted(side: &mut Side) {
    wait_for(&mut side.events, "wish for a first keyframe", |e| is_keyframe_wanted(&e)).await;
}

/// Nothing may come: the far side's sender refuses, and not a packet has arrived by the second statistics.
async fn stays_silent(from: &Side, to: &mut Side) {
    assert_eq!(from.peer.sender().send(unit(7, true, 100)), Err(SendError::NotConnected));
    for _ in 0..2 {
        let stats = wait_stats(&mut to.events, |_| true).await;
        assert_eq!((stats.packets_in, stats.units_in), (0, 0), "{stats:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_to_send_only_is_sent_nothing() {
    let (mut near, mut far) = (side(Media::SendRecv).await, side(Media::SendRecv).await);
    let answer = connect(&near, &far, |o| o.replace("a=sendrecv", "a=sendonly"), |a| a).await;
    assert!(answer.contains("a=recvonly") && !answer.contains("a=ssrc"), "{answer}");
    assert_eq!((near.peer.direction(), far.peer.direction()), (Some(Media::SendOnly), Some(Media::RecvOnly)));
    first_keyframe_wanted(&mut near).await;
    let sent = unit(1, true, 3000);
    near.peer.sender().send(sent.clone()).unwrap();
    assert_eq!(wait_unit(&mut far.events).await.data, sent.data);
    stays_silent(&far, &mut near).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_to_receive_only_is_sent_video() {
    let (mut near, mut far) = (side(Media::SendRecv).await, side(Media::SendRecv).await);
    let answer = connect(&near, &far, |o| o.replace("a=sendrecv", "a=recvonly"), |a| a).await;
    assert!(answer.contains("a=sendonly"), "{answer}");
    assert_eq!((near.peer.direction(), far.peer.direction()), (Some(Media::RecvOnly), Some(Media::SendOnly)));
    first_keyframe_wanted(&mut far).await;
    let sent = unit(1, true, 3000);
    far.peer.sender().send(sent.clone()).unwrap();
    assert_eq!(wait_unit(&mut near.events).await.data, sent.data);
    stays_silent(&near, &mut far).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_s_direction_is_followed_too() {
    let (mut near, far) = (side(Media::SendRecv).await, side(Media::SendOnly).await);
    connect(&near, &far, |o| o, |a| a).await;
    assert_eq!((near.peer.direction(), far.peer.direction()), (Some(Media::RecvOnly), Some(Media::SendOnly)));
    assert_eq!(near.peer.sender().send(unit(7, true, 100)), Err(SendError::NotConnected));
    let mut far = far;
    first_keyframe_wanted(&mut far).await;
    far.peer.sender().send(unit(1, true, 100)).unwrap();
    wait_unit(&mut near.events).await;
    let stats = wait_stats(&mut far.events, |s| s.units_out == 1).await;
    assert_eq!(stats.packets_in, 0, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_inactive_stays_so_until_it_is_negotiated_anew() {
    let (mut near, mut far) = (side(Media::SendRecv).await, side(Media::SendRecv).await);
    let turned = |to: &'static str| move |offer: String| offer.replace("a=sendrecv", to);
    let answer = connect(&near, &far, turned("a=inactive"), |a| a).await;
    assert!(answer.contains("a=inactive") && answer.contains("m=video 9 "), "{answer}");
    stays_silent(&near, &mut far).await;
    stays_silent(&far, &mut near).await;
    let both = |to: &Side| to.peer.direction();
    for (direction, near_way, far_way) in [
        ("a=sendonly", Media::SendOnly, Media::RecvOnly),
        ("a=sendrecv", Media::SendRecv, Media::SendRecv),
        ("a=recvonly", Media::RecvOnly, Media::SendOnly),
        ("a=inactive", Media::Inactive, Media::Inactive),
        ("a=sendrecv", Media::SendRecv, Media::SendRecv),
    ] {
        println!("now {direction}");
        negotiate(&near, &far, turned(direction), |a| a).await;
        assert_eq!((both(&near), both(&far)), (Some(near_way), Some(far_way)), "{direction}");
        let (to_far, to_near) = (unit(1, true, 2000), unit(2, true, 3000));
        for (from, to, way, sent) in
            [(&near.peer, &mut far.events, near_way, to_far), (&far.peer, &mut near.events, far_way, to_near)]
        {
            if !way.sends() {
                continue;
            }
            // The sender opens a moment after the answer is taken.
            while from.sender().send(sent.clone()) == Err(SendError::NotConnected) {
                tokio::task::yield_now().await;
            }
            assert_eq!(wait_unit(to).await.data, sent.data, "{direction}");
        }
        for (peer, way) in [(&near.peer, near_way), (&far.peer, far_way)] {
            while !way.sends() && peer.sender().send(unit(9, true, 100)) != Err(SendError::NotConnected) {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// A camera of another maker: no BUNDLE group, no name, active, a candidate that is none, spaces.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_odd_offer_connects_and_carries_video() {
    let (mut near, mut far) = (side(Media::SendOnly).await, side(Media::SendRecv).await);
    let odd = |offer: String| {
        let audio = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:snd\r\na=sendonly\r\na=rtcp-mux\r\n\
                     a=rtpmap:0 PCMU/8000\r\n";
        let kept = offer.lines().filter(|l| !l.starts_with("a=group") && *l != "a=end-of-candidates");
        let text = kept.map(|line| format!("{line}\r\n")).collect::<String>();
        text.replace("a=setup:actpass", "a=setup:active")
            .replace(";packetization-mode", "; packetization-mode")
            .replace("m=video", &format!("{audio}m=video"))
            + "a=candidate:foo bar\r\n"
    };
    // This side's webrtc knows nothing of the audio that was written into its offer, and it begins as it always does.
    let back = |answer: String| {
        assert!(answer.contains("a=setup:passive") && !answer.contains("a=group"), "{answer}");
        assert!(answer.contains("m=audio 0 "), "{answer}");
        answer
    };
    connect(&near, &far, odd, back).await;
    first_keyframe_wanted(&mut near).await;
    near.peer.sender().send(unit(1, true, 3000)).unwrap();
    assert_eq!(wait_unit(&mut far.events).await.data, unit(1, true, 3000).data);
}

/// Each NAL unit that the encoder makes goes in a packet of its own, and none is long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_of_mode_0_gets_single_nal_units() {
    let (mut near, mut far) = (side(Media::RecvOnly).await, side(Media::SendOnly).await);
    let mode_0 = |text: String| text.replace("packetization-mode=1;", "");
    let answer = connect(&near, &far, mode_0, |a| a).await;
    assert!(answer.contains("packetization-mode=0"), "{answer}");
    assert_eq!(near.peer.longest_nal_unit(), Some(1150));
    let longest = far.peer.longest_nal_unit();
    assert_eq!(longest, Some(1150));
    first_keyframe_wanted(&mut far).await;
    let size = Size::new(320, 240).unwrap();
    let config = EncoderConfig {
        size,
        fps: 30.0,
        bitrate: 3_000_000,
        keyframe_interval: None,
        skip_frames: false,
        profile: H264Profile::High,
    };
    let mut encoder = Encoder::new(config).unwrap().with_longest_nal_unit(longest);
    let mut decoder = Decoder::new().unwrap();
    let scene = Scene::new(size, 30.0).unwrap();
    let mut nals = 0;
    for id in 0..5 {
        let frame = scene.draw(id).with_stamp(Stamp::now(id));
        let unit = encoder.encode(&frame).unwrap().unwrap();
        for nal in clearcall::codec::nal::nal_units(&unit.data) {
            assert!(nal.len() <= 1150, "{} bytes", nal.len());
            nals += 1;
        }
        far.peer.sender().send(unit.clone()).unwrap();
        let got = wait_unit(&mut near.events).await;
        assert_eq!((got.data.len(), got.complete), (unit.data.len(), true));
        assert!(decoder.decode(&got.data, frame.stamp).unwrap().is_some());
    }
    let stats = wait_stats(&mut near.events, |s| s.units_in == 5).await;
    println!("{nals} NAL units in {} packets", stats.packets_in);
    assert!(nals > 20 && stats.packets_in >= nals, "{nals} in {stats:?}");
}

/// Without what is said of these payload types.
fn without_formats(text: &str, gone: &[u8]) -> String {
    let of_format = |line: &str| {
        let value = ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().find_map(|name| line.strip_prefix(name));
        value.is_some_and(|value| gone.iter().any(|t| value.split(' ').next() == Some(&t.to_string())))
    };
    let short = |line: &str| -> String {
        if !line.starts_with("m=video") {
            return line.to_owned();
        }
        let words = line.split(' ').enumerate();
        let kept = words.filter(|(i, word)| *i < 3 || !gone.iter().any(|t| *word == t.to_string()));
        kept.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
    };
    text.lines().filter(|line| !of_format(line)).map(|line| short(line) + "\r\n").collect()
}

/// What the far side can decode is what it is sent: its parameter sets say so, and its pictures arrive and decode.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_profile_that_both_can_is_sent_both_ways() {
    use H264Profile::{ConstrainedBaseline, High, Main};
    // One of ours; one that knows high as others write it; one without; one with baseline only.
    for (gone, profile, idc) in
        [(&[][..], High, 100), (&[102, 103], Main, 77), (&[102, 103, 104, 105], ConstrainedBaseline, 66)]
    {
        let (mut near, mut far) = (side(Media::SendRecv).await, side(Media::SendRecv).await);
        let answer = connect(&near, &far, |o| without_formats(&o, gone), |a| a).await;
        assert_eq!((near.peer.profile(), far.peer.profile()), (profile, profile), "{answer}");
        first_keyframe_wanted(&mut near).await;
        first_keyframe_wanted(&mut far).await;
        for from_near in [true, false] {
            let (from, to) = if from_near { (&near, &mut far) } else { (&far, &mut near) };
            let size = Size::new(320, 240).unwrap();
            let profile = from.peer.profile();
            let config = EncoderConfig {
                size,
                fps: 30.0,
                bitrate: 300_000,
                keyframe_interval: None,
                skip_frames: false,
                profile,
            };
            let (mut encoder, mut decoder) = (Encoder::new(config).unwrap(), Decoder::new().unwrap());
            let scene = Scene::new(size, 30.0).unwrap();
            for id in 0..5 {
                let frame = scene.draw(id).with_stamp(Stamp::now(id));
                let unit = encoder.encode(&frame).unwrap().unwrap();
                from.peer.sender().send(unit).unwrap();
                let got = wait_unit(&mut to.events).await;
                if id == 0 {
                    let sets: Vec<_> = nal_units(&got.data).collect();
                    assert_eq!(Sps::parse(sets[0]).unwrap().profile, idc);
                    assert_eq!(Pps::parse(sets[1]).unwrap().cabac, profile != ConstrainedBaseline);
                }
                assert!(decoder.decode(&got.data, frame.stamp).unwrap().is_some(), "{profile:?}: none is held back");
            }
        }
    }
}

/// An answer takes several formats: what comes in any of them is taken, whichever is sent here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_far_side_may_send_in_any_format_that_it_has_answered() {
    let (mut near, mut far) = (side(Media::SendRecv).await, side(Media::SendRecv).await);
    // It sends baseline only, and says that it decodes high as well.
    let more = |answer: String| {
        let high = "a=rtpmap:102 H264/90000\r\na=fmtp:102 packetization-mode=1;profile-level-id=640c1f\r\n";
        answer.replace("SAVPF 106 107", "SAVPF 106 107 102").replace("a=rtpmap:106", &format!("{high}a=rtpmap:106"))
    };
    connect(&near, &far, |o| without_formats(&o, &[102, 103, 104, 105]), more).await;
    assert_eq!(near.peer.profile(), H264Profile::High);
    assert_eq!(far.peer.profile(), H264Profile::ConstrainedBaseline);
    first_keyframe_wanted(&mut far).await;
    let sent = unit(1, true, 3000);
    far.peer.sender().send(sent.clone()).unwrap();
    assert_eq!(wait_unit(&mut near.events).await.data, sent.data);
}

/// What was agreed first can be given up for something else while the call goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_profile_can_be_negotiated_in_a_running_call() {
    let (mut near, mut far) = (side(Media::SendRecv).await, side(Media::SendRecv).await);
    connect(&near, &far, |o| o, |a| a).await;
    for (id, gone) in [(1, &[102, 103][..]), (2, &[102, 103, 104, 105]), (3, &[]), (4, &[102, 103, 104, 105])] {
        negotiate(&near, &far, |o| without_formats(&o, gone), |a| a).await;
        let profile = [H264Profile::High, H264Profile::Main, H264Profile::ConstrainedBaseline][gone.len() / 2];
        assert_eq!((near.peer.profile(), far.peer.profile()), (profile, profile));
        for (from, to) in [(&near.peer, &mut far.events), (&far.peer, &mut near.events)] {
            let sent = unit(id, true, 3000);
            while from.sender().send(sent.clone()) == Err(SendError::NotConnected) {
                tokio::task::yield_now().await;
            }
            assert_eq!(wait_unit(to).await.data, sent.data, "{profile:?}");
        }
    }
}

/// The decoder gets the sets that stand in the description only, in front of the first picture.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameter_sets_of_the_description_come_before_the_first_picture() {
    let (mut near, mut far) = (side(Media::SendOnly).await, side(Media::RecvOnly).await);
    let sets = |text: String| {
        text.replace("profile-level-id=640c1f", "profile-level-id=640c1f;sprop-parameter-sets=Z0LgH5U=,aM48gA==")
    };
    let answer = connect(&near, &far, sets, |a| a).await;
    assert!(!answer.contains("sprop"), "{answer}");
    first_keyframe_wanted(&mut near).await;
    let whole = unit(0, true, 500);
    let mut bare = whole.clone();
    bare.data.drain(..17);
    near.peer.sender().send(bare.clone()).unwrap();
    assert_eq!(wait_unit(&mut far.events).await.data, whole.data);
    // And at every keyframe, until some come with the pictures.
    near.peer.sender().send(bare.clone()).unwrap();
    assert_eq!(wait_unit(&mut far.events).await.data, whole.data);
    near.peer.sender().send(whole.clone()).unwrap();
    near.peer.sender().send(bare.clone()).unwrap();
    assert_eq!(wait_unit(&mut far.events).await.data, whole.data);
    assert_eq!(wait_unit(&mut far.events).await.data, bare.data);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_names_its_reason_on_both_sides() {
    let (near, far) = (side(Media::SendRecv).await, side(Media::SendRecv).await);
    let offer = near.peer.offer().await.unwrap();
    let answer = far.peer.answer(&offer).await.unwrap();
    let error = far.peer.answer(&offer.replace("H264", "VP8")).await.unwrap_err();
    assert!(matches!(error, CallError::NoH264(_)) && error.to_string().contains("only VP8"), "{error}");
    for (answer, why) in [
        (answer.replace("m=video 9", "m=video 0"), "refuses video"),
        (answer.replace("H264", "AV1"), "only AV1"),
        (answer.replace("a=fingerprint", "a=x"), "no fingerprint"),
    ] {
        let error = near.peer.accept_answer(&answer).await.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    near.peer.accept_answer(&answer).await.unwrap();
    near.peer.connected(Duration::from_secs(30)).await.unwrap();
}
