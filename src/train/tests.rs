//! The whole of it on small drawn pictures.

use std::path::Path;

use rand::{Rng, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{block::BlockKind, net::Net, pairs::Pair, *};

/// Pictures with edges, ramps and grain.
fn pictures(folder: &Path, count: u64) {
    for n in 0..count {
        let mut rng = ChaCha8Rng::seed_from_u64(n);
        let circles: Vec<[f32; 4]> = (0..12)
            .map(|_| {
                [rng.random_range(0.0..200.0), rng.random_range(0.0..170.0), rng.random_range(4.0..40.0), rng.random()]
            })
            .collect();
        let picture = image::RgbImage::from_fn(200, 170, |x, y| {
            let inside = |c: &&[f32; 4]| (x as f32 - c[0]).hypot(y as f32 - c[1]) < c[2];
            let light = circles.iter().rev().find(inside).map_or((x + y) as f32 / 370.0, |c| c[3]);
            let grain: f32 = rng.random_range(-6.0..6.0);
            let v = (255.0 * light + grain).clamp(0.0, 255.0) as u8;
            image::Rgb([v, (f32::from(v) * 0.8) as u8, 255 - v])
        });
        let name = folder.join(format!("{n}.{}", if n % 2 == 0 { "png" } else { "jpg" }));
        picture.save(name).unwrap();
    }
}

fn config(folder: &Path) -> TrainConfig {
    TrainConfig {
        pictures: folder.join("pictures"),
        out: folder.join("out/tiny.safetensors"),
        channels: 4,
        layers: 1,
        steps: 40,
        batch: 4,
        patch: 16,
        takes: 1,
        frames: 2,
        checkpoint: Some(folder.join("checkpoint")),
        validate_every: 20,
        ..TrainConfig::default()
    }
}

fn folder(count: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("pictures")).unwrap();
    pictures(&folder.path().join("pictures"), count);
    folder
}

#[test]
fn a_run_learns_writes_its_model_and_resumes_to_the_same_weights() {
    let folder = folder(3);
    let whole = TrainConfig { cache: Some(folder.path().join("cache")), emphasis: 1.05, ..config(folder.path()) };
    let mut told = Vec::new();
    let model = run(&whole, &mut |p| told.push(p)).unwrap();
    assert!(matches!(told[0], Progress::Filming { done: 1, pictures: 3 }));
    // Three clips of two frames, less what the encoder skipped.
    let sane = |training, validation| training > 0 && validation > 0 && training + validation <= 6;
    let ready =
        |p: &Progress| matches!(*p, Progress::Ready { training, validation, step: 0 } if sane(training, validation));
    assert!(told.iter().any(ready));
    assert!(told.iter().any(|p| matches!(p, Progress::Step { step: 40, .. })));
    let read = Model::read(&whole.out).unwrap();
    assert_eq!(read.layers(), model.layers());
    assert_eq!((read.info().channels, read.info().depth, read.info().steps), (4, 1, 40));
    assert!(read.info().trained_on.contains("3 pictures"), "{}", read.info().trained_on);
    assert!(read.info().trained_on.contains("edges 0), emphasis 1.05, "), "{}", read.info().trained_on);
    assert!(read.info().scores.contains_key("validation_psnr_y_gain_db"));
    let log = std::fs::read_to_string(folder.path().join("checkpoint/tiny.csv")).unwrap();
    assert_eq!(log.lines().count(), 3);
    let curve = std::fs::read_to_string(folder.path().join("checkpoint/tiny.svg")).unwrap();
    assert!(
        curve.contains("gain over bicubic") && curve.matches("<polyline").count() + curve.matches("<path").count() > 4
    );

    // The same in two parts: what is left of a run that was cut off after step 20 is its checkpoint.
    let parts = TrainConfig {
        checkpoint: Some(folder.path().join("second")),
        out: folder.path().join("tiny.safetensors"),
        resume: true,
        ..whole.clone()
    };
    let checkpoint = folder.path().join("second/tiny.checkpoint.safetensors");
    let kept = folder.path().join("kept");
    let mut starts = Vec::new();
    run(&parts, &mut |p| {
        if matches!(p, Progress::Step { step: 40, .. }) {
            std::fs::copy(&checkpoint, &kept).unwrap();
        }
    })
    .unwrap();
    std::fs::copy(&kept, &checkpoint).unwrap();
    let resumed = run(&parts, &mut |p| {
        if let Progress::Ready { step, .. } = p {
            starts.push(step);
        }
    })
    .unwrap();
    assert_eq!(starts, [20]);
    assert_eq!(resumed.layers(), model.layers());

    // From a model: the first step already stands where it stood, and a smaller shape is refused.
    let whole_out = whole.out.clone();
    let from = TrainConfig { from: Some(whole.out.clone()), steps: 0, checkpoint: None, ..whole };
    let same = run(&TrainConfig { out: folder.path().join("from.safetensors"), ..from.clone() }, &mut |_| ()).unwrap();
    let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    assert!(same.layers().iter().zip(model.layers()).all(|(a, b)| near(&a.weights, &b.weights)));
    assert_eq!((same.info().steps, &same.info().trained_on), (40, &model.info().trained_on));
    assert!(same.ranges().is_some_and(|ranges| ranges.len() == 2 && ranges[1].len() == 4), "{:?}", same.ranges());
    assert!(read.ranges().zip(same.ranges()).is_some_and(|(a, b)| a.iter().zip(b).all(|(a, b)| near(a, b))));
    let why = run(&TrainConfig { from: None, ..from.clone() }, &mut |_| ()).unwrap_err().to_string();
    assert!(why.contains("zero steps"), "{why}");

    // On the way to vivid weights, and times a gain: what comes out is that, measured anew, and its card says so.
    let changed = TrainConfig { from_vivid: 0.5, residual_gain: 1.5, deadband_factor: Some(1.5), ..from.clone() };
    let why = run(&changed, &mut |_| ()).unwrap_err().to_string();
    assert!(why.contains("vivid weights that are not there") && why.contains("tiny.vivid.safetensors"), "{why}");
    let vivid = model.with_residual_gain(2.0).unwrap();
    std::fs::write(whole_out.with_extension("vivid.safetensors"), vivid.to_bytes().unwrap()).unwrap();
    let out = folder.path().join("changed.safetensors");
    let changed = run(&TrainConfig { out, ..changed }, &mut |_| ()).unwrap();
    let [last, of_changed] = [&model, &changed].map(|m| &m.layers()[2].weights);
    assert!(
        last.iter().zip(of_changed).all(|(a, b)| (1.5 * 1.5 * a - b).abs() < 1e-4),
        "half of the way to twice, 1.5 times"
    );
    assert_eq!(Model::read(folder.path().join("changed.safetensors")).unwrap().deadband_factor(), 1.5);
    let says = &changed.info().trained_on;
    assert!(says.ends_with("; 0.5 of the way to it from tiny; what it adds to bicubic 1.5 times"), "{says}");
    let why = run(&TrainConfig { residual_gain: 9.0, ..from.clone() }, &mut |_| ()).unwrap_err().to_string();
    assert!(why.contains("--residual-gain"), "{why}");
    let why = run(&TrainConfig { channels: 3, ..from }, &mut |_| ()).unwrap_err().to_string();
    assert!(why.contains("4 channels and 1 layers"), "{why}");

    let other = TrainConfig { channels: 5, ..parts };
    assert!(matches!(run(&other, &mut |_| ()), Err(TrainError::Checkpoint { .. })), "another run's checkpoint");
}

