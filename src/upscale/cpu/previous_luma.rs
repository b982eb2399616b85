//! The luma that was shown last, which the next picture follows with [`hysteresis`](crate::upscale::hysteresis).

use super::memory::{LINE, Lines, Pieces};

/// The network's luma at twice the size: for each row of low resolution its four channels, padded to whole vectors.
#[derive(Debug, Default)]
pub(super) struct PreviousLuma {
    values: Lines,
    size: [usize; 2],
    /// There is something to follow.
    holds: bool,
}

impl PreviousLuma {
    /// Forgets what was shown, so that the next picture is as it is computed.
    pub(super) fn forget(&mut self) {
        self.holds = false;
    }

    /// For a picture of this low resolution, which is kept from now on and followed with this deadband.
    pub(super) fn begin(&mut self, width: usize, height: usize, deadband: f32) -> Hysteresis<'_> {
        let stride = width.next_multiple_of(LINE);
        if self.size != [width, height] {
            self.values.resize(4 * stride * height);
            (self.size, self.holds) = ([width, height], false);
        }
        let deadband = if std::mem::replace(&mut self.holds, true) { deadband } else { 0.0 };
        Hysteresis { values: Pieces::new(&mut self.values), stride, deadband }
    }
}

/// The previous luma to be followed, and how closely.
pub(super) struct Hysteresis<'a> {
    values: Pieces<'a, f32>,
    stride: usize,
    pub(super) deadband: f32,
}

impl<'a> Hysteresis<'a> {
    /// The four channels of `width` pixels of a row from column `x` on, and what a last vector has beyond them.
    ///
    /// # Safety
    /// Nobody else holds any of it.
    pub(super) unsafe fn row(&self, row: usize, x: usize, width: usize) -> [&'a mut [f32]; 4] {
        let width = width.next_multiple_of(LINE);
        // SAFETY: the caller says so, and the four lie one after another.
        [0, 1, 2, 3].map(|c| unsafe { self.values.piece((4 * row + c) * self.stride + x, width) })
    }
}
