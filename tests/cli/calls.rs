//! Calls without a window: in one process, and between two.

use std::{
    fs,
    sync::{Mutex, PoisonError},
};

use crate::run::{Room, clearcall, clearcall_in, started};

/// One call at a time of those whose pictures are counted: they share the machine's few cores. The others mostly wait.
static TURN: Mutex<()> = Mutex::new(());

const SMALL: [&str; 6] = ["--headless", "--size", "160x120", "--fps", "15", "--engine"];

fn report(room: &Room, name: &str) -> serde_json::Value {
    serde_json::from_slice(&fs::read(room.path(name)).unwrap()).unwrap()
}

fn count(report: &serde_json::Value, pointer: &str) -> u64 {
    report.pointer(pointer).and_then(serde_json::Value::as_u64).unwrap_or_else(|| panic!("{pointer} in {report}"))
}

#[test]
fn a_call_goes_half_of_the_way_to_vivid_unless_it_is_told() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let room = Room::new();
    let json = room.at("r.json");
    let named = |more: &[&str]| {
        let call = ["call", "--source", "scene", "--seconds", "1", "--report", &json];
        clearcall(&[&call[..], &SMALL, &["cpu"], more].concat()).ok();
        report(&room, "r.json")["model"].as_str().unwrap().to_owned()
    };
    assert_eq!(named(&["--model", "small"]), "small@0.5");
    assert_eq!(named(&["--model", "small", "--vivid", "0"]), "small");
    assert_eq!(named(&["--model", "nano"]), "nano", "which has no vivid weights");
}

#[test]
fn a_headless_call_leaves_a_report_and_a_picture() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let room = Room::new();
    let (json, png) = (room.at("r.json"), room.at("p.png"));
    let ran = clearcall(
        &[
            &["call", "--source", "scene", "--seconds", "3", "--report", &json, "--snapshot", &png][..],
            &["--model", "nano"],
            &SMALL,
            &["cpu"],
        ]
        .concat(),
    )
    .ok();
    assert!(ran.out.contains("sent") && ran.out.contains("p.png"), "{}", ran.out);

    let r = report(&room, "r.json");
    let (sent, shown) = (count(&r, "/frames/sent"), count(&r, "/frames/shown"));
    assert!(shown > 0 && shown <= sent, "{r}");
    assert_eq!((&r["engine"], &r["model"], &r["upscaler"]), (&"cpu".into(), &"nano".into(), &"cnn".into()));
    assert_eq!(count(&r, "/frames/bicubic_only"), 0, "the network that was asked for made every picture: {r}");
    assert_eq!(count(&r, "/bitrate_bps/target"), 300_000);
    for number in ["/bitrate_bps/measured", "/age_ms/p50", "/age_ms/p95", "/qp"] {
        assert!(r.pointer(number).and_then(serde_json::Value::as_f64).is_some_and(|v| v > 0.0), "{number} in {r}");
    }
    for stage in ["source", "scale", "encode", "send", "assemble", "playout", "decode", "upscale", "show"] {
        let s = &r["stages"][stage];
        assert!(s["in"].is_u64() && s["out"].is_u64() && s["dropped"].is_object(), "{stage} in {r}");
        assert!(s["ms"]["p50"].is_f64() && s["ms"]["p95"].as_f64().is_some_and(|ms| ms > 0.0), "{stage} in {r}");
    }

    // Twice the sent size, side by side; the two halves are the same scene, but not the same picture.
    let both = image::open(room.path("p.png")).unwrap().to_rgb8();
    // Below them the details in which they differ.
    assert!(both.width() == 640 && both.height() > 240, "{:?}", both.dimensions());
    let difference = |shift: u32| {
        let sum: u64 = (0..240)
            .flat_map(|y| (0..320).map(move |x| (x, y)))
            .map(|(x, y)| u64::from(both.get_pixel(x, y)[1].abs_diff(both.get_pixel(320 + (x + shift) % 320, y)[1])))
            .sum();
        sum as f64 / (320.0 * 240.0)
    };
    assert!(difference(0) > 0.0 && difference(0) < difference(40) / 2.0, "{} {}", difference(0), difference(40));
}

