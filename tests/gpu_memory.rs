//! What is remembered of a GPU: how a network runs fastest on it, and its compiled pipelines. Whatever is wrong
//! with the files does no harm.

#[path = "support/pictures.rs"]
mod pictures;

use std::{fs, path::Path, sync::Arc};

use clearcall::{
    model::Model,
    upscale::{GpuContext, GpuEngine, Method, Upscaler, reference},
};
use pictures::{colours, picture, same_i420, same_rgba};
use serde_json::Value;

const VARIANTS: &str = "gpu-variants.json";
const PIPELINES: &str = "gpu-pipelines.bin";

/// A device that remembers in `folder`; none where a machine has no adapter, as in tests/engines.rs.
fn gpu(folder: &Path) -> Option<GpuContext> {
    if std::env::var_os("CLEARCALL_NO_GPU").is_some_and(|v| v == "1") {
        eprintln!("CLEARCALL_NO_GPU=1: what is remembered of a GPU is not tested");
        return None;
    }
    Some(GpuContext::headless().unwrap().remembering(Some(folder.to_owned())))
}

/// Makes an engine and looks at its pictures.
fn runs(gpu: &GpuContext, channels: usize) -> GpuEngine {
    let model = Model::untrained(channels, 1, 6).unwrap();
    let mut engine = GpuEngine::new(gpu.clone(), Arc::new(model.clone())).unwrap();
    for colour in colours().take(1) {
        let lr = picture(37, 22, colour, 3, 8);
        let want = reference::rgba(&lr, Method::Cnn, &model).unwrap();
        same_rgba(&engine.compare(&lr).unwrap().cnn.to_rgba().unwrap(), &want).unwrap();
        same_i420(&engine.upscale(&lr, Method::Cnn).unwrap(), &reference::i420(&lr, Method::Cnn, &model).unwrap())
            .unwrap();
    }
    engine
}

fn entries(folder: &Path) -> Vec<Value> {
    serde_json::from_slice(&fs::read(folder.join(VARIANTS)).unwrap()).unwrap()
}

#[test]
fn a_network_is_measured_once() {
    let folder = tempfile::tempdir().unwrap();
    let Some(gpu) = gpu(folder.path()) else { return };
    let mut engine = runs(&gpu, 4);
    let first = entries(folder.path());
    assert_eq!(first.len(), 1);
    let adapter = gpu.adapter();
    assert_eq!(first[0]["key"]["adapter"], adapter.name.as_str());
    assert_eq!(first[0]["key"]["driver"], adapter.driver.as_str());
    assert_eq!(first[0]["key"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((first[0]["channels"].as_u64(), first[0]["depth"].as_u64()), (Some(4), Some(1)));

    // What is remembered is what runs: a choice that no measurement makes, for a picture that shows it.
    let mut told = first.clone();
    told[0]["variant"] = serde_json::json!({"fusion": "each", "precision": "f32", "group": [8, 8]});
    fs::write(folder.path().join(VARIANTS), serde_json::to_vec(&told).unwrap()).unwrap();
    let mut again = runs(&gpu, 4);
    assert_eq!(entries(folder.path()), told, "it was measured again");
    if adapter.timestamps {
        let lr = picture(64, 48, colours().next().unwrap(), 0, 1);
        (0..6).for_each(|_| drop(again.compare(&lr).unwrap()));
        let names: Vec<_> = again.gpu_time().unwrap().passes.iter().map(|p| p.name.to_string()).collect();
        assert_eq!(names, ["layer 1", "layer 2", "layer 3", "pictures"]);
    }

    // Another network while the engine runs.
    let other = Arc::new(Model::untrained(5, 0, 2).unwrap());
    engine.set_model(other.clone());
    let lr = picture(20, 30, colours().next().unwrap(), 0, 1);
    let want = reference::rgba(&lr, Method::Cnn, &other).unwrap();
    same_rgba(&engine.compare(&lr).unwrap().cnn.to_rgba().unwrap(), &want).unwrap();
    assert_eq!(entries(folder.path()).len(), 2);
}

#[test]
fn a_damaged_or_foreign_file_is_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let Some(first) = gpu(folder.path()) else { return };
    runs(&first, 4);
    let good = entries(folder.path());
    let foreign = |what: &str, value: Value| {
        let mut entries = good.clone();
        *entries[0].pointer_mut(what).unwrap() = value;
        serde_json::to_vec(&entries).unwrap()
    };
    let files = [
        Vec::new(),
        b"[{]".to_vec(),
        vec![0xff; 500_000],
        foreign("/key/driver", "another".into()),
        foreign("/key/version", "0.0.0".into()),
        foreign("/variant/group", serde_json::json!([4096, 4096])),
        foreign("/variant/group", serde_json::json!([0, 0])),
        foreign("/variant/precision", "f8".into()),
    ];
    for file in files {
        fs::write(folder.path().join(VARIANTS), &file).unwrap();
        runs(&gpu(folder.path()).unwrap(), 4);
        let now = entries(folder.path());
        assert!(now.iter().any(|e| e["key"] == good[0]["key"] && e["variant"]["group"] != serde_json::json!([0, 0])));
    }
    // A folder in the place of the file, and a file in the place of the folder.
    fs::remove_file(folder.path().join(VARIANTS)).unwrap();
    fs::create_dir(folder.path().join(VARIANTS)).unwrap();
    runs(&gpu(folder.path()).unwrap(), 4);
    fs::write(folder.path().join("file"), b"x").unwrap();
    runs(&gpu(&folder.path().join("file")).unwrap(), 4);
}

#[test]
fn pipelines_are_kept_and_damaged_ones_are_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let Some(first) = gpu(folder.path()) else { return };
    runs(&first, 4);
    let path = folder.path().join(PIPELINES);
    if !first.device().features().contains(wgpu::Features::PIPELINE_CACHE) {
        assert!(!path.exists());
        return;
    }
    let good = fs::read(&path).unwrap();
    runs(&gpu(folder.path()).unwrap(), 4);
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [&[][..], b"clearcP1", &good[..good.len() / 2], &flipped, &vec![7; 100_000]] {
        fs::write(&path, damaged).unwrap();
        runs(&gpu(folder.path()).unwrap(), 4);
        assert_ne!(fs::read(&path).unwrap(), damaged, "it was not written anew");
    }
}
