//! Whole calls, as the program runs them: scene, encoder, WebRTC over UDP on 127.0.0.1, decoder, upscaler.

#[path = "support/call.rs"]
mod support;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use clearcall::{
    call::Impairment,
    model::Model,
    pipeline::{Auto, CallSettings, CallState, Cause, NetworkOff, Session, Signaling, SizeChoice, Taken},
    source::SourceSpec,
    stats::{ShownUpscaler, Snapshot},
    upscale::{EngineKind, Pair},
};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Far longer than anything here takes; only a hanging call reaches it.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is measured over time is not measured beside each other.
static TURN: Mutex<()> = Mutex::new(());

fn settings() -> CallSettings {
    CallSettings { size: Some("240x180".parse().unwrap()), ..support::settings() }
}

fn start(settings: CallSettings, link: Signaling) -> Session {
    Session::start(settings, link, None, Arc::new(|| {})).unwrap()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
    }
}

fn connected(session: &Session) {
    until("a connection", || {
        session.wait_change(Duration::from_millis(50));
        let state = session.state();
        assert!(!matches!(state, CallState::Ended { .. }), "{state:?}");
        matches!(state, CallState::Connected { .. })
    });
}

/// Takes `count` pairs as a window would.
fn watch(session: &Session, count: usize) -> Arc<Pair> {
    let (mut last, mut seen): (Option<Arc<Pair>>, usize) = (None, 0);
    until("pictures", || {
        if let Taken::Value(frame) = session.wait_frame(Duration::from_millis(50)) {
            session.shown(&frame);
            let pair = Arc::clone(&frame.pair);
            if let Some(before) = &last {
                assert!(pair.stamp.id > before.stamp.id, "frames are shown in order");
            }
            last = Some(pair);
            seen += 1;
        }
        seen >= count
    });
    last.unwrap()
}

/// Watches until the numbers say so.
fn watch_until(session: &Session, what: &str, done: impl Fn(&Snapshot) -> bool) {
    until(what, || {
        if let Taken::Value(frame) = session.wait_frame(Duration::from_millis(50)) {
            session.shown(&frame);
        }
        done(&session.stats())
    });
}

#[test]
fn a_loopback_call_shows_both_pictures_of_the_same_frame() {
    let session = start(settings(), Signaling::Loopback);
    connected(&session);
    let pair = watch(&session, 20);
    assert_eq!(pair.size.to_string(), "480x360");
    let (left, right) = (pair.bicubic.to_rgba().unwrap(), pair.cnn.to_rgba().unwrap());
    assert_ne!(left.data, right.data, "the network does something");
    let apart = left.data.iter().zip(&right.data).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
    assert!(apart / (left.data.len() as u64) < 16, "and both are the same scene ({apart})");
    let stats = session.stats();
    assert!(stats.frames.sent >= stats.frames.shown && stats.frames.shown >= 20, "{stats:?}");
    assert_eq!((stats.engine, stats.size.as_str()), (Some(EngineKind::Cpu), "240x180"));
    assert!(stats.age_ms.p50 > 0.0 && stats.qp.is_some_and(|qp| qp > 0.0), "{stats:?}");
    assert_eq!((stats.upscaler, stats.frames.bicubic_only), (Some(ShownUpscaler::Cnn), 0));
    // A keyframe of several packets is paced, and between the upscaler and whoever watches lies a hand-over at least.
    assert!(stats.stages["send"].ms.p95 > 0.0 && stats.stages["show"].ms.p50 > 0.0, "{:?}", stats.stages);
    assert!(session.self_view().is_some());
}

#[test]
fn a_call_that_loses_packets_gets_its_picture_back() {
    let session = start(settings(), Signaling::Loopback);
    connected(&session);
    watch(&session, 10);
    session.impairment().set_loss(0.3);
    watch_until(&session, "damage or repair", |s| s.network.nacks > 0 && s.network.plis > 0);
    session.impairment().set_loss(0.0);
    let (before, damaged) = (session.stats().frames.shown, session.stats().frames.damaged);
    // Three seconds of pictures without any new damage at the end.
    watch_until(&session, "a whole picture again", |s| s.frames.shown > before + 60);
    let settled = session.stats().frames.damaged;
    watch(&session, 30);
    assert_eq!(session.stats().frames.damaged, settled, "undamaged since ({damaged} when the loss ended)");
}

