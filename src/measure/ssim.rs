//! Structural similarity, after Z. Wang, A. C. Bovik, H. R. Sheikh and E. P. Simoncelli, "Image quality
//! assessment: from error visibility to structural similarity", IEEE Transactions on Image Processing 13
//! (2004), equation 13: an 11×11 Gaussian window of σ 1.5, K₁ 0.01, K₂ 0.03, only windows that lie wholly in
//! the picture, no downscaling beforehand.

use super::{Result, large_enough, same_size};
use crate::frame::Plane;

/// The window's side.
pub(super) const SIDE: usize = 11;
const SIGMA: f32 = 1.5;
const C1: f32 = (0.01 * 255.0) * (0.01 * 255.0);
const C2: f32 = (0.03 * 255.0) * (0.03 * 255.0);
/// Samples are taken relative to mid-grey: the variances stay the same and lose less to rounding in f32.
const GREY: f32 = 128.0;

/// The mean SSIM of two planes of luma: 1 for equal ones. Planes below 11×11 are refused.
///
/// # Errors
/// When the planes differ in size or are below 11×11.
pub fn ssim(a: &Plane, b: &Plane) -> Result<f64> {
    same_size(a, b)?;
    large_enough("SSIM", SIDE, a)?;
    Ok(means(&Image::new(a), &Image::new(b)).ssim)
}

/// A picture of luma codes less [`GREY`], without padding.
pub(super) struct Image {
    pub(super) data: Vec<f32>,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Image {
    pub(super) fn new(plane: &Plane) -> Self {
        let data = plane.rows().flatten().map(|&code| f32::from(code) - GREY).collect();
        Self { data, width: plane.width(), height: plane.height() }
    }

    fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.data.chunks_exact(self.width)
    }
}

/// Means over all windows.
pub(super) struct Means {
    /// Of the whole index: luminance times contrast times structure.
    pub(super) ssim: f64,
    /// Of contrast times structure alone.
    pub(super) contrast_structure: f64,
}

/// Both pictures have one size and are at least 11×11.
pub(super) fn means(a: &Image, b: &Image) -> Means {
    let taps = gaussian();
    let width = a.width - SIDE + 1;
    // The last eleven rows, filtered along x; then a column of eleven gives one row of windows.
    let mut ring: [Moments; SIDE] = std::array::from_fn(|_| Moments::new(width));
    let mut input = Moments::new(a.width);
    let mut windows = Moments::new(width);
    let (mut ssim, mut contrast_structure) = (0.0, 0.0);
    for (y, (ra, rb)) in a.rows().zip(b.rows()).enumerate() {
        input.load(ra, rb);
        let row = &mut ring[y % SIDE];
        row.clear();
        for (k, &g) in taps.iter().enumerate() {
            row.add(&input, k, g);
        }
        if y + 1 >= SIDE {
            windows.clear();
            for (k, &g) in taps.iter().enumerate() {
                windows.add(&ring[(y + 1 + k) % SIDE], 0, g);
            }
            let sums = windows.sums();
            ssim += sums.0;
            contrast_structure += sums.1;
        }
    }
    let count = (width * (a.height - SIDE + 1)) as f64;
    Means { ssim: ssim / count, contrast_structure: contrast_structure / count }
}

fn gaussian() -> [f32; SIDE] {
    let weight = |i: usize| (-((i as f32 - (SIDE / 2) as f32) / SIGMA).powi(2) / 2.0).exp();
    let all: f32 = (0..SIDE).map(weight).sum();
    std::array::from_fn(|i| weight(i) / all)
}

/// For each column: E a, E b, E (a² + b²), E ab. SSIM needs the two variances only as a sum.
struct Moments {
    a: Vec<f32>,
    b: Vec<f32>,
    squares: Vec<f32>,
    product: Vec<f32>,
}

impl Moments {
    fn new(width: usize) -> Self {
        let row = || vec![0.0; width];
        Self { a: row(), b: row(), squares: row(), product: row() }
    }

    fn clear(&mut self) {
        for row in [&mut self.a, &mut self.b, &mut self.squares, &mut self.product] {
            row.fill(0.0);
        }
    }

    fn load(&mut self, a: &[f32], b: &[f32]) {
        for (i, (&a, &b)) in a.iter().zip(b).enumerate() {
            self.a[i] = a;
            self.b[i] = b;
            self.squares[i] = a * a + b * b;
            self.product[i] = a * b;
        }
    }

    /// Adds `g` times `other` from column `shift` on.
    fn add(&mut self, other: &Self, shift: usize, g: f32) {
        let add = |to: &mut [f32], from: &[f32]| {
            for (t, f) in to.iter_mut().zip(&from[shift..]) {
                *t += g * f;
            }
        };
        add(&mut self.a, &other.a);
        add(&mut self.b, &other.b);
        add(&mut self.squares, &other.squares);
        add(&mut self.product, &other.product);
    }