#[test]
fn without_a_display_the_call_goes_on_without_a_window() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let room = Room::new();
    let args = ["call", "--source", "scene", "--size", "160x120", "--fps", "15", "--seconds", "2", "--engine", "cpu"];
    let ran = clearcall_in(&room.path(""), &args).ok();
    assert!(ran.err.contains("headless"), "{}", ran.err);
    assert!(ran.out.contains("sent"), "{}", ran.out);
    assert!(room.path("clearcall-snapshot.png").exists(), "{}", ran.out);
}

#[test]
fn a_file_is_called_with_again_and_again() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let room = Room::new();
    let (clip, json) = (room.clip("clip.y4m", 160, 120, 5), room.at("r.json"));
    clearcall(&[&["call", "--source", &clip, "--seconds", "2", "--report", &json][..], &SMALL, &["cpu"]].concat()).ok();
    let r = report(&room, "r.json");
    assert!(count(&r, "/stages/source/in") > 5, "five frames, looped: {r}");
    assert!(count(&r, "/frames/shown") > 0, "{r}");
    assert!(r["source"].as_str().is_some_and(|s| s.contains("clip.y4m")), "{r}");
}

#[test]
fn where_no_model_is_fast_enough_both_pictures_are_bicubic() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let room = Room::new();
    let (json, png) = (room.at("r.json"), room.at("p.png"));
    let args = ["call", "--source", "scene", "--seconds", "4", "--cpu-share", "0%", "--report", &json];
    let ran = clearcall(&[&args[..], &["--snapshot", &png], &SMALL, &["cpu"]].concat()).ok();
    let r = report(&room, "r.json");
    assert_eq!((&r["model"], &r["model_reason"]), (&"off".into(), &"the CPU share is limited".into()), "{r}");
    assert!(ran.out.contains("off (the CPU share is limited)"), "{}", ran.out);
    let (shown, bicubic) = (count(&r, "/frames/shown"), count(&r, "/frames/bicubic_only"));
    assert!(bicubic > 0, "{r}");
    assert_eq!(r["upscaler"], if bicubic == shown { "bicubic" } else { "mixed" }, "{r}");
    let both = image::open(room.path("p.png")).unwrap().to_rgb8();
    let same = |(x, y, pixel): (u32, u32, &image::Rgb<u8>)| both.get_pixel((x + 320) % 640, y) == pixel;
    assert!(both.enumerate_pixels().all(same));
}

#[test]
fn lost_packets_do_not_end_a_call() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let room = Room::new();
    let json = room.at("r.json");
    let args =
        [&["call", "--source", "scene", "--seconds", "3", "--loss", "5", "--report", &json][..], &SMALL, &["cpu"]];
    clearcall(&args.concat()).ok();
    assert!(count(&report(&room, "r.json"), "/frames/shown") > 0);
}

#[test]
fn host_and_join_hold_a_call_in_both_directions() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let room = Room::new();
    let (a, b) = (room.at("a.json"), room.at("b.json"));
    let common = [&["--source", "scene", "--seconds", "3"][..], &SMALL, &["cpu"]].concat();
    let host = started(&[&["host", "--listen", "127.0.0.1:0", "--report", &a][..], &common].concat());
    let line = host.line_with("http://");
    let link = line.split(['\'', ' ']).find(|word| word.starts_with("http://")).unwrap();
    clearcall(&[&["join", link, "--report", &b][..], &common].concat()).ok();
    host.wait().ok();
    for side in ["a.json", "b.json"] {
        let r = report(&room, side);
        assert!(count(&r, "/frames/sent") > 0 && count(&r, "/frames/shown") > 0, "{side}: {r}");
    }
}

