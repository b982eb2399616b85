//! Hysteresis in time, which keeps a still picture still: what is shown follows what is computed with a deadband.
//!
//! An encoder touches up even what stands still, by a code here and there, and the weights change with its
//! quantiser; a network that sharpens shows more of that than bicubic does. So a value moves only as far as it has
//! to, to lie within the deadband around the computed one:
//!
//! ```text
//! shownₙ = max(min(shownₙ₋₁, computedₙ + deadband), computedₙ − deadband)
//! ```
//!
//! which is the play operator (Krasnosel'skii and Pokrovskii, Systems with Hysteresis, Springer 1989, §2). It
//! remembers, but forgives: wherever it comes from, it is never off by more than the deadband, and two engines that
//! compute the same but for roundings show the same but for roundings, however many frames have passed.

use super::Precision;
use crate::model::Model;

/// The smallest deadband, to either side, in luma from 0 to 1. Less than half a code: seen is only that nothing
/// trembles.
pub const MIN_DEADBAND: f32 = 0.2 / 255.0;
/// The largest.
const MAX_DEADBAND: f32 = 0.5 / 255.0;

/// The deadband for what a model computed in this precision, in luma from 0 to 1.
pub fn of_model(model: &Model, precision: Precision) -> f32 {
    deadband(precision, model.layers().len(), model.deadband_factor())
}

/// The deadband for what was computed in this precision by so many layers, `factor` times as wide as is usual, in luma
/// from 0 to 1.
///
/// The deeper a network, the more it sharpens what the encoder touched up: beyond nine layers [`MIN_DEADBAND`] leaves still
/// backgrounds trembling more than bicubic's. And in bytes each layer but the first rounds what it hands on; such
/// errors, which come and go with the picture, add up like their squares: there [`MIN_DEADBAND`] is enough for the two of the
/// smallest network, and four times as many tremble twice as much.
pub fn deadband(precision: Precision, layers: usize, factor: f32) -> f32 {
    let depth = match precision {
        Precision::F32 | Precision::F16 => layers as f32 / 9.0,
        Precision::Int8 => layers.saturating_sub(1) as f32 / 2.0,
    };
    (factor * (MIN_DEADBAND * depth.sqrt()).max(MIN_DEADBAND)).min(MAX_DEADBAND)
}

/// What is shown once `computed` has come, where `previous` was shown.
pub fn follow(previous: f32, computed: f32, deadband: f32) -> f32 {
    previous.min(computed + deadband).max(computed - deadband)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_rests_within_the_deadband_and_is_pushed_beyond() {
        // By hand, with a deadband of 1: up to 3 it has to move to 2; back to 1.5 it may stay; down to 0 it moves to 1.
        let shown = [3.0, 1.5, 2.5, 0.0].iter().scan(0.0, |shown, &computed| {
            *shown = follow(*shown, computed, 1.0);
            Some(*shown)
        });
        assert_eq!(shown.collect::<Vec<_>>(), [2.0, 2.0, 2.0, 1.0]);
        assert_eq!(follow(7.0, 3.0, 0.0), 3.0, "without a deadband it is what was computed");
    }

    #[test]
    fn many_layers_have_a_wider_deadband_and_a_wider_one_still_in_bytes() {
        let codes = |precision, layers| 255.0 * deadband(precision, layers, 1.0);
        for (layers, want) in [(2, 0.2), (3, 0.2), (9, 0.4), (16, 0.5), (0, 0.2)] {
            assert!((codes(Precision::Int8, layers) - want).abs() < 1e-6, "{layers} layers in bytes");
        }
        for (layers, want) in [(0, 0.2), (2, 0.2), (9, 0.2), (36, 0.4), (1000, 0.5)] {
            for precision in [Precision::F32, Precision::F16] {
                assert!((codes(precision, layers) - want).abs() < 1e-6, "{layers} layers");
            }
        }
        // A model that sharpens more asks for more, up to half a code.
        let model = Model::untrained(4, 7, 1).unwrap().with_deadband_factor(1.5).unwrap();
        for (precision, want) in [(Precision::F32, 0.3), (Precision::F16, 0.3), (Precision::Int8, 0.5)] {
            assert!((255.0 * of_model(&model, precision) - want).abs() < 1e-6, "{precision:?}");
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
                let moved = [one, follow(one, computed, MIN_DEADBAND)];
                one = moved[1];
                other = follow(other, computed + error, MIN_DEADBAND);
                prop_assert!((one - computed).abs() <= MIN_DEADBAND + 1e-6);
                prop_assert!((one - other).abs() <= 1.001e-4, "errors do not pile up: {one} {other}");
                prop_assert!((moved[1] - moved[0]).abs() <= (computed - moved[0]).abs() + 1e-6);
            }
        }
    }
}
