//! What follows from the truth alone, and so is the same for all upscalers that got the same stream.

use std::sync::Arc;

use clearcall::{
    frame::Frame,
    measure::{
        Lpips, MeasureError, Reference,
        flicker::{Moved, StillBlocks},
        grain::{Blurred, FlatBlocks, Grain},
    },
};

/// A frame of the truth.
pub(super) struct Truth<'a> {
    pub(super) frame: &'a Arc<Frame>,
    pub(super) reference: Reference<'a>,
    blurred: Blurred<'a>,
    pub(super) flat: FlatBlocks,
}

impl<'a> Truth<'a> {
    /// With a network, outputs can be compared by it.
    pub(super) fn of(frame: &'a Arc<Frame>, lpips: Option<&'a Lpips>) -> Result<Self, MeasureError> {
        let blurred = Blurred::of(frame.y());
        let flat = FlatBlocks::of(&blurred);
        Ok(Self { frame, reference: Reference::new(frame, lpips)?, blurred, flat })
    }
}

/// The truth of a frame that was sent.
pub(super) struct SentTruth<'a> {
    pub(super) truth: &'a Truth<'a>,
    /// That of the frame that was sent before.
    pub(super) before: Option<Arc<Frame>>,
    /// What stood still between the two; none where frames between them were skipped.
    pub(super) still: Option<StillBlocks>,
}

/// What the truth of one stream's frames adds up to.
#[derive(Default)]
pub(super) struct TruthTally {
    moved: Moved,
    /// The sum of the shares of still blocks, and of how many pairs of frames.
    still: (f64, u64),
    grain: Grain,
    sent: u64,
    before: Option<Arc<Frame>>,
}

impl TruthTally {
    /// Takes a frame that was sent.
    pub(super) fn add<'a>(&mut self, truth: &'a Truth<'a>) -> Result<SentTruth<'a>, MeasureError> {
        self.sent += 1;
        self.grain.add(&truth.blurred, &truth.flat)?;
        let before = self.before.replace(truth.frame.clone());
        // Over a gap of skipped frames nothing stands still by itself.
        let adjacent = before.as_ref().filter(|before| before.stamp.id + 1 == truth.frame.stamp.id);
        let still = match adjacent {
            Some(before) => {
                let blocks = StillBlocks::between(before.y(), truth.frame.y())?;
                self.moved.add(before.y(), truth.frame.y(), &blocks)?;
                self.still.0 += blocks.share();
                self.still.1 += 1;
                Some(blocks)
            }
            None => None,
        };
        Ok(SentTruth { truth, before, still })
    }

    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// In codes.
    pub(super) fn flicker(&self) -> Option<f64> {
        self.moved.flicker()
    }

    /// Where it is flat, in codes.
    pub(super) fn grain(&self) -> Option<f64> {
        self.grain.grain()
    }

    /// The share of blocks that were still.
    pub(super) fn still(&self) -> f64 {
        if self.still.1 > 0 { self.still.0 / self.still.1 as f64 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use clearcall::frame::{Colour, Size, Stamp};

    use super::*;

    #[test]
    fn frames_belong_together_only_where_none_is_skipped_between_them() {
        let size = Size::new(32, 32).unwrap();
        let frame = |id, code| {
            Arc::new(Frame::filled(size, [code, 128, 128], Colour::default(), Stamp { id, ..Stamp::now(0) }))
        };
        let frames = [frame(0, 100), frame(1, 101), frame(3, 180), frame(4, 180)];
        let truths = frames.each_ref().map(|frame| Truth::of(frame, None).unwrap());
        let mut tally = TruthTally::default();
        let sent = truths.each_ref().map(|truth| tally.add(truth).unwrap());
        assert_eq!(sent.each_ref().map(|s| s.before.as_ref().map(|f| f.stamp.id)), [None, Some(0), Some(1), Some(3)]);
        assert_eq!(sent.each_ref().map(|s| s.still.is_some()), [false, true, false, true]);
        // By hand: one code, then none, over the same number of pixels; all of it still, and flat.
        assert_eq!((tally.flicker(), tally.still(), tally.grain(), tally.sent()), (Some(0.5), 1.0, Some(0.0), 4));
    }
}