#[test]
fn model_and_bitrate_change_while_the_call_runs() {
    let session = start(settings(), Signaling::Loopback);
    connected(&session);
    watch(&session, 5);
    session.set_model(Arc::new(Model::untrained(4, 1, 8).unwrap()));
    session.set_bitrate(120_000);
    watch_until(&session, "the new settings", |s| s.model == "untrained-4-1" && s.bitrate_bps.target == 120_000);
    session.mute(true);
    until("black", || {
        let pair = watch(&session, 1);
        let rgba = pair.bicubic.to_rgba().unwrap();
        rgba.data.chunks(4).all(|p| p[0] < 24 && p[1] < 24 && p[2] < 24)
    });
}

#[test]
fn the_program_chooses_the_model_until_one_is_named() {
    let model = |depth| Arc::new(Model::untrained(2, depth, 7).unwrap());
    let models = vec![model(0), model(2)];
    let auto = Auto { models: models.clone(), ..Auto::default() };
    let session = start(CallSettings { size: Some("80x60".parse().unwrap()), ..settings() }, Signaling::Loopback);
    connected(&session);
    session.set_auto(auto.clone());
    let ran = |what: &str, wanted: &Arc<Model>| {
        until(what, || {
            session.wait_change(Duration::from_millis(2));
            session.take_frame().is_some_and(|shot| Arc::ptr_eq(&shot.model, wanted) && shot.off.is_none())
        });
    };
    ran("the smallest", &models[0]);
    assert_ne!(session.stats().model_reason, "as asked");
    // No frame is so fast.
    session.set_auto(Auto { cpu_share: Some(1e-9), ..auto });
    until("bicubic alone", || {
        session.wait_change(Duration::from_millis(2));
        let shot = session.take_frame().filter(|shot| shot.off == Some(NetworkOff::TooSlow));
        shot.inspect(|shot| session.shown(shot)).is_some()
    });
    let shown = session.stats();
    assert_eq!((shown.frames.bicubic_only, shown.upscaler), (1, Some(ShownUpscaler::Bicubic)), "{shown:?}");
    assert_eq!(
        (session.stats().model.as_str(), session.stats().model_reason.as_str()),
        ("off", "the CPU share is limited")
    );
    session.set_model(Arc::clone(&models[1]));
    ran("the one that was named", &models[1]);
    assert_eq!(session.stats().model_reason, "as asked");
}

#[test]
fn host_and_join_see_each_other_and_part() {
    let host = start(settings(), Signaling::Host { listen: "127.0.0.1:0".parse().unwrap() });
    let CallState::Waiting { link, .. } = host.state() else { panic!("{:?}", host.state()) };
    let guest = start(settings(), Signaling::Join { url: link.clone() });
    connected(&guest);
    connected(&host);
    watch(&guest, 10);
    watch(&host, 10);

    let third = start(settings(), Signaling::Join { url: link.clone() });
    until("the refusal", || {
        third.wait_change(Duration::from_millis(50));
        matches!(third.state(), CallState::Ended { cause: Cause::Failure, .. })
    });
    drop(guest);
    until("the host to wait again", || {
        host.wait_change(Duration::from_millis(50));
        matches!(host.state(), CallState::Waiting { link: now, .. } if now == link)
    });
    let again = start(settings(), Signaling::Join { url: link });
    connected(&again);
    watch(&again, 5);
}

