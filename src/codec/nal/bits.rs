//! Bits of a NAL unit's payload.

/// The payload of a NAL unit (without its first byte) with the emulation prevention bytes taken out
/// (7.4.1.1), at most `limit` bytes of it.
pub(super) fn rbsp(nal: &[u8], limit: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(nal.len().min(limit));
    let mut zeros = 0;
    for &byte in nal.iter().skip(1) {
        if out.len() == limit {
            break;
        }
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// A NAL unit of this first byte and payload, with emulation prevention bytes put in.
pub(super) fn nal_of(header: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + payload.len() / 64 + 1);
    out.push(header);
    let mut zeros = 0;
    for &byte in payload {
        if zeros >= 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// Reads bits from the most significant down; `None` past the end.
#[derive(Debug)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// Bits that have been read.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// u(1)
    pub(super) fn flag(&mut self) -> Option<bool> {
        let byte = self.data.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// u(n), n up to 32
    pub(super) fn u(&mut self, n: u32) -> Option<u32> {
        (0..n).try_fold(0_u32, |value, _| Some(value << 1 | u32::from(self.flag()?)))
    }

    /// ue(v), 9.1
    pub(super) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some(((1_u32 << zeros) - 1) + self.u(zeros)?)
    }

    /// se(v), 9.1.1
    pub(super) fn se(&mut self) -> Option<i32> {
        let k = i64::from(self.ue()?);
        i32::try_from(if k % 2 == 1 { (k + 1) / 2 } else { -k / 2 }).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emulation_prevention_is_taken_out() {
        assert_eq!(rbsp(&[0x67, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3], 99), [0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(rbsp(&[0x67, 1, 2, 3], 2), [1, 2]);
        for nal in [&[0x67, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3][..], &[0x65], &[0x65, 1, 0, 0, 9]] {
            assert_eq!(nal_of(nal[0], &rbsp(nal, 99)), nal);
        }
    }

    #[test]
    fn exponential_golomb_as_in_table_9_2() {
        // 1 | 010 | 011 | 00100 | 00111, then se: 00110 = 5 → 3, 00101 = 4 → -2
        let data = [0b1010_0110, 0b0100_0011, 0b1001_1000, 0b1010_0000];
        let mut bits = Bits::new(&data);
        assert_eq!([(); 5].map(|()| bits.ue().unwrap()), [0, 1, 2, 3, 6]);
        assert_eq!((bits.se(), bits.se()), (Some(3), Some(-2)));
        assert_eq!(Bits::new(&[0; 9]).ue(), None);
    }
}
