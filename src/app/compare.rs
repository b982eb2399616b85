//! What is compared, and how.
//!
//! The pictures of one frame ([`textures`], [`paint`]), the sides that they belong to ([`sides`]), where they lie in
//! the window ([`panes`], [`geometry`], [`strip`]), where they differ (`watcher`), how they score ([`scorer`]) and what
//! that is worth in bits ([`worth`]), and what people say of them without knowing which is which ([`blind_test`],
//! [`crops`]). `pages/comparison.rs` draws it.

pub mod blind_test;
pub mod crops;
pub mod geometry;
pub mod paint;
pub mod panes;
pub mod scorer;
pub mod sides;
pub mod strip;
pub mod textures;
pub(crate) mod watcher;
pub mod worth;

use egui::Rect;

use crate::app::compare::{geometry::PanZoom, panes::Layout, sides::SideChoice};

/// The strongest amplification of a difference.
pub const MAX_GAIN: u32 = 16;

/// What the person has set about the comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Compare {
    /// How the sides are laid out.
    pub layout: Layout,
    /// Side A.
    pub a: SideChoice,
    /// Side B.
    pub b: SideChoice,
    /// Which part is seen, and how large.
    pub view: PanZoom,
    /// Where the divider is, as a share of the picture's place.
    pub split: f32,
    /// B is shown where only one of them is.
    pub flipped: bool,
    /// The difference has a sign.
    pub signed: bool,
    /// What the difference is multiplied with.
    pub gain: u32,
    /// The difference of luma only.
    pub luma: bool,
    /// Pixels are squares.
    pub nearest: bool,
    /// There is a loupe at the pointer.
    pub loupe: bool,
    /// The values under the pointer are shown.
    pub read_out: bool,
    /// Details in which the sides differ are shown enlarged.
    pub spotlight: bool,
}

impl Compare {
    /// Bicubic against the network with this number.
    pub fn new(model: usize) -> Self {
        Self {
            layout: Layout::SideBySide,
            a: SideChoice::Bicubic,
            b: SideChoice::Network(model),
            view: PanZoom::default(),
            split: 0.5,
            flipped: false,
            signed: true,
            gain: 4,
            luma: false,
            nearest: false,
            loupe: false,
            read_out: false,
            spotlight: true,
        }
    }

    /// What each pane of the layout shows; `model` is the call's network.
    pub fn sides(&self, model: usize) -> Vec<SideChoice> {
        match self.layout {
            Layout::FourUp => {
                vec![SideChoice::Low, SideChoice::Bicubic, SideChoice::Network(model), SideChoice::Truth]
            }
            _ => vec![self.a, self.b],
        }
    }

    /// The two sides that a loupe and the read-out are about.
    pub(crate) fn two(&self, model: usize) -> [SideChoice; 2] {
        match self.layout {
            Layout::FourUp => [SideChoice::Bicubic, SideChoice::Network(model)],
            _ => [self.a, self.b],
        }
    }

    /// A becomes B and B becomes A.
    pub fn swap(&mut self) {
        std::mem::swap(&mut self.a, &mut self.b);
    }
}

/// What was seen, for pictures of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    /// The place of all of it in the window, in points.
    pub area: Rect,
    /// The part of the pictures, in shares of them.
    pub part: Rect,
}
