//! Pictures as the program passes them on: I420 planes, their colour, and when they were captured.

mod rgb;
mod shape;
mod siting;

pub(crate) use rgb::{ByteOrder, planes as planes_of_rgb};
pub use shape::{Aspect, Orientation};
pub use siting::Siting;
pub(crate) use siting::from_left;

use std::{fmt, str::FromStr, time::Instant};

/// The longest side of a picture that the program handles, in pixels.
///
/// Everything that comes from a peer, a file or a device is checked against it before memory is set
/// aside for it: a full picture is at most 8192 × 8192 × 1.5 bytes.
pub const MAX_SIDE: u32 = 8192;

/// Width and height of a picture in luma pixels; both are between 1 and [`MAX_SIDE`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    width: u32,
    height: u32,
}

/// A size that no picture can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// A side is zero or longer than [`MAX_SIDE`].
    #[error("{width}x{height} is not a picture size: both sides must be between 1 and {MAX_SIDE}")]
    OutOfRange {
        /// The width that was asked for.
        width: u64,
        /// The height that was asked for.
        height: u64,
    },
    /// The text is not `WIDTHxHEIGHT`.
    #[error("'{0}' is not a size: write it as WIDTHxHEIGHT, for example 480x360")]
    Syntax(String),
}

impl Size {
    /// One pixel.
    pub(crate) const SMALLEST: Self = Self { width: 1, height: 1 };

    /// What is sent where nothing else is asked for.
    pub const USUAL: Self = Self { width: 480, height: 360 };

    /// What a sender that chooses by itself goes up to.
    pub(crate) const HD: Self = Self { width: 1280, height: 720 };

    /// Checks the two sides.
    ///
    /// # Errors
    /// When a side is not between 1 and [`MAX_SIDE`].
    pub fn new(width: u32, height: u32) -> Result<Self, SizeError> {
        if (1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height) {
            Ok(Self { width, height })
        } else {
            Err(SizeError::OutOfRange { width: width.into(), height: height.into() })
        }
    }

    /// The same from a decoder's or a file's signed or wide numbers.
    ///
    /// # Errors
    /// When a side is not between 1 and [`MAX_SIDE`].
    pub fn try_from_wide(width: impl TryInto<u32>, height: impl TryInto<u32>) -> Result<Self, SizeError> {
        let (w, h) = (width.try_into().unwrap_or(0), height.try_into().unwrap_or(0));
        Self::new(w, h)
    }

    /// Width and height exchanged.
    pub(crate) const fn turned(self) -> Self {
        Self { width: self.height, height: self.width }
    }

    /// Luma columns.
    pub const fn width(self) -> u32 {
        self.width
    }

    /// Luma rows.
    pub const fn height(self) -> u32 {
        self.height
    }

    /// Luma pixels.
    pub const fn pixels(self) -> usize {
        self.width as usize * self.height as usize
    }

    /// The size of the chroma planes in 4:2:0: half of each side, rounded up.
    pub const fn chroma(self) -> Self {
        Self { width: self.width.div_ceil(2), height: self.height.div_ceil(2) }
    }

    /// Both sides times `factor`.
    ///
    /// # Errors
    /// When a side of the product is not between 1 and [`MAX_SIDE`].
    pub fn times(self, factor: u32) -> Result<Self, SizeError> {
        let (w, h) = (u64::from(self.width) * u64::from(factor), u64::from(self.height) * u64::from(factor));
        match (u32::try_from(w), u32::try_from(h)) {
            (Ok(w), Ok(h)) => Self::new(w, h),
            _ => Err(SizeError::OutOfRange { width: w, height: h }),
        }
    }

    /// The largest size with the shape of `self` and even sides that fits into `bound`.
    ///
    /// A sender asked for 480×360 sends a 16:9 picture as 480×270, not squeezed.
    pub fn fit_even(self, bound: Size) -> Self {
        let (w, h) = (u64::from(self.width), u64::from(self.height));
        let (bw, bh) = (u64::from(bound.width), u64::from(bound.height));
        // The nearest even number to a side that keeps the shape.
        let even = |numerator: u64, denominator: u64, max: u64| {
            (2 * ((numerator + denominator) / (2 * denominator))).clamp(2, (max & !1).max(2)) as u32
        };
        if w * bh >= h * bw {
            Self { width: even(bw, 1, bw), height: even(h * bw, w, bh) }
        } else {
            Self { width: even(w * bh, h, bw), height: even(bh, 1, bh) }
        }
    }

