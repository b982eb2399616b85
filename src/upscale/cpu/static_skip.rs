//! Static skip: what need not be computed again.
//!
//! A decoder copies what stands still, bit for bit: most of a picture in a call. Where a picture is the one
//! before as far around as the network and the filters look, they give what they gave, and it is copied from
//! there. Nothing is estimated: the pictures are the same to the last bit as without it.
//!
//! A picture is compared in blocks of one row by [`BLOCK`] columns, a bit for each: a column of blocks is a few
//! words, and what is in reach, in a stretch, or between two changes comes of shifting them. What is left to
//! compute is a list of places, each a row of a stretch of columns. To begin anew below a gap costs the network as
//! many rows as it looks far, so that short gaps are computed too; and narrow stretches compute more of their
//! neighbours, so that of several widths the one is taken by which least is to be done.

use std::{ops::Range, sync::Arc};

use super::{band::Cut, net::Net};
use crate::{
    frame::{Colour, Frame, Plane, Rgba},
    upscale::{Precision, REST},
};

/// Columns of luma that are compared at once.
const BLOCK: usize = 16;
/// How far the filters look around a pixel of luma: two pixels of chroma, and the one beside it.
const LEAST_REACH: usize = 6;
/// Stretches that are tried, in columns, beside those that are best for a whole picture. Whole blocks.
const NARROW: [usize; 4] = [256, 160, 96, 64];
/// A part is computed if it costs this much of the whole at most.
const WORTH: f32 = 0.9;
/// What it costs, in the network's multiply-adds in f32, to copy a pixel of both pictures from memory that is in no
/// cache. Measured with AVX-512: what small networks compute in bytes takes longer to copy than to compute.
const COPY: f32 = 500.0;
/// And to begin a row of a layer, however short.
const ROW: f32 = 3200.0;

/// The picture before, and what was made of it.
#[derive(Debug)]
struct Before {
    planes: [Plane; 3],
    colour: Colour,
    /// One picture or two.
    made: Vec<Arc<Rgba>>,
}

/// What is to be done for a picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct SkipPlan<'a> {
    pub(super) cut: &'a Cut,
    /// The places to compute, those of a stretch one after another.
    pub(super) compute: &'a [u32],
    /// The places that are as in the picture before.
    pub(super) copy: &'a [u32],
}

/// Which places of a picture have to be computed.
#[derive(Debug, Default)]
pub(super) struct StaticSkip {
    before: Option<Before>,
    /// What was made of it is what would be made of it now.
    holds: bool,
    /// For each column of blocks a bit for each row, in `words` words: whether the block differs, or one in reach.
    changed: Vec<u64>,
    words: usize,
    /// Likewise for a stretch: the rows to compute.
    rows: Vec<u64>,
    cut: Cut,
    compute: Vec<u32>,
    copy: Vec<u32>,
}

impl StaticSkip {
    /// Forgets the picture before, so that the next is computed as a whole.
    pub(super) fn forget(&mut self) {
        self.holds = false;
    }

