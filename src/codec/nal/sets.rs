//! The parameter sets that are in force at a place in a stream.

use std::collections::BTreeMap;

use super::bits::{Bits, rbsp};
use super::{NalKind, nal_units, push_nal};

/// The longest set that is kept, of which there can be 32 and 256. Real ones have some tens of bytes.
const MAX_SET_BYTES: usize = 1 << 16;

/// Sequence and picture parameter sets, the newest of each number.
#[derive(Debug, Clone, Default)]
pub(crate) struct ParameterSets {
    sequence: BTreeMap<u32, Vec<u8>>,
    picture: BTreeMap<u32, Vec<u8>>,
}

impl ParameterSets {
    /// Keeps a parameter set in the place of an older one; other NAL units are let pass.
    pub(crate) fn update(&mut self, nal: &[u8]) {
        let (sets, skip, most) = match NalKind::of(nal) {
            // Profile, constraints and level stand before the number.
            Some(NalKind::Sps) => (&mut self.sequence, 24, 32),
            Some(NalKind::Pps) => (&mut self.picture, 0, 256),
            _ => return,
        };
        let data = rbsp(nal, 16);
        let mut bits = Bits::new(&data);
        let number = bits.u(skip).and_then(|_| bits.ue());
        if let Some(number) = number.filter(|&n| n < most && nal.len() <= MAX_SET_BYTES) {
            sets.insert(number, nal.to_vec());
        }
    }

    /// The sequence parameter set with this number.
    pub(crate) fn sequence(&self, number: u32) -> Option<&[u8]> {
        self.sequence.get(&number).map(Vec::as_slice)
    }

    /// An access unit with all sets in front and none inside.
    pub(crate) fn in_front_of(&self, unit: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(unit.len() + 64);
        self.sequence.values().chain(self.picture.values()).for_each(|set| push_nal(&mut out, set));
        let rest = nal_units(unit)
            .filter(|nal| !matches!(NalKind::of(nal), Some(NalKind::Sps | NalKind::Pps | NalKind::Delimiter)));
        rest.for_each(|nal| push_nal(&mut out, nal));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_set_takes_the_place_of_the_old_one_of_its_number() {
        let mut sets = ParameterSets::default();
        // The second and third byte of a picture parameter set begin with its number: 0 is 1…, 1 is 010….
        let nals: [&[u8]; 6] =
            [&[0x68, 0x80, 1], &[0x68, 0x40, 2], &[0x67, 66, 0, 30, 0x80], &[0x68, 0xc0, 3], &[0x65, 9], &[0x67, 66]];
        nals.iter().for_each(|nal| sets.update(nal));
        let unit = [&[0, 0, 1, 9, 16][..], &[0, 0, 1, 0x67, 1, 2, 3, 4], &[0, 0, 1, 0x65, 0x88]].concat();
        let joined = sets.in_front_of(&unit);
        let out: Vec<_> = nal_units(&joined).collect();
        assert_eq!(out, [nals[2], nals[3], nals[1], &[0x65, 0x88]]);
    }
}