    /// The size at which a picture is sent that is to fit into `bound`: as [`fit_even`](Self::fit_even), but one that
    /// is smaller is not blown up.
    pub fn shrink_even(self, bound: Size) -> Self {
        let fits = self.width <= bound.width && self.height <= bound.height;
        self.fit_even(if fits { self } else { bound })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl fmt::Debug for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Size {
    type Err = SizeError;

    /// ```
    /// # use clearcall::frame::Size;
    /// assert_eq!("480x360".parse(), Size::new(480, 360));
    /// assert!("480".parse::<Size>().is_err());
    /// assert!("0x360".parse::<Size>().is_err());
    /// ```
    fn from_str(s: &str) -> Result<Self, SizeError> {
        let syntax = || SizeError::Syntax(s.to_owned());
        let (w, h) = s.split_once(['x', 'X', '×']).ok_or_else(syntax)?;
        Self::new(w.trim().parse().map_err(|_| syntax())?, h.trim().parse().map_err(|_| syntax())?)
    }
}

/// Which weights turn R, G, B into luma.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Matrix {
    /// ITU-R BT.601: Kr 0.299, Kb 0.114. What webcams mostly send.
    #[default]
    Bt601,
    /// ITU-R BT.709: Kr 0.2126, Kb 0.0722. What HD video mostly uses.
    Bt709,
}

impl Matrix {
    /// From a stream's or a file's `matrix_coefficients` (H.264 table E-5); [`None`] for 2, which says nothing. What is
    /// neither of the two is taken for the nearer one.
    pub(crate) const fn from_code(code: u32) -> Option<Self> {
        match code {
            2 => None,
            // SMPTE 240M and BT.2020 weigh green nearly as BT.709 does.
            1 | 7 | 9 | 10 => Some(Self::Bt709),
            _ => Some(Self::Bt601),
        }
    }

    /// (Kr, Kb) of the standard: BT.601-7 §2.5.1, BT.709-6 §3.2.
    pub const fn kr_kb(self) -> (f32, f32) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
        }
    }
}

/// Which codes of the byte carry the signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Range {
    /// Luma 16–235, chroma 16–240 ("video", "tv").
    #[default]
    Limited,
    /// All of 0–255 ("JPEG", "pc").
    Full,
}

/// How the planes' bytes become colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Colour {
    /// The matrix.
    pub matrix: Matrix,
    /// The range.
    pub range: Range,
}

impl Colour {
    /// The affine map from Y′CbCr codes, each divided by 255, to R′G′B′ in 0..1.
    ///
    /// Rows are R, G, B; columns are the factors of Y, Cb, Cr and a constant. CPU and GPU use these same
    /// twelve numbers. From BT.601-7 §2.5.1 and BT.709-6 §3.2 to §3.5, solved for R, G, B:
    /// `R = Y + 2(1−Kr)·Cr`, `B = Y + 2(1−Kb)·Cb`, `G = Y − 2Kr(1−Kr)/Kg·Cr − 2Kb(1−Kb)/Kg·Cb`.
    pub fn to_rgb(self) -> [[f32; 4]; 3] {
        let (kr, kb) = self.matrix.kr_kb();
        let kg = 1.0 - kr - kb;
        let (ys, cs, y0) = match self.range {
            Range::Limited => (255.0 / 219.0, 255.0 / 224.0, 16.0 / 255.0),
            Range::Full => (1.0, 1.0, 0.0),
        };
        let c0 = 128.0 / 255.0;
        let row = |cb: f32, cr: f32| [ys, cb * cs, cr * cs, -(ys * y0) - (cb + cr) * cs * c0];
        [
            row(0.0, 2.0 * (1.0 - kr)),
            row(-2.0 * kb * (1.0 - kb) / kg, -2.0 * kr * (1.0 - kr) / kg),
            row(2.0 * (1.0 - kb), 0.0),
        ]
    }
}

/// Which frame this is and when light became bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Counts up by one for each frame that its source delivered.
    pub id: u64,
    /// When the frame was captured (or drawn, or read).
    pub captured: Instant,
}

