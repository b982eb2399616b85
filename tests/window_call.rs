//! The whole window with a real call in it: scene, codec, UDP, upscaling, textures.
#![cfg(feature = "app")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clearcall::{
    app::{App, Start},
    call::Impairment,
    frame::Size,
    model::Model,
    pipeline::{Link, Plan},
    source::SourceSpec,
    upscale::EngineChoice,
};
use egui_kittest::{
    Harness,
    kittest::{NodeT as _, Queryable as _},
};

/// Nothing here takes this long; it only ends a test that would hang.
const LIMIT: Duration = Duration::from_secs(90);

fn plan() -> Plan {
    let model = Model::shipped().next().map_or_else(|| Model::untrained(8, 1, 0), Model::find);
    Plan {
        source: SourceSpec::Scene,
        size: Size::new(160, 120).unwrap(),
        fps: 15.0,
        bitrate: 200_000,
        model: Arc::new(model.unwrap()),
        engine: EngineChoice::Cpu,
        impairment: Arc::new(Impairment::new(1)),
    }
}

fn window(start: Start) -> Harness<'static, App> {
    Harness::builder().with_size([1000.0, 700.0]).wgpu().build_eframe(|cc| App::new(cc, start))
}

/// Steps until `done`, a little at a time so that the call's threads get on.
fn until(harness: &mut Harness<'_, App>, what: &str, mut done: impl FnMut(&mut Harness<'_, App>) -> bool) {
    let begun = Instant::now();
    loop {
        harness.step();
        if done(harness) {
            return;
        }
        assert!(begun.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn has(harness: &Harness<'_, App>, part: &str) -> bool {
    harness.query_all_by_label_contains(part).next().is_some()
}

#[test]
fn a_loopback_call_from_the_start_page_and_back() {
    let mut harness = window(Start { plan: plan(), link: None, seconds: None, report: None, snapshot: None });
    harness.step();
    harness.get_by_label("Loopback call").click();
    until(&mut harness, "a pair on the screen", |h| has(h, "Picture: bicubic"));
    assert!(has(&harness, "Picture: CNN"));
    assert!(has(&harness, "connected with 127.0.0.1:"));

    let mut names = Model::shipped();
    if let (Some(first), Some(second)) = (names.next(), names.next()) {
        assert!(has(&harness, &format!("Picture: CNN · {first} · ")));
        harness.get_by_label("Model").click();
        harness.step();
        harness.step();
        harness.get_by_label_contains(&format!("{second} · ")).click();
        until(&mut harness, "the other model", |h| has(h, &format!("Picture: CNN · {second} · ")));
        until(&mut harness, "the engine with the other model", |h| has(h, &format!("{second} on CPU")));
    }

    until(&mut harness, "numbers", |h| {
        h.query_all_by_label_contains("show: ").any(|n| {
            n.accesskit_node().label().is_some_and(|l| !l.starts_with("show: 0 in"))
        })
    });
    harness.get_by_label("Hang up").click();
    until(&mut harness, "the start page", |h| has(h, "Both ends on this machine"));
    until(&mut harness, "the end of the call's threads", |h| h.state_mut().idle());
}

#[test]
fn a_call_from_the_command_line_leaves_its_report_and_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let (report, snapshot) = (folder.path().join("r.json"), folder.path().join("p.png"));
    let start = Start {
        plan: plan(),
        link: Some(Link::Loopback),
        seconds: None,
        report: Some(report.clone()),
        snapshot: Some(snapshot.clone()),
    };
    let mut harness = window(start);
    until(&mut harness, "a pair on the screen", |h| has(h, "Picture: bicubic"));
    harness.state_mut().finish();
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert!(json.pointer("/frames/shown").and_then(serde_json::Value::as_u64).unwrap() >= 1, "{json}");
    let picture = image::open(snapshot).unwrap();
    assert_eq!((picture.width(), picture.height()), (640, 240));
}

#[test]
fn what_goes_wrong_is_said_on_the_start_page() {
    let mut harness = window(Start { plan: plan(), link: None, seconds: None, report: None, snapshot: None });
    harness.step();
    let field = harness.get_by_label("Offer line to answer");
    field.focus();
    field.type_text("this is no offer");
    harness.step();
    harness.get_by_label("Answer").click();
    harness.step();
    until(&mut harness, "the start page again", |h| has(h, "Both ends on this machine"));
    until(&mut harness, "the error", |h| {
        h.query_all_by_label_contains("offer").any(|n| n.accesskit_node().label().is_some_and(|l| l.len() > 20))
    });
}
