//! What a thread keeps while it goes down a stretch of columns, and a row's way from codes to pixels.

use std::{ops::Range, sync::Arc};

use super::{
    memory::{Lines, Pieces},
    net::Net,
    pixels::{ChromaAcross, LumaAcross, LumaDown, Pixels, half},
    previous_luma::Hysteresis,
    rows::{Extend, NetRows},
    simd::{Isa, Simd, SimdKernel},
};
use crate::{
    frame::{Frame, Plane, Rgba},
    upscale::{bicubic::FOURFOLD, colour::code, filter::Rows},
};

/// How a picture is cut: into stretches of columns, so narrow that the rows of all layers stay in the
/// cache. A place is a row of a stretch; they are counted down the first stretch, then down the second.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cut {
    pub(super) width: usize,
    pub(super) height: usize,
    stretch: usize,
}

/// The second-level cache has half a megabyte at least where there are vectors; a part of it is for the
/// weights, the pictures' rows and what comes next.
const CACHE_BYTES: usize = 288 << 10;
/// Narrower stretches compute too much of their neighbours.
const MIN_STRETCH: usize = 64;

impl Cut {
    pub(super) fn new(net: &Net, width: usize, height: usize) -> Self {
        let most = (CACHE_BYTES / NetRows::bytes_per_column(net)).max(MIN_STRETCH);
        // All about as wide; whole vectors, and even, since two columns share a chroma pixel.
        let stretch = width.div_ceil(width.div_ceil(most)).next_multiple_of(32);
        Self { width, height, stretch }
    }

    /// The same in stretches of `stretch` columns, whole vectors, if that is narrower.
    pub(super) fn narrower(self, stretch: usize) -> Option<Self> {
        (stretch < self.stretch).then_some(Self { stretch, ..self })
    }

    /// The columns of each stretch.
    pub(super) fn stretches(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let Self { width, stretch, .. } = *self;
        (0..width).step_by(stretch).map(move |x| x..(x + stretch).min(width))
    }

    /// How many places there are.
    pub(super) fn places(&self) -> usize {
        self.width.div_ceil(self.stretch) * self.height
    }

    /// First column, columns and row of a place.
    fn place(&self, place: usize) -> (usize, usize, usize) {
        let x = place / self.height * self.stretch;
        (x, self.stretch.min(self.width - x), place % self.height)
    }
}

/// What is to be made of a picture, and where it goes.
pub(super) enum BandJob<'a> {
    /// Bicubic and the network in RGB.
    Pair {
        lr: &'a Frame,
        to_rgb: [[f32; 4]; 3],
        hysteresis: Hysteresis<'a>,
        left: Pieces<'a, u8>,
        right: Pieces<'a, u8>,
    },
    /// Bicubic alone, in RGB.
    Bicubic { lr: &'a Frame, to_rgb: [[f32; 4]; 3], out: Pieces<'a, u8> },
    /// The network's luma.
    Luma { luma: &'a Plane, hysteresis: Hysteresis<'a>, out: Pieces<'a, u8> },
    /// The network's four channels, one after another.
    Channels { luma: &'a Plane, out: Pieces<'a, f32> },
}

impl BandJob<'_> {
    /// Copies one place from pictures of the same kinds.
    ///
    /// # Safety
    /// No other thread writes the same place.
    pub(super) unsafe fn copy(&self, from: &[Arc<Rgba>], cut: &Cut, place: usize) {
        let (x, width, row) = cut.place(place);
        let sides: [Option<&Pieces<'_, u8>>; 2] = match self {
            Self::Pair { left, right, .. } => [Some(left), Some(right)],
            Self::Bicubic { out, .. } => [Some(out), None],
            Self::Luma { .. } | Self::Channels { .. } => [None; 2],
        };
        for (side, from) in sides.into_iter().flatten().zip(from) {
            for y in [2 * row, 2 * row + 1] {
                let at = 8 * (y * cut.width + x);
                // SAFETY: each place has its own columns of its own two rows.
                unsafe { side.piece(at, 8 * width) }.copy_from_slice(&from.data[at..][..8 * width]);
            }
        }
    }

    fn luma(&self) -> &Plane {
        match self {
            Self::Pair { lr, .. } | Self::Bicubic { lr, .. } => lr.y(),
            Self::Luma { luma, .. } | Self::Channels { luma, .. } => luma,
        }
    }
}

/// What a thread needs; kept from frame to frame.
#[derive(Debug, Default)]
pub(super) struct Band {
    net: NetRows,
    luma: Rows,
    chroma: [Rows; 2],
    extended: Lines,
    sums: [Lines; 2],
    /// The place that follows on what is kept here.
    next: Option<usize>,
}

impl Band {
    /// Forgets the picture before.
    pub(super) fn begin(&mut self) {
        self.next = None;
    }

