//! Reading the H.264 byte stream without decoding it (ITU-T H.264, 08/2021).
//!
//! Everything here is pure, takes any bytes and allocates no more than a small multiple of them.

mod bits;
mod params;
mod renumber;
mod sets;
mod slice;
mod source_size;
mod split;

pub use params::{Pps, Sps, SpsError};
pub(super) use renumber::{as_idr, with_centred_chroma, with_frame_num};
pub(crate) use sets::ParameterSets;
pub use slice::{Parameters, QpReader, SliceHeader};
pub(super) use source_size::{source_size, with_source_size};
pub use split::{UnitSplitter, UnitTooLong};

/// What a NAL unit carries (table 7-1), as far as the program cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NalKind {
    /// A slice of a picture that refers to others.
    Slice,
    /// A slice of an IDR picture: decoding can start here.
    Idr,
    /// Supplemental enhancement information.
    Sei,
    /// Sequence parameter set.
    Sps,
    /// Picture parameter set.
    Pps,
    /// Access unit delimiter.
    Delimiter,
    /// Any other type, by its number.
    Other(u8),
}

impl NalKind {
    /// The kind of a NAL unit, from its first byte.
    pub fn of(nal: &[u8]) -> Option<Self> {
        Some(match nal.first()? & 31 {
            1 => Self::Slice,
            5 => Self::Idr,
            6 => Self::Sei,
            7 => Self::Sps,
            8 => Self::Pps,
            9 => Self::Delimiter,
            n => Self::Other(n),
        })
    }

    /// Slices carry the picture itself.
    pub fn is_slice(self) -> bool {
        matches!(self, Self::Slice | Self::Idr)
    }

    /// Of the extensions for scalable and multiview video: prefixes, subset parameter sets and their slices, in which
    /// there is nothing for a decoder that does not know them (annexes G and H).
    pub fn is_extension(self) -> bool {
        matches!(self, Self::Other(14 | 15 | 20 | 21))
    }

    /// In front of the slices of an access unit, these and only these begin a new one (7.4.1.2.3). A prefix (14)
    /// does not: one stands before each slice.
    fn begins_unit(self) -> bool {
        matches!(self, Self::Sei | Self::Sps | Self::Pps | Self::Delimiter | Self::Other(15..=18))
    }
}

/// The NAL units of an Annex B byte stream, without start codes and trailing zeros.
///
/// Bytes in front of the first start code are skipped, empty units left out.
///
/// ```
/// # use clearcall::codec::nal::nal_units;
/// let stream = [0, 0, 0, 1, 9, 16, 0, 0, 1, 0x65, 0x88, 0];
/// assert_eq!(nal_units(&stream).collect::<Vec<_>>(), [&[9_u8, 16][..], &[0x65, 0x88]]);
/// ```
pub fn nal_units(stream: &[u8]) -> NalUnits<'_> {
    NalUnits { rest: find_start(stream, 0).map(|at| &stream[at + 3..]) }
}

/// See [`nal_units`].
#[derive(Debug, Clone)]
pub struct NalUnits<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while let Some(rest) = self.rest {
            let end = find_start(rest, 0);
            self.rest = end.map(|at| &rest[at + 3..]);
            let nal = &rest[..end.unwrap_or(rest.len())];
            let used = nal.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
            if used > 0 {
                return Some(&nal[..used]);
            }
        }
        None
    }
}

/// Where the next `00 00 01` at or after `from` begins.
fn find_start(data: &[u8], from: usize) -> Option<usize> {
    let mut i = from;
    while i + 2 < data.len() {
        // Looking at the third byte first lets most of the stream pass in steps of three.
        match data[i + 2] {
            0 => i += 1,
            1 if data[i] == 0 && data[i + 1] == 0 => return Some(i),
            _ => i += 3,
        }
    }
    None
}

/// Whether an access unit holds an IDR picture.
pub fn is_keyframe(unit: &[u8]) -> bool {
    nal_units(unit).any(|nal| NalKind::of(nal) == Some(NalKind::Idr))
}

/// Appends `nal` with a start code of four bytes.
pub fn push_nal(out: &mut Vec<u8>, nal: &[u8]) {
    out.extend_from_slice(&[0, 0, 0, 1]);
    out.extend_from_slice(nal);
}

/// A sample of an MP4 file is not a chain of NAL units with their lengths in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at} of {of} a NAL unit of {length} bytes does not fit")]
pub struct AvccError {
    /// Where the length stands.
    pub at: usize,
    /// The sample's bytes.
    pub of: usize,
    /// The length that was read.
    pub length: u64,
}