impl Stamp {
    /// Frame `id`, captured now.
    pub fn now(id: u64) -> Self {
        Self { id, captured: Instant::now() }
    }
}

/// One plane of 8-bit samples, rows from top to bottom, `stride` bytes apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Plane {
    data: Vec<u8>,
    width: usize,
    height: usize,
    stride: usize,
}

/// Planes that do not make a picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes do not hold a plane of {width}x{height} with rows {stride} bytes apart")]
pub struct PlaneError {
    bytes: usize,
    width: usize,
    height: usize,
    stride: usize,
}

impl Plane {
    /// A plane without padding, all samples `value`.
    pub fn filled(width: usize, height: usize, value: u8) -> Self {
        Self { data: vec![value; width * height], width, height, stride: width }
    }

    /// Takes over `data`; the last row may end at its last sample.
    ///
    /// # Errors
    /// When `data` is shorter than the picture, the stride is shorter than a row, or there is no row or column.
    pub fn from_vec(data: Vec<u8>, width: usize, height: usize, stride: usize) -> Result<Self, PlaneError> {
        let needed = height.checked_sub(1).and_then(|h| h.checked_mul(stride)).and_then(|n| n.checked_add(width));
        match needed {
            Some(n) if n <= data.len() && stride >= width && width > 0 => Ok(Self { data, width, height, stride }),
            _ => Err(PlaneError { bytes: data.len(), width, height, stride }),
        }
    }

    /// Copies `width` samples of each row of `data`, leaving the padding behind.
    ///
    /// # Errors
    /// When `data` is shorter than the picture, the stride is shorter than a row, or there is no row or column.
    pub fn copy_from(data: &[u8], width: usize, height: usize, stride: usize) -> Result<Self, PlaneError> {
        let error = || PlaneError { bytes: data.len(), width, height, stride };
        let needed = height.checked_sub(1).and_then(|h| h.checked_mul(stride)).and_then(|n| n.checked_add(width));
        if width == 0 || stride < width || needed.is_none_or(|n| n > data.len()) {
            return Err(error());
        }
        let mut out = Vec::with_capacity(width * height);
        for row in data.chunks(stride).take(height) {
            out.extend_from_slice(&row[..width]);
        }
        Ok(Self { data: out, width, height, stride: width })
    }

    /// Samples in a row.
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub const fn height(&self) -> usize {
        self.height
    }

    /// Bytes from one row to the next.
    pub const fn stride(&self) -> usize {
        self.stride
    }

    /// All bytes, padding included.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Takes the bytes out again, padding included.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// The samples of row `y`. Panics when there is no such row.
    pub fn row(&self, y: usize) -> &[u8] {
        &self.data[y * self.stride..][..self.width]
    }

    /// The samples of row `y`, to write. Panics when there is no such row.
    pub fn row_mut(&mut self, y: usize) -> &mut [u8] {
        &mut self.data[y * self.stride..][..self.width]
    }

    /// The rows from top to bottom.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        (0..self.height).map(|y| self.row(y))
    }

    /// The sample at column `x`, row `y`; places outside read the nearest edge.
    pub fn clamped(&self, x: isize, y: isize) -> u8 {
        let x = x.clamp(0, self.width as isize - 1) as usize;
        let y = y.clamp(0, self.height as isize - 1) as usize;
        self.data[y * self.stride + x]
    }

    /// The samples without padding.
    pub fn to_packed(&self) -> Vec<u8> {
        self.rows().flatten().copied().collect()
    }
}

impl fmt::Debug for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plane {}x{} (stride {})", self.width, self.height, self.stride)
    }
}

