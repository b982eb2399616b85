//! The peak signal-to-noise ratio.

use super::{Result, same_size};
use crate::frame::Plane;

/// What stands for the infinite PSNR of equal pictures where a number must be finite, in dB.
///
/// One code wrong by one in a picture of 960×720 is 106.5 dB and is held at the cap, too.
pub const PSNR_CAP: f64 = 100.0;

/// PSNR of `b` against `a` in dB: `10·log₁₀(255² / MSE)`; infinite for equal planes.
///
/// The peak is 255 in either range and for luma and chroma alike, as everywhere in the field.
///
/// # Errors
/// When the planes differ in size.
pub fn psnr(a: &Plane, b: &Plane) -> Result<f64> {
    same_size(a, b)?;
    let squares: u64 = a.rows().zip(b.rows()).map(|(a, b)| squared_error(a, b)).sum();
    let mse = squares as f64 / (a.width() * a.height()) as f64;
    Ok(10.0 * (255.0 * 255.0 / mse).log10())
}

/// The sum over one row: at most 8192 · 255², which fits into 32 bits.
fn squared_error(a: &[u8], b: &[u8]) -> u64 {
    let sum: u32 = a.iter().zip(b).map(|(&a, &b)| u32::from(a.abs_diff(b)).pow(2)).sum();
    sum.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::picture;

    #[test]
    fn known_errors() {
        let a = Plane::filled(7, 5, 100);
        let of = |b: &Plane| psnr(&a, b).unwrap();
        assert_eq!(of(&a), f64::INFINITY);
        // All wrong by one: 20·log10(255). All wrong by ten: 20 dB less.
        assert!((of(&Plane::filled(7, 5, 101)) - 48.130_803_608_679).abs() < 1e-9);
        assert!((of(&Plane::filled(7, 5, 90)) - 28.130_803_608_679).abs() < 1e-9);
        // One of 35 samples wrong by one.
        let mut one = a.clone();
        one.row_mut(4)[6] = 99;
        assert!((of(&one) - (48.130_803_608_679 + 10.0 * 35_f64.log10())).abs() < 1e-9);
        let black = Plane::filled(7, 5, 0);
        assert_eq!(psnr(&black, &Plane::filled(7, 5, 255)).unwrap(), 0.0);
    }

    #[test]
    fn padding_is_not_compared() {
        let a = picture(5, 4, |x, y| (x * 9 + y * 30) as u8);
        let mut padded = Vec::new();
        for row in a.rows() {
            padded.extend_from_slice(row);
            padded.extend_from_slice(&[255; 3]);
        }
        let b = Plane::from_vec(padded, 5, 4, 8).unwrap();
        assert_eq!(psnr(&a, &b).unwrap(), f64::INFINITY);
    }
}
