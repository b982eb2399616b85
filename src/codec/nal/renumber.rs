//! NAL units with other headers: how a stream is decoded that has no IDR picture to begin with, and what OpenH264 cannot
//! write into a parameter set.

use super::bits::{nal_of, rbsp};
use super::params::Sps;
use super::slice::SliceHeader;

/// Appends bits, from the most significant down.
#[derive(Debug, Default)]
struct BitWriter {
    data: Vec<u8>,
    /// Bits in the last byte.
    used: usize,
}

impl BitWriter {
    fn bit(&mut self, bit: bool) {
        if self.used.is_multiple_of(8) {
            self.data.push(0);
        }
        if let Some(last) = self.data.last_mut() {
            *last |= u8::from(bit) << (7 - self.used % 8);
        }
        self.used += 1;
    }

    /// Bits of `from`; fewer where it ends before.
    fn copy(&mut self, from: &[u8], bits: std::ops::Range<usize>) {
        for at in bits {
            let Some(byte) = from.get(at / 8) else { return };
            self.bit(byte >> (7 - at % 8) & 1 == 1);
        }
    }

    fn number(&mut self, value: u32, bits: u32) {
        (0..bits).rev().for_each(|i| self.bit(value >> i & 1 == 1));
    }
}

/// The same slice with another `frame_num`, of which the stream's number of bits is taken.
pub(in crate::codec) fn with_frame_num(nal: &[u8], header: &SliceHeader, frame_num: u32) -> Vec<u8> {
    let mut data = rbsp(nal, usize::MAX);
    let (at, bits) = header.places.frame_num;
    for (i, at) in (at..at + bits as usize).enumerate() {
        let bit = frame_num >> (bits as usize - 1 - i) & 1;
        if let Some(byte) = data.get_mut(at / 8) {
            let place = 7 - at % 8;
            *byte = *byte & !(1 << place) | (bit as u8) << place;
        }
    }
    nal_of(nal[0], &data)
}

/// A slice of an I picture as one of an IDR picture, with `frame_num` 0: what follows it can be decoded if it refers to
/// nothing before it.
pub(in crate::codec) fn as_idr(nal: &[u8], header: &SliceHeader) -> Vec<u8> {
    let data = rbsp(nal, usize::MAX);
    let (frame_num, bits) = header.places.frame_num;
    let (marking, behind) = header.places.marking;
    let mut out = BitWriter::default();
    out.copy(&data, 0..frame_num);
    out.number(0, bits);
    // idr_pic_id 0 in ue(v).
    out.bit(true);
    out.copy(&data, frame_num + bits as usize..marking);
    // Neither no_output_of_prior_pics nor long_term_reference.
    out.number(0, 2);
    if header.places.cabac {
        out.copy(&data, behind..header.places.end);
        // The data begin at a byte, behind ones.
        while !out.used.is_multiple_of(8) {
            out.bit(true);
        }
        let begin = header.places.end.div_ceil(8).min(data.len());
        out.data.extend_from_slice(&data[begin..]);
    } else {
        // From the one bit at the end on there are zeros, which may be more or fewer.
        out.copy(&data, behind..stop(&data));
    }
    // An IDR picture is always referred to.
    let importance = (nal[0] & 0x60).max(0x20);
    nal_of(importance | 5, &out.data)
}

/// A sequence parameter set that says that chroma lies in the middle; [`None`] where it says something already, or has
/// no place for it.
pub(in crate::codec) fn with_centred_chroma(sps: &[u8]) -> Option<Vec<u8>> {
    let data = rbsp(sps, usize::MAX);
    let at = Sps::parse(sps).ok()?.siting_at?;
    if data.get(at / 8)? >> (7 - at % 8) & 1 == 1 {
        return None;
    }
    let mut out = BitWriter::default();
    out.copy(&data, 0..at);
    // The flag, and for both fields 1 in ue(v).
    out.number(0b101_0010, 7);
    out.copy(&data, at + 1..stop(&data));
    Some(nal_of(sps[0], &out.data))
}

/// Where a payload ends, behind the one bit that ends it.
fn stop(data: &[u8]) -> usize {
    data.iter().rposition(|&b| b != 0).map_or(0, |last| last * 8 + 8 - data[last].trailing_zeros() as usize)
}

#[cfg(test)]
pub(in crate::codec) mod tests {
    use super::*;
    use crate::codec::H264Profile;
    use crate::codec::nal::tests::{coded_as, slices};
    use crate::codec::nal::{NalKind, Parameters};

