//! How an area is parted into panes, one for each picture that is seen at once.

use egui::{Rect, Vec2, pos2, vec2};
use serde::{Deserialize, Serialize};

/// How the sides are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// A left, B right.
    #[default]
    SideBySide,
    /// One place: A left of a divider, B right of it.
    Wipe,
    /// One place: A or B, by a key. Small differences blink.
    Toggle,
    /// A minus B.
    Difference,
    /// Low-res as decoded, bicubic, the network, and the truth where it is known.
    FourUp,
}

impl Layout {
    /// All, in the order of their keys.
    pub const ALL: [Self; 5] = [Self::SideBySide, Self::Wipe, Self::Toggle, Self::Difference, Self::FourUp];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SideBySide => "Side by side",
            Self::Wipe => "Wipe",
            Self::Toggle => "A/B",
            Self::Difference => "Difference",
            Self::FourUp => "Four",
        }
    }

    /// What it does, in a sentence.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::SideBySide => "A on the left, B on the right",
            Self::Wipe => "One picture with a divider: drag it, or hold Shift and move",
            Self::Toggle => "A and B in the same place; Space flips between them",
            Self::Difference => "What B has that A has not",
            Self::FourUp => "Low-res, bicubic, network and truth",
        }
    }

    /// How many panes stand beside each other, and how many below.
    pub const fn columns_and_rows(self) -> (usize, usize) {
        match self {
            Self::SideBySide => (2, 1),
            Self::Wipe | Self::Toggle | Self::Difference => (1, 1),
            Self::FourUp => (2, 2),
        }
    }
}

/// A place for one picture, with a line of text above it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pane {
    /// The line of text.
    pub label: Rect,
    /// The room for the picture.
    pub room: Rect,
    /// Where in the room a smaller picture stands: towards the other panes.
    pub align: Vec2,
}

/// Parts `area` into equal panes whose labels are `label` high, with `gap` between them.
pub fn panes(layout: Layout, area: Rect, label: f32, gap: f32) -> Vec<Pane> {
    let (columns, rows) = layout.columns_and_rows();
    let part = |whole: f32, n: usize| ((whole - gap * (n - 1) as f32) / n as f32).max(1.0);
    let cell = vec2(part(area.width(), columns), part(area.height(), rows));
    let align = |i: usize, n: usize| if n == 1 { 0.5 } else { 1.0 - i as f32 };
    let cells = (0..rows).flat_map(|y| (0..columns).map(move |x| (x, y)));
    cells
        .map(|(x, y)| {
            let min = area.min + vec2(x as f32, y as f32) * (cell + Vec2::splat(gap));
            let middle = min.y + label.min(cell.y);
            Pane {
                label: Rect::from_min_max(min, pos2(min.x + cell.x, middle)),
                room: Rect::from_min_max(pos2(min.x, middle), min + cell),
                align: vec2(align(x, columns), if rows == 1 { 0.5 } else { 0.0 }),
            }
        })
        .collect()
}

/// What of `area` none of `pictures` covers, in rectangles that do not overlap. The pictures do not either.
pub fn around(area: Rect, pictures: &[Rect]) -> Vec<Rect> {
    let pictures: Vec<Rect> = pictures.iter().map(|p| p.intersect(area)).filter(Rect::is_positive).collect();
    let mut edges: Vec<f32> = pictures.iter().flat_map(|p| [p.top(), p.bottom()]).collect();
    edges.extend([area.top(), area.bottom()]);
    edges.sort_by(f32::total_cmp);
    let mut out = Vec::new();
    for band in edges.windows(2).filter(|band| band[1] > band[0]) {
        let mut across: Vec<&Rect> = pictures.iter().filter(|p| p.top() <= band[0] && p.bottom() >= band[1]).collect();
        across.sort_by(|a, b| a.left().total_cmp(&b.left()));
        let ends = across.iter().map(|p| (p.left(), p.right())).chain([(area.right(), area.right())]);
        let mut from = area.left();
        for (left, right) in ends {
            if left > from {
                out.push(Rect::from_min_max(pos2(from, band[0]), pos2(left, band[1])));
            }
            from = from.max(right);
        }
    }
    out
}
