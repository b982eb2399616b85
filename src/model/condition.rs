//! What the network's weights depend on beside themselves: the quantiser of the picture.

/// The quantiser at which a model's neutral weights hold.
pub const NEUTRAL_QP: f32 = 30.0;
/// How far a quantiser may lie from [`NEUTRAL_QP`] before weights change no more. H.264's quantiser step
/// doubles every six. Wider spans let the many pictures in the middle decide what happens to the few at the ends.
pub const QP_SPAN: f32 = 8.0;
/// How much of what the network adds is added to a picture that was never coded. The networks learn from coded
/// pictures, and are asked for more contrast than they can be sure of (`--emphasis`); where nothing was lost to a
/// codec that is too much. Measured on stills, see models/README.md.
pub const UNCODED: f32 = 0.75;

/// Where a picture's quantiser stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Condition {
    /// Between −1 (fine) and 1 (coarse): (qp − [`NEUTRAL_QP`]) / [`QP_SPAN`], in steps of half a QP, so that a call
    /// has few sets of weights.
    pub at: f32,
    /// What the last layer's numbers are multiplied by.
    pub share: f32,
}

impl Condition {
    /// The quantiser at which the neutral weights hold.
    pub const NEUTRAL: Self = Self { at: 0.0, share: 1.0 };

    /// That of a picture. What no quantiser is known of was not coded, as far as one knows: it is the finest there
    /// is, and takes [`UNCODED`] of what the network adds.
    pub fn of(qp: Option<f32>) -> Self {
        let Some(qp) = qp else { return Self { at: -1.0, share: UNCODED } };
        let steps = ((qp - NEUTRAL_QP) * 2.0).round() / (2.0 * QP_SPAN);
        Self { at: if steps.is_nan() { 0.0 } else { steps.clamp(-1.0, 1.0) }, share: 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantiser_lies_between_fine_and_coarse() {
        let at = |qp| Condition::of(Some(qp));
        assert_eq!(at(30.0), Condition::NEUTRAL);
        assert_eq!([22.0, 34.0, 38.0, 51.0, 0.0].map(|qp| at(qp).at), [-1.0, 0.5, 1.0, 1.0, -1.0]);
        assert_eq!(at(31.1), at(30.9), "in steps of half a QP");
        assert_eq!(at(f32::NAN), Condition::NEUTRAL);
    }

    #[test]
    fn what_was_not_coded_is_fine_and_takes_less() {
        assert_eq!(Condition::of(None), Condition { at: -1.0, share: UNCODED });
        assert_ne!(Condition::of(None), Condition::of(Some(10.0)));
    }
}
