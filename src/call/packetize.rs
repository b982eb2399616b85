//! Access units into RTP payloads (RFC 6184). Packetization mode 1: single NAL units, one STAP-A for
//! neighbouring parameter sets, FU-A for what is too long. Mode 0: single NAL units and nothing else, so that the
//! encoder has to make short ones.

use bytes::{BufMut, Bytes, BytesMut};

use super::assembly::{FU_A, FU_END, FU_START, STAP_A};
use crate::codec::nal::nal_units;

/// The longest payload that is sent: with RTP header, extensions, RTX and the SRTP tag it makes a UDP
/// datagram of less than 1200 bytes, which every path carries.
pub const MAX_PAYLOAD: usize = 1150;

/// The payloads of one access unit, in sending order; the last one gets the marker bit.
pub fn packetize(unit: &[u8], max: usize) -> Vec<Bytes> {
    packetize_nals(nal_units(unit), max)
}

/// The same for a receiver of packetization mode 0: each NAL unit in a packet of its own, however long it is.
pub fn packetize_single(unit: &[u8]) -> Vec<Bytes> {
    nal_units(unit).map(Bytes::copy_from_slice).collect()
}

/// As [`packetize`], from NAL units; `max` is at least 16.
pub fn packetize_nals<'a>(nals: impl Iterator<Item = &'a [u8]>, max: usize) -> Vec<Bytes> {
    let max = max.max(16);
    let mut out = Vec::new();
    let mut sets: Vec<&[u8]> = Vec::new();
    for nal in nals {
        let Some(&header) = nal.first() else { continue };
        if matches!(header & 0x1f, 7 | 8) && nal.len() + 3 <= max && nal.len() <= usize::from(u16::MAX) {
            let together = 1 + sets.iter().map(|s| s.len() + 2).sum::<usize>() + nal.len() + 2;
            if together > max {
                flush(&mut sets, &mut out);
            }
            sets.push(nal);
            continue;
        }
        flush(&mut sets, &mut out);
        if nal.len() <= max {
            out.push(Bytes::copy_from_slice(nal));
        } else {
            fragment(nal, max, &mut out);
        }
    }
    flush(&mut sets, &mut out);
    out
}

fn flush(sets: &mut Vec<&[u8]>, out: &mut Vec<Bytes>) {
    match sets.as_slice() {
        [] => {}
        [one] => out.push(Bytes::copy_from_slice(one)),
        many => {
            // The aggregate carries the highest NRI of its parts (RFC 6184 §5.7.1).
            let nri = many.iter().filter_map(|s| s.first()).map(|h| h & 0x60).max().unwrap_or(0);
            let mut stap = BytesMut::with_capacity(1 + many.iter().map(|s| s.len() + 2).sum::<usize>());
            stap.put_u8(nri | STAP_A);
            for set in many {
                stap.put_u16(set.len() as u16);
                stap.put_slice(set);
            }
            out.push(stap.freeze());
        }
    }
    sets.clear();
}

/// FU-A parts of nearly the same length, so that no tiny packet is left over.
fn fragment(nal: &[u8], max: usize, out: &mut Vec<Bytes>) {
    let (header, body) = (nal[0], &nal[1..]);
    let parts = body.len().div_ceil(max - 2);
    let size = body.len().div_ceil(parts);
    for (i, part) in body.chunks(size).enumerate() {
        let mut packet = BytesMut::with_capacity(part.len() + 2);
        let last = (i + 1) * size >= body.len();
        packet.put_u8((header & 0xe0) | FU_A);
        packet.put_u8((header & 0x1f) | if i == 0 { FU_START } else { 0 } | if last { FU_END } else { 0 });
        packet.put_slice(part);
        out.push(packet.freeze());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_travel_together_and_long_slices_in_even_parts() {
        let mut slice = vec![0x65; 2500];
        slice[1] = 0x88;
        let payloads = packetize_nals([&[0x67, 1][..], &[0x68, 2], &slice].into_iter(), 1000);
        let lens: Vec<_> = payloads.iter().map(Bytes::len).collect();
        assert_eq!(lens, [9, 835, 835, 835]);
        assert_eq!(payloads[0][..], [0x60 | 24, 0, 2, 0x67, 1, 0, 2, 0x68, 2]);
        assert_eq!(payloads[1][..2], [0x7c, 0x85]);
        assert_eq!(payloads[2][..2], [0x7c, 0x05]);
        assert_eq!(payloads[3][..2], [0x7c, 0x45]);
    }
}