    /// What was decided last.
    pub(super) fn plan(&self) -> SkipPlan<'_> {
        SkipPlan { cut: &self.cut, compute: &self.compute, copy: &self.copy }
    }

    /// What was made of the picture before.
    pub(super) fn made(&self) -> &[Arc<Rgba>] {
        self.before.as_ref().map_or(&[], |before| &before.made)
    }

    /// Everything is to be computed.
    pub(super) fn whole(&mut self, net: &Net, luma: &Plane) {
        self.cut = Cut::new(net, luma.width(), luma.height());
        self.copy.clear();
        self.compute.clear();
        self.compute.extend(0..self.cut.places() as u32);
    }

    /// Compares a picture with the one before, of which as many pictures must have been made, and decides.
    pub(super) fn begin(&mut self, net: &Net, lr: &Frame, pictures: usize) {
        self.whole(net, lr.y());
        if !self.holds || !self.before.as_ref().is_some_and(|before| before.serves(lr, pictures)) {
            return;
        }
        self.compare(lr);
        self.reach(net.radius().max(LEAST_REACH), lr.y().height());
        let price = Price::of(net);
        let whole = self.cut.stretches().map(|columns| price.of_stretch(&columns, self.cut.height, self.cut.height, 1));
        let (mut least, mut best) = (WORTH * whole.sum::<f32>(), None);
        for cut in [Some(self.cut)].into_iter().chain(NARROW.map(|width| self.cut.narrower(width))).flatten() {
            let mut cost = 0.0;
            for columns in cut.stretches() {
                self.rows(net, columns.clone());
                let wanted = self.rows.iter().map(|bits| bits.count_ones() as usize).sum();
                cost += price.of_stretch(&columns, cut.height, wanted, runs(&self.rows).count());
            }
            if cost < least {
                (best, least) = (Some(cut), cost);
            }
        }
        if let Some(cut) = best {
            self.list(net, cut);
        }
    }

    /// Keeps a picture, and what was made of it, for the next one.
    pub(super) fn keep(&mut self, lr: &Frame, made: &[&Arc<Rgba>]) {
        match &mut self.before {
            Some(before) if before.fits(lr) => {
                for (to, from) in before.planes.iter_mut().zip(lr.planes()) {
                    (0..from.height()).for_each(|y| to.row_mut(y).copy_from_slice(from.row(y)));
                }
                before.colour = lr.colour;
                before.made.clear();
                before.made.extend(made.iter().copied().cloned());
            }
            _ => {
                let made = made.iter().copied().cloned().collect();
                self.before = Some(Before { planes: lr.planes().map(Plane::clone), colour: lr.colour, made });
            }
        }
        self.holds = true;
    }

    /// Finds the blocks that differ.
    fn compare(&mut self, lr: &Frame) {
        let Some(before) = &self.before else { return };
        let (planes, old) = (lr.planes(), &before.planes);
        self.words = planes[0].height().div_ceil(64);
        self.changed.clear();
        self.changed.resize(self.words * planes[0].width().div_ceil(BLOCK), 0);
        for row in 0..planes[0].height() {
            let (word, bit) = (&mut self.changed[row / 64..], 1 << (row % 64));
            mark::<BLOCK>(planes[0].row(row), old[0].row(row), word, self.words, bit);
            for c in [1, 2] {
                mark::<{ BLOCK / 2 }>(planes[c].row(row / 2), old[c].row(row / 2), word, self.words, bit);
            }
        }
    }

    /// And those that lie within `reach` pixels of them.
    fn reach(&mut self, reach: usize, rows: usize) {
        let words = self.words;
        for column in self.changed.chunks_exact_mut(words) {
            let mut done = 0;
            while done < reach {
                let by = (reach - done).min(63).min(done.max(1));
                let mut above = 0;
                for i in 0..words {
                    let (bits, below) = (column[i], column.get(i + 1).map_or(0, |bits| bits << (64 - by)));
                    column[i] |= bits << by | bits >> by | above | below;
                    above = bits >> (64 - by);
                }
                done += by;
            }
            // Below the last row there is nothing.
            if !rows.is_multiple_of(64) {
                column[words - 1] &= (1 << (rows % 64)) - 1;
            }
        }
        for _ in 0..reach.div_ceil(BLOCK) {
            for row in 0..words {
                let mut left = 0;
                for at in (row..self.changed.len()).step_by(words) {
                    let (bits, right) = (self.changed[at], self.changed.get(at + words).copied().unwrap_or(0));
                    self.changed[at] |= left | right;
                    left = bits;
                }
            }
        }
    }

    /// Which rows of a stretch have to be computed, and those of short gaps between them.
    fn rows(&mut self, net: &Net, columns: Range<usize>) {
        let blocks = self.words * (columns.start / BLOCK)..self.words * columns.end.div_ceil(BLOCK);
        self.rows.clear();
        self.rows.resize(self.words, 0);
        for block in self.changed[blocks].chunks_exact(self.words) {
            self.rows.iter_mut().zip(block).for_each(|(rows, block)| *rows |= block);
        }
        let mut before: Option<Range<usize>> = None;
        let mut from = 0;
        while let Some(run) = runs_from(&self.rows, from) {
            if let Some(before) = before.filter(|before| run.start - before.end < net.radius() + 2) {
                (before.end..run.start).for_each(|row| self.rows[row / 64] |= 1 << (row % 64));
            }
            from = run.end;
            before = Some(run);
        }
    }

    /// Lists the places.
    fn list(&mut self, net: &Net, cut: Cut) {
        self.cut = cut;
        // Room for the most that there can be, so that no later picture asks for more.
        let most = NARROW.iter().min().map_or(0, |least| cut.width.div_ceil(*least) * cut.height);
        for list in [&mut self.compute, &mut self.copy] {
            list.clear();
            list.reserve(most.max(cut.places()));
        }
        for (i, columns) in cut.stretches().enumerate() {
            self.rows(net, columns);
            for row in 0..cut.height {
                let wanted = self.rows[row / 64] >> (row % 64) & 1 == 1;
                let list = if wanted { &mut self.compute } else { &mut self.copy };
                list.push((i * cut.height + row) as u32);
            }
        }
    }
}

