//! A byte stream, cut into access units.

use super::{NalKind, find_start};
use crate::codec::MAX_UNIT_BYTES;

/// Cuts an Annex B byte stream that arrives in pieces into access units (7.4.1.2.3).
///
/// A new picture is told from the first by its first slice: it begins at macroblock 0.
///
/// ```
/// # use clearcall::codec::nal::UnitSplitter;
/// let mut splitter = UnitSplitter::default();
/// splitter.push(&[0, 0, 1, 0x65, 0x88, 5, 0, 0, 1, 0x41]).unwrap();
/// assert_eq!(splitter.next_unit(), None, "the second picture could be a slice of the first");
/// splitter.push(&[0x88, 6]).unwrap();
/// assert_eq!(splitter.next_unit().as_deref(), Some(&[0, 0, 1, 0x65, 0x88, 5][..]));
/// assert_eq!(splitter.finish().as_deref(), Some(&[0, 0, 1, 0x41, 0x88, 6][..]));
/// ```
#[derive(Debug, Default)]
pub struct UnitSplitter {
    buffer: Vec<u8>,
    /// What lies before was searched for start codes.
    searched: usize,
    /// The unit at the start of the buffer has a slice.
    slice_seen: bool,
}

/// A stream without an end of its access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no access unit ends within {MAX_UNIT_BYTES} bytes")]
pub struct UnitTooLong;

impl UnitSplitter {
    /// Adds bytes; take out all units before adding more.
    ///
    /// # Errors
    /// When more than [`MAX_UNIT_BYTES`] would wait; nothing is added then.
    pub fn push(&mut self, data: &[u8]) -> Result<(), UnitTooLong> {
        if self.buffer.len().saturating_add(data.len()) > MAX_UNIT_BYTES {
            return Err(UnitTooLong);
        }
        self.buffer.extend_from_slice(data);
        Ok(())
    }

    /// The next unit whose end has been seen.
    pub fn next_unit(&mut self) -> Option<Vec<u8>> {
        loop {
            let Some(start) = find_start(&self.buffer, self.searched) else {
                // A start code may straddle this piece and the next.
                self.searched = self.searched.max(self.buffer.len().saturating_sub(2));
                return None;
            };
            let Some(&[header, first]) = self.buffer.get(start + 3..start + 5).and_then(|b| b.first_chunk()) else {
                self.searched = start;
                return None;
            };
            self.searched = start + 3;
            let kind = NalKind::of(&[header])?;
            // `first_mb_in_slice` is the first ue(v): 0 is a single one bit.
            let new = self.slice_seen && (kind.begins_unit() || (kind.is_slice() && first & 0x80 != 0));
            if new {
                let end = start - usize::from(start > 0 && self.buffer[start - 1] == 0);
                let rest = self.buffer.split_off(end);
                let unit = std::mem::replace(&mut self.buffer, rest);
                self.searched = start - end + 3;
                self.slice_seen = kind.is_slice();
                return Some(unit);
            }
            self.slice_seen |= kind.is_slice();
        }
    }

    /// What is left when the stream has ended.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        self.searched = 0;
        let slice_seen = std::mem::take(&mut self.slice_seen);
        let rest = std::mem::take(&mut self.buffer);
        slice_seen.then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Three units: parameter sets and a picture of two slices, a picture, a delimiter and a picture.
    fn stream() -> (Vec<u8>, Vec<usize>) {
        let nals: [&[u8]; 8] = [
            &[0x67, 1, 2],
            &[0x68, 3],
            &[0x65, 0x88, 9],
            &[0x65, 0x40, 9],
            &[0x41, 0x9a, 7],
            &[0x09, 0x10],
            &[0x06, 1, 1],
            &[0x41, 0x9a, 8],
        ];
        let mut out = Vec::new();
        let mut starts = Vec::new();
        for (i, nal) in nals.iter().enumerate() {
            if [0, 4, 5].contains(&i) {
                starts.push(out.len());
            }
            crate::codec::nal::push_nal(&mut out, nal);
        }
        (out, starts)
    }

    #[test]
    fn units_are_the_same_in_pieces_of_any_length() {
        let (stream, starts) = stream();
        for piece in 1..=stream.len() {
            let mut splitter = UnitSplitter::default();
            let mut units = Vec::new();
            for data in stream.chunks(piece) {
                splitter.push(data).unwrap();
                units.extend(std::iter::from_fn(|| splitter.next_unit()));
            }
            units.extend(splitter.finish());
            let ends = starts[1..].iter().copied().chain([stream.len()]);
            let want: Vec<_> = starts.iter().zip(ends).map(|(&a, b)| stream[a..b].to_vec()).collect();
            assert_eq!(units, want, "pieces of {piece}");
        }
    }

    #[test]
    fn a_stream_without_pictures_is_bounded() {
        let mut splitter = UnitSplitter::default();
        let piece = vec![0xaa; 1 << 20];
        let pushed = (0..100).take_while(|_| splitter.push(&piece).is_ok() && splitter.next_unit().is_none()).count();
        assert_eq!(pushed, 16);
        assert_eq!(splitter.finish(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_byte_is_lost(data in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0x65), Just(0x88), any::<u8>()], 0..300), piece in 1_usize..50) {
            let mut splitter = UnitSplitter::default();
            let mut joined = Vec::new();
            for part in data.chunks(piece) {
                splitter.push(part).unwrap();
                while let Some(unit) = splitter.next_unit() {
                    joined.extend(unit);
                }
            }
            joined.extend(splitter.finish().unwrap_or_default());
            prop_assert!(data.starts_with(&joined));
        }
    }
}
