//! Multi-scale structural similarity, after Z. Wang, E. P. Simoncelli and A. C. Bovik, "Multiscale structural
//! similarity for image quality assessment", 37th Asilomar Conference on Signals, Systems and Computers (2003),
//! equation 7 with the exponents of section 3.2.
//!
//! As in the authors' own code, and in most since: each scale is the one before averaged over 2×2 pixels; the
//! means over all windows are taken first and the powers after; luminance counts at the coarsest scale only.

use super::{
    Result, large_enough, same_size,
    ssim::{Image, SIDE, means},
};
use crate::frame::Plane;

/// Exponents from the finest scale to the coarsest.
const EXPONENTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
/// The coarsest scale must hold one window.
const MIN_SIDE: usize = SIDE << (EXPONENTS.len() - 1);

/// The MS-SSIM of two planes of luma: 1 for equal ones. Planes below 176×176 are refused.
///
/// A scale that is anticorrelated, which no power is defined for, counts as 0, and so does the result.
///
/// # Errors
/// When the planes differ in size or are below 176×176.
pub fn ms_ssim(a: &Plane, b: &Plane) -> Result<f64> {
    same_size(a, b)?;
    large_enough("MS-SSIM", MIN_SIDE, a)?;
    let (mut a, mut b) = (Image::new(a), Image::new(b));
    let mut product = 1.0;
    for (scale, exponent) in EXPONENTS.iter().enumerate() {
        if scale > 0 {
            (a, b) = (halved(&a), halved(&b));
        }
        let means = means(&a, &b);
        let last = scale + 1 == EXPONENTS.len();
        product *= if last { means.ssim } else { means.contrast_structure }.max(0.0).powf(*exponent);
    }
    Ok(product)
}

/// The mean of each 2×2 pixels; a last column or row without a neighbour counts twice.
fn halved(image: &Image) -> Image {
    let (width, height) = (image.width.div_ceil(2), image.height.div_ceil(2));
    let mut data = Vec::with_capacity(width * height);
    for y in 0..height {
        let row = |y: usize| &image.data[y.min(image.height - 1) * image.width..][..image.width];
        let (upper, lower) = (row(2 * y), row(2 * y + 1));
        data.extend((0..width).map(|x| {
            let (left, right) = (2 * x, (2 * x + 1).min(image.width - 1));
            (upper[left] + upper[right] + lower[left] + lower[right]) / 4.0
        }));
    }
    Image { data, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::picture;

    #[test]
    fn the_exponents_are_the_papers() {
        assert!((EXPONENTS.iter().sum::<f64>() - 1.0).abs() < 1e-3);
        assert_eq!(MIN_SIDE, 176);
        assert!(ms_ssim(&Plane::filled(175, 200, 0), &Plane::filled(175, 200, 0)).is_err());
    }

    #[test]
    fn equal_pictures_and_opposite_ones() {
        let a = picture(176, 177, |x, y| (x * 7 + y * 13) as u8);
        assert_eq!(ms_ssim(&a, &a).unwrap(), 1.0);
        // A checkerboard of pixels is gone at the second scale, where both are the same grey.
        let even = picture(176, 176, |x, y| if (x + y) % 2 == 0 { 90 } else { 110 });
        let odd = picture(176, 176, |x, y| if (x + y) % 2 == 1 { 90 } else { 110 });
        assert_eq!(ms_ssim(&even, &odd).unwrap(), 0.0, "anticorrelated at the finest scale");
    }

    #[test]
    fn a_shift_of_light_by_hand() {
        // Flat pictures: contrast and structure are 1 at each scale, and luminance is (2ab + C₁)/(a² + b² + C₁).
        let (a, b, c1) = (100.0_f64, 130.0_f64, 6.5025_f64);
        let luminance = (2.0 * a * b + c1) / (a * a + b * b + c1);
        let s = ms_ssim(&Plane::filled(176, 200, 100), &Plane::filled(176, 200, 130)).unwrap();
        assert!((s - luminance.powf(0.1333)).abs() < 1e-5, "{s}");
    }

    #[test]
    fn agrees_with_an_independent_computation() {
        // The same in double precision with SciPy 1.17: ndimage.correlate1d with the Gaussian over the valid windows,
        // block means by reshape, and the powers of the paper.
        let (a, b) = (picture(208, 192, first), picture(208, 192, second));
        let s = ms_ssim(&a, &b).unwrap();
        assert!((s - EXPECTED).abs() < 2e-6, "{s}");
    }

    fn first(x: usize, y: usize) -> u8 {
        ((x * x * 3 + y * y * 5 + x * y * 2) / 64 % 256) as u8
    }

    fn second(x: usize, y: usize) -> u8 {
        (i32::from(first(x, y)) + ((x * 11 + y * 17 + x * y) % 61) as i32 - 30).clamp(0, 255) as u8
    }

    const EXPECTED: f64 = 0.985_196_359;
}
