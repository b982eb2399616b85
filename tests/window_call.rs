//! The whole window with a real call in it: scene, codec, UDP, upscaling, textures.
#![cfg(feature = "app")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clearcall::{
    app::{self, App, Start},
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

/// The app on a software adapter where there is one, with a device as the real window has it.
fn window(start: Start) -> Harness<'static, App> {
    let mut setup = egui_kittest::wgpu::default_wgpu_setup();
    if let egui_wgpu::WgpuSetup::CreateNew(new) = &mut setup {
        new.device_descriptor = app::wgpu_setup().device_descriptor;
    }
    Harness::builder().with_size([1000.0, 700.0]).wgpu_setup(setup).build_eframe(|cc| App::new(cc, start))
}

fn start(plan: Plan, link: Option<Link>) -> Start {
    Start { plan, link, seconds: None, report: None, snapshot: None }
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

/// The texts that have `part` in them.
fn texts(harness: &Harness<'_, App>, part: &str) -> Vec<String> {
    let nodes = harness.query_all_by_label_contains(part);
    nodes.filter_map(|n| n.accesskit_node().value().or_else(|| n.accesskit_node().label())).collect()
}

fn has(harness: &Harness<'_, App>, part: &str) -> bool {
    harness.query_all_by_label_contains(part).next().is_some()
}

#[test]
fn a_loopback_call_from_the_start_page_and_back() {
    let mut harness = window(start(plan(), None));
    harness.step();
    harness.get_by_label("Loopback call").click();
    until(&mut harness, "a pair on the screen", |h| has(h, "Picture: bicubic"));
    assert!(has(&harness, "Picture: CNN"));
    assert!(has(&harness, "connected with "));

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

    until(&mut harness, "numbers", |h| texts(h, "show: ").iter().any(|t| !t.starts_with("show: 0 in")));
    harness.get_by_label("Hang up").click();
    until(&mut harness, "the start page", |h| has(h, "Both ends on this machine"));
    until(&mut harness, "the end of the call's threads", |h| h.state_mut().idle());
}

#[test]
fn a_call_from_the_command_line_leaves_its_report_and_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let (report, snapshot) = (folder.path().join("r.json"), folder.path().join("p.png"));
    let wanted =
        Start { report: Some(report.clone()), snapshot: Some(snapshot.clone()), ..start(plan(), Some(Link::Loopback)) };
    let mut harness = window(wanted);
    until(&mut harness, "a pair on the screen", |h| has(h, "Picture: bicubic"));
    harness.state_mut().finish();
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert!(json.pointer("/frames/shown").and_then(serde_json::Value::as_u64).unwrap() >= 1, "{json}");
    let picture = image::open(snapshot).unwrap();
    assert_eq!((picture.width(), picture.height()), (640, 240));
}

#[test]
fn what_goes_wrong_is_said_on_the_start_page() {
    let mut harness = window(start(plan(), None));
    harness.step();
    let field = harness.get_by_label("Offer line to answer");
    field.focus();
    field.type_text("this is no offer");
    harness.step();
    harness.get_by_label("Answer").click();
    harness.step();
    until(&mut harness, "the start page again", |h| has(h, "Both ends on this machine"));
    // The field has the text, the button and the title have theirs, and a sentence says what is wrong with it.
    until(&mut harness, "the error", |h| texts(h, "offer").iter().any(|t| t.len() > 30));
}

#[test]
fn pictures_of_the_gpu_engine_are_shown_from_its_textures() {
    let size = Size::new(64, 48).unwrap();
    let plan = Plan { engine: EngineChoice::Gpu, size, fps: 5.0, ..plan() };
    let folder = tempfile::tempdir().unwrap();
    let snapshot = folder.path().join("p.png");
    let wanted = Start { snapshot: Some(snapshot.clone()), ..start(plan, Some(Link::Loopback)) };
    let mut harness = window(wanted);
    until(&mut harness, "a pair on the screen", |h| has(h, "Picture: bicubic"));
    until(&mut harness, "the engine", |h| has(h, " · GPU"));
    let left = harness.get_by_label("Picture: bicubic").rect();
    let seen = harness.render().unwrap();
    harness.state_mut().finish();

    // What is on the screen is what was written: the mean colour of the left picture, by and large.
    let written = image::open(snapshot).unwrap().to_rgba8();
    let (w, h) = (written.width() / 2, written.height());
    assert_eq!((w, h), (128, 96));
    let written = mean(&image::imageops::crop_imm(&written, 0, 0, w, h).to_image());
    let [x, y, w, h] = [left.left(), left.top(), left.width(), left.height()].map(|v| v as u32);
    let seen = mean(&image::imageops::crop_imm(&seen, x, y, w, h).to_image());
    let far = seen.iter().zip(written).any(|(a, b)| (a - b).abs() > 12.0);
    assert!(!far, "{seen:?} on the screen, {written:?} in the file");
    assert!(written.iter().any(|v| *v > 20.0), "a black picture: {written:?}");
}

fn mean(picture: &image::RgbaImage) -> [f64; 3] {
    let n = f64::from(picture.width() * picture.height());
    [0, 1, 2].map(|c| picture.pixels().map(|p| f64::from(p[c])).sum::<f64>() / n)
}