/// The wish filled the line's queue, what was asked for again filled it further, and nothing whole came through.
#[test]
fn a_wish_beyond_the_network_becomes_a_smaller_picture_that_moves() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let line = Arc::new(Impairment::new(5).with_delay(Duration::from_millis(20), Duration::ZERO));
    line.set_rate(Some(500_000));
    let wish = CallSettings {
        size: Some("1280x720".parse().unwrap()),
        bitrate: 2_000_000,
        impairment: Arc::clone(&line),
        ..settings()
    };
    let host = start(wish, Signaling::Host { listen: "127.0.0.1:0".parse().unwrap() });
    let CallState::Waiting { link, .. } = host.state() else { panic!("{:?}", host.state()) };
    let guest = start(settings(), Signaling::Join { url: link });
    connected(&guest);
    let begun = Instant::now();
    let mut course = Vec::new();
    let mut at_five = (0, 0);
    // What came whole, whatever this machine had time to show of it.
    let whole = |shown: &Snapshot| shown.stages["decode"].out - shown.frames.damaged;
    while begun.elapsed() < Duration::from_secs(12) {
        if let Taken::Value(frame) = guest.wait_frame(Duration::from_millis(50)) {
            guest.shown(&frame);
        }
        if begun.elapsed().as_millis() as usize / 500 > course.len() {
            let (sent, shown) = (host.stats(), guest.stats());
            course.push((sent.bitrate_bps.target, shown.received_size.clone(), sent.frames.sent, shown.frames.shown));
            if course.len() == 10 {
                at_five = (sent.frames.sent, whole(&shown));
            }
        }
    }
    let (sent, shown) = (host.stats(), guest.stats());
    let (sent_late, whole_late) = (sent.frames.sent - at_five.0, whole(&shown) - at_five.1);
    println!("{course:?}; {} NACKs, {} damaged, {:?}", shown.network.nacks, shown.frames.damaged, line.counts());
    println!("after five seconds {whole_late} of {sent_late} in 7 s");
    // Nearly all of them on a machine that has time; a machine that has none must not fail here.
    assert!(whole_late * 2 >= sent_late, "{whole_late} of {sent_late} after five seconds");
    assert_ne!(shown.received_size.as_deref(), Some("1280x720"));
}

/// One packet in ten is lost and none is on time; then one in three is lost, and the call lives.
#[test]
fn a_call_over_a_bad_network_keeps_its_picture() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let line = Arc::new(Impairment::new(9).with_loss(0.1).with_all_lost());
    line.set_delay(Duration::from_millis(20), Duration::from_millis(50));
    let wish = CallSettings { impairment: Arc::clone(&line), ..settings() };
    let host = start(wish.clone(), Signaling::Host { listen: "127.0.0.1:0".parse().unwrap() });
    let CallState::Waiting { link, .. } = host.state() else { panic!("{:?}", host.state()) };
    let guest = start(CallSettings { impairment: Arc::clone(&line), ..settings() }, Signaling::Join { url: link });
    connected(&guest);
    let whole = |shown: &Snapshot| shown.stages["decode"].out - shown.frames.damaged;
    let (begun, mut last, mut frozen, mut longest) = (Instant::now(), Instant::now(), Duration::ZERO, Duration::ZERO);
    while begun.elapsed() < Duration::from_secs(10) {
        if let Taken::Value(frame) = guest.wait_frame(Duration::from_millis(50)) {
            guest.shown(&frame);
            let pause = last.elapsed();
            (last, longest) = (Instant::now(), longest.max(pause));
            if pause > Duration::from_millis(200) {
                frozen += pause;
            }
        }
    }
    let (sent, shown) = (host.stats(), guest.stats());
    println!(
        "10 %: {} of {} whole, {} shown, frozen {frozen:?} of 10 s, longest pause {longest:?}, {} damaged, {} NACKs",
        whole(&shown),
        sent.frames.sent,
        shown.frames.shown,
        shown.frames.damaged,
        shown.network.nacks,
    );
    assert!(whole(&shown) * 10 >= sent.frames.sent * 8, "{} of {}", whole(&shown), sent.frames.sent);
    // How evenly they are shown depends on the machine as well; the tests of the playout delay say what is due when.
    assert!(shown.frames.shown * 2 >= sent.frames.sent, "{} of {}", shown.frames.shown, sent.frames.sent);

    line.set_loss(0.3);
    let before = shown.frames.shown;
    watch_until(&guest, "pictures where a third is lost", |stats| stats.frames.shown > before + 60);
    assert!(matches!(guest.state(), CallState::Connected { .. } | CallState::Reconnecting), "{:?}", guest.state());
}