#[test]
fn a_line_pasted_each_way_makes_a_call() {
    let room = Room::new();
    let (a, b) = (room.at("a.json"), room.at("b.json"));
    let common = [&["--source", "scene", "--seconds", "2"][..], &SMALL, &["cpu"]].concat();
    let mut host = started(&[&["host", "--paste", "--report", &a][..], &common].concat());
    let line = host.line_with("clearcall-offer:");
    let offer = line.split(['\'', ' ']).find(|word| word.starts_with("clearcall-offer:")).unwrap();
    assert!(offer.len() < 4096, "a terminal cuts longer lines");
    let join = started(&[&["join", offer, "--report", &b][..], &common].concat());
    let answer = join.line_with("clearcall-answer:");
    assert!(answer.len() < 4096, "a terminal cuts longer lines");
    host.say("clearcall-answer:nonsense");
    host.say(&answer);
    host.wait().ok();
    join.wait().ok();
    for side in ["a.json", "b.json"] {
        assert!(count(&report(&room, side), "/frames/shown") > 0, "{side}");
    }
}

/// A call has no end of its own: each side ends when it is told to, at once, and says so to the other.
#[test]
#[cfg(unix)]
fn a_host_stays_until_it_is_told_to_end_and_who_is_told_leaves_a_report() {
    let room = Room::new();
    let (a, b) = (room.at("a.json"), room.at("b.json"));
    let common = [&["--source", "scene"][..], &SMALL, &["cpu"]].concat();
    let host = started(&[&["host", "--listen", "127.0.0.1:0", "--report", &a][..], &common].concat());
    let link = host.line_with("clearcall join").split('\'').nth(1).unwrap().to_owned();
    // Its time is over although the host goes on sending.
    clearcall(&[&["join", &link, "--seconds", "1"][..], &common].concat()).ok();
    host.line_with("the other side has hung up");
    host.line_with("waiting for the next call");

    let guest = started(&[&["join", &link, "--report", &b][..], &common].concat());
    guest.line_with("connected with");
    host.line_with("connected with");
    guest.signal("TERM");
    guest.wait().ok();
    host.line_with("the other side has hung up");

    let guest = started(&[&["join", &link][..], &common].concat());
    guest.line_with("connected with");
    host.signal("INT");
    host.wait().ok();
    let left = guest.wait().ok();
    assert!(left.out.contains("the other side has hung up"), "{left:#?}");
    assert!(count(&report(&room, "a.json"), "/frames/sent") > 0);
    assert!(report(&room, "b.json").is_object(), "however short the call was");
    // Nobody has come yet: that is no failure.
    let host = started(&[&["host", "--listen", "127.0.0.1:0"][..], &common].concat());
    host.line_with("clearcall join");
    host.signal("TERM");
    host.wait().ok();
}

/// Dies without a word, as a program that crashes or a machine that loses its power.
#[test]
fn a_host_that_is_killed_is_noticed_and_told() {
    let host = started(&[&["host", "--listen", "127.0.0.1:0", "--source", "scene"][..], &SMALL, &["cpu"]].concat());
    let line = host.line_with("clearcall join");
    let link = line.split('\'').nth(1).unwrap().to_owned();
    let args = ["join", &link, "--source", "scene", "--seconds", "120"];
    let guest = started(&[&args[..], &SMALL, &["cpu"]].concat());
    guest.line_with("connected with");
    host.kill();
    guest.line_with("reconnecting");
    guest.wait().fails(1, &["nobody listens"]);
}

/// The host finds out when somebody calls again, and the caller asks until it has.
#[test]
fn a_caller_that_was_killed_may_call_again_at_once() {
    let common = [&["--source", "scene"][..], &SMALL, &["cpu"]].concat();
    let host = started(&[&["host", "--listen", "127.0.0.1:0"][..], &common].concat());
    let link = host.line_with("clearcall join").split('\'').nth(1).unwrap().to_owned();
    let first = started(&[&["join", &link][..], &common].concat());
    first.line_with("connected with");
    first.kill();
    clearcall(&[&["join", &link, "--seconds", "1"][..], &common].concat()).ok();
    host.kill();
}