    const PROFILES: [H264Profile; 3] = [H264Profile::ConstrainedBaseline, H264Profile::Main, H264Profile::High];

    /// The first bits of a payload and some more, as a NAL unit.
    pub(in crate::codec::nal) fn cut_with(header: u8, data: &[u8], bits: usize, more: &[bool]) -> Vec<u8> {
        let mut out = BitWriter::default();
        out.copy(data, 0..bits);
        more.iter().for_each(|&bit| out.bit(bit));
        nal_of(header, &out.data)
    }

    /// A slice of an IDR picture as one of another I picture.
    pub(in crate::codec::nal) fn plain_intra(idr: &[u8], header: &SliceHeader, frame_num: u32) -> Vec<u8> {
        let data = rbsp(idr, usize::MAX);
        let (at, bits) = header.places.frame_num;
        let id = at + bits as usize;
        let bit = |at: usize| data[at / 8] >> (7 - at % 8) & 1 == 1;
        let id_bits = 1 + 2 * (id..).position(bit).unwrap();
        let mut plain = BitWriter::default();
        plain.copy(&data, 0..at);
        plain.number(frame_num, bits);
        plain.copy(&data, id + id_bits..header.places.marking.0);
        plain.bit(false);
        if header.places.cabac {
            plain.copy(&data, header.places.marking.1..header.places.end);
            while !plain.used.is_multiple_of(8) {
                plain.bit(true);
            }
            plain.data.extend_from_slice(&data[header.places.end.div_ceil(8)..]);
        } else {
            plain.copy(&data, header.places.marking.1..data.len() * 8);
        }
        nal_of(idr[0] & 0xe0 | 1, &plain.data)
    }

    fn parameters(sets: &[Vec<u8>]) -> Parameters {
        let mut parameters = Parameters::default();
        sets.iter().for_each(|set| parameters.update(set).unwrap());
        parameters
    }

    #[test]
    fn numbers_are_written_where_they_are_read() {
        for (sets, units) in PROFILES.map(coded_as) {
            let parameters = parameters(&sets);
            for nal in units.iter().flat_map(|unit| slices(unit)) {
                let header = parameters.slice(nal).unwrap();
                assert_eq!(with_frame_num(nal, &header, header.frame_num), nal);
                let other = with_frame_num(nal, &header, header.frame_num ^ 5);
                let (got, want) = (parameters.slice(&other).unwrap(), header.frame_num ^ 5);
                assert_eq!((got.frame_num, got.qp, got.order), (want, header.qp, header.order));
            }
        }
    }

    #[test]
    fn an_intra_picture_becomes_one_to_begin_with() {
        for (sets, units) in PROFILES.map(coded_as) {
            let parameters = parameters(&sets);
            let idr = slices(&units[0]).next().unwrap();
            let header = parameters.slice(idr).unwrap();
            assert!(header.intra && NalKind::of(idr) == Some(NalKind::Idr));
            let plain = plain_intra(idr, &header, 7);
            let read = parameters.slice(&plain).unwrap();
            assert_eq!((read.frame_num, read.qp, read.intra), (7, header.qp, true));
            let again = as_idr(&plain, &read);
            let new = parameters.slice(&again).unwrap();
            assert_eq!((new.frame_num, new.qp, NalKind::of(&again)), (0, header.qp, Some(NalKind::Idr)));
            // What was it before, but for the number of the IDR picture.
            assert!(again.len().abs_diff(idr.len()) <= 3);
            if header.places.cabac {
                // The arithmetic decoder begins at a byte, and reads the same from there on.
                let data = |nal: &[u8], at: usize| rbsp(nal, usize::MAX)[at.div_ceil(8)..].to_vec();
                assert_eq!(data(&plain, read.places.end), data(idr, header.places.end));
                assert_eq!(data(&again, new.places.end), data(idr, header.places.end));
            }
            let decoded = |first: &[u8]| {
                let mut unit = Vec::new();
                sets.iter().for_each(|set| crate::codec::nal::push_nal(&mut unit, set));
                crate::codec::nal::push_nal(&mut unit, first);
                let stamp = crate::frame::Stamp::now(0);
                crate::codec::Decoder::new().unwrap().decode(&unit, stamp).unwrap().unwrap().frame
            };
            assert_eq!(decoded(&again).planes(), decoded(idr).planes());
        }
    }
}