/// What a network costs, in multiply-adds in f32.
struct Price {
    pixel: f32,
    radius: usize,
}

impl Price {
    fn of(net: &Net) -> Self {
        let precision = if net.quantised.is_some() { Precision::Int8 } else { Precision::F32 };
        Self { pixel: precision.cost(net.multiplications()) as f32, radius: net.radius() }
    }

    /// A stretch of which so many of the rows are computed, in so many runs.
    fn of_stretch(&self, columns: &Range<usize>, height: usize, rows: usize, runs: usize) -> f32 {
        let Self { pixel, radius } = *self;
        let row = (columns.len() + radius) as f32 * pixel + radius as f32 * ROW;
        let (computed, copied) = (columns.len() * rows, columns.len() * (height - rows));
        (rows + runs * radius) as f32 * row + computed as f32 * REST as f32 + copied as f32 * COPY
    }
}

/// The runs of bits that are set.
fn runs(bits: &[u64]) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let run = runs_from(bits, from)?;
        from = run.end;
        Some(run)
    })
}

/// The first run of bits from one on.
fn runs_from(bits: &[u64], from: usize) -> Option<Range<usize>> {
    let next = |from: usize, flip: u64| {
        let mut at = from;
        while at / 64 < bits.len() {
            let rest = (bits[at / 64] ^ flip) >> (at % 64);
            if rest != 0 {
                return Some(at + rest.trailing_zeros() as usize);
            }
            at = (at / 64 + 1) * 64;
        }
        None
    };
    let start = next(from, 0)?;
    Some(start..next(start, u64::MAX).unwrap_or(64 * bits.len()))
}

impl Before {
    fn serves(&self, lr: &Frame, pictures: usize) -> bool {
        self.made.len() == pictures && self.colour == lr.colour && self.fits(lr)
    }

    fn fits(&self, lr: &Frame) -> bool {
        let size = |plane: &Plane| (plane.width(), plane.height());
        self.planes.iter().zip(lr.planes()).all(|(old, new)| size(old) == size(new))
    }
}

/// Sets a bit in a word of each column of blocks that differs in a row.
fn mark<const COLUMNS: usize>(new: &[u8], old: &[u8], words: &mut [u64], step: usize, bit: u64) {
    if new == old {
        return;
    }
    let ((new, new_end), (old, old_end)) = (new.as_chunks::<COLUMNS>(), old.as_chunks::<COLUMNS>());
    let differs = new.iter().zip(old).map(|(new, old)| new != old).chain([new_end != old_end]);
    for (word, differs) in words.iter_mut().step_by(step).zip(differs) {
        *word |= if differs { bit } else { 0 };
    }
}
