//! Flicker: how much a video moves where the truth stands still.
//!
//! The picture is cut into blocks of 16×16 luma pixels. A block of frame n is *still* when the mean of
//! `|Tₙ − Tₙ₋₁|` over it, T being the truth's luma, is at most [`STILL`] codes, and when the same holds for all the
//! blocks around it: an upscaler looks, and a codec reaches, beyond a block's edge. Flicker of a video O is
//!
//! ```text
//! F(O) = mean of |Oₙ(p) − Oₙ₋₁(p)|, in codes, over all pixels p of still blocks and all pairs of frames n−1, n
//! ```
//!
//! F(T), the truth's own, is what sensor noise and slow drift leave; a perfect copy has just that. A video that is
//! smoother in time than the truth has less.

use super::{Result, same_size};
use crate::frame::Plane;

/// A still block changes by at most this mean of absolute differences, in codes: sensor noise of σ ≈ 1.8 passes.
pub const STILL: f64 = 2.0;
/// A block's side in pixels.
const BLOCK: usize = 16;

/// The still blocks between two frames of the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StillBlocks {
    width: usize,
    height: usize,
    still: Vec<bool>,
}

impl StillBlocks {
    /// Compares two successive frames of the truth.
    ///
    /// # Errors
    /// When the two differ in size.
    pub fn between(before: &Plane, now: &Plane) -> Result<Self> {
        same_size(before, now)?;
        let (width, height) = (now.width(), now.height());
        let (columns, rows) = (width.div_ceil(BLOCK), height.div_ceil(BLOCK));
        let calm: Vec<bool> = (0..rows * columns)
            .map(|i| {
                let moved = Moved::in_block(before, now, i % columns, i / columns);
                moved.sum as f64 <= STILL * moved.pixels as f64
            })
            .collect();
        let around = |i: usize, n: usize| i.saturating_sub(1)..(i + 2).min(n);
        let still = (0..rows * columns)
            .map(|i| around(i / columns, rows).all(|y| around(i % columns, columns).all(|x| calm[y * columns + x])))
            .collect();
        Ok(Self { width, height, still })
    }

    /// The share of the blocks that are still, 0 to 1.
    pub fn share(&self) -> f64 {
        self.still.iter().filter(|&&s| s).count() as f64 / self.still.len() as f64
    }
}

/// Movement, summed up over blocks and frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// The sum of absolute differences, in codes.
    pub sum: u64,
    /// Over so many pixels.
    pub pixels: u64,
}

impl Moved {
    /// Adds how much a video moved from one frame to the next in the truth's still blocks.
    ///
    /// # Errors
    /// When the planes do not have the size of the blocks' frames.
    pub fn add(&mut self, before: &Plane, now: &Plane, blocks: &StillBlocks) -> Result<()> {
        same_size(before, now)?;
        let columns = blocks.width.div_ceil(BLOCK);
        if (now.width(), now.height()) != (blocks.width, blocks.height) {
            return same_size(&Plane::filled(blocks.width, blocks.height, 0), now);
        }
        for i in (0..blocks.still.len()).filter(|&i| blocks.still[i]) {
            let block = Self::in_block(before, now, i % columns, i / columns);
            self.sum += block.sum;
            self.pixels += block.pixels;
        }
        Ok(())
    }

    /// The flicker in codes; none where nothing was still.
    pub fn flicker(&self) -> Option<f64> {
        (self.pixels > 0).then(|| self.sum as f64 / self.pixels as f64)
    }

    fn in_block(before: &Plane, now: &Plane, column: usize, row: usize) -> Self {
        let (x, y) = (column * BLOCK, row * BLOCK);
        let (right, bottom) = ((x + BLOCK).min(now.width()), (y + BLOCK).min(now.height()));
        let of_row = |y: usize| {
            let (a, b) = (&before.row(y)[x..right], &now.row(y)[x..right]);
            a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b))).sum::<u64>()
        };
        Self { sum: (y..bottom).map(of_row).sum(), pixels: ((right - x) * (bottom - y)) as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::picture;

    #[test]
    fn known_movement_on_a_still_picture() {
        let truth = picture(80, 64, |x, y| (x * 3 + y) as u8);
        let blocks = StillBlocks::between(&truth, &truth).unwrap();
        assert_eq!(blocks.share(), 1.0);
        let grey = |v| Plane::filled(80, 64, v);
        let mut moved = Moved::default();
        moved.add(&grey(100), &grey(103), &blocks).unwrap();
        moved.add(&grey(103), &grey(102), &blocks).unwrap();
        assert_eq!(moved.flicker(), Some(2.0));
        assert_eq!(moved.pixels, 2 * 80 * 64);
    }

    #[test]
    fn what_moves_and_what_is_beside_it_does_not_count() {
        // 5 × 4 blocks; the one at column 2, row 1 moves, so that the nine around it are left out.
        let before = Plane::filled(80, 64, 50);
        let now = picture(80, 64, |x, y| if x / 16 == 2 && y / 16 == 1 { 60 } else { 50 });
        let blocks = StillBlocks::between(&before, &now).unwrap();
        assert!((blocks.share() - 11.0 / 20.0).abs() < 1e-12);
        // The output flickers only where the truth moves: that is no flicker.
        let mut moved = Moved::default();
        moved
            .add(
                &Plane::filled(80, 64, 0),
                &picture(80, 64, |x, y| if (16..64).contains(&x) && y < 48 { 99 } else { 1 }),
                &blocks,
            )
            .unwrap();
        assert_eq!(moved.flicker(), Some(1.0));
    }

    #[test]
    fn noise_passes_and_a_pan_does_not() {
        let noise = |seed: usize| picture(48, 48, move |x, y| 100 + ((x * 7 + y * 13 + seed * 29) % 5) as u8);
        assert_eq!(StillBlocks::between(&noise(0), &noise(1)).unwrap().share(), 1.0);
        let stripes = |shift: usize| picture(48, 48, move |x, _| if (x + shift) % 8 < 4 { 80 } else { 120 });
        let blocks = StillBlocks::between(&stripes(0), &stripes(1)).unwrap();
        assert_eq!(blocks.share(), 0.0);
        assert_eq!(Moved::default().flicker(), None);
    }

    #[test]
    fn blocks_at_the_edge_are_cut_and_sizes_checked() {
        let truth = Plane::filled(17, 33, 9);
        let blocks = StillBlocks::between(&truth, &truth).unwrap();
        let mut moved = Moved::default();
        moved.add(&truth, &Plane::filled(17, 33, 10), &blocks).unwrap();
        assert_eq!((moved.sum, moved.pixels), (17 * 33, 17 * 33));
        assert!(moved.add(&Plane::filled(16, 33, 9), &Plane::filled(16, 33, 9), &blocks).is_err());
        assert!(StillBlocks::between(&truth, &Plane::filled(16, 33, 9)).is_err());
    }
}
