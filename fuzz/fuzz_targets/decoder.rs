//! The decoder survives any access units, and decodes a good one afterwards.
#![no_main]

use std::sync::OnceLock;

use clearcall::{
    codec::{Decoder, Encoder, EncoderConfig, H264Profile, nal::UnitSplitter},
    frame::{Colour, Frame, Size, Stamp},
};
use libfuzzer_sys::fuzz_target;

/// A keyframe with its parameter sets.
fn keyframe() -> &'static [u8] {
    static UNIT: OnceLock<Vec<u8>> = OnceLock::new();
    UNIT.get_or_init(|| {
        let size = Size::new(32, 32).unwrap();
        let config = EncoderConfig {
            size,
            fps: 30.0,
            bitrate: 100_000,
            keyframe_interval: None,
            skip_frames: false,
            profile: H264Profile::High,
        };
        let frame = Frame::filled(size, [90, 100, 150], Colour::default(), Stamp::now(0));
        Encoder::new(config).unwrap().encode(&frame).unwrap().unwrap().data
    })
}

fuzz_target!(|stream: &[u8]| {
    let mut splitter = UnitSplitter::default();
    splitter.push(stream).expect("a short stream fits");
    let mut units: Vec<Vec<u8>> = std::iter::from_fn(|| splitter.next_unit()).collect();
    units.extend(splitter.finish());
    let mut decoder = Decoder::new().unwrap();
    for unit in &units {
        if let Ok(Some(decoded)) = decoder.decode(unit, Stamp::now(0)) {
            assert!(decoded.frame.qp.is_none_or(|qp| (0.0..=51.0).contains(&qp)));
        }
    }
    let _ = decoder.flush();
    // One that gives nothing any more is noticed after 16 units.
    let healed = (0..18).any(|_| matches!(decoder.decode(keyframe(), Stamp::now(1)), Ok(Some(_))));
    assert!(healed, "the decoder is broken for good");
});
