//! From values in 0..1 to bytes.

/// The nearest code of a value in 0..1; values outside give the nearest end.
///
/// Adding 2²³ leaves no room for a fraction, so that the sum's low bits are the rounded number: that is
/// one instruction for four or eight pixels, where a checked conversion is ten for each.
#[inline(always)]
pub(crate) fn code(value: f32) -> u8 {
    bits(255.0 * value) as u8
}

#[inline(always)]
fn bits(value: f32) -> u32 {
    // Plain comparisons: f32::clamp keeps NaN and takes more instructions.
    let v = if value > 0.0 { value } else { 0.0 };
    let v = if v < 255.0 { v } else { 255.0 };
    (v + 8_388_608.0).to_bits() & 0xff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_rounded_to_the_nearest_and_held() {
        for i in 0..=255_u8 {
            let v = f32::from(i) / 255.0;
            assert_eq!([code(v - 0.4 / 255.0), code(v), code(v + 0.4 / 255.0)], [i; 3]);
        }
        assert_eq!([code(-7.0), code(7.0), code(f32::NAN)], [0, 255, 0]);
    }
}