#[test]
fn two_pasted_lines_make_a_call() {
    let first = start(settings(), Signaling::Offer);
    let mut offer = String::new();
    until("the offer", || {
        first.wait_change(Duration::from_millis(50));
        if let CallState::Offered { line } = first.state() {
            offer = line;
        }
        !offer.is_empty()
    });
    let second = start(settings(), Signaling::Answer { offer: offer.clone() });
    let mut answer = String::new();
    until("the answer", || {
        second.wait_change(Duration::from_millis(50));
        if let CallState::Answered { line } = second.state() {
            answer = line;
        }
        !answer.is_empty()
    });
    let wrong = first.accept_answer(&offer).unwrap_err();
    assert!(wrong.is_input() && wrong.to_string().contains("clearcall-answer:"), "{wrong}");
    first.accept_answer(&answer).unwrap();
    connected(&first);
    connected(&second);
    watch(&first, 5);
    watch(&second, 5);
}

#[test]
fn what_the_user_got_wrong_is_told_apart() {
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = busy.local_addr().unwrap();
    let error = Session::start(settings(), Signaling::Host { listen }, None, Arc::new(|| {})).err().unwrap();
    assert!(error.is_input() && error.to_string().contains(&listen.to_string()), "{error}");

    let missing = CallSettings { source: SourceSpec::Clip("no/such/clip.mp4".into()), ..settings() };
    let error = Session::start(missing, Signaling::Loopback, None, Arc::new(|| {})).err().unwrap();
    assert!(error.is_input() && error.to_string().contains("clip.mp4"), "{error}");

    let host = start(settings(), Signaling::Host { listen: "127.0.0.1:0".parse().unwrap() });
    let CallState::Waiting { link, .. } = host.state() else { panic!("{:?}", host.state()) };
    let (start_of_link, _) = link.split_once("token=").unwrap();
    let stranger = start(settings(), Signaling::Join { url: format!("{start_of_link}token=wrong") });
    until("the refusal", || {
        stranger.wait_change(Duration::from_millis(50));
        matches!(stranger.state(), CallState::Ended { cause: Cause::Input, .. })
    });
    let CallState::Ended { why, .. } = stranger.state() else { unreachable!() };
    assert!(why.contains("token"), "{why}");
}

#[test]
fn who_hides_while_waiting_is_hidden_from_everyone_who_comes() {
    let host = start(settings(), Signaling::Host { listen: "127.0.0.1:0".parse().unwrap() });
    let CallState::Waiting { link, .. } = host.state() else { panic!("{:?}", host.state()) };
    host.mute(true);
    // The second caller as well as the first, and what was wished for meanwhile.
    for size in ["240x180", "160x120"] {
        host.set_size(size.parse().unwrap());
        let guest = start(settings(), Signaling::Join { url: link.clone() });
        connected(&guest);
        for _ in 0..5 {
            let pair = watch(&guest, 1);
            let rgba = pair.bicubic.to_rgba().unwrap();
            assert!(rgba.data.chunks(4).all(|p| p[..3].iter().all(|c| *c < 24)), "nothing but black");
        }
        assert_eq!(guest.stats().received_size.as_deref(), Some(size));
        drop(guest);
        until("the host to wait again", || {
            host.wait_change(Duration::from_millis(50));
            matches!(host.state(), CallState::Waiting { .. })
        });
    }
    host.mute(false);
    let guest = start(settings(), Signaling::Join { url: link });
    connected(&guest);
    until("the picture", || watch(&guest, 1).bicubic.to_rgba().unwrap().data.chunks(4).any(|p| p[1] > 60));
}

