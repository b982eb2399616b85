use super::*;
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
