use super::{band::Cut, layer::GROUP, quantised::Quantised, *};
use crate::{
    frame::{Colour, Stamp},
    model::Training,
    upscale::reference,
};

fn frame(width: u32, height: u32) -> Frame {
    let size = Size::new(width, height).unwrap();
    let plane = |size: Size, k: usize| {
        let (w, h) = (size.width() as usize, size.height() as usize);
        let data = (0..w * h).map(|i| (i * i % 97 * k + i % 31) as u8).collect();
        Plane::from_vec(data, w, h, w).unwrap()
    };
    let c = size.chroma();
    Frame::new(plane(size, 2), plane(c, 1), plane(c, 3), Colour::default(), Stamp::now(1)).unwrap()
}

/// The shapes of other machines' vectors: longer and shorter ones, more columns at once, and the ends that
/// belong to them. Tests of the whole engine with what this machine has are in tests/engines.rs.
#[test]
fn vectors_of_any_shape_give_the_references_pictures() {
    for (channels, depth) in [(1, 0), (8, 1), (16, 2)] {
        let mut layers = Model::untrained(channels, depth, 11).unwrap().layers().to_vec();
        layers.last_mut().unwrap().weights.iter_mut().for_each(|w| *w *= 3.0);
        let model = Model::new("strong", layers, Training::default()).unwrap();
        for isa in [Isa::Narrow, Isa::Wide] {
            let mut engine = CpuEngine::with_isa(&model, Some(2), isa).unwrap();
            for (width, height) in [(1, 1), (15, 3), (97, 6), (130, 2)] {
                let lr = frame(width, height);
                let pair = engine.compare(&lr).unwrap();
                let alone = engine.bicubic(&lr).unwrap();
                for (picture, how) in
                    [(pair.bicubic, Method::Bicubic), (pair.cnn, Method::Cnn), (alone.cnn, Method::Bicubic)]
                {
                    let (is, want) = (picture.to_rgba().unwrap(), reference::rgba(&lr, how, &model).unwrap());
                    let off = is.data.iter().zip(&want.data).position(|(a, b)| a.abs_diff(*b) > 1);
                    assert_eq!(off, None, "{how} of {} with {isa} and {channels}, {depth}", lr.size());
                }
                let (is, want) = (engine.upscale(&lr, Method::Cnn).unwrap(), reference::i420(&lr, Method::Cnn, &model));
                let want = want.unwrap();
                assert!(is.y().data().iter().zip(want.y().data()).all(|(a, b)| a.abs_diff(*b) <= 1));
            }
        }
    }
}

/// A model whose values reach a little more than it says.
fn with_ranges(channels: usize, depth: usize) -> Model {
    let mut model = Model::untrained(channels, depth, 5).unwrap();
    let range = |l: usize| (0..channels).map(|c| 0.2 + 0.05 * ((c * 7 + l) % 5) as f32).collect();
    let ranges = (0..=depth).map(range).collect();
    let mut layers = model.layers().to_vec();
    layers.last_mut().unwrap().weights.iter_mut().for_each(|w| *w *= 5.0);
    model = Model::new("bytes", layers, Training::default()).unwrap();
    model.with_ranges(ranges).unwrap()
}

/// The network in bytes as it is defined, in plain loops: its four channels.
fn by_definition(model: &Model, luma: &Plane) -> Vec<f32> {
    let net = Net::new(model, Precision::F32);
    let mut quantised = Quantised::new(&net.layers, model.ranges().unwrap());
    quantised.take(&net.layers);
    let (width, height, radius) = (luma.width() as isize, luma.height() as isize, model.radius() as isize);
    let (w, h) = (width + 2 * radius, height + 2 * radius);
    let at = |x: isize, y: isize| {
        let row = luma.row((y - radius).clamp(0, height - 1) as usize);
        f32::from(row[(x - radius).clamp(0, width - 1) as usize]) / 255.0
    };
    let mut before: Vec<Vec<f32>> = vec![(0..w * h).map(|i| at(i % w, i / w)).collect()];
    for (l, layer) in net.layers.iter().enumerate() {
        let (margin, last) = (l as isize + 1, l + 1 == net.layers.len());
        let one = |o: usize, x: isize, y: isize| {
            let mut sum = 0.0_f64;
            for (i, plane) in before.iter().enumerate() {
                for tap in 0..9 {
                    let value = plane[((y + tap / 3 - 1) * w + x + tap % 3 - 1) as usize];
                    let weight = match l {
                        0 => quantised.first.weights[(o / GROUP * 9 + tap as usize) * GROUP + o % GROUP],
                        _ => {
                            let numbers = &quantised.rest[l - 1];
                            let at = (o / GROUP * numbers.inputs + i / GROUP) * 9 + tap as usize;
                            f32::from(numbers.weights[at * GROUP + o % GROUP].to_le_bytes()[i % GROUP] as i8)
                        }
                    };
                    sum += f64::from(value) * f64::from(weight);
                }
            }
            let sum = match l {
                0 => sum as f32 + quantised.first.bias[o],
                _ => (sum as f32).mul_add(quantised.rest[l - 1].scale[o], quantised.rest[l - 1].bias[o]),
            };
            if last { sum } else { sum.round_ties_even().clamp(0.0, 127.0) }
        };
        let plane = |o: usize| {
            let inside = |p: isize, size: isize| (margin..size - margin).contains(&p);
            let each = (0..w * h).map(|i| (i % w, i / w));
            each.map(|(x, y)| if inside(x, w) && inside(y, h) { one(o, x, y) } else { 0.0 }).collect()
        };
        before = (0..layer.outputs()).map(plane).collect();
    }
    let rows = |plane: &Vec<f32>| {
        let rows = plane.chunks_exact(w as usize).skip(radius as usize).take(height as usize);
        rows.flat_map(|row| row[radius as usize..][..width as usize].to_vec()).collect::<Vec<_>>()
    };
    before.iter().flat_map(rows).collect()
}

