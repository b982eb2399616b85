//! Slices behind whatever parameter sets come before them in the stream.
#![no_main]

use clearcall::codec::nal::{Parameters, nal_units};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    let mut parameters = Parameters::default();
    for nal in nal_units(stream) {
        let _ = parameters.update(nal);
        if let Some(header) = parameters.slice(nal) {
            assert!((0..=51).contains(&header.qp) && header.frame_num < 1 << 16);
            assert!(parameters.sps(header.sps).is_some());
        }
    }
});
