//! How a picture stands: the shape of its pixels, and which way is up.

use super::{Frame, MAX_SIDE, Plane, Size};

/// The shape of a pixel, width to height: 1:1 is square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Aspect {
    x: u32,
    y: u32,
}

impl Aspect {
    /// As wide as high.
    pub const SQUARE: Self = Self { x: 1, y: 1 };

    /// A pixel of `x` to `y`, in lowest terms; [`None`] where that is no shape, or none that anybody means (more than
    /// 16 to 1).
    ///
    /// ```
    /// # use clearcall::frame::Aspect;
    /// assert_eq!(Aspect::new(16, 12).unwrap().to_string(), "4:3");
    /// assert_eq!(Aspect::new(0, 1), None);
    /// ```
    pub fn new(x: u32, y: u32) -> Option<Self> {
        if x == 0 || y == 0 || x / y > 16 || y / x > 16 {
            return None;
        }
        let (mut a, mut b) = (x, y);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        Some(Self { x: x / a, y: y / a })
    }

    /// The simplest shape near to a ratio of width to height; square where it is within a fiftieth of that, as sides
    /// that were rounded are.
    pub fn from_ratio(ratio: f64) -> Option<Self> {
        match ratio {
            r if !(1.0 / 16.0..=16.0).contains(&r) => None,
            r if (0.98..=1.02).contains(&r) => Some(Self::SQUARE),
            r => {
                let near = |y: &u32| {
                    let x = (r * f64::from(*y)).round();
                    (x / f64::from(*y) / r - 1.0).abs() < 0.002
                };
                let y = (1..=100).find(near).unwrap_or(1000);
                Self::new((r * f64::from(y)).round() as u32, y)
            }
        }
    }

    /// Width over height.
    pub fn ratio(self) -> f64 {
        f64::from(self.x) / f64::from(self.y)
    }

    /// Of a picture that is laid on its side.
    pub const fn turned(self) -> Self {
        Self { x: self.y, y: self.x }
    }

    /// The size with square pixels that shows a picture of `size` in its true shape: the side that is too short
    /// grows, so that nothing is lost.
    pub fn square_size(self, size: Size) -> Size {
        let grow = |side: u32, by: f64| (f64::from(side) * by).round().max(1.0);
        let (w, h) = match self.ratio() {
            r if r >= 1.0 => (grow(size.width, r), f64::from(size.height)),
            r => (f64::from(size.width), grow(size.height, 1.0 / r)),
        };
        let too_large = (w.max(h) / f64::from(MAX_SIDE)).max(1.0);
        let side = |v: f64| (v / too_large).round().clamp(1.0, f64::from(MAX_SIDE)) as u32;
        Size { width: side(w), height: side(h) }
    }
}

impl Default for Aspect {
    fn default() -> Self {
        Self::SQUARE
    }
}

impl std::fmt::Display for Aspect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.x, self.y)
    }
}

/// What makes a stored picture stand upright: first its rows become columns if so, then it is mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Orientation {
    /// Rows become columns: x and y change places.
    pub transposed: bool,
    /// Left and right change places.
    pub mirrored: bool,
    /// Top and bottom change places.
    pub flipped: bool,
}

impl Orientation {
    /// From the linear part of a transformation matrix: x′ = a·x + c·y and y′ = b·x + d·y, y downwards. One that does
    /// not turn by whole quarters is taken for the nearest that does.
    pub fn from_matrix([a, b, c, d]: [i64; 4]) -> Self {
        let magnitude = |p: i64, q: i64| p.unsigned_abs().saturating_add(q.unsigned_abs());
        if magnitude(a, d) >= magnitude(b, c) {
            Self { transposed: false, mirrored: a < 0, flipped: d < 0 }
        } else {
            Self { transposed: true, mirrored: c < 0, flipped: b < 0 }
        }
    }

    /// Whether nothing is to be done.
    pub fn is_upright(self) -> bool {
        self == Self::default()
    }

    /// The size of the picture when it stands upright.
    pub const fn size(self, size: Size) -> Size {
        if self.transposed { Size { width: size.height, height: size.width } } else { size }
    }