#[test]
fn sent_and_received_sizes_are_told_apart() {
    let sends = |size: &str| CallSettings { size: Some(size.parse().unwrap()), ..settings() };
    let host = start(sends("240x180"), Signaling::Host { listen: "127.0.0.1:0".parse().unwrap() });
    let CallState::Waiting { link, .. } = host.state() else { panic!("{:?}", host.state()) };
    let guest = start(sends("160x120"), Signaling::Join { url: link });
    connected(&guest);
    watch(&host, 5);
    watch(&guest, 5);
    for (session, sent, received) in [(&host, "240x180", "160x120"), (&guest, "160x120", "240x180")] {
        let stats = session.stats();
        assert_eq!((stats.sent_size.as_deref(), stats.received_size.as_deref()), (Some(sent), Some(received)));
        assert_eq!(stats.size, received, "the size that is judged");
    }
}

#[test]
fn what_nobody_asked_for_is_usual_in_its_kind_of_call() {
    let unsaid = || CallSettings { size: None, ..settings() };
    let alone = start(unsaid(), Signaling::Loopback);
    connected(&alone);
    let pair = watch(&alone, 1);
    assert_eq!((alone.stats().sent_size.as_deref(), pair.size.to_string().as_str()), (Some("480x360"), "960x720"));
    let host = start(unsaid(), Signaling::Host { listen: "127.0.0.1:0".parse().unwrap() });
    assert_eq!(host.settings().size, Some(SizeChoice::Auto));
}

#[test]
fn a_loopback_call_whose_network_was_away_goes_on_by_itself() {
    let session = start(settings(), Signaling::Loopback);
    connected(&session);
    let before = watch(&session, 5).stamp.id;
    session.impairment().set_outage(true);
    until("the loss to be noticed", || {
        session.wait_change(Duration::from_millis(50));
        session.state() == CallState::Reconnecting
    });
    session.set_bitrate(120_000);
    session.impairment().set_outage(false);
    connected(&session);
    assert!(watch(&session, 5).stamp.id > before);
    watch_until(&session, "what was wished for meanwhile", |s| s.bitrate_bps.target == 120_000);
}

/// Noise is too much for its bits: what came at full size, with nothing to add, comes smaller and is doubled.
#[test]
fn a_size_that_nobody_asked_for_follows_the_bits_without_a_lost_comparison() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("noise.y4m");
    let mut bytes = b"YUV4MPEG2 W640 H480 F30:1 C420jpeg\n".to_vec();
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for _ in 0..8 {
        bytes.extend(b"FRAME\n");
        bytes.extend((0..640 * 480 * 3 / 2).map(|_| rng.random::<u8>()));
    }
    std::fs::write(&film, bytes).unwrap();
    let wish =
        CallSettings { source: SourceSpec::Clip(film), size: Some(SizeChoice::Auto), bitrate: 900_000, ..settings() };
    let session = start(wish, Signaling::Loopback);
    session.want_truth(true);
    connected(&session);
    let (mut sizes, mut scaler): (Vec<(String, String)>, _) = (Vec::new(), None);
    until("a smaller size", || {
        let Taken::Value(frame) = session.wait_frame(Duration::from_millis(50)) else { return false };
        session.shown(&frame);
        let seen = (frame.low.size().to_string(), frame.pair.size.to_string());
        if sizes.last() != Some(&seen) {
            sizes.push(seen);
        }
        // Each frame is compared, and with its own truth.
        assert_eq!(frame.judged_truth(&mut scaler).unwrap().size().to_string(), "640x480");
        let [left, right] = [&frame.pair.bicubic, &frame.pair.cnn].map(|picture| picture.to_rgba().unwrap());
        assert_eq!(left.data == right.data, frame.off == Some(NetworkOff::FullSize));
        frame.low.size().width() < 640
    });
    let sizes: Vec<_> = sizes.iter().map(|(low, pair)| (low.as_str(), pair.as_str())).collect();
    assert_eq!(sizes, [("640x480", "640x480"), ("320x240", "640x480")]);
    let stats = session.stats();
    assert_eq!((stats.sent_size.as_deref(), stats.upscaler), (Some("320x240"), Some(ShownUpscaler::Mixed)));
}
