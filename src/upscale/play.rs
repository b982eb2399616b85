//! What keeps a still picture still: what is shown follows what is computed with a play, like two cog wheels.
//!
//! An encoder touches up even what stands still, by a code here and there, and the weights change with its
//! quantiser; a network that sharpens shows more of that than bicubic does. So a value moves only as far as it has
//! to, to lie within its play of the computed one:
//!
//! ```text
//! shownₙ = max(min(shownₙ₋₁, computedₙ + play), computedₙ − play)
//! ```
//!
//! which is the play operator (Krasnosel'skii and Pokrovskii, Systems with Hysteresis, Springer 1989, §2). It
//! remembers, but forgives: wherever it comes from, it is never off by more than its play, and two engines that
//! compute the same but for roundings show the same but for roundings, however many frames have passed.

use super::Precision;

/// The play, in luma from 0 to 1. Less than half a code: seen is only that nothing trembles.
pub const PLAY: f32 = 0.2 / 255.0;
/// The most that a network in bytes is given.
const MOST: f32 = 0.5 / 255.0;

/// The play of what was computed in this by so many layers.
///
/// The deeper a network, the more it sharpens what the encoder touched up: beyond nine layers [`PLAY`] leaves still
/// backgrounds trembling more than bicubic's. And in bytes each layer but the first rounds what it hands on; such
/// errors, which come and go with the picture, add up like their squares: there [`PLAY`] is enough for the two of the
/// smallest network, and four times as many tremble twice as much.
pub fn of(precision: Precision, layers: usize) -> f32 {
    let depth = match precision {
        Precision::F32 | Precision::F16 => layers as f32 / 9.0,
        Precision::Int8 => layers.saturating_sub(1) as f32 / 2.0,
    };
    (PLAY * depth.sqrt()).clamp(PLAY, MOST)
}

/// What is shown once `computed` has come, where `shown` was there.
pub fn follow(shown: f32, computed: f32, play: f32) -> f32 {
    shown.min(computed + play).max(computed - play)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_rests_within_its_play_and_is_pushed_beyond() {
        // By hand, with a play of 1: up to 3 it has to move to 2; back to 1.5 it may stay; down to 0 it moves to 1.
        let shown = [3.0, 1.5, 2.5, 0.0].iter().scan(0.0, |shown, &computed| {
            *shown = follow(*shown, computed, 1.0);
            Some(*shown)
        });
        assert_eq!(shown.collect::<Vec<_>>(), [2.0, 2.0, 2.0, 1.0]);
        assert_eq!(follow(7.0, 3.0, 0.0), 3.0, "without play it is what was computed");
    }

    #[test]
    fn many_layers_have_more_play_and_more_still_in_bytes() {
        let codes = |precision, layers| 255.0 * of(precision, layers);
        for (layers, play) in [(2, 0.2), (3, 0.2), (9, 0.4), (16, 0.5), (0, 0.2)] {
            assert!((codes(Precision::Int8, layers) - play).abs() < 1e-6, "{layers} layers in bytes");
        }
        for (layers, play) in [(0, 0.2), (2, 0.2), (9, 0.2), (36, 0.4), (1000, 0.5)] {
            for precision in [Precision::F32, Precision::F16] {
                assert!((codes(precision, layers) - play).abs() < 1e-6, "{layers} layers");
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_never_far_off_and_forgives(
            values in prop::collection::vec((0.0_f32..1.0, -1e-4_f32..1e-4), 1..60),
            from in 0.0_f32..1.0,
        ) {
            let (mut one, mut other) = (from, from);
            for (computed, error) in values {
                let moved = [one, follow(one, computed, PLAY)];
                one = moved[1];
                other = follow(other, computed + error, PLAY);
                prop_assert!((one - computed).abs() <= PLAY + 1e-6);
                prop_assert!((one - other).abs() <= 1.001e-4, "errors do not pile up: {one} {other}");
                prop_assert!((moved[1] - moved[0]).abs() <= (computed - moved[0]).abs() + 1e-6);
            }
        }
    }
}
