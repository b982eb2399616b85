//! Which quantiser's weights a frame of a stream is shown with; it is not the one that the frame was coded with.
//!
//! An encoder's rate control moves the quantiser by several steps from frame to frame, while what stands still
//! is copied from the frame before and looks as it did. Weights that followed each frame would make a still
//! background pulse: measured as flicker, 0.18 where bicubic has 0.14 and weights that stay have 0.14. So a running
//! mean is told, in steps.
//!
//! And a video looks finer than its quantiser says, the more so the coarser that is, to a network that learnt from
//! photographs in motion: people are smoother than those. With one quantiser's weights throughout, `small` gained
//! most on `reel1` and `pair` (models/README.md) at about 32.5, 29, 25, and 34, 32, 31, where their frames had 36.4,
//! 30.5, 25.6, and 40.8, 40.1, 36.8 on the mean; hence [`training_equivalent_qp`].

/// The share of a frame's own quantiser in the mean, once there were as many frames; before, all count alike.
const SHARE: f32 = 1.0 / 16.0;
/// What the mean has to move by before it is told: less is not seen in the picture, but as a change.
const STEP: f32 = 1.0;

/// The quantiser of the pictures in training that look like a video with this one.
fn training_equivalent_qp(qp: f32) -> f32 {
    29.0 + 0.65 * (qp - 30.0)
}

/// Follows the quantisers of one stream, and says with which quantiser's weights each frame is shown.
///
/// Its place is beside the decoder, and it lives as long: there every frame passes once, in order. An engine is no
/// place for it. It may be given a frame twice (one that is held) or not at all (a newer one came), two engines may
/// show the same frame, and another takes over in the middle of a stream; the mean must know of none of that. So the
/// answer travels with the frame, as [`Frame::weights_qp`](crate::frame::Frame::weights_qp).
#[derive(Debug, Clone, Copy, Default)]
pub struct SteadyQp {
    /// Frames so far, as many as matter.
    frames: u8,
    mean: f32,
    told: Option<f32>,
}

impl SteadyQp {
    /// Takes the quantiser of the stream's next frame, [`None`] where nothing was coded, and gives the weights'
    /// quantiser, which changes seldom.
    pub fn follow(&mut self, qp: Option<f32>) -> Option<f32> {
        if let Some(qp) = qp {
            self.frames = self.frames.saturating_add(1);
            self.mean += SHARE.max(1.0 / f32::from(self.frames)) * (training_equivalent_qp(qp) - self.mean);
            if self.told.is_none_or(|told| (self.mean - told).abs() >= STEP) {
                self.told = Some(self.mean);
            }
        }
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_at_once_and_then_moves_slowly_and_in_steps() {
        let mut steady = SteadyQp::default();
        assert_eq!(steady.follow(None), None);
        assert_eq!(steady.follow(Some(30.0)), Some(29.0));
        // 34 looks like 31.6: the mean of two is 30.3, of three 30.73 and of four 30.95, which are not told, of five
        // 31.08, of six 31.17, of seven 31.23, of eight 31.28, of nine 31.31.
        let told = [34.0; 8].map(|qp| steady.follow(Some(qp)).unwrap_or_default());
        let want = [30.3, 30.3, 30.3, 30.3, 30.3, 30.3, 30.3, 31.311];
        assert!(told.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-3), "{told:?}");
        assert_eq!(steady.follow(None), Some(told[7]));
        // Around one value it stays where it is.
        let mut steady = SteadyQp::default();
        (0..20).for_each(|_| _ = steady.follow(Some(30.0)));
        assert!((0..100).all(|i| steady.follow(Some(if i % 2 == 0 { 35.0 } else { 25.0 })) == Some(29.0)));
        // And it arrives.
        let last = (0..200).map(|_| steady.follow(Some(40.0))).last().flatten();
        assert!(last.is_some_and(|qp| (34.5..=35.5).contains(&qp)), "{last:?}");
    }

    #[test]
    fn a_hostile_stream_cannot_make_it_more_than_a_quantiser() {
        let mut steady = SteadyQp::default();
        for i in 0..100_000_u32 {
            let told = steady.follow(Some(if i % 7 == 0 { 0.0 } else { 51.0 })).unwrap_or_default();
            assert!((0.0..=51.0).contains(&told), "{told}");
        }
    }
}