#[test]
fn wrong_features_are_told_before_anything_is_filmed() {
    let folder = folder(2);
    let terms = Terms { supervised: 1.0, perceptual: 1.0, ..Terms::ZERO };
    let features = Some(folder.path().join("gone.safetensors"));
    let wanted = TrainConfig { vivid: Some(terms), features, ..config(folder.path()) };
    let mut told = 0;
    let wrong = run(&wanted, &mut |_| told += 1);
    assert!(matches!(wrong, Err(TrainError::Features(_))) && told == 0, "{wrong:?}, {told} reports");
    // A term without features, and features without a term.
    for wanted in [TrainConfig { features: None, ..wanted.clone() }, TrainConfig { vivid: None, ..wanted.clone() }] {
        assert!(matches!(run(&wanted, &mut |_| ()), Err(TrainError::Config(_))));
    }
}

#[test]
fn vivid_training_resumes_to_the_same_weights_and_names_its_health() {
    let folder = folder(3);
    let terms = Terms {
        adversarial: 0.01,
        supervised: 1.0,
        locality: 0.5,
        tangent: 0.001,
        feature: 0.1,
        flat: 0.1,
        perceptual: 0.0,
        energy: 0.1,
        transport: 0.1,
    };
    let whole = TrainConfig {
        cache: Some(folder.path().join("cache")),
        vivid: Some(terms),
        steps: 8,
        validate_every: 4,
        ..config(folder.path())
    };
    let mut examined = None;
    let model = run(&whole, &mut |p| {
        if let Progress::Examined(health) = p {
            examined = Some(health)
        }
    })
    .unwrap();
    let [model_health, bicubic, truth] = examined.unwrap();
    assert!(model_health.rank >= 1.0 && bicubic.spread == 0.0 && truth.sharpness == [0.0; 4]);
    assert_eq!(model.info().scores["validation_rank"], (model_health.rank * 1000.0).round() / 1000.0);
    let log = std::fs::read_to_string(folder.path().join("checkpoint/tiny.csv")).unwrap();
    assert!(
        log.starts_with("step,seconds,loss,psnr_y_bicubic,psnr_y,gain_db,adversarial,supervised,locality"),
        "{log}"
    );
    assert!(log.lines().all(|line| line.split(',').count() == 7 + terms.named().len()), "{log}");
    assert!(model.info().trained_on.contains("vivid: adversarial 0.01"), "{}", model.info().trained_on);

    let parts = TrainConfig { checkpoint: Some(folder.path().join("second")), resume: true, ..whole.clone() };
    let kept = folder.path().join("kept");
    std::fs::create_dir(&kept).unwrap();
    let files = ["tiny.checkpoint.safetensors", "tiny.critic.safetensors"];
    run(&parts, &mut |p| {
        if matches!(p, Progress::Step { step: 8, .. }) {
            for file in files {
                std::fs::copy(folder.path().join("second").join(file), kept.join(file)).unwrap();
            }
        }
    })
    .unwrap();
    for file in files {
        std::fs::copy(kept.join(file), folder.path().join("second").join(file)).unwrap();
    }
    assert_eq!(run(&parts, &mut |_| ()).unwrap().layers(), model.layers());
    let other = TrainConfig { emphasis: 1.5, ..parts };
    assert!(matches!(run(&other, &mut |_| ()), Err(TrainError::Checkpoint { .. })), "another emphasis, another run");
    assert!(run(&TrainConfig { emphasis: 9.0, ..whole.clone() }, &mut |_| ()).is_err());
    let wrong = TrainConfig { vivid: Some(Terms { tangent: f32::NAN, ..terms }), ..whole };
    assert!(run(&wrong, &mut |_| ()).unwrap_err().to_string().contains("these terms"));
}

