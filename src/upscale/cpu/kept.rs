//! What was shown last, which the next picture follows with a [`play`](crate::upscale::play).

use super::memory::{LINE, Lines, Pieces};

/// The network's luma at twice the size: for each row of low resolution its four channels, padded to whole vectors.
#[derive(Debug, Default)]
pub(super) struct Kept {
    values: Lines,
    size: [usize; 2],
    /// There is something to follow.
    holds: bool,
}

impl Kept {
    /// Forgets what was shown, so that the next picture is as it is computed.
    pub(super) fn forget(&mut self) {
        self.holds = false;
    }

    /// For a picture of this low resolution, which is kept from now on and followed with this play.
    pub(super) fn begin(&mut self, width: usize, height: usize, play: f32) -> Follow<'_> {
        let stride = width.next_multiple_of(LINE);
        if self.size != [width, height] {
            self.values.resize(4 * stride * height);
            (self.size, self.holds) = ([width, height], false);
        }
        let play = if std::mem::replace(&mut self.holds, true) { play } else { 0.0 };
        Follow { values: Pieces::new(&mut self.values), stride, play }
    }
}

/// What was shown, to be followed.
pub(super) struct Follow<'a> {
    values: Pieces<'a, f32>,
    stride: usize,
    pub(super) play: f32,
}

impl<'a> Follow<'a> {
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
