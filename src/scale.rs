//! From the source's size to the size that is sent.

use std::fmt;

use fast_image_resize::{
    Filter, FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};

use crate::frame::{Aspect, Frame, Plane, Siting, Size, from_left};

/// The filter that a picture is scaled with.
///
/// All are stretched over the pixels that go into one (antialiased) when a picture shrinks, and act on
/// each plane about its centre, so that luma and chroma stay together; chroma that lies at the left is brought to the
/// middle first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Kernel {
    /// The mean of the pixels that go into one.
    Box,
    /// A triangle.
    Bilinear,
    /// Keys' cubic with a = −0.5: sharp, and the same kernel as the upscaler's baseline.
    #[default]
    CatmullRom,
    /// Keys' cubic with a = −0.65: sharper than Catmull-Rom and without the long ringing of Lanczos.
    SharpCubic,
    /// Mitchell and Netravali's cubic with B = C = 1/3: softer.
    Mitchell,
    /// The sinc windowed over three lobes: sharpest, rings a little.
    Lanczos3,
}

impl Kernel {
    /// What a sender shrinks its pictures with: docs/experiments.md, "The sender's kernel". The networks have learnt from
    /// pictures that were shrunk by it.
    pub const SENDER: Self = Self::SharpCubic;

    fn filter(self) -> FilterType {
        match self {
            Self::Box => FilterType::Box,
            Self::Bilinear => FilterType::Bilinear,
            Self::CatmullRom => FilterType::CatmullRom,
            // It is refused only where it reaches over no pixel.
            Self::SharpCubic => {
                Filter::new("sharp cubic", sharp_cubic, 2.0).map_or(FilterType::CatmullRom, FilterType::Custom)
            }
            Self::Mitchell => FilterType::Mitchell,
            Self::Lanczos3 => FilterType::Lanczos3,
        }
    }
}

/// Keys' cubic (Keys, IEEE TASSP 29(6), 1981, equation 4 before a is chosen) with a = −0.65.
fn sharp_cubic(x: f64) -> f64 {
    const A: f64 = -0.65;
    match x.abs() {
        x if x < 1.0 => (A + 2.0) * x.powi(3) - (A + 3.0) * x.powi(2) + 1.0,
        x if x < 2.0 => A * (x.powi(3) - 5.0 * x.powi(2) + 8.0 * x - 4.0),
        _ => 0.0,
    }
}

/// A picture that was not scaled.
#[derive(Debug, thiserror::Error)]
#[error("a picture of {from} was not scaled to {to}: {why}")]
pub struct ScaleError {
    /// The picture's size.
    pub from: Size,
    /// The size that was wanted.
    pub to: Size,
    /// In the scaler's words.
    pub why: String,
}

/// Scales pictures to one size and keeps its scratch memory.
pub struct Scaler {
    to: Size,
    options: ResizeOptions,
    resizer: Resizer,
}

impl fmt::Debug for Scaler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scaler").field("to", &self.to).finish_non_exhaustive()
    }
}

