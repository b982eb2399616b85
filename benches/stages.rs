//! The other stages of a call, on the scene that the program draws.

use std::{hint::black_box, time::Duration};

use clearcall::{
    codec::{AccessUnit, Decoder, Encoder, EncoderConfig, H264Profile},
    frame::{Frame, Size, Stamp},
    scale::{Kernel, Scaler},
    source::scene::Scene,
};
use criterion::{Criterion, criterion_group, criterion_main};

const FRAMES: u64 = 30;

fn size() -> Size {
    Size::new(480, 360).unwrap()
}

/// Frames of the scene with the times of 30 frames a second.
fn frames(size: Size) -> Vec<Frame> {
    let scene = Scene::new(size, 30.0).unwrap();
    let begun = Stamp::now(0).captured;
    let stamp = |id| Stamp { id, captured: begun + Duration::from_secs(1) * id as u32 / 30 };
    (0..FRAMES).map(|n| scene.draw(n).with_stamp(stamp(n))).collect()
}

fn encoder() -> Encoder {
    let config = EncoderConfig {
        size: size(),
        fps: 30.0,
        bitrate: 300_000,
        keyframe_interval: None,
        skip_frames: false,
        profile: H264Profile::High,
    };
    Encoder::new(config).unwrap()
}

fn units() -> Vec<AccessUnit> {
    let mut encoder = encoder();
    frames(size()).iter().filter_map(|frame| encoder.encode(frame).unwrap()).collect()
}

fn draw(c: &mut Criterion) {
    let scene = Scene::new(size(), 30.0).unwrap();
    let mut n = 0;
    c.bench_function("stage/draw the scene", |b| {
        b.iter(|| {
            n += 1;
            black_box(scene.draw(n))
        });
    });
}

fn scale(c: &mut Criterion) {
    let high = &frames(size().times(2).unwrap())[0];
    let mut scaler = Scaler::new(size(), Kernel::default());
    c.bench_function("stage/scale 960x720 to 480x360", |b| b.iter(|| black_box(scaler.scale(high).unwrap())));
}

fn encode(c: &mut Criterion) {
    let (frames, mut encoder) = (frames(size()), encoder());
    let mut next = frames.iter().cycle();
    c.bench_function("stage/encode 480x360", |b| {
        b.iter(|| black_box(next.next().map(|frame| encoder.encode(frame).unwrap())));
    });
}

fn decode(c: &mut Criterion) {
    let units = units();
    let mut decoder = Decoder::new().unwrap();
    // Each round begins with a keyframe.
    c.bench_function("stage/decode 30 frames of 480x360", |b| {
        b.iter(|| {
            for (n, unit) in units.iter().enumerate() {
                black_box(decoder.decode(&unit.data, Stamp::now(n as u64)).unwrap());
            }
        });
    });
}

criterion_group!(benches, draw, scale, encode, decode);
criterion_main!(benches);
