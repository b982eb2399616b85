//! Model files: written and read back, cut, mangled and made up.

use std::collections::HashMap;

use clearcall::model::{Model, ModelError, Training};
use proptest::prelude::*;
use safetensors::{Dtype, tensor::TensorView};

fn model() -> Model {
    let layers = Model::untrained(4, 1, 3).unwrap().layers().to_vec();
    let training = Training {
        trained_on: "synthetic, 300 kbit/s".into(),
        steps: 1234,
        scores: [("psnr_y_gain_db".to_owned(), 0.25)].into(),
    };
    Model::new("test", layers, training).unwrap()
}

fn why(bytes: &[u8]) -> String {
    match Model::from_bytes(bytes, "test") {
        Err(e @ ModelError::Invalid { .. }) => e.to_string(),
        other => panic!("expected a refusal, not {other:?}"),
    }
}

#[test]
fn what_is_written_is_read_back() {
    let model = model();
    let bytes = model.to_bytes().unwrap();
    assert_eq!(Model::from_bytes(&bytes, "test").unwrap(), model);
    let info = serde_json::to_value(model.info()).unwrap();
    assert_eq!(info["channels"], 4);
    assert_eq!(info["scores"]["psnr_y_gain_db"], 0.25);
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_width_of_the_deadband_is_read_back_and_checked() {
    let model = model().with_deadband_factor(1.5).unwrap();
    let bytes = model.to_bytes().unwrap();
    assert_eq!(Model::from_bytes(&bytes, "test").unwrap(), model);
    assert_eq!(Model::from_bytes(&self::model().to_bytes().unwrap(), "test").unwrap().deadband_factor(), 1.0);
    assert_eq!(
        self::model().blended(&model, 0.5).unwrap().deadband_factor(),
        1.25,
        "half of the way, half of the width"
    );
    let at = bytes.windows(3).position(|three| three == b"1.5").unwrap();
    for (bad, says) in
        [("9.5", "a deadband 9.5 times"), ("NaN", "a deadband NaN times"), ("-.5", "deadband"), ("x.5", "x.5")]
    {
        let mut bytes = bytes.clone();
        bytes[at..][..3].copy_from_slice(bad.as_bytes());
        assert!(why(&bytes).contains(says), "{}", why(&bytes));
    }
}

#[test]
fn how_large_values_become_is_read_back_and_checked() {
    let ranges = || vec![vec![0.5, 1.0, 2.0, 0.25], vec![3.0; 4]];
    let model = model().with_ranges(ranges()).unwrap();
    let bytes = model.to_bytes().unwrap();
    let read = Model::from_bytes(&bytes, "test").unwrap();
    assert_eq!((read.ranges(), &read), (Some(&ranges()[..]), &model));
    // The tensors lie in the order of their names, and conv1.range is not the last: the numbers 3.0 are its.
    let three: Vec<usize> = (8..bytes.len() - 3).filter(|at| bytes[*at..][..4] == 3.0_f32.to_le_bytes()).collect();
    for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let mut bytes = bytes.clone();
        bytes[three[0]..][..4].copy_from_slice(&bad.to_le_bytes());
        assert!(why(&bytes).contains("values become"), "{}", why(&bytes));
    }
    for wrong in [vec![vec![1.0; 4]], vec![vec![1.0; 4], vec![1.0; 3]], vec![vec![1.0; 4]; 3]] {
        let refused = self::model().with_ranges(wrong).unwrap_err().to_string();
        assert!(refused.contains("for each channel of 2 layers"), "{refused}");
    }
    let four = model.blended(&model.clone().with_ranges(vec![vec![1.0; 4]; 2]).unwrap(), 0.5).unwrap();
    assert_eq!(four.ranges(), Some(&[vec![1.0, 1.0, 2.0, 1.0], vec![3.0; 4]][..]));
    assert_eq!(model.blended(&self::model(), 0.5).unwrap().ranges(), None);
}

#[test]
fn the_largest_model_fits_its_own_limits() {
    let bytes = Model::untrained(64, 14, 1).unwrap().to_bytes().unwrap();
    assert!(Model::from_bytes(&bytes, "big").is_ok());
}

#[test]
fn a_file_is_read_by_its_path_and_named_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mine.safetensors");
    std::fs::write(&path, model().to_bytes().unwrap()).unwrap();
    let read = Model::find(path.to_str().unwrap()).unwrap();
    assert_eq!((read.name(), read.layers()), ("mine", model().layers()));
}

#[test]
fn errors_name_the_file_and_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.safetensors");
    std::fs::write(&path, b"not a model at all, only words").unwrap();
    let e = Model::read(&path).unwrap_err().to_string();
    assert!(e.contains("bad.safetensors") && e.contains("clearcall models"), "{e}");
    let e = Model::find("no/such/file.safetensors").unwrap_err().to_string();
    assert!(e.contains("no/such/file.safetensors"), "{e}");
    let e = Model::find("nonesuch").unwrap_err().to_string();
    assert!(e.contains("'nonesuch'") && e.contains(".safetensors"), "{e}");
    // A folder is not a file, an endless device is cut off.
    assert!(Model::read(dir.path()).is_err());
    if cfg!(unix) {
        assert!(Model::read("/dev/zero").unwrap_err().to_string().contains("MiB"));
    }
}

#[test]
fn shipped_models_are_sound_and_found_by_name() {
    for name in Model::shipped() {
        let model = Model::find(name).unwrap();
        assert_eq!(model.name(), name);
        assert!(model.info().steps > 0, "{name} has not been trained");
        assert!(!model.info().trained_on.is_empty(), "{name} does not say what it was trained on");
        assert!(model.ranges().is_some(), "{name} cannot be computed in bytes");
    }
}

