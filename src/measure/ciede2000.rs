//! CIEDE2000, the difference of two colours as people see it.

use super::{Result, same_size};
use crate::frame::Frame;

/// A colour of CIE L\*a\*b\* under D65: lightness 0 to 100, and two axes of colour.
type Lab = [f64; 3];

/// The mean over the pixels of CIEDE2000 between `a` and `b`: 0 for equal pictures; 1 is what an eye just sees where
/// two large patches touch.
///
/// R′G′B′ is taken to be sRGB whatever the matrix, as for [`ssimulacra2`](super::ssimulacra2()).
///
/// # Errors
/// When the pictures differ in size.
pub fn ciede2000(a: &Frame, b: &Frame) -> Result<f64> {
    same_size(a.y(), b.y())?;
    let (a, b) = (a.to_rgb(), b.to_rgb());
    let sum: f64 = a.iter().zip(&b).map(|(a, b)| if a == b { 0.0 } else { difference(lab(*a), lab(*b)) }).sum();
    Ok(sum / a.len().max(1) as f64)
}

/// sRGB (IEC 61966-2-1), each from 0 to 1, to CIE L\*a\*b\* with the white of D65.
fn lab(rgb: [f32; 3]) -> Lab {
    let [r, g, b] = rgb.map(|v| {
        let v = f64::from(v).clamp(0.0, 1.0);
        if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    });
    let f = |t: f64| if t > 216.0 / 24_389.0 { t.cbrt() } else { (24_389.0 / 27.0 * t + 16.0) / 116.0 };
    let x = f((0.412_456_4 * r + 0.357_576_1 * g + 0.180_437_5 * b) / 0.950_47);
    let y = f(0.212_672_9 * r + 0.715_152_2 * g + 0.072_175 * b);
    let z = f((0.019_333_9 * r + 0.119_192 * g + 0.950_304_1 * b) / 1.088_83);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// Sharma, Wu and Dalal, "The CIEDE2000 Color-Difference Formula: Implementation Notes, Supplementary Test Data, and
/// Mathematical Observations" (2005), equations 2 to 22, with all weights 1.
fn difference([l1, a1, b1]: Lab, [l2, a2, b2]: Lab) -> f64 {
    let seventh = |c: f64| (c.powi(7) / (c.powi(7) + 25_f64.powi(7))).sqrt();
    let mean_chroma = f64::midpoint(a1.hypot(b1), a2.hypot(b2));
    let stretch = 1.0 + 0.5 * (1.0 - seventh(mean_chroma));
    let polar = |a: f64, b: f64| {
        let a = a * stretch;
        let hue = if a == 0.0 && b == 0.0 { 0.0 } else { b.atan2(a).to_degrees().rem_euclid(360.0) };
        (a.hypot(b), hue)
    };
    let ((c1, h1), (c2, h2)) = (polar(a1, b1), polar(a2, b2));
    let grey = c1 * c2 == 0.0;
    let turn = match h2 - h1 {
        _ if grey => 0.0,
        d if d > 180.0 => d - 360.0,
        d if d < -180.0 => d + 360.0,
        d => d,
    };
    let mean_hue = match h1 + h2 {
        sum if grey => sum,
        sum if (h1 - h2).abs() <= 180.0 => sum / 2.0,
        sum if sum < 360.0 => (sum + 360.0) / 2.0,
        sum => (sum - 360.0) / 2.0,
    };
    let (mean_l, mean_c) = (f64::midpoint(l1, l2), f64::midpoint(c1, c2));
    let cos = |degrees: f64| degrees.to_radians().cos();
    let t = 1.0 - 0.17 * cos(mean_hue - 30.0) + 0.24 * cos(2.0 * mean_hue) + 0.32 * cos(3.0 * mean_hue + 6.0)
        - 0.20 * cos(4.0 * mean_hue - 63.0);
    let middle = (mean_l - 50.0).powi(2);
    let (sl, sc, sh) = (1.0 + 0.015 * middle / (20.0 + middle).sqrt(), 1.0 + 0.045 * mean_c, 1.0 + 0.015 * mean_c * t);
    let rotation = 30.0 * (-((mean_hue - 275.0) / 25.0).powi(2)).exp();
    let rt = -(2.0 * rotation).to_radians().sin() * 2.0 * seventh(mean_c);
    let lightness = (l2 - l1) / sl;
    let chroma = (c2 - c1) / sc;
    let hue = 2.0 * (c1 * c2).sqrt() * (turn / 2.0).to_radians().sin() / sh;
    (lightness.powi(2) + chroma.powi(2) + hue.powi(2) + rt * chroma * hue).max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::pattern;

    /// The supplementary test data of the paper: those pairs that meet each of its discontinuities.
    const SHARMA: [(Lab, Lab, f64); 17] = [
        ([50.0, 2.6772, -79.7751], [50.0, 0.0, -82.7485], 2.0425),
        ([50.0, 3.1571, -77.2803], [50.0, 0.0, -82.7485], 2.8615),
        ([50.0, -1.3802, -84.2814], [50.0, 0.0, -82.7485], 1.0000),
        ([50.0, 0.0, 0.0], [50.0, -1.0, 2.0], 2.3669),
        ([50.0, 2.49, -0.001], [50.0, -2.49, 0.0009], 7.1792),
        ([50.0, 2.49, -0.001], [50.0, -2.49, 0.0011], 7.2195),
        ([50.0, -0.001, 2.49], [50.0, 0.0009, -2.49], 4.8045),
        ([50.0, -0.001, 2.49], [50.0, 0.0011, -2.49], 4.7461),
        ([50.0, 2.5, 0.0], [50.0, 0.0, -2.5], 4.3065),
        ([50.0, 2.5, 0.0], [73.0, 25.0, -18.0], 27.1492),
        ([50.0, 2.5, 0.0], [61.0, -5.0, 29.0], 22.8977),
        ([50.0, 2.5, 0.0], [50.0, 3.1736, 0.5854], 1.0000),
        ([60.2574, -34.0099, 36.2677], [60.4626, -34.1751, 39.4387], 1.2644),
        ([61.2901, 3.7196, -5.3901], [61.4292, 2.2480, -4.9620], 1.8731),
        ([22.7233, 20.0904, -46.6940], [23.0331, 14.9730, -42.5619], 2.0373),
        ([90.8027, -2.0831, 1.4410], [91.1528, -1.6435, 0.0447], 1.4441),
        ([2.0776, 0.0795, -1.1350], [0.9033, -0.0636, -0.5514], 0.9082),
    ];

    #[test]
    fn the_papers_pairs_have_the_papers_differences() {
        for (a, b, want) in SHARMA {
            for got in [difference(a, b), difference(b, a)] {
                assert!((got - want).abs() < 5e-5, "{a:?} {b:?}: {got}, not {want}");
            }
        }
    }

    #[test]
    fn colours_have_their_place() {
        let near = |rgb: [f32; 3], want: Lab| {
            let got = lab(rgb);
            assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 0.02), "{rgb:?}: {got:?}");
        };
        near([1.0, 1.0, 1.0], [100.0, 0.0, 0.0]);
        near([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]);
        near([1.0, 0.0, 0.0], [53.24, 80.09, 67.20]);
        near([0.0, 0.0, 1.0], [32.30, 79.19, -107.86]);
    }

    #[test]
    fn it_sees_colour_and_not_only_light() {
        let a = pattern(64, 48);
        assert_eq!(ciede2000(&a, &a).unwrap(), 0.0);
        let [y, u, v] = a.clone().into_planes();
        let b = Frame::new(y, v, u, a.colour, a.stamp).unwrap();
        assert!(ciede2000(&a, &b).unwrap() > 5.0);
        assert!(ciede2000(&a, &pattern(48, 64)).is_err());
    }
}