/// Turns a sample with lengths of `length_size` bytes into Annex B, appending to `out`.
///
/// # Errors
/// When a length reaches past the end of the sample; the NAL units before it have been appended.
pub fn avcc_to_annex_b(sample: &[u8], length_size: usize, out: &mut Vec<u8>) -> Result<(), AvccError> {
    let mut at = 0;
    while at < sample.len() {
        let field = sample.get(at..at + length_size);
        let length = field.map_or(u64::MAX, |f| f.iter().fold(0, |n, &b| n << 8 | u64::from(b)));
        let error = AvccError { at, of: sample.len(), length };
        let start = at + length_size;
        let end = usize::try_from(length).ok().and_then(|n| start.checked_add(n)).ok_or(error)?;
        let nal = sample.get(start..end).ok_or(error)?;
        if !nal.is_empty() {
            push_nal(out, nal);
        }
        at = end;
    }
    Ok(())
}

/// The decoder configuration of an MP4 file (`avcC`, ISO/IEC 14496-15 §5.3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvcConfig {
    /// Bytes of the length in front of each NAL unit: 1, 2 or 4.
    pub length_size: usize,
    /// The parameter sets, as NAL units.
    pub parameter_sets: Vec<Vec<u8>>,
}

impl AvcConfig {
    /// Reads the box's payload.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let length_size = usize::from(data.get(4)? & 3) + 1;
        if data[0] != 1 || length_size == 3 {
            return None;
        }
        let mut parameter_sets = Vec::new();
        let mut at = 5;
        for mask in [31, 255] {
            let count = data.get(at)? & mask;
            at += 1;
            for _ in 0..count {
                let length = usize::from(u16::from_be_bytes([*data.get(at)?, *data.get(at + 1)?]));
                parameter_sets.push(data.get(at + 2..at + 2 + length)?.to_vec());
                at += 2 + length;
            }
        }
        Some(Self { length_size, parameter_sets })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::codec::{Encoder, EncoderConfig, H264Profile};
    use crate::frame::{Colour, Frame, Size, Stamp};
    use proptest::prelude::*;