    /// Computes one place.
    ///
    /// # Safety
    /// No other thread computes the same place of the same picture.
    pub(super) unsafe fn place(&mut self, isa: Isa, net: &Net, cut: &Cut, job: &BandJob<'_>, place: usize) {
        let (x, width, row) = cut.place(place);
        if self.next != Some(place) || row == 0 {
            self.start(net, x, width, row);
        }
        self.next = Some(place + 1);
        let detail = match job {
            BandJob::Bicubic { .. } => [&[][..]; 4],
            _ => self.net.row(isa, net, job.luma()),
        };
        if let BandJob::Channels { out, .. } = job {
            for (c, detail) in detail.into_iter().enumerate() {
                // SAFETY: each place has its own columns of its own row.
                let out = unsafe { out.piece((c * cut.height + row) * cut.width + x, width) };
                out.copy_from_slice(&detail[..width]);
            }
            return;
        }
        let first = row as isize - 2;
        self.luma.fetch(first, 5, |y, out| {
            let plane = job.luma();
            let row = plane.row(y.clamp(0, plane.height() as isize - 1) as usize);
            isa.run(Extend { row, first: x as isize - 2, out: &mut self.extended[..width + 4] });
            isa.run(LumaAcross { row: &self.extended, out });
        });
        let luma = self.luma.get(first);
        match job {
            BandJob::Pair { lr, to_rgb, .. } | BandJob::Bicubic { lr, to_rgb, .. } => {
                // Both rows of the output lie between the same four rows of chroma.
                let (first, top) = FOURFOLD.down(2 * row);
                let (_, bottom) = FOURFOLD.down(2 * row + 1);
                for (rows, plane) in self.chroma.iter_mut().zip([lr.u(), lr.v()]) {
                    rows.fetch(first, 4, |y, out| {
                        let row = plane.row(y.clamp(0, plane.height() as isize - 1) as usize);
                        let extended = &mut self.extended[..width.div_ceil(2) + 4];
                        isa.run(Extend { row, first: (x / 2) as isize - 2, out: extended });
                        isa.run(ChromaAcross { row: &self.extended, out });
                    });
                }
                let chroma = self.chroma.each_ref().map(|rows| rows.get(first));
                let (taps, to_rgb) = ([top, bottom], *to_rgb);
                match job {
                    BandJob::Pair { left, right, hysteresis, .. } => {
                        // SAFETY: each place has its own columns of its own two rows, and of what was shown there.
                        let (out, previous) = unsafe {
                            let out = [left, right].map(|side| two_rows(side, cut, x, row, width));
                            (out, hysteresis.row(row, x, width))
                        };
                        let deadband = hysteresis.deadband;
                        isa.run(Pixels { luma, detail, previous, deadband, chroma, taps, to_rgb, out, width });
                    }
                    BandJob::Bicubic { out, .. } => {
                        // SAFETY: likewise.
                        let out = [unsafe { two_rows(out, cut, x, row, width) }];
                        let previous = std::array::from_fn(|_| &mut [][..]);
                        isa.run(Pixels { luma, detail, previous, deadband: 0.0, chroma, taps, to_rgb, out, width });
                    }
                    _ => {}
                }
            }
            BandJob::Luma { out, hysteresis, .. } => {
                let [top, bottom] = &mut self.sums;
                // SAFETY: each place has its own columns of its own row.
                let previous = unsafe { hysteresis.row(row, x, width) };
                let deadband = hysteresis.deadband;
                isa.run(LumaDown { luma, detail, previous, deadband, out: [&mut *top, &mut *bottom] });
                for (dy, sums) in self.sums.iter().enumerate() {
                    // SAFETY: each place has its own columns of its own two rows.
                    let out = unsafe { out.piece(2 * ((2 * row + dy) * cut.width + x), 2 * width) };
                    isa.run(Codes { halves: sums.split_at(half(width)), out });
                }
            }
            BandJob::Channels { .. } => {}
        }
    }

    fn start(&mut self, net: &Net, x: usize, width: usize, row: usize) {
        self.net.start(net, x, width, row);
        self.luma.start(2 * half(width));
        for rows in &mut self.chroma {
            rows.start(4 * half(width.div_ceil(2)));
        }
        self.extended.resize(half(width) + 4);
        for sums in &mut self.sums {
            sums.resize(2 * half(width));
        }
    }
}

/// A stretch of the two rows of a picture that come of one row.
///
/// # Safety
/// Nobody else holds any of it.
unsafe fn two_rows<'a>(side: &Pieces<'a, u8>, cut: &Cut, x: usize, row: usize, width: usize) -> [&'a mut [u8]; 2] {
    // SAFETY: the caller says so, and the two rows are apart.
    [0, 1].map(|dy| unsafe { side.piece(8 * ((2 * row + dy) * cut.width + x), 8 * width) })
}

/// Even and odd columns to bytes.
struct Codes<'a> {
    halves: (&'a [f32], &'a [f32]),
    out: &'a mut [u8],
}

impl SimdKernel for Codes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (even, odd) = self.halves;
        for (out, (even, odd)) in self.out.as_chunks_mut::<2>().0.iter_mut().zip(even.iter().zip(odd)) {
            *out = [code(*even), code(*odd)];
        }
    }
}