    /// The sums over the columns of SSIM, and of its contrast and structure alone.
    fn sums(&self) -> (f64, f64) {
        let means = self.a.iter().zip(&self.b);
        let values = means.zip(self.squares.iter().zip(&self.product)).map(|((&a, &b), (&squares, &product))| {
            // In this order equal planes give exactly 1: all terms are then exact doubles of each other.
            let variances = squares - (a * a + b * b);
            let covariance = product - a * b;
            let (a, b) = (a + GREY, b + GREY);
            let luminance = (2.0 * a * b + C1) / (a * a + b * b + C1);
            let (top, bottom) = (2.0 * covariance + C2, variances + C2);
            (f64::from(luminance * top / bottom), f64::from(top / bottom))
        });
        values.fold((0.0, 0.0), |sum, value| (sum.0 + value.0, sum.1 + value.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::picture;

    /// The same by the definition: f64, one window at a time, two passes.
    fn plainly(a: &Plane, b: &Plane) -> f64 {
        let g = |i: usize| (-((i as f64 - 5.0) / 1.5).powi(2) / 2.0).exp();
        let norm: f64 = (0..11).map(g).sum::<f64>().powi(2);
        let (w, h) = (a.width() - 10, a.height() - 10);
        let mut sum = 0.0;
        for (x, y) in (0..w * h).map(|i| (i % w, i / w)) {
            let mean = |of: &dyn Fn(f64, f64) -> f64| {
                let window = (0..121).map(|k| (k % 11, k / 11));
                let terms =
                    window.map(|(i, j)| g(i) * g(j) * of(a.row(y + j)[x + i].into(), b.row(y + j)[x + i].into()));
                terms.sum::<f64>() / norm
            };
            let (ma, mb) = (mean(&|a, _| a), mean(&|_, b| b));
            let (va, vb) = (mean(&|a, _| (a - ma).powi(2)), mean(&|_, b| (b - mb).powi(2)));
            let cov = mean(&|a, b| (a - ma) * (b - mb));
            let (c1, c2) = (2.55_f64.powi(2), 7.65_f64.powi(2));
            sum += (2.0 * ma * mb + c1) * (2.0 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2));
        }
        sum / (w * h) as f64
    }

    #[test]
    fn agrees_with_scikit_image() {
        // structural_similarity(a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        // data_range=255) of scikit-image 0.26, whose mean leaves out the same five pixels at each edge.
        let a = |x: usize, y: usize| (x * x * 3 + y * y * 5 + x * y * 2) / 16 % 256;
        let b = |x, y| (a(x, y) as i32 + ((x * 11 + y * 17 + x * y) % 23) as i32 - 11).clamp(0, 255) as u8;
        let (a, b) = (picture(64, 48, |x, y| a(x, y) as u8), picture(64, 48, b));
        let s = ssim(&a, &b).unwrap();
        assert!((s - 0.981_859_896).abs() < 1e-5, "{s}");
        assert!((crate::measure::psnr(&a, &b).unwrap() - 31.644_440_478).abs() < 1e-6);
    }

    #[test]
    fn agrees_with_the_definition_where_rounding_hurts_most() {
        // Bright and nearly flat: the variances are differences of large numbers.
        let a = picture(30, 20, |x, y| 250 + ((x + y) % 3) as u8);
        let b = picture(30, 20, |x, y| 250 + ((x * 2 + y) % 3) as u8);
        let (s, plain) = (ssim(&a, &b).unwrap(), plainly(&a, &b));
        assert!((s - plain).abs() < 1e-4, "{s} {plain}");
    }

    #[test]
    fn the_smallest_picture_has_one_window() {
        let a = picture(11, 11, |x, y| (x * 20 + y) as u8);
        let b = picture(11, 11, |x, y| (x * 20 + y * 3) as u8);
        assert!((ssim(&a, &b).unwrap() - plainly(&a, &b)).abs() < 1e-5);
        assert!(ssim(&Plane::filled(10, 11, 0), &Plane::filled(10, 11, 0)).is_err());
    }

    #[test]
    fn a_negative_is_worse_than_grey() {
        let a = picture(32, 32, |x, y| ((x ^ y) * 8) as u8);
        let negative = picture(32, 32, |x, y| 255 - ((x ^ y) * 8) as u8);
        assert!(ssim(&a, &negative).unwrap() < ssim(&a, &Plane::filled(32, 32, 128)).unwrap());
        assert!(ssim(&a, &negative).unwrap() < 0.0);
    }
}