#[test]
fn bytes_give_what_they_are_defined_to_give() {
    for (channels, depth) in [(1, 0), (5, 1), (12, 2)] {
        let model = with_ranges(channels, depth);
        for isa in Isa::available().chain([Isa::Narrow, Isa::Wide]) {
            let engine = CpuEngine::with_isa(&model, Some(2), isa).unwrap();
            let mut engine = engine.in_precision(&model, Precision::Int8);
            assert_eq!(engine.precision(), Precision::Int8);
            for (width, height) in [(1, 1), (15, 3), (97, 6)] {
                let lr = frame(width, height);
                let mut is = vec![0.0; 4 * lr.size().pixels()];
                engine.network(lr.y(), &mut is);
                let want = by_definition(&model, lr.y());
                // A sum that lies between two bytes may go to either: the next layers see one byte's difference.
                let apart = is.iter().zip(&want).filter(|(a, b)| (*a - *b).abs() > 1e-5).count();
                let far = is.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(apart * 50 <= is.len(), "{apart} of {} with {isa}, {channels}, {depth}", is.len());
                assert!(far < 0.01, "{far} with {isa} and {channels}, {depth}");
                let most = |f: fn(f32, f32) -> f32| want.iter().copied().fold(want[0], f);
                assert!(channels == 1 || width == 1 || most(f32::max) - most(f32::min) > 1e-3, "something is there");
            }
        }
    }
}

#[test]
fn a_model_that_says_nothing_of_its_values_runs_in_f32() {
    let (silent, telling) = (Model::untrained(8, 1, 1).unwrap(), with_ranges(8, 1));
    let mut engine = CpuEngine::new(&silent, Some(1)).unwrap().in_precision(&silent, Precision::Int8);
    assert_eq!(engine.precision(), Precision::F32);
    assert!(engine.describe().ends_with("f32"), "{}", engine.describe());
    engine.set_model(Arc::new(telling.clone()));
    assert_eq!(engine.precision(), Precision::Int8);
    let mut engine = CpuEngine::new(&telling, Some(1)).unwrap().in_precision(&telling, Precision::Int8);
    assert!(engine.describe().ends_with("int8"), "{}", engine.describe());
    assert!(engine.set_weights(&silent).is_err());
    engine.set_model(Arc::new(silent));
    assert_eq!(engine.precision(), Precision::F32);
}

/// The same frame, but for a rectangle of a plane that is another.
fn with_patch(lr: &Frame, plane: usize, [x, y, width, height]: [usize; 4]) -> Frame {
    let mut lr = lr.clone();
    let plane = lr.planes_mut().into_iter().nth(plane).unwrap();
    for y in y..(y + height).min(plane.height()) {
        let end = (x + width).min(plane.width());
        plane.row_mut(y)[x.min(end)..end].iter_mut().for_each(|code| *code ^= 0x55);
    }
    lr
}

