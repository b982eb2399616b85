//! Model files: what is taken can be run and written, and is read back the same.
#![no_main]

use clearcall::model::Model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(model) = Model::from_bytes(data, "fuzzed") else { return };
    assert!(model.layers().iter().flat_map(|l| l.weights.iter().chain(&l.bias)).all(|w| w.is_finite()));
    let _ = model.at_qp(Some(51.0));
    // Metadata may be just short enough to be read, and too long once it is written again.
    let Ok(written) = model.to_bytes() else { return };
    let again = Model::from_bytes(&written, "fuzzed").expect("what is written is read");
    assert_eq!(again.layers(), model.layers());
    assert_eq!((again.by_qp(), again.ranges()), (model.by_qp(), model.ranges()));
});
