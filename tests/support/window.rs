//! The whole window as a test drives it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clearcall::{
    app::{self, App, Start},
    call::Impairment,
    frame::Size,
    interrupt::Interrupt,
    model::Model,
    pipeline::{AudioSettings, CallSettings, Signaling, SizeChoice},
    source::SourceSpec,
    upscale::EngineChoice,
};
use egui_kittest::{
    Harness,
    kittest::{NodeT as _, Queryable as _},
};

/// Nothing here takes this long; it only ends a test that would hang.
const LIMIT: Duration = Duration::from_secs(90);

pub(crate) fn settings() -> CallSettings {
    let model = Model::shipped().next().map_or_else(|| Model::untrained(8, 1, 0), Model::find);
    CallSettings {
        source: SourceSpec::Scene,
        size: Some(SizeChoice::Within(Size::new(160, 120).unwrap())),
        fps: 15.0,
        bitrate: 200_000,
        model: Arc::new(model.unwrap()),
        auto: None,
        engine: EngineChoice::Cpu,
        muted: false,
        audio: AudioSettings::default(),
        impairment: Arc::new(Impairment::new(1)),
        recording: None,
        network: clearcall::pipeline::NetworkSettings::default(),
    }
}

/// The app on a software adapter where there is one, with a device as the real window has it.
pub(crate) fn open(start: Start) -> Harness<'static, App> {
    let mut setup = egui_kittest::wgpu::default_wgpu_setup();
    if let egui_wgpu::WgpuSetup::CreateNew(new) = &mut setup {
        new.device_descriptor = app::open::wgpu_setup().device_descriptor;
    }
    Harness::builder().with_size([1000.0, 700.0]).wgpu_setup(setup).build_eframe(|cc| App::new(cc, start))
}

pub(crate) fn start(settings: CallSettings, signaling: Option<Signaling>) -> Start {
    Start {
        call_settings: settings,
        chosen: true,
        engine_chosen: true,
        sending_chosen: true,
        sound_chosen: true,
        no_sound: false,
        weights: None,
        vivid: Some(0.0),
        signaling,
        seconds: None,
        report: None,
        snapshot: None,
        settings: None,
        pictures: None,
        interrupt: Interrupt::default(),
    }
}

/// Calls `done`, which steps its windows, again and again until it is true; a call's threads get on meanwhile.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Steps `harness` once and looks whether `part` is to be read in it.
pub(crate) fn shows(harness: &mut Harness<'_, App>, part: &str) -> bool {
    harness.step();
    has(harness, part)
}

/// The texts that have `part` in them.
pub(crate) fn texts(harness: &Harness<'_, App>, part: &str) -> Vec<String> {
    let nodes = harness.query_all_by_label_contains(part);
    nodes.filter_map(|n| n.accesskit_node().value().or_else(|| n.accesskit_node().label())).collect()
}

pub(crate) fn has(harness: &Harness<'_, App>, part: &str) -> bool {
    harness.query_all_by_label_contains(part).next().is_some()
}