/// A picture in I420: luma at full size, Cb and Cr at half of each side (rounded up), 8 bit.
///
/// Chroma lies where [`Frame::siting`] says: what the program makes has it in the middle of its four luma pixels, so
/// that scaling a plane about its centre keeps luma and chroma together, and what comes otherwise is brought there
/// by [`Frame::centred`] before it is scaled, upscaled or encoded.
///
/// ```text
///   y: Y Y Y Y     u: U U     v: V V
///      Y Y Y Y        U U        V V
/// ```
#[derive(Debug, Clone)]
pub struct Frame {
    y: Plane,
    u: Plane,
    v: Plane,
    /// How its bytes become colours.
    pub colour: Colour,
    /// Which frame it is, and from when.
    pub stamp: Stamp,
    /// The luma quantiser (0 to 51) that it was coded with, where it came out of a decoder: the mean over its slices
    /// of the value that each header says. Adaptive quantisation moves single macroblocks a little away from it.
    pub qp: Option<f32>,
    /// With which quantiser's weights a network shows it: what [`SteadyQp`](crate::model::SteadyQp) made of the
    /// stream's [`Frame::qp`] so far. [`None`]: as a picture that was never coded.
    pub weights_qp: Option<f32>,
    /// The shape of its pixels.
    pub aspect: Aspect,
    /// Where its chroma lies.
    pub siting: Siting,
    /// The size of the picture that was scaled down to this one, where its sender says so: nothing finer is there to be
    /// shown.
    pub source_size: Option<Size>,
}

/// Planes that do not belong together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A side is out of range.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// A plane is too short.
    #[error(transparent)]
    Plane(#[from] PlaneError),
    /// The chroma planes are not half of the luma plane.
    #[error("a 4:2:0 picture of {luma} needs chroma planes of {}, not {chroma_width}x{chroma_height}", luma.chroma())]
    Chroma {
        /// The luma plane's size.
        luma: Size,
        /// Columns of the plane that is wrong.
        chroma_width: usize,
        /// Rows of the plane that is wrong.
        chroma_height: usize,
    },
}

impl Frame {
    /// Joins three planes; their sizes must fit together.
    ///
    /// # Errors
    /// When luma has no size that is allowed, or a chroma plane not the size that belongs to it.
    pub fn new(y: Plane, u: Plane, v: Plane, colour: Colour, stamp: Stamp) -> Result<Self, FrameError> {
        let size = Size::try_from_wide(y.width, y.height)?;
        for c in [&u, &v] {
            let want = size.chroma();
            if (c.width, c.height) != (want.width as usize, want.height as usize) {
                return Err(FrameError::Chroma { luma: size, chroma_width: c.width, chroma_height: c.height });
            }
        }
        Ok(Self {
            y,
            u,
            v,
            colour,
            stamp,
            qp: None,
            weights_qp: None,
            aspect: Aspect::SQUARE,
            siting: Siting::Centre,
            source_size: None,
        })
    }

    /// A picture of one colour, given by its three codes.
    pub fn filled(size: Size, yuv: [u8; 3], colour: Colour, stamp: Stamp) -> Self {
        let c = size.chroma();
        let plane = |s: Size, v| Plane::filled(s.width as usize, s.height as usize, v);
        Self {
            y: plane(size, yuv[0]),
            u: plane(c, yuv[1]),
            v: plane(c, yuv[2]),
            colour,
            stamp,
            qp: None,
            weights_qp: None,
            aspect: Aspect::SQUARE,
            siting: Siting::Centre,
            source_size: None,
        }
    }

    /// Whether it came at its source's size, or nearly so: then there is nothing finer to be had by doubling it.
    pub fn is_full_size(&self) -> bool {
        let near = |own: u32, source: u32| u64::from(own) * 8 >= u64::from(source) * 7;
        let own = self.size();
        self.source_size.is_some_and(|source| near(own.width(), source.width()) && near(own.height(), source.height()))
    }

    /// The luma size.
    pub fn size(&self) -> Size {
        Size { width: self.y.width as u32, height: self.y.height as u32 }
    }

    /// Luma.
    pub const fn y(&self) -> &Plane {
        &self.y
    }

    /// Cb.
    pub const fn u(&self) -> &Plane {
        &self.u
    }

    /// Cr.
    pub const fn v(&self) -> &Plane {
        &self.v
    }

    /// The planes in the order Y, Cb, Cr.
    pub const fn planes(&self) -> [&Plane; 3] {
        [&self.y, &self.u, &self.v]
    }

    /// The planes in the order Y, Cb, Cr, to write.
    pub fn planes_mut(&mut self) -> [&mut Plane; 3] {
        [&mut self.y, &mut self.u, &mut self.v]
    }

    /// Takes the planes out again.
    pub fn into_planes(self) -> [Plane; 3] {
        [self.y, self.u, self.v]
    }

    /// The same picture with another stamp.
    pub fn with_stamp(self, stamp: Stamp) -> Self {
        Self { stamp, ..self }
    }
}

