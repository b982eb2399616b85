//! Any bytes as NAL units with start codes or lengths, whole or in pieces.
#![no_main]

use clearcall::codec::nal::{AvcConfig, UnitSplitter, avcc_to_annex_b, is_keyframe, nal_units, push_nal};
use libfuzzer_sys::fuzz_target;

/// The units of a stream that comes in pieces of this length, and what is left of it.
fn split(stream: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let mut splitter = UnitSplitter::default();
    let mut units = Vec::new();
    for part in stream.chunks(piece) {
        splitter.push(part).expect("a short stream fits");
        units.extend(std::iter::from_fn(|| splitter.next_unit()));
    }
    units.extend(splitter.finish());
    units
}

fuzz_target!(|data: &[u8]| {
    let [piece, stream @ ..] = data else { return };
    let nals: Vec<&[u8]> = nal_units(stream).collect();
    let mut written = Vec::new();
    nals.iter().for_each(|nal| push_nal(&mut written, nal));
    assert!(nal_units(&written).eq(nals), "what is written is read");
    assert_eq!(is_keyframe(&written), is_keyframe(stream));

    let units = split(stream, stream.len().max(1));
    assert_eq!(split(stream, usize::from(*piece) + 1), units, "pieces change nothing");
    assert!(stream.starts_with(&units.concat()), "no byte is lost or made up");

    for length_size in [1, 2, 4] {
        let mut out = Vec::new();
        let whole = avcc_to_annex_b(stream, length_size, &mut out).is_ok();
        assert!(out.len() <= 4 * stream.len() && (!whole || length_size < 4 || out.len() <= stream.len()));
    }
    if let Some(config) = AvcConfig::parse(stream) {
        assert!(config.parameter_sets.iter().map(Vec::len).sum::<usize>() <= stream.len());
    }
});