/// Whatever changed, an engine that copies what did not gives to the last bit what one gives that computes all.
#[test]
fn what_stands_still_is_copied_and_all_else_is_computed() {
    let (nano, medium) = (with_ranges(8, 1), with_ranges(12, 7));
    for (model, precision) in [(&nano, Precision::F32), (&medium, Precision::F32), (&medium, Precision::Int8)] {
        let new = || CpuEngine::new(model, Some(2)).unwrap().in_precision(model, precision);
        let (mut engine, mut plain) = (new(), new());
        let mut all_of = |lr: &Frame| {
            plain.static_skip.forget();
            plain.compare(lr).unwrap()
        };
        let first = frame(1100, 90);
        let changes = [
            None,
            Some((0, [0, 0, 1, 1])),
            Some((0, [1099, 89, 1, 1])),
            Some((1, [300, 20, 2, 3])),
            Some((2, [549, 44, 1, 1])),
            Some((0, [511, 40, 2, 20])),
            Some((0, [200, 0, 17, 90])),
            Some((0, [0, 0, 1100, 90])),
            None,
        ];
        let mut lr = first.clone();
        for (i, change) in changes.into_iter().enumerate() {
            if let Some((plane, rectangle)) = change {
                lr = with_patch(&lr, plane, rectangle);
            }
            let (is, want) = (engine.compare(&lr).unwrap(), all_of(&lr));
            for (is, want) in [(&is.bicubic, &want.bicubic), (&is.cnn, &want.cnn)] {
                assert!(is.to_rgba().unwrap().data == want.to_rgba().unwrap().data, "change {i}, {precision}");
            }
            let SkipPlan { compute, copy, cut } = engine.static_skip.plan();
            assert_eq!(compute.len() + copy.len(), cut.places());
            match i {
                0 | 7 => assert!(copy.is_empty(), "change {i}"),
                8 => assert!(compute.is_empty()),
                // The patches are small: most of the picture is as it was.
                _ => assert!(copy.len() > cut.places() / 2, "change {i}: {} of {}", copy.len(), cut.places()),
            }
        }
        // Other colours, weights, sizes, or one picture instead of two: all is new.
        let check = |engine: &mut CpuEngine, lr: &Frame, want: Pair| {
            let is = engine.compare(lr).unwrap();
            assert!(is.cnn.to_rgba().unwrap().data == want.cnn.to_rgba().unwrap().data);
            assert!(engine.static_skip.plan().copy.is_empty());
        };
        lr.colour.range = crate::frame::Range::Full;
        check(&mut engine, &lr, all_of(&lr));
        engine.set_model(Arc::new(model.clone()));
        check(&mut engine, &lr, new().compare(&lr).unwrap());
        engine.bicubic(&lr).unwrap();
        assert!(engine.static_skip.plan().copy.is_empty());
        engine.bicubic(&lr).unwrap();
        assert!(engine.static_skip.plan().compute.is_empty());
        check(&mut engine, &lr, new().compare(&lr).unwrap());
        let lower = frame(1100, 88);
        check(&mut engine, &lower, new().compare(&lower).unwrap());
        // A picture for a file, in between, is one of the video: nothing is as it was shown.
        engine.upscale(&with_patch(&lower, 0, [0, 0, 64, 64]), Method::Cnn).unwrap();
        engine.compare(&lower).unwrap();
        assert!(engine.static_skip.plan().copy.is_empty());
    }
}

/// A new quantiser means other weights, where they follow it.
#[test]
fn another_quantiser_makes_everything_new() {
    let model = Model::find("nano").unwrap();
    let mut engine = CpuEngine::new(&model, Some(1)).unwrap();
    let mut lr = frame(64, 20);
    for (qp, copied) in [(30.0, false), (30.0, true), (31.5, false), (31.5, true)] {
        lr.weights_qp = Some(qp);
        engine.compare(&lr).unwrap();
        assert_eq!(engine.static_skip.plan().compute.is_empty(), copied, "{qp}");
    }
}

/// A thin change at the left edge of a wide picture: narrow stretches leave most of it alone. Two that are a gap
/// of a few rows apart are computed in one go.
#[test]
fn the_stretches_fit_what_changed() {
    let model = with_ranges(8, 1);
    let mut engine = CpuEngine::new(&model, Some(1)).unwrap();
    let lr = frame(480, 100);
    engine.compare(&lr).unwrap();
    let rows = |engine: &CpuEngine| {
        let SkipPlan { compute, cut, .. } = engine.static_skip.plan();
        (cut.places() / cut.height, compute.iter().map(|place| *place as usize % cut.height).collect::<Vec<_>>())
    };
    let lr = with_patch(&lr, 0, [0, 50, 4, 1]);
    engine.compare(&lr).unwrap();
    // Six rows on each side: as far as bicubic looks for chroma.
    assert_eq!(rows(&engine), (8, (44..=56).collect()));
    let lr = with_patch(&with_patch(&lr, 0, [0, 20, 4, 1]), 0, [0, 37, 4, 1]);
    engine.compare(&lr).unwrap();
    // 14 to 26 and 31 to 43: four rows between them.
    assert_eq!(rows(&engine), (8, (14..=43).collect()));
    let whole = Cut::new(&engine.net, 480, 100);
    let lr = with_patch(&lr, 0, [0, 50, 480, 1]);
    engine.compare(&lr).unwrap();
    assert_eq!(rows(&engine).0, whole.places() / 100, "across everything: no need to cut");
}
