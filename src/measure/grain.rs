//! Grain: what a picture has where the truth is flat, as on skin and walls, and how much of it is a grid.
//!
//! The truth's luma is cut into blocks of 16×16; what does not fill one is left out. With B a binomial blur,
//! (1, 4, 6, 4, 1)/16 across and down, mirrored at the edges, a block is *flat* when the standard deviation of B(T) over
//! it is at most [`FLAT`] codes, and its mean is neither so dark nor so bright that noise is cut off. Of a picture O
//!
//! ```text
//! grain(O) = √ mean of (O(p) − B(O)(p))², in codes, over all pixels p of flat blocks
//! grid(O)  = √ mean of m², over the four means m of O − B(O) that each flat block has: over its pixels of even and of
//!            odd columns in even and in odd rows
//! ```
//!
//! A codec smooths, so that most pictures have less grain than the truth. More than that was invented; and a grid, which
//! is what upscalers draw whose pixels of a 2×2 do not agree, is never the truth's.

use super::{Result, same_size};
use crate::frame::Plane;

/// A flat block's blurred values have at most this standard deviation, in codes.
pub const FLAT: f64 = 2.0;
/// A flat block's mean lies between these codes.
const MEANS: std::ops::RangeInclusive<f64> = 20.0..=235.0;
/// A block's side in pixels.
const BLOCK: usize = 16;

/// A plane of luma and its blur, which is made once for all that is asked of it.
#[derive(Debug)]
pub struct Blurred<'a> {
    plane: &'a Plane,
    /// B of the module, row after row.
    smooth: Vec<f32>,
}

impl<'a> Blurred<'a> {
    /// Blurs a plane.
    pub fn of(plane: &'a Plane) -> Self {
        Self { plane, smooth: blurred(plane) }
    }
}

/// The flat blocks of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlatBlocks {
    width: usize,
    height: usize,
    /// The left upper pixels.
    at: Vec<(usize, usize)>,
}

impl FlatBlocks {
    /// Those of the truth's luma.
    pub fn of(truth: &Blurred<'_>) -> Self {
        let Blurred { plane, smooth } = truth;
        let (width, height) = (plane.width(), plane.height());
        let flat = |&(x, y): &(usize, usize)| {
            let (mut sum, mut squares) = (0.0, 0.0);
            for row in y..y + BLOCK {
                for v in &smooth[row * width + x..][..BLOCK] {
                    sum += f64::from(*v);
                    squares += f64::from(*v) * f64::from(*v);
                }
            }
            let count = (BLOCK * BLOCK) as f64;
            let mean = sum / count;
            squares / count - mean * mean <= FLAT * FLAT && MEANS.contains(&mean)
        };
        let columns = move |y| (0..width / BLOCK).map(move |x| (x * BLOCK, y * BLOCK));
        Self { width, height, at: (0..height / BLOCK).flat_map(columns).filter(flat).collect() }
    }
}

/// Grain, summed up over blocks and frames.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Grain {
    squares: f64,
    of_means: f64,
    blocks: u64,
}

impl Grain {
    /// Adds a picture's where the truth is flat.
    ///
    /// # Errors
    /// When the picture does not have the size of the blocks' frame.
    pub fn add(&mut self, picture: &Blurred<'_>, blocks: &FlatBlocks) -> Result<()> {
        let Blurred { plane: picture, smooth } = picture;
        if (picture.width(), picture.height()) != (blocks.width, blocks.height) {
            return same_size(&Plane::filled(blocks.width, blocks.height, 0), picture);
        }
        for &(x, y) in &blocks.at {
            let mut sums = [0.0; 4];
            for row in y..y + BLOCK {
                let pixels = picture.row(row)[x..].iter().zip(&smooth[row * blocks.width + x..]);
                for (column, (v, smooth)) in pixels.take(BLOCK).enumerate() {
                    let rest = f64::from(*v) - f64::from(*smooth);
                    self.squares += rest * rest;
                    sums[row % 2 * 2 + column % 2] += rest;
                }
            }
            self.of_means += sums.iter().map(|sum| (4.0 * sum / (BLOCK * BLOCK) as f64).powi(2)).sum::<f64>() / 4.0;
            self.blocks += 1;
        }
        Ok(())
    }

    /// In codes; none where nothing was flat.
    pub fn grain(&self) -> Option<f64> {
        (self.blocks > 0).then(|| (self.squares / (self.blocks as f64 * (BLOCK * BLOCK) as f64)).sqrt())
    }

    /// In codes; none where nothing was flat.
    pub fn grid(&self) -> Option<f64> {
        (self.blocks > 0).then(|| (self.of_means / self.blocks as f64).sqrt())
    }
}

