use rtc::rtp::Packet as RtpPacket;

use super::*;
use crate::call::Media;

fn negotiated(direction: Media) -> Negotiated {
    Negotiated {
        direction: Media::Inactive,
        payload_type: 102,
        rtx: None,
        far_rtx: Vec::new(),
        profile: crate::codec::H264Profile::ConstrainedBaseline,
        single_nal_units: false,
        parameter_sets: Vec::new(),
        audio: Some(AudioFormat { direction, payload_type: 111, far_payload_types: vec![111] }),
    }
}

fn tap(direction: Media) -> (AudioTap, Arc<AudioState>, mpsc::Receiver<PeerEvent>) {
    let state = Arc::new(AudioState::new(77));
    let (_, agreed) = watch::channel(Some(negotiated(direction)));
    let (events, inbox) = mpsc::channel(4);
    (AudioTap::new(Arc::clone(&state), agreed, events), state, inbox)
}

fn packet(payload_type: u8, sequence_number: u16, payload: &'static [u8]) -> RtpPacket {
    let header = rtp::Header { version: 2, payload_type, sequence_number, ssrc: 5, ..Default::default() };
    RtpPacket { header, payload: Bytes::from_static(payload) }
}

fn audio_events(inbox: &mut mpsc::Receiver<PeerEvent>) -> Vec<u16> {
    let next = || inbox.try_recv().ok();
    let of = |event| match event {
        PeerEvent::Audio(audio) => audio.sequence,
        other => panic!("{other:?}"),
    };
    std::iter::from_fn(next).map(of).collect()
}

#[test]
fn what_passes_webrtc_as_rtcp_is_the_packet_that_was_sent() {
    for payload in [&b"opus"[..], &b"x"[..]] {
        let packet = packet(111, 9, payload);
        let carried: Vec<Box<dyn rtcp::Packet>> = vec![Box::new(RawPacket(packet.marshal().unwrap().freeze()))];
        assert_eq!(unwrap(&carried), Some(packet));
    }
    let report: Vec<Box<dyn rtcp::Packet>> = vec![Box::new(ReceiverReport::default())];
    assert_eq!(unwrap(&report), None);
    assert_eq!(unwrap(&[]), None);
}

#[test]
fn sound_is_taken_out_of_what_comes_and_video_is_not() {
    let (mut tap, state, mut inbox) = tap(Media::SendRecv);
    let (clocks, now) = (SenderClocks::default(), Instant::now());
    assert!(tap.receive(&packet(111, 1, b"opus"), &clocks, now));
    assert!(!tap.receive(&packet(102, 2, b"h264"), &clocks, now), "video");
    assert!(tap.receive(&packet(111, 2, b""), &clocks, now), "nothing is in it");
    assert_eq!(audio_events(&mut inbox), [1]);
    assert_eq!(state.stats().packets_in, 1);
}

#[test]
fn sound_that_was_not_agreed_on_is_heard_by_nobody() {
    let (mut tap, state, mut inbox) = tap(Media::SendOnly);
    assert!(tap.receive(&packet(111, 1, b"opus"), &SenderClocks::default(), Instant::now()));
    assert_eq!((audio_events(&mut inbox).len(), state.stats().packets_in), (0, 0));
}

#[test]
fn packets_that_nobody_takes_are_counted() {
    let (mut tap, state, inbox) = tap(Media::RecvOnly);
    for n in 0..10 {
        tap.receive(&packet(111, n, b"opus"), &SenderClocks::default(), Instant::now());
    }
    assert_eq!((inbox.len(), state.stats().overrun), (4, 6));
}

#[test]
fn reports_go_out_every_second_once_there_is_something_to_report() {
    let (mut tap, state, _inbox) = tap(Media::SendRecv);
    let start = Instant::now();
    let later = |ms| start + Duration::from_millis(ms);
    assert!(tap.deadline().is_none() && tap.reports(later(0)).is_empty());
    tap.receive(&packet(111, 1, b"opus"), &SenderClocks::default(), start);
    assert!(tap.reports(later(999)).is_empty());
    let reports = tap.reports(later(1000));
    let report: &ReceiverReport = reports[0].as_any().downcast_ref().unwrap();
    assert_eq!((report.ssrc, report.reports[0].ssrc, report.reports[0].last_sequence_number), (77, 5, 1));

    *state.clock.lock().unwrap() = Some(RtpClock { timestamp: 100, at: start, rate: AUDIO_CLOCK });
    tap.sent(&packet(111, 1, b"opus"), later(1000));
    let reports = tap.reports(later(2000));
    let report: &SenderReport = reports[0].as_any().downcast_ref().unwrap();
    assert_eq!((report.rtp_time, report.packet_count, report.octet_count), (100 + 96_000, 1, 4));
    assert_eq!(report.reports.len(), 1);
}

#[test]
fn what_the_far_side_misses_is_told() {
    let (tap, state, _inbox) = tap(Media::SendOnly);
    assert_eq!(state.stats().loss_out, None);
    let of = |ssrc, fraction_lost| ReceptionReport { ssrc, fraction_lost, ..Default::default() };
    tap.hear_reports(&[of(1, 255), of(77, 64)]);
    let loss = state.stats().loss_out.unwrap();
    assert!((loss - 0.25).abs() < 1e-3, "{loss}");
}

#[test]
fn an_end_without_sound_refuses_it_and_says_so() {
    let packet = AudioPacket { payload: vec![0], timestamp: 0, captured: Instant::now(), begins: true };
    let (sender, sending) = audio_sender(None, Arc::new(AudioState::new(1)));
    assert!(sending.is_none());
    assert_eq!(sender.send(packet), Err(SendError::Closed));
}
