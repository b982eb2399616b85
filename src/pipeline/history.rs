//! The last frames, so that one can be held and its neighbours looked at while the call goes on.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use super::lock;
use crate::frame::Frame;

/// Frames that are kept, and how many bytes they may take together.
const KEPT: usize = 60;
const BYTES: usize = 96 << 20;

/// A frame as it was decoded, and as it was before it was sent, where that is known.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) low: Arc<Frame>,
    pub(super) truth: Option<Arc<Frame>>,
}

impl Held {
    fn bytes(&self) -> usize {
        bytes(&self.low) + self.truth.as_deref().map_or(0, bytes)
    }
}

fn bytes(frame: &Frame) -> usize {
    frame.planes().iter().map(|p| p.data().len()).sum()
}

/// The last frames, and which of them is held.
#[derive(Debug, Default)]
pub(super) struct History {
    frames: VecDeque<Held>,
    held: Option<Held>,
}

impl History {
    /// A new frame has come.
    pub(super) fn add(&mut self, frame: Held) {
        self.frames.push_back(frame);
        let mut total: usize = self.frames.iter().map(Held::bytes).sum();
        while self.frames.len() > KEPT || (total > BYTES && self.frames.len() > 1) {
            total -= self.frames.pop_front().map_or(0, |f| f.bytes());
        }
    }

    /// Holds the frame with this stamp, or the newest one if it is not there any more.
    pub(super) fn freeze(&mut self, id: u64) {
        let found = self.frames.iter().rev().find(|f| f.low.stamp.id == id);
        self.held = found.or(self.frames.back()).cloned();
    }

    /// Holds nothing.
    pub(super) fn thaw(&mut self) {
        self.held = None;
    }

    /// Goes so many frames on (or back) from the one that is held, as far as there are any.
    pub(super) fn step(&mut self, by: i32) {
        let Some(held) = &self.held else { return };
        let at = self.frames.iter().position(|f| Arc::ptr_eq(&f.low, &held.low));
        // One that is forgotten by now was older than all that are there.
        let at = at.map_or(-1, |i| i as i64);
        let to = (at + i64::from(by)).clamp(0, self.frames.len().saturating_sub(1) as i64);
        if let Some(frame) = self.frames.get(to as usize) {
            self.held = Some(frame.clone());
        }
    }

    /// The frame to show: the held one, or the newest.
    pub(super) fn current(&self) -> Option<&Held> {
        self.held.as_ref().or(self.frames.back())
    }

    pub(super) fn frozen(&self) -> bool {
        self.held.is_some()
    }
}

/// What a loopback call's source gave, before it was scaled and coded, by the stamp's number.
#[derive(Debug, Default)]
pub(super) struct GroundTruthBuffer {
    wanted: AtomicBool,
    frames: Mutex<VecDeque<Arc<Frame>>>,
}

impl GroundTruthBuffer {
    /// Whether anybody wants to know.
    pub(super) fn want(&self, wanted: bool) {
        self.wanted.store(wanted, Ordering::Relaxed);
        if !wanted {
            lock(&self.frames).clear();
        }
    }

    /// Takes a frame over, if it is wanted.
    pub(super) fn keep(&self, frame: Frame) {
        if !self.wanted.load(Ordering::Relaxed) {
            return;
        }
        let mut frames = lock(&self.frames);
        frames.push_back(Arc::new(frame));
        let mut total: usize = frames.iter().map(|f| bytes(f)).sum();
        while frames.len() > KEPT || (total > BYTES && frames.len() > 1) {
            total -= frames.pop_front().map_or(0, |f| bytes(&f));
        }
    }

    /// The frame with this number.
    pub(super) fn get(&self, id: u64) -> Option<Arc<Frame>> {
        lock(&self.frames).iter().rev().find(|f| f.stamp.id == id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Colour, Size, Stamp};

    fn frame(id: u64, side: u32) -> Frame {
        Frame::filled(Size::new(side, side).unwrap(), [1, 2, 3], Colour::default(), Stamp::now(id))
    }

    fn held(id: u64) -> Held {
        Held { low: Arc::new(frame(id, 16)), truth: None }
    }

    fn shown(history: &History) -> Option<u64> {
        history.current().map(|h| h.low.stamp.id)
    }

    #[test]
    fn a_held_frame_stays_while_others_come() {
        let mut h = History::default();
        h.step(1);
        assert_eq!(shown(&h), None);
        (0..10).for_each(|id| h.add(held(id)));
        assert_eq!((shown(&h), h.frozen()), (Some(9), false));
        h.freeze(7);
        h.add(held(10));
        assert_eq!((shown(&h), h.frozen()), (Some(7), true));
        h.step(-2);
        assert_eq!(shown(&h), Some(5));
        h.step(100);
        assert_eq!(shown(&h), Some(10));
        h.step(-100);
        assert_eq!(shown(&h), Some(0));
        h.thaw();
        assert_eq!((shown(&h), h.frozen()), (Some(10), false));
    }

    #[test]
    fn a_held_frame_that_is_forgotten_is_before_all_others() {
        let mut h = History::default();
        h.add(held(0));
        h.freeze(0);
        (1..200).for_each(|id| h.add(held(id)));
        assert_eq!(shown(&h), Some(0));
        h.step(1);
        assert_eq!(shown(&h), Some(140), "60 are kept");
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes() {
        let ground_truth = GroundTruthBuffer::default();
        ground_truth.keep(frame(0, 16));
        assert!(ground_truth.get(0).is_none(), "nobody has asked for it");
        ground_truth.want(true);
        (1..=9).for_each(|id| ground_truth.keep(frame(id, 4096)));
        // 25 MB each.
        assert!(ground_truth.get(9).is_some() && ground_truth.get(7).is_some() && ground_truth.get(5).is_none());
        ground_truth.want(false);
        assert!(ground_truth.get(9).is_none());
    }
}
