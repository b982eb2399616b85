//! What a test calls with.

use std::sync::Arc;

use clearcall::{
    call::Impairment,
    frame::Size,
    model::Model,
    pipeline::{AudioSettings, CallSettings, NetworkSettings, SizeChoice},
    source::SourceSpec,
    upscale::EngineChoice,
};

/// A small call of the built-in scene.
pub(crate) fn settings() -> CallSettings {
    CallSettings {
        source: SourceSpec::Scene,
        size: Some(SizeChoice::Within(Size::new(96, 64).unwrap())),
        fps: 30.0,
        bitrate: 200_000,
        muted: false,
        audio: AudioSettings::default(),
        model: Arc::new(Model::untrained(4, 0, 7).unwrap()),
        auto: None,
        engine: EngineChoice::Cpu,
        impairment: Arc::new(Impairment::new(7)),
        recording: None,
        network: NetworkSettings::default(),
    }
}