impl Scaler {
    /// A scaler to `to`, whatever comes in.
    pub fn new(to: Size, kernel: Kernel) -> Self {
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(kernel.filter())).use_alpha(false);
        Self { to, options, resizer: Resizer::new() }
    }

    /// The scaler of a place where one is kept, anew where the size that is wanted is another. A place has one kernel.
    pub fn kept(place: &mut Option<Self>, to: Size, kernel: Kernel) -> &mut Self {
        place.take_if(|scaler| scaler.to != to);
        place.get_or_insert_with(|| Self::new(to, kernel))
    }

    /// The size that comes out.
    pub const fn size(&self) -> Size {
        self.to
    }

    /// The picture at the new size, with its stamp and colour, and with square pixels: who scales a picture whose pixels
    /// are not goes by its [`Frame::square_size`]. Chroma lies in the middle. Of the same size it is a copy.
    ///
    /// # Errors
    ///
    /// When a plane of the picture is empty, or the filter refuses it.
    pub fn scale(&mut self, frame: &Frame) -> Result<Frame, ScaleError> {
        let (from, to) = (frame.size(), self.to);
        if from == to {
            return Ok(frame.clone().centred());
        }
        self.scaled(frame).map_err(|why| ScaleError { from, to, why: why.to_string() })
    }

    fn scaled(&mut self, frame: &Frame) -> Result<Frame, Box<dyn std::error::Error>> {
        let ([y, u, v], to) = (frame.planes(), self.to);
        let mut chroma = |plane: &Plane| match frame.siting {
            Siting::Left if plane.width() > 0 => self.plane(&from_left(plane), to.chroma()),
            _ => self.plane(plane, to.chroma()),
        };
        let (u, v) = (chroma(u)?, chroma(v)?);
        let y = self.plane(y, to)?;
        Ok(Frame::new(y, u, v, frame.colour, frame.stamp)?)
    }

    fn plane(&mut self, plane: &Plane, size: Size) -> Result<Plane, Box<dyn std::error::Error>> {
        // Of nothing the resizer makes nothing and says so to nobody.
        let from = Size::try_from_wide(plane.width(), plane.height())?;
        let packed;
        let data = if plane.stride() == plane.width() {
            plane.data()
        } else {
            packed = plane.to_packed();
            &packed
        };
        let source = ImageRef::new(from.width(), from.height(), data, PixelType::U8)?;
        let mut out = Image::new(size.width(), size.height(), PixelType::U8);
        self.resizer.resize(&source, &mut out, &self.options)?;
        let (w, h) = (size.width() as usize, size.height() as usize);
        Ok(Plane::from_vec(out.into_vec(), w, h, w)?)
    }
}

/// Makes pictures whose pixels are not square as wide or as high as they are meant to be shown.
#[derive(Debug, Default)]
pub struct Squarer(Option<Scaler>);

impl Squarer {
    /// The picture with square pixels; nothing is done to one that has them.
    ///
    /// # Errors
    ///
    /// As [`Scaler::scale`].
    pub fn square(&mut self, frame: Frame) -> Result<Frame, ScaleError> {
        let to = frame.square_size();
        if frame.aspect == Aspect::SQUARE {
            return Ok(frame);
        }
        let mut square = Scaler::kept(&mut self.0, to, Kernel::default()).scale(&frame)?;
        (square.aspect, square.qp, square.weights_qp) = (Aspect::SQUARE, frame.qp, frame.weights_qp);
        Ok(square)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Colour, Matrix, Range, Stamp};

    const KERNELS: [Kernel; 6] =
        [Kernel::Box, Kernel::Bilinear, Kernel::CatmullRom, Kernel::SharpCubic, Kernel::Mitchell, Kernel::Lanczos3];

    fn size(w: u32, h: u32) -> Size {
        Size::new(w, h).unwrap()
    }

    /// A picture whose planes are drawn by a function of the place, in 0..1 over the picture.
    fn drawn(size: Size, f: impl Fn(f64, f64) -> f64) -> Frame {
        let mut frame = Frame::filled(size, [0; 3], Colour::default(), Stamp::now(7));
        for plane in frame.planes_mut() {
            let (w, h) = (plane.width(), plane.height());
            for y in 0..h {
                for (x, v) in plane.row_mut(y).iter_mut().enumerate() {
                    *v = f((x as f64 + 0.5) / w as f64, (y as f64 + 0.5) / h as f64).round() as u8;
                }
            }
        }
        frame
    }

    #[test]
    fn what_cannot_be_scaled_is_an_error_and_not_a_black_picture() {
        let mut frame = Frame::filled(size(64, 48), [90, 90, 90], Colour::default(), Stamp::now(0));
        *frame.planes_mut()[2] = Plane::filled(0, 24, 90);
        let error = Scaler::new(size(32, 24), Kernel::default()).scale(&frame).unwrap_err().to_string();
        assert!(error.contains("64x48") && error.contains("32x24") && error.contains("0x24"), "{error}");
    }

    #[test]
    fn flat_pictures_stay_flat_and_keep_colour_and_stamp() {
        let colour = Colour { matrix: Matrix::Bt709, range: Range::Full };
        let frame = Frame::filled(size(97, 61), [200, 90, 17], colour, Stamp::now(42));
        for kernel in KERNELS {
            for to in [size(48, 30), size(1, 1), size(97, 61), size(201, 3)] {
                let out = Scaler::new(to, kernel).scale(&frame).unwrap();
                assert_eq!((out.size(), out.colour, out.stamp), (to, colour, frame.stamp));
                for (plane, value) in out.planes().into_iter().zip([200, 90, 17]) {
                    assert!(plane.to_packed().iter().all(|&v| v == value), "{kernel:?} to {to}");
                }
            }
        }
    }