#[test]
fn every_cut_is_refused() {
    let bytes = model().to_bytes().unwrap();
    for n in 0..bytes.len() {
        assert!(Model::from_bytes(&bytes[..n], "cut").is_err(), "{n} of {} bytes were taken", bytes.len());
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(Model::from_bytes(&longer, "long").is_err());
}

#[test]
fn lengths_in_the_file_are_not_believed() {
    for length in [u64::MAX, u64::MAX - 7, 1 << 40, 100_000_000, 65_537] {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend([b' '; 64]);
        assert!(why(&bytes).contains("header"), "{length}");
    }
    assert!(why(&vec![0; clearcall::model::MAX_FILE + 1]).contains("MiB"));
    assert!(why(&[]).contains("8 bytes"));
}

/// A file with the given tensors and metadata, otherwise like [`model`]'s.
fn made(edit: impl Fn(&mut HashMap<String, String>, &mut Vec<(String, Dtype, Vec<usize>)>)) -> Vec<u8> {
    let mut metadata: HashMap<_, _> = [("architecture", "plain"), ("scale", "2"), ("channels", "4"), ("layers", "3")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    let mut tensors = Vec::new();
    for (i, (inputs, outputs)) in [(1, 4), (4, 4), (4, 4)].into_iter().enumerate() {
        tensors.push((format!("conv{i}.weight"), Dtype::F32, vec![outputs, inputs, 3, 3]));
        tensors.push((format!("conv{i}.bias"), Dtype::F32, vec![outputs]));
    }
    edit(&mut metadata, &mut tensors);
    let zeros = vec![0; 1 << 16];
    let views = tensors.iter().map(|(name, dtype, shape)| {
        let bytes = shape.iter().product::<usize>() * dtype.bitsize() / 8;
        (name.clone(), TensorView::new(*dtype, shape.clone(), &zeros[..bytes]).unwrap())
    });
    safetensors::serialize(views.collect::<Vec<_>>(), Some(metadata)).unwrap()
}

#[test]
fn metadata_and_tensors_must_agree() {
    assert!(Model::from_bytes(&made(|_, _| ()), "m").is_ok());
    let meta = |k: &str, v: &str| why(&made(|m, _| drop(m.insert(k.into(), v.into()))));
    assert!(meta("architecture", "resnet").contains("'resnet'"));
    assert!(meta("scale", "4").contains("scales by '4'"));
    assert!(meta("channels", "8").contains("conv0.weight has the shape [4, 1, 3, 3] where [8, 1, 3, 3]"));
    assert!(meta("channels", "65").contains("1 to 64"));
    assert!(meta("channels", "-1").contains("'-1'"));
    assert!(meta("layers", "99999999999999999999").contains("1 to 16"));
    assert!(meta("layers", "1").contains("layers = 1"));
    assert!(meta("layers", "4").contains("6 tensors"));
    assert!(meta("steps", "many").contains("'many'"));
    assert!(meta("scores", "[1]").contains("JSON"));
    for key in ["architecture", "scale", "channels", "layers"] {
        assert!(why(&made(|m, _| drop(m.remove(key)))).contains(&format!("lacks '{key}'")));
    }
    assert!(why(&made(|_, t| t[2].0 = "conv9.weight".into())).contains("lacks the tensor conv1.weight"));
    assert!(why(&made(|_, t| t[0].1 = Dtype::F16)).contains("F16"));
    assert!(why(&made(|_, t| t[1].2 = vec![2, 2])).contains("conv0.bias has the shape [2, 2]"));
    assert!(why(&made(|_, t| drop(t.pop()))).contains("5 tensors"));
    let range = |n: usize| (format!("conv{n}.range"), Dtype::F32, vec![4]);
    assert!(why(&made(|_, t| t.push(range(0)))).contains("7 tensors"));
    assert!(why(&made(|_, t| t.extend([range(0), range(2)]))).contains("lacks the tensor conv1.range"));
    assert!(why(&made(|_, t| t.extend([range(0), range(1)]))).contains("values become 0"));
}

#[test]
fn numbers_must_be_finite() {
    let bytes = model().to_bytes().unwrap();
    for bad in [f32::NAN, f32::INFINITY, 1e30] {
        let mut bytes = bytes.clone();
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&bad.to_le_bytes());
        assert!(why(&bytes).contains("holds the number"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any bytes are refused or give a model that passes the checks; nothing panics.
    #[test]
    fn random_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = Model::from_bytes(&bytes, "random");
    }

    /// A good file with a few bytes changed, most of them in its header.
    #[test]
    fn mangled_files_do_no_harm(changes in proptest::collection::vec((0_usize..1200, any::<u8>()), 1..6)) {
        let mut bytes = model().to_bytes().unwrap();
        let n = bytes.len();
        for (at, value) in changes {
            bytes[at % n] = value;
        }
        if let Ok(read) = Model::from_bytes(&bytes, "mangled") {
            prop_assert!(read.layers().iter().flat_map(|l| &l.weights).all(|w| w.is_finite()));
        }
    }

    /// Any header of JSON after a right length.
    #[test]
    fn made_up_headers_do_no_harm(
        shape in proptest::collection::vec(any::<usize>(), 0..5), from in any::<usize>(), to in any::<usize>(),
    ) {
        let header = format!(
            r#"{{"__metadata__":{{"architecture":"plain","scale":"2","channels":"4","layers":"3"}},"conv0.weight":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{from},{to}]}}}}"#
        );
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend([0; 64]);
        prop_assert!(Model::from_bytes(&bytes, "made up").is_err());
    }
}
