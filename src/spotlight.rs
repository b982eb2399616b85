//! Which details are worth a closer look: where two pictures of one frame differ most in what an eye cares for.
//!
//! [`Saliency`] weighs the places of one frame, [`Chooser`] holds and moves what is shown of many. Both are pure, and
//! places are shares of the picture, so that they are the same scene point in pictures of any size.

mod chooser;
mod saliency;

use serde::{Deserialize, Serialize};

pub use chooser::{Chooser, Detail};
pub use saliency::Saliency;

/// How many screen pixels a detail has for a pixel of the picture.
pub const ENLARGED: u32 = 3;

/// The middle of a detail, in shares of the picture: (0, 0) is its top left corner, (1, 1) its bottom right one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// From the left.
    pub x: f32,
    /// From the top.
    pub y: f32,
}

/// How much of the picture a detail shows, in shares of its sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    /// Of its width.
    pub width: f32,
    /// Of its height.
    pub height: f32,
}

impl Place {
    /// The nearest place whose whole detail lies in the picture.
    pub fn within(self, extent: Extent) -> Self {
        let hold = |middle: f32, share: f32| {
            let half = (share / 2.0).clamp(0.0, 0.5);
            middle.clamp(half, 1.0 - half)
        };
        Self { x: hold(self.x, extent.width), y: hold(self.y, extent.height) }
    }

    /// Whether the details of both places show something of the same.
    pub(crate) fn overlaps(self, other: Self, extent: Extent) -> bool {
        self.near(other, extent, 1.0)
    }

    /// Whether they are less than so many details apart.
    fn near(self, other: Self, extent: Extent, times: f32) -> bool {
        (self.x - other.x).abs() < times * extent.width && (self.y - other.y).abs() < times * extent.height
    }
}