#[test]
fn pairs_follow_from_their_own_seed() {
    let folder = folder(2);
    let pairs = |pairs_seed, seed| {
        let config = TrainConfig { pairs_seed, seed, ..config(folder.path()) };
        synthesis::pairs(&config, &mut |_| ()).unwrap().0
    };
    let first = pairs(4, 1);
    assert_eq!(first, pairs(4, 2), "runs with other seeds learn from the same pairs");
    assert_ne!(first, pairs(5, 1));
    assert!(!first.train.is_empty() && !first.validation.is_empty());
}

#[test]
fn the_exported_model_computes_what_the_trainer_computed() {
    // The trainer's convolutions against the reference engine on a whole picture, edges included.
    use crate::{
        frame::{Colour, Frame, Plane, Stamp},
        upscale::{Method, reference},
    };
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let (width, height) = (23, 14);
    let luma = Plane::from_vec((0..width * height).map(|_| rng.random()).collect(), width, height, width).unwrap();
    let grey = || Plane::filled(width.div_ceil(2), height.div_ceil(2), 128);
    let lr = Frame::new(luma, grey(), grey(), Colour::default(), Stamp::now(0)).unwrap();
    for (channels, layers) in [(8, 1), (5, 3), (3, 0)] {
        let model = Model::untrained(channels, layers, 6).unwrap();
        let shown = reference::i420(&lr, Method::Cnn, &model).unwrap();
        let pair = Pair::new(lr.y(), shown.y(), pairs::Seen { qp: 30.0, age: 0, interest: 1.0 }).unwrap();
        // What the trainer takes for the network's picture has no error against what the reference shows,
        // but for a code where the sum falls between two.
        let [bicubic, ours] = net::errors(model.layers(), &pair);
        assert!(ours < 0.01 && bicubic > 1.0, "{channels},{layers}: {ours} {bicubic}");
    }
}

#[test]
fn burn_sees_the_same_network() {
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    let net = Net::untrained(6, 2, BlockKind { wide: true, by_qp: true }, 3).unwrap();
    let side = 9;
    let padded = side + 2 * net.radius();
    let input: Vec<f32> = (0..padded * padded).map(|_| rng.random()).collect();
    let layers = net.fold(&net.numbers).at(37.0);
    let target = net::forward(&layers, &input, padded, padded);
    // With the plain forward pass as the target nothing is left of the loss but its ε.
    let loss = Loss::default();
    let (value, _) = net
        .learn(&[pairs::Patch { input, target, qp: 37.0, noisy: Vec::new(), moves: Vec::new() }], side, loss)
        .unwrap();
    assert!((value - loss.epsilon).abs() < 1e-5, "{value}");
}

#[test]
fn bad_input_is_named() {
    let folder = folder(1);
    let at = folder.path();
    let why = |config: &TrainConfig| run(config, &mut |_| ()).unwrap_err().to_string();
    std::fs::create_dir(at.join("empty")).unwrap();
    assert!(why(&TrainConfig { pictures: at.join("empty"), ..config(at) }).contains("there are no pictures"));
    assert!(why(&TrainConfig { pictures: at.join("nowhere"), ..config(at) }).contains("nowhere"));
    assert!(why(&TrainConfig { channels: 0, ..config(at) }).contains("channels"));
    assert!(why(&TrainConfig { patch: 120, ..config(at) }).contains("smallest clip"));
    assert!(why(&TrainConfig { resume: true, checkpoint: None, ..config(at) }).contains("checkpoint"));
    for learning_rate in [0.0, f32::NAN] {
        assert!(why(&TrainConfig { learning_rate, ..config(at) }).contains("learning rate"));
    }
    std::fs::write(at.join("pictures/x.png"), b"no picture at all").unwrap();
    assert!(why(&config(at)).contains("x.png"));
    std::fs::remove_file(at.join("pictures/x.png")).unwrap();
    image::RgbImage::new(20, 400).save(at.join("pictures/thin.png")).unwrap();
    assert!(why(&config(at)).contains("20x400"));
}