/// B of the module, row after row.
fn blurred(plane: &Plane) -> Vec<f32> {
    let (width, height) = (plane.width(), plane.height());
    // For each place its five neighbours, itself in the middle.
    let near = |n: usize| {
        let last = n.saturating_sub(1) as isize;
        let mirrored = move |i: isize| if i.abs() > last { (2 * last - i.abs()).max(0) } else { i.abs() } as usize;
        (0..n as isize).map(|i| [-2, -1, 0, 1, 2].map(|d| mirrored(i + d))).collect::<Vec<_>>()
    };
    let sum = |values: [f32; 5]| values.iter().zip([1.0, 4.0, 6.0, 4.0, 1.0]).map(|(v, w)| v * w / 16.0).sum::<f32>();
    let columns = near(width);
    let across: Vec<f32> =
        plane.rows().flat_map(|row| columns.iter().map(move |at| sum(at.map(|x| f32::from(row[x]))))).collect();
    let rows = near(height);
    rows.iter().flat_map(|at| (0..width).map(|x| sum(at.map(|y| across[y * width + x])))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::picture;

    fn of(picture: &Plane, truth: &Plane) -> (Option<f64>, Option<f64>) {
        let mut grain = Grain::default();
        grain.add(&Blurred::of(picture), &FlatBlocks::of(&Blurred::of(truth))).unwrap();
        (grain.grain(), grain.grid())
    }

    #[test]
    fn grids_by_hand() {
        let wall = Plane::filled(48, 32, 100);
        assert_eq!(of(&wall, &wall), (Some(0.0), Some(0.0)));
        // What turns with each pixel, B takes away whole: its weights with turning signs sum to nothing.
        let checks = picture(48, 32, |x, y| if (x + y) % 2 == 0 { 102 } else { 98 });
        assert_eq!(of(&checks, &wall), (Some(2.0), Some(2.0)));
        let stripes = picture(48, 32, |x, _| 99 + 2 * (x % 2) as u8);
        assert_eq!(of(&stripes, &wall), (Some(1.0), Some(1.0)));
        // One pixel of each four two codes too bright: 1.5 and three times −0.5 about the mean.
        let dots = picture(48, 32, |x, y| if x % 2 == 0 && y % 2 == 0 { 102 } else { 100 });
        let rms = ((1.5_f64.powi(2) + 3.0 * 0.25) / 4.0).sqrt();
        assert_eq!(of(&dots, &wall), (Some(rms), Some(rms)));
    }

    #[test]
    fn a_dot_by_hand_and_noise_is_no_grid() {
        // One pixel of 256 is 16 too bright. B leaves (36, 24, 16, 6, 4, 1)/256 of it at 1, 4, 4, 4, 8 and 4 pixels.
        let wall = Plane::filled(16, 16, 100);
        let dot = picture(16, 16, |x, y| if (x, y) == (8, 8) { 116 } else { 100 });
        let of_b = [(220.0, 1.0), (24.0, 4.0), (16.0, 4.0), (6.0, 4.0), (4.0, 8.0), (1.0, 4.0)];
        let squares: f64 = of_b.iter().map(|(v, n): &(f64, f64)| n * (v / 16.0).powi(2)).sum();
        let grain = of(&dot, &wall).0.unwrap();
        assert!((grain - (squares / 256.0).sqrt()).abs() < 1e-6, "{grain}");
        let noise = picture(160, 160, |x, y| 100 + ((x * 7919 + y * 104_729 + x * y * 31) % 7) as u8);
        let (grain, grid) = of(&noise, &Plane::filled(160, 160, 100));
        assert!(grain.unwrap() > 1.0 && grid.unwrap() < 0.3 * grain.unwrap(), "{grain:?} {grid:?}");
    }

    #[test]
    fn only_what_is_flat_in_the_truth_counts() {
        // Three blocks beside each other: a wall, an edge, and what is too dark.
        let truth = picture(48, 16, |x, _| match x {
            0..24 => 100,
            24..32 => 160,
            _ => 10,
        });
        let blocks = FlatBlocks::of(&Blurred::of(&truth));
        assert_eq!(blocks.at, [(0, 0)]);
        let mut grain = Grain::default();
        let spoilt = picture(48, 16, |x, y| if x < 16 { 100 } else { (x * 37 + y * 91) as u8 });
        grain.add(&Blurred::of(&spoilt), &blocks).unwrap();
        assert!(grain.grid().is_some_and(|g| g < 20.0), "only what the blur brings over the border");
        assert_eq!(of(&truth, &Plane::filled(48, 16, 240)), (None, None));
        assert_eq!(of(&Plane::filled(15, 40, 100), &Plane::filled(15, 40, 100)), (None, None), "no whole block");
        assert!(grain.add(&Blurred::of(&Plane::filled(47, 16, 9)), &blocks).is_err());
    }

    #[test]
    fn the_smallest_pictures_are_blurred_too() {
        for (width, height) in [(1, 1), (2, 1), (1, 3), (3, 2)] {
            let even = blurred(&Plane::filled(width, height, 80));
            assert_eq!(even, vec![80.0; width * height], "{width}x{height}");
        }
    }
}
