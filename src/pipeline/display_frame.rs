//! One frame as it is shown: all the pictures of it that are looked at, and what it was made from.

use std::{sync::Arc, time::Instant};

use crate::{
    frame::Frame,
    model::Model,
    scale::{Kernel, Scaler},
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

/// One frame, ready to be looked at. Everything in it belongs to the same frame.
#[derive(Debug, Clone)]
pub struct DisplayFrame {
    /// Bicubic and the call's network.
    pub pair: Arc<Pair>,
    /// The network that ran: the call's, or the one that the governor chose.
    pub model: Arc<Model>,
    /// No network is fast enough, so bicubic stands in the place of the network's picture too.
    pub off: bool,
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
        Self { pair, model, off: false, ready, low, truth, frozen: false, extra: Vec::new() }
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

    /// The truth at the size of the upscaled pictures. One that has fewer pixels than they have is none.
    pub fn truth_at_size(&self, scaler: &mut Option<Scaler>) -> Option<Arc<Frame>> {
        let (truth, size) = (self.truth.as_ref()?, self.pair.size);
        if truth.size() == size {
            return Some(Arc::clone(truth));
        }
        if truth.size().width() < size.width() || truth.size().height() < size.height() {
            return None;
        }
        let kept = scaler.take().filter(|s| s.size() == size);
        let scaler = scaler.insert(kept.unwrap_or_else(|| Scaler::new(size, Kernel::default())));
        scaler.scale(truth).ok().map(Arc::new)
    }
}