    fn plane(self, plane: &Plane) -> Plane {
        let (w, h) = (plane.width, plane.height);
        let (out_w, out_h) = if self.transposed { (h, w) } else { (w, h) };
        let mut out = Plane::filled(out_w, out_h, 0);
        for y in 0..out_h {
            let row_from = if self.flipped { out_h - 1 - y } else { y };
            let row = out.row_mut(y);
            if self.transposed {
                let column = plane.data.iter().skip(row_from).step_by(plane.stride.max(1));
                row.iter_mut().zip(column).for_each(|(to, &from)| *to = from);
            } else {
                row.copy_from_slice(plane.row(row_from));
            }
            if self.mirrored {
                row.reverse();
            }
        }
        out
    }
}

impl Frame {
    /// The size at which it is shown: with square pixels.
    pub fn square_size(&self) -> Size {
        self.aspect.square_size(self.size())
    }

    /// The picture upright. Its sides must be even where it is mirrored, as those of H.264 always are, or the colours
    /// of an odd picture move by a pixel.
    pub fn upright(&self, orientation: Orientation) -> Self {
        if orientation.is_upright() {
            return self.clone();
        }
        // What lay at the left would lie above or at the right.
        let upright = self.clone().centred();
        let [y, u, v] = upright.planes().map(|plane| orientation.plane(plane));
        let aspect = if orientation.transposed { self.aspect.turned() } else { self.aspect };
        Self { y, u, v, aspect, ..upright }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Colour, Stamp};

    #[test]
    fn pixels_become_square_without_loss() {
        let square = |w, h, x, y| Aspect::new(x, y).unwrap().square_size(Size::new(w, h).unwrap()).to_string();
        assert_eq!(square(320, 240, 4, 3), "427x240");
        assert_eq!(square(720, 480, 8, 9), "720x540");
        assert_eq!(square(720, 576, 1, 1), "720x576");
        assert_eq!(square(8192, 8, 16, 1), "8192x1", "no larger than a picture may be");
        assert_eq!(Aspect::new(1, 17), None);
        assert_eq!(Aspect::from_ratio(427.0 / 320.0), Aspect::new(4, 3));
        assert_eq!(Aspect::from_ratio(1.0074), Some(Aspect::SQUARE));
        assert_eq!(Aspect::from_ratio(f64::NAN), None);
    }

    /// `0 1` over `2 3`, as each of the eight ways leaves it.
    #[test]
    fn all_eight_ways_to_stand() {
        let frame = |bytes: [u8; 16]| {
            let p = Plane::from_vec(bytes.to_vec(), 2, 8, 2).unwrap();
            let c = Plane::from_vec(vec![1, 2, 3, 4], 1, 4, 1).unwrap();
            Frame::new(p, c.clone(), c, Colour::default(), Stamp::now(0)).unwrap()
        };
        let mut stored = frame([0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
        stored.aspect = Aspect::new(4, 3).unwrap();
        let quarter = stored.upright(Orientation::from_matrix([0, 1, -1, 0]));
        assert_eq!(quarter.size().to_string(), "8x2");
        assert_eq!(quarter.y().row(0), [0, 0, 0, 0, 0, 0, 2, 0]);
        assert_eq!(quarter.y().row(1), [9, 0, 0, 0, 0, 0, 3, 1]);
        assert_eq!(quarter.u().row(0), [4, 3, 2, 1]);
        assert_eq!(quarter.aspect, Aspect::new(3, 4).unwrap());
        let of = |matrix| {
            let p = Plane::from_vec(vec![0, 1, 2, 3], 2, 2, 2).unwrap();
            Orientation::from_matrix(matrix).plane(&p).to_packed()
        };
        assert_eq!(of([1, 0, 0, 1]), [0, 1, 2, 3]);
        assert_eq!(of([-1, 0, 0, 1]), [1, 0, 3, 2], "mirrored");
        assert_eq!(of([-1, 0, 0, -1]), [3, 2, 1, 0], "half a turn");
        assert_eq!(of([1, 0, 0, -1]), [2, 3, 0, 1], "flipped");
        assert_eq!(of([0, 1, 1, 0]), [0, 2, 1, 3], "transposed");
        assert_eq!(of([0, 1, -1, 0]), [2, 0, 3, 1], "a quarter turn clockwise");
        assert_eq!(of([0, -1, -1, 0]), [3, 1, 2, 0], "transposed the other way");
        assert_eq!(of([0, -1, 1, 0]), [1, 3, 0, 2], "a quarter turn back");
        assert_eq!(of([0, 0, 0, 0]), [0, 1, 2, 3], "of nothing nothing is made");
    }
}
