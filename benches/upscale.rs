//! Each engine with each model at each size, from planes to both pictures; and the CPU's bare network.
//!
//! `clearcall bench speed` gives the same as a table beside the machine's peak. A software adapter is measured
//! only with `CLEARCALL_BENCH_GPU=1`.

use std::{hint::black_box, sync::Arc};

use clearcall::{
    frame::{Colour, Frame, Plane, Size, Stamp},
    model::Model,
    upscale::{CpuEngine, GpuContext, GpuEngine, Isa, Precision, Upscaler},
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const SIZES: [(u32, u32); 3] = [(480, 360), (640, 360), (1280, 720)];

/// Two that are the same nowhere: what stands still is not computed again.
fn pictures(width: u32, height: u32) -> [Frame; 2] {
    [0, 1].map(|other| picture(width, height, other))
}

fn picture(width: u32, height: u32, other: usize) -> Frame {
    let plane = |size: Size| {
        let (w, h) = (size.width() as usize, size.height() as usize);
        let data = (0..w * h).map(|i| (16 + (i % w * 7 + i / w * 13 + other) % 200) as u8).collect();
        Plane::from_vec(data, w, h, w).unwrap()
    };
    let size = Size::new(width, height).unwrap();
    let (y, u, v) = (plane(size), plane(size.chroma()), plane(size.chroma()));
    Frame::new(y, u, v, Colour::default(), Stamp::now(0)).unwrap()
}

fn models() -> impl Iterator<Item = Arc<Model>> {
    let large = [(16, 4)].map(|(channels, depth)| Model::untrained(channels, depth, 1).unwrap());
    Model::shipped().map(|name| Model::find(name).unwrap()).chain(large).map(Arc::new)
}

fn complete(c: &mut Criterion, name: &str, model: &Model, engine: &mut dyn Upscaler) {
    let mut group = c.benchmark_group(format!("complete/{name}/{}", model.name()));
    for (width, height) in SIZES {
        let pictures = pictures(width, height);
        let mut turn = pictures.iter().cycle();
        group.throughput(Throughput::Elements(u64::from(width * height)));
        group.bench_function(BenchmarkId::from_parameter(pictures[0].size()), |b| {
            b.iter(|| black_box(turn.next().map(|lr| engine.compare(lr).unwrap())));
        });
    }
    group.finish();
}

fn cpu(c: &mut Criterion) {
    for model in models() {
        for isa in Isa::available() {
            for precision in [Precision::F32, Precision::Int8] {
                let engine = CpuEngine::with_isa(&model, None, isa).unwrap();
                let mut engine = engine.in_precision(&model, precision);
                if engine.precision() == precision {
                    complete(c, &format!("cpu-{isa}-{precision}"), &model, &mut engine);
                }
            }
        }
    }
}

fn network(c: &mut Criterion) {
    let lr = picture(480, 360, 0);
    let mut channels = vec![0.0; 4 * lr.size().pixels()];
    for model in models() {
        for isa in Isa::available() {
            let mut engine = CpuEngine::with_isa(&model, None, isa).unwrap();
            let mut group = c.benchmark_group(format!("network/cpu-{isa}/{}", model.name()));
            // Multiply-adds a second.
            group.throughput(Throughput::Elements((model.mac_per_pixel() * lr.size().pixels()) as u64));
            group.bench_function("480x360", |b| b.iter(|| engine.network(lr.y(), black_box(&mut channels))));
            group.finish();
        }
    }
}

fn gpu(c: &mut Criterion) {
    let Ok(gpu) = GpuContext::headless() else { return };
    if gpu.is_software() && std::env::var_os("CLEARCALL_BENCH_GPU").is_none() {
        return;
    }
    for model in models() {
        complete(c, "gpu", &model, &mut GpuEngine::new(gpu.clone(), model.clone()).unwrap());
    }
}

criterion_group!(benches, cpu, network, gpu);
criterion_main!(benches);