    #[test]
    fn the_picture_does_not_shift() {
        // A ramp over the picture is the same ramp at any size, away from the edges.
        let ramp = |x: f64, y: f64| 20.0 + 150.0 * x + 60.0 * y;
        let frame = drawn(size(192, 144), ramp);
        for kernel in KERNELS {
            for to in [size(96, 72), size(64, 48), size(80, 50)] {
                let out = Scaler::new(to, kernel).scale(&frame).unwrap();
                let want = drawn(to, ramp);
                for (got, want) in out.planes().into_iter().zip(want.planes()) {
                    let (w, h) = (got.width(), got.height());
                    for y in 4..h - 4 {
                        for x in 4..w - 4 {
                            let off = got.row(y)[x].abs_diff(want.row(y)[x]);
                            // The box is made of whole pixels and may be off by half of one.
                            assert!(
                                off <= if kernel == Kernel::Box { 2 } else { 1 },
                                "{kernel:?} {to} at {x},{y}: {off}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn fine_lines_turn_grey_instead_of_aliasing() {
        let mut frame = Frame::filled(size(160, 120), [0, 128, 128], Colour::default(), Stamp::now(0));
        for y in 0..120 {
            frame.planes_mut()[0].row_mut(y).iter_mut().step_by(2).for_each(|v| *v = 255);
        }
        for kernel in KERNELS {
            let out = Scaler::new(size(40, 30), kernel).scale(&frame).unwrap();
            assert!(out.y().rows().all(|r| r[3..37].iter().all(|&v| v.abs_diff(128) <= 4)), "{kernel:?}");
        }
    }

    #[test]
    fn a_place_has_a_scaler_to_the_size_that_is_wanted() {
        let mut place = None;
        for to in [size(4, 4), size(4, 4), size(8, 6)] {
            assert_eq!(Scaler::kept(&mut place, to, Kernel::Box).size(), to);
        }
    }

    #[test]
    fn sharp_cubic_by_hand() {
        // At ½: 1.35/8 − 2.35/4 + 1; at 1½: −0.65·(3.375 − 11.25 + 12 − 4). Pixels in between add up to one.
        let near = |x: f64, want: f64| assert!((sharp_cubic(x) - want).abs() < 1e-12, "{x}");
        near(0.0, 1.0);
        near(0.5, 0.581_25);
        near(-1.5, -0.081_25);
        near(1.0, 0.0);
        near(2.0, 0.0);
        assert!((2.0 * (sharp_cubic(0.5) + sharp_cubic(1.5)) - 1.0).abs() < 1e-12);
        // An edge between two pixels, halved: the step is steeper than Catmull-Rom's.
        let edge = drawn(size(32, 32), |x, _| if x < 0.5 { 50.0 } else { 200.0 });
        let row = |kernel| Scaler::new(size(16, 16), kernel).scale(&edge).unwrap().y().row(8).to_vec();
        let (sharp, plain) = (row(Kernel::SharpCubic), row(Kernel::CatmullRom));
        assert!(sharp[7] < plain[7] && sharp[8] > plain[8], "{sharp:?} {plain:?}");
    }

    #[test]
    fn padded_planes_are_read_by_their_rows() {
        let plain = drawn(size(64, 48), |x, y| 255.0 * x * y);
        let padded = plain.planes().map(|p| {
            let data: Vec<u8> = p.rows().flat_map(|r| r.iter().copied().chain([255, 0, 255])).collect();
            Plane::from_vec(data, p.width(), p.height(), p.width() + 3).unwrap()
        });
        let [y, u, v] = padded;
        let padded = Frame::new(y, u, v, plain.colour, plain.stamp).unwrap();
        let mut scaler = Scaler::new(size(20, 30), Kernel::default());
        let (a, b) = (scaler.scale(&plain).unwrap(), scaler.scale(&padded).unwrap());
        assert_eq!(a.planes(), b.planes());
    }
}
