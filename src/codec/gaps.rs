//! Pictures that a stream never brought, told by the numbers of those that it did.

use super::nal::SliceHeader;

/// Follows `frame_num` (7.4.3), by which a picture that others refer to counts one more than the one before it.
///
/// What is lost right before a keyframe is not seen, since there it begins again with 0.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FrameNumbers {
    /// The number of the last picture that others refer to.
    last: Option<u32>,
    /// Pictures after it whose slices could not be read; they account for as many numbers.
    unread: u32,
}

impl FrameNumbers {
    /// The next picture's first slice header, none where it cannot be read; `bits` is how long its number is, none where
    /// the stream says that it leaves numbers out. Gives how many pictures are missing before it.
    pub(super) fn next(&mut self, header: Option<&SliceHeader>, bits: Option<u32>, idr: bool) -> u32 {
        let Some(header) = header else {
            self.unread = self.unread.saturating_add(1);
            return 0;
        };
        let step = match (self.last, bits) {
            (Some(last), Some(bits)) if !idr => header.frame_num.wrapping_sub(last) & ((1 << bits) - 1),
            _ => 0,
        };
        let mut missing = step.saturating_sub(1).saturating_sub(self.unread);
        if self.unread > 0 {
            // One of them may have been a keyframe, from which the numbers count.
            missing = missing.min(header.frame_num.saturating_sub(self.unread));
        }
        if header.reference {
            (self.last, self.unread) = (Some(header.frame_num), 0);
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(frame_num: u32, reference: bool) -> SliceHeader {
        let mut header = SliceHeader::plain();
        (header.frame_num, header.reference) = (frame_num, reference);
        header
    }

    #[test]
    fn numbers_that_are_left_out_are_pictures_that_are_missing() {
        let mut numbers = FrameNumbers::default();
        let mut next =
            |frame_num, reference| numbers.next(Some(&picture(frame_num, reference)), Some(4), frame_num == 0);
        assert_eq!([0, 1, 2].map(|n| next(n, true)), [0; 3]);
        assert_eq!(next(5, true), 2);
        // One that nobody refers to has the number of the one after it.
        assert_eq!([next(6, false), next(6, false), next(6, true)], [0; 3]);
        // The number has four bits.
        assert_eq!([7, 8, 9, 10, 11, 12, 13, 14, 15].map(|n| next(n, true)), [0; 9]);
        assert_eq!(next(1, true), 1, "0 after 15");
        assert_eq!([next(0, true), next(1, true)], [0; 2], "a keyframe begins again");
    }

    #[test]
    fn what_came_and_cannot_be_read_is_not_missing() {
        let mut numbers = FrameNumbers::default();
        numbers.next(Some(&picture(0, true)), Some(4), true);
        assert_eq!(numbers.next(None, Some(4), false), 0);
        assert_eq!(numbers.next(Some(&picture(2, true)), Some(4), false), 0);
        assert_eq!(numbers.next(None, Some(4), false), 0);
        assert_eq!(numbers.next(Some(&picture(5, true)), Some(4), false), 1);
        assert_eq!(numbers.next(Some(&picture(9, true)), None, false), 0, "numbers may be left out there");
        assert_eq!(numbers.next(None, None, false), 0);
        assert_eq!(numbers.next(Some(&picture(1, true)), Some(16), false), 0, "a keyframe was not read");
    }
}
