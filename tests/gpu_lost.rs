//! A GPU can go away in the middle of a call. The call goes on.

#[path = "support/pictures.rs"]
mod pictures;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clearcall::{
    call::Impairment,
    frame::Colour,
    model::Model,
    pipeline::{AudioSettings, CallSettings, Session, Signaling, Taken},
    source::SourceSpec,
    upscale::{EngineChoice, EngineKind, GpuContext, GpuEngine, Method, UpscaleError, Upscaler, reference},
};
use pictures::{colours, picture, same_i420, same_rgba};

/// As in tests/engines.rs: whatever adapter there is, a software one included.
fn gpu() -> Option<GpuContext> {
    if std::env::var_os("CLEARCALL_NO_GPU").is_some_and(|v| v == "1") {
        eprintln!("CLEARCALL_NO_GPU=1: a lost GPU is not tested");
        return None;
    }
    Some(GpuContext::headless().unwrap())
}

/// A device that belongs to someone else, like the window's.
fn borrowed() -> GpuContext {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapter = pollster::block_on(instance.request_adapter(&Default::default())).unwrap();
    let (device, queue) = pollster::block_on(adapter.request_device(&Default::default())).unwrap();
    GpuContext::from_parts(&adapter, device, queue)
}

fn right(engine: &mut GpuEngine, model: &Model, seed: u64) {
    let colour = colours().nth(seed as usize % 4).unwrap_or_default();
    let lr = picture(37, 22, colour, 3, seed);
    let pair = engine.compare(&lr).unwrap();
    for (picture, how) in [(&pair.bicubic, Method::Bicubic), (&pair.cnn, Method::Cnn)] {
        same_rgba(&picture.to_rgba().unwrap(), &reference::rgba(&lr, how, model).unwrap()).unwrap();
    }
    let high = engine.upscale(&lr, Method::Cnn).unwrap();
    same_i420(&high, &reference::i420(&lr, Method::Cnn, model).unwrap()).unwrap();
}

#[test]
fn frames_go_on_and_are_right_after_a_loss() {
    let Some(gpu) = gpu() else { return };
    let mut model = Model::untrained(8, 1, 3).unwrap();
    let mut engine = GpuEngine::new(gpu, Arc::new(model.clone())).unwrap();
    right(&mut engine, &model, 1);
    assert_eq!(engine.notice(), None);
    let lr = picture(37, 22, Colour::default(), 0, 1);
    let held = engine.compare(&lr).unwrap();
    engine.context().device().destroy();
    right(&mut engine, &model, 2);
    let notice = engine.notice().unwrap();
    assert!(notice.contains("lost") && notice.contains(&engine.describe()), "{notice}");
    assert_eq!(engine.notice(), None, "it is said once");
    assert!(matches!(held.cnn.to_rgba(), Err(UpscaleError::Lost(_))), "the old device's pictures are gone");

    // While weights change, and while files are made.
    engine.context().device().destroy();
    model = Model::untrained(8, 1, 4).unwrap();
    engine.set_weights(&model).unwrap();
    right(&mut engine, &model, 3);
    engine.context().device().destroy();
    let high = engine.upscale(&lr, Method::Cnn).unwrap();
    same_i420(&high, &reference::i420(&lr, Method::Cnn, &model).unwrap()).unwrap();

    // Who loses it again and again gives it up.
    engine.context().device().destroy();
    assert!(matches!(engine.compare(&lr), Err(UpscaleError::Lost(why)) if why.contains("3 times")));
}

#[test]
fn a_lost_device_is_opened_anew_for_the_next_engine_too() {
    let Some(gpu) = gpu() else { return };
    gpu.device().destroy();
    let model = Model::untrained(4, 0, 3).unwrap();
    right(&mut GpuEngine::new(gpu, Arc::new(model.clone())).unwrap(), &model, 1);
}

#[test]
fn the_windows_device_is_not_replaced() {
    if gpu().is_none() {
        return;
    }
    let gpu = borrowed();
    let model = Model::untrained(4, 0, 3).unwrap();
    let mut engine = GpuEngine::new(gpu.clone(), Arc::new(model.clone())).unwrap();
    right(&mut engine, &model, 1);
    gpu.device().destroy();
    let lr = picture(8, 8, Colour::default(), 0, 1);
    assert!(matches!(engine.compare(&lr), Err(UpscaleError::Lost(_))));
    assert!(matches!(engine.upscale(&lr, Method::Cnn), Err(UpscaleError::Lost(_))));
    assert!(matches!(GpuEngine::new(gpu, Arc::new(model)), Err(UpscaleError::Lost(_))));
}

/// Far longer than anything here takes; only a hanging call reaches it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Takes pictures until `done`, and returns what the call had to say.
fn watch(session: &Session, mut done: impl FnMut(&[String]) -> bool) -> Vec<String> {
    let (started, mut said) = (Instant::now(), Vec::new());
    loop {
        let frame = session.wait_frame(Duration::from_millis(50));
        said.extend(session.notices());
        if let Taken::Value(frame) = frame {
            session.shown(&frame);
            if done(&said) {
                return said;
            }
        }
        assert!(started.elapsed() < PATIENCE, "no pictures; {said:?}");
    }
}

/// A call with `gpu`, whose device goes away after some frames; the engine that goes on, and why.
fn call_that_loses(gpu: &GpuContext) -> (Option<EngineKind>, String) {
    let settings = CallSettings {
        source: SourceSpec::Scene,
        size: Some("160x120".parse().unwrap()),
        fps: 30.0,
        bitrate: 200_000,
        model: Arc::new(Model::untrained(4, 0, 7).unwrap()),
        auto: None,
        engine: EngineChoice::Gpu,
        muted: false,
        audio: AudioSettings::default(),
        impairment: Arc::new(Impairment::new(7)),
        recording: None,
        network: clearcall::pipeline::NetworkSettings::default(),
    };
    let session = Session::start(settings, Signaling::Loopback, Some(gpu.clone()), Arc::new(|| {})).unwrap();
    let mut frames = 0..5;
    watch(&session, |_| frames.next().is_none());
    assert_eq!(session.stats().engine, Some(EngineKind::Gpu));
    gpu.device().destroy();
    let mut after = 0..5;
    watch(&session, |said| said.iter().any(|s| s.contains("lost")) && after.next().is_none());
    let stats = session.stats();
    (stats.engine, stats.engine_reason)
}

#[test]
fn a_call_goes_on_with_a_new_device() {
    let Some(gpu) = gpu() else { return };
    let (engine, why) = call_that_loses(&gpu);
    assert_eq!(engine, Some(EngineKind::Gpu), "{why}");
}

#[test]
fn a_call_in_a_window_goes_on_with_the_cpu() {
    if gpu().is_none() {
        return;
    }
    assert_eq!(call_that_loses(&borrowed()), (Some(EngineKind::Cpu), "CPU: the GPU was lost".to_owned()));
}
