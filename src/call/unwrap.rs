//! Sequence numbers that do not wrap.

/// Continues 16-bit sequence numbers to 64 bits, by their distance from the newest seen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unwrapper {
    newest: u64,
    first: u64,
}

/// Room below the first number for those that were sent earlier.
const ORIGIN: u64 = 1 << 32;

impl Unwrapper {
    /// The first number of a stream.
    pub(crate) fn starting_at(sequence: u16) -> Self {
        let newest = ORIGIN + u64::from(sequence);
        Self { newest, first: newest }
    }

    /// The newest full number.
    pub(crate) const fn newest(&self) -> u64 {
        self.newest
    }

    /// The full number nearest to the newest, without taking it in.
    pub(crate) fn peek(&self, sequence: u16) -> Option<u64> {
        let delta = i64::from(sequence.wrapping_sub(self.newest as u16) as i16);
        self.newest.checked_add_signed(delta)
    }

    /// Takes a full number in.
    pub(crate) fn advance(&mut self, full: u64) {
        self.newest = self.newest.max(full);
    }

    /// Whether `next` is still where the stream started.
    pub(crate) const fn is_first_window(&self, next: u64) -> bool {
        next == self.first
    }

    /// The stream started earlier than its first packet said.
    pub(crate) fn set_first(&mut self, first: u64) {
        self.first = first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_where_sixteen_bits_end() {
        let mut u = Unwrapper::starting_at(65_534);
        let start = u.newest();
        for (sequence, offset) in [(65_535, 1), (0, 2), (3, 5), (1, 3), (65_533, -1_i64)] {
            let full = u.peek(sequence).unwrap();
            assert_eq!(full as i64 - start as i64, offset);
            u.advance(full);
        }
        assert_eq!(u.newest(), start + 5);
    }
}
