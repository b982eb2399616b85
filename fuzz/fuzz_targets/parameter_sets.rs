//! Sequence and picture parameter sets: whatever they say, sizes are bounded.
#![no_main]

use clearcall::codec::nal::{Pps, Sps};
use libfuzzer_sys::fuzz_target;

/// The luma pixels of the largest picture of level 5.2.
const MAX_PIXELS: usize = 36_864 * 256;

fuzz_target!(|nal: &[u8]| {
    if let Ok(sps) = Sps::parse(nal) {
        assert!(sps.size.pixels() <= MAX_PIXELS && sps.id < 32);
        assert!(sps.fps.is_none_or(|fps| (1.0..=240.0).contains(&fps)));
    }
    if let Some(pps) = Pps::parse(nal) {
        assert!((0..=51).contains(&pps.qp) && pps.sps < 32);
    }
});