/// A picture in 8-bit R′G′B′A, rows from top to bottom without padding, four bytes a pixel, alpha 255.
#[derive(Clone, PartialEq, Eq)]
pub struct Rgba {
    /// Columns and rows.
    pub size: Size,
    /// `4 · width · height` bytes.
    pub data: Vec<u8>,
}

impl fmt::Debug for Rgba {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rgba {}", self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked_at_the_door() {
        assert!(Size::new(0, 1).is_err());
        assert!(Size::new(1, MAX_SIDE + 1).is_err());
        assert!(Size::new(MAX_SIDE, 1).is_ok());
        assert!(Size::new(5000, 1).unwrap().times(2).is_err());
        assert_eq!(Size::new(3, 1).unwrap().chroma(), Size::new(2, 1).unwrap());
        assert!(Size::try_from_wide(-3_i32, 4_i32).is_err());
    }

    #[test]
    fn a_picture_is_fitted_without_squeezing_it() {
        let fit = |w, h| Size::new(w, h).unwrap().fit_even(Size::new(480, 360).unwrap()).to_string();
        assert_eq!(fit(960, 720), "480x360");
        assert_eq!(fit(1280, 720), "480x270");
        assert_eq!(fit(720, 1280), "202x360");
        assert_eq!(fit(1, 8000), "2x360");
        let shrink = |w, h| Size::new(w, h).unwrap().shrink_even(Size::new(480, 360).unwrap()).to_string();
        assert_eq!([shrink(1280, 720), shrink(720, 360)], ["480x270", "480x240"], "one side is enough to be too large");
        assert_eq!([shrink(480, 360), shrink(320, 240), shrink(321, 241)], ["480x360", "320x240", "320x240"]);
    }

    #[test]
    fn planes_that_are_too_short_are_refused() {
        assert!(Plane::from_vec(vec![0; 11], 4, 3, 4).is_err());
        assert!(Plane::from_vec(vec![0; 12], 4, 3, 3).is_err());
        assert!(Plane::from_vec(vec![0; 12], 4, usize::MAX, 4).is_err());
        assert!(Plane::copy_from(&[0; 14], 4, 3, 5).is_ok(), "the last row needs no padding");
        let p = Plane::copy_from(&[1, 2, 9, 3, 4], 2, 2, 3).unwrap();
        assert_eq!(p.to_packed(), [1, 2, 3, 4]);
        assert_eq!((p.clamped(-5, -5), p.clamped(7, 7)), (1, 4));
    }

    #[test]
    fn chroma_must_fit_luma() {
        let p = |w, h| Plane::filled(w, h, 0);
        assert!(Frame::new(p(3, 3), p(2, 2), p(2, 2), Colour::default(), Stamp::now(0)).is_ok());
        assert!(Frame::new(p(3, 3), p(1, 2), p(2, 2), Colour::default(), Stamp::now(0)).is_err());
    }

    #[test]
    fn known_colours_in_both_matrices_and_ranges() {
        // BT.601 limited red is (81, 90, 240); BT.709 limited red is (63, 102, 240); rounded codes.
        let rgb = |m, r, yuv: [f32; 3]| {
            let t = Colour { matrix: m, range: r }.to_rgb();
            t.map(|k| ((k[0] * yuv[0] + k[1] * yuv[1] + k[2] * yuv[2]) + 255.0 * k[3]).round().clamp(0.0, 255.0))
        };
        assert_eq!(rgb(Matrix::Bt601, Range::Limited, [81.0, 90.0, 240.0]), [254.0, 0.0, 0.0]);
        assert_eq!(rgb(Matrix::Bt709, Range::Limited, [63.0, 102.0, 240.0]), [255.0, 1.0, 0.0]);
        assert_eq!(rgb(Matrix::Bt601, Range::Full, [76.0, 85.0, 255.0]), [254.0, 0.0, 0.0]);
        for m in [Matrix::Bt601, Matrix::Bt709] {
            assert_eq!(rgb(m, Range::Limited, [235.0, 128.0, 128.0]), [255.0; 3]);
            assert_eq!(rgb(m, Range::Limited, [16.0, 128.0, 128.0]), [0.0; 3]);
            assert_eq!(rgb(m, Range::Full, [255.0, 128.0, 128.0]), [255.0; 3]);
        }
    }
}