    /// Six pictures of a moving ramp: their parameter sets, and the access units.
    pub(crate) fn coded() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        coded_as(H264Profile::ConstrainedBaseline)
    }

    /// The same in any profile.
    pub(crate) fn coded_as(profile: H264Profile) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let size = Size::new(64, 48).unwrap();
        let config =
            EncoderConfig { size, fps: 30.0, bitrate: 500_000, keyframe_interval: None, skip_frames: false, profile };
        let mut encoder = Encoder::new(config).unwrap();
        let begin = std::time::Instant::now();
        let units: Vec<_> = (0..6_u64)
            .map(|id| {
                let stamp = Stamp { id, captured: begin + std::time::Duration::from_millis(33 * id) };
                let mut frame = Frame::filled(size, [60, 100, 150], Colour::default(), stamp);
                let luma = &mut frame.planes_mut()[0];
                (0..48).for_each(|y| {
                    let row = luma.row_mut(y);
                    row.iter_mut().enumerate().for_each(|(x, v)| *v = (3 * x + 2 * y + 5 * id as usize) as u8);
                });
                encoder.encode(&frame).unwrap().unwrap().data
            })
            .collect();
        let set = |nal: &&[u8]| matches!(NalKind::of(nal), Some(NalKind::Sps | NalKind::Pps));
        (nal_units(&units[0]).filter(set).map(<[u8]>::to_vec).collect(), units)
    }

    /// A sequence parameter set that says nothing of colours and times.
    pub(crate) fn without_vui(sps: &[u8]) -> Vec<u8> {
        let data = bits::rbsp(sps, usize::MAX);
        let mut b = bits::Bits::new(&data);
        let (profile, _constraints_and_level, _id) = (b.u(8).unwrap(), b.u(16).unwrap(), b.ue().unwrap());
        if profile == 100 {
            let _chroma_and_depths = (b.ue().unwrap(), b.ue().unwrap(), b.ue().unwrap());
            let _lossless_and_scaling = (b.flag().unwrap(), b.flag().unwrap());
        }
        let _frame_num = b.ue().unwrap();
        if b.ue().unwrap() == 0 {
            b.ue().unwrap();
        }
        let _references_and_gaps = (b.ue().unwrap(), b.flag().unwrap());
        let _size_and_fields = (b.ue().unwrap(), b.ue().unwrap(), b.flag().unwrap(), b.flag().unwrap());
        if b.flag().unwrap() {
            (0..4).for_each(|_| assert!(b.ue().is_some()));
        }
        renumber::tests::cut_with(sps[0], &data, b.position(), &[false, true])
    }

    /// A stream that begins with an I picture that is no IDR picture, numbered 7.
    pub(crate) fn without_idr(units: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut parameters = Parameters::default();
        let mut out = Vec::new();
        for unit in units {
            let mut changed = Vec::new();
            for nal in nal_units(unit) {
                parameters.update(nal).unwrap();
                match parameters.slice(nal) {
                    Some(header) if NalKind::of(nal) == Some(NalKind::Idr) => {
                        push_nal(&mut changed, &renumber::tests::plain_intra(nal, &header, 7));
                    }
                    Some(header) => push_nal(&mut changed, &with_frame_num(nal, &header, header.frame_num + 7)),
                    None => push_nal(&mut changed, nal),
                }
            }
            out.push(changed);
        }
        out
    }

    pub(crate) fn slices(unit: &[u8]) -> impl Iterator<Item = &[u8]> {
        nal_units(unit).filter(|nal| NalKind::of(nal).is_some_and(NalKind::is_slice))
    }

    #[test]
    fn start_codes_of_three_and_four_bytes() {
        let stream = [7, 7, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 3, 1, 0, 0, 1, 0, 0, 1, 0x41];
        let nals: Vec<_> = nal_units(&stream).collect();
        assert_eq!(nals, [&[0x67, 1][..], &[0x68, 2, 0, 0, 3, 1], &[0x41]]);
        assert_eq!(
            nals.iter().map(|n| NalKind::of(n)).collect::<Option<Vec<_>>>().unwrap(),
            [NalKind::Sps, NalKind::Pps, NalKind::Slice]
        );
        assert!(!is_keyframe(&stream));
        let zeros = [9, 0, 0, 1, 0x67, 1, 0, 0, 0, 0, 1, 0x65, 3, 0];
        assert_eq!(nal_units(&zeros).collect::<Vec<_>>(), [&[0x67, 1], &[0x65, 3]], "zeros are no part of a unit");
        assert_eq!(nal_units(&[0, 0]).chain(nal_units(&[0, 0, 1])).count(), 0);
    }

    #[test]
    fn lengths_become_start_codes() {
        let mut out = Vec::new();
        avcc_to_annex_b(&[0, 0, 0, 2, 0x65, 9, 0, 0, 0, 1, 0x41], 4, &mut out).unwrap();
        assert_eq!(out, [0, 0, 0, 1, 0x65, 9, 0, 0, 0, 1, 0x41]);
        assert!(avcc_to_annex_b(&[0, 0, 0, 9, 0x65], 4, &mut out).is_err());
        assert!(avcc_to_annex_b(&[255, 255, 255, 255], 4, &mut out).is_err());
        assert!(avcc_to_annex_b(&[0, 0, 1], 4, &mut out).is_err());
    }

    #[test]
    fn configurations_are_read_and_cut_ones_refused() {
        let avcc = [1, 66, 0, 30, 0xff, 0xe1, 0, 2, 0x67, 66, 1, 0, 1, 0x68];
        let config = AvcConfig::parse(&avcc).unwrap();
        assert_eq!(config.length_size, 4);
        assert_eq!(config.parameter_sets, [vec![0x67, 66], vec![0x68]]);
        for cut in 0..avcc.len() {
            assert_eq!(AvcConfig::parse(&avcc[..cut]), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn units_come_back_as_they_were_written(nals in prop::collection::vec(prop::collection::vec(2_u8.., 1..40), 0..8)) {
            let mut stream = Vec::new();
            for nal in &nals {
                push_nal(&mut stream, nal);
            }
            prop_assert_eq!(nal_units(&stream).map(<[u8]>::to_vec).collect::<Vec<_>>(), nals);
        }

        #[test]
        fn any_bytes_pass(data in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), any::<u8>()], 0..300), n in 1_usize..5) {
            let total: usize = nal_units(&data).map(<[u8]>::len).sum();
            prop_assert!(total <= data.len());
            let mut out = Vec::new();
            let _ = avcc_to_annex_b(&data, n, &mut out);
            let _ = AvcConfig::parse(&data);
        }
    }
}
