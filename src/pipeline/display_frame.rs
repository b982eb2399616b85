//! One frame as it is shown: all the pictures of it that are looked at, and what it was made from.

use std::{sync::Arc, time::Instant};

use crate::{
    frame::{Frame, Size},
    model::Model,
    scale::{Kernel, Scaler},
    stats::ShownUpscaler,
    upscale::{Pair, Picture},
};

/// A way in which one frame can be seen.
#[derive(Debug, Clone)]
pub enum Side {
    /// As it was decoded, at its own size.
    Low,
    /// Bilinear interpolation.
    Bilinear,
    /// The baseline.
    Bicubic,
    /// Lanczos with three lobes.
    Lanczos,
    /// A network.
    Network(Arc<Model>),
    /// As it was before it was scaled down, at the size of the others. Known in a loopback call only.
    Truth,
}

impl PartialEq for Side {
    /// Networks are the same if they are the same in memory: comparing their weights would take its time.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Network(a), Self::Network(b)) => Arc::ptr_eq(a, b),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

/// Why no network ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkOff {
    /// None is fast enough: both pictures are bicubic.
    TooSlow,
    /// The frame came at its source's size, where there is nothing to add: both pictures are the frame itself.
    FullSize,
}

/// One frame, ready to be looked at. Everything in it belongs to the same frame.
#[derive(Debug, Clone)]
pub struct DisplayFrame {
    /// Bicubic and the call's network.
    pub pair: Arc<Pair>,
    /// The network that ran: the call's, or the one that the governor chose.
    pub model: Arc<Model>,
    /// Why no network ran, where none did: the network's picture is bicubic's then, or both are as it was decoded.
    pub off: Option<NetworkOff>,
    /// When its pictures were done.
    pub ready: Instant,
    /// As it was decoded.
    pub low: Arc<Frame>,
    /// As the source gave it, where that is known: at the source's size.
    pub truth: Option<Arc<Frame>>,
    /// Whether it is held on purpose while the call goes on.
    pub frozen: bool,
    pub(super) extra: Vec<(Side, Picture)>,
}

impl DisplayFrame {
    /// A frame with bicubic and the network `model` only, which are done now.
    pub fn new(pair: Pair, model: Arc<Model>, low: Arc<Frame>, truth: Option<Arc<Frame>>) -> Self {
        let (pair, ready) = (Arc::new(pair), Instant::now());
        Self { pair, model, off: None, ready, low, truth, frozen: false, extra: Vec::new() }
    }

    /// What stands beside bicubic.
    pub(super) fn shown_upscaler(&self) -> ShownUpscaler {
        match self.off {
            None => ShownUpscaler::Cnn,
            Some(NetworkOff::TooSlow) => ShownUpscaler::Bicubic,
            Some(NetworkOff::FullSize) => ShownUpscaler::None,
        }
    }

    /// The frame seen in this way. What was not asked for with [`Session::look`](super::Session::look) is not
    /// there, and neither is a truth that nobody knows.
    pub fn picture(&self, side: &Side) -> Option<&Picture> {
        match side {
            Side::Bicubic => Some(&self.pair.bicubic),
            Side::Network(model) if Arc::ptr_eq(model, &self.model) => Some(&self.pair.cnn),
            _ => self.extra.iter().find(|(s, _)| s == side).map(|(_, picture)| picture),
        }
    }

    /// At which size the sides are judged: that of the upscaled pictures. A truth that has fewer pixels than they have
    /// is none, unless they have more than its sender had to show, so that they are shrunk to it.
    pub fn judged_size(&self) -> Option<Size> {
        let (truth, size) = (self.truth.as_ref()?.size(), self.pair.size);
        if truth.width() >= size.width() && truth.height() >= size.height() {
            return Some(size);
        }
        self.low.source_size.filter(|source| source.width() <= truth.width() && source.height() <= truth.height())
    }

    /// The truth at the size at which sides are judged, if there is one.
    pub fn judged_truth(&self, scaler: &mut Option<Scaler>) -> Option<Arc<Frame>> {
        scaled(self.truth.as_ref()?, self.judged_size()?, scaler)
    }

    /// The truth at the size of the upscaled pictures, to be looked at beside them.
    pub(super) fn truth_at_size(&self, scaler: &mut Option<Scaler>) -> Option<Arc<Frame>> {
        self.judged_size()?;
        scaled(self.truth.as_ref()?, self.pair.size, scaler)
    }
}

/// A frame at another size.
fn scaled(frame: &Arc<Frame>, size: Size, scaler: &mut Option<Scaler>) -> Option<Arc<Frame>> {
    if frame.size() == size {
        return Some(Arc::clone(frame));
    }
    Scaler::kept(scaler, size, Kernel::default()).scale(frame).ok().map(Arc::new)
}
