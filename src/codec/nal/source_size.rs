//! The size of the picture that was scaled down to the one that is sent, told in front of a keyframe's slices.
//!
//! It travels as a "user data unregistered" message (D.1.7 of H.264), which decoders that do not know it pass over:
//! the message's UUID, then width and height in pixels, 16 bits each, the high byte first.

use super::bits::{nal_of, rbsp};
use super::{NalKind, nal_units, push_nal};
use crate::frame::Size;

/// `user_data_unregistered()`, table D-1 of H.264's annex D.
const USER_DATA_UNREGISTERED: u32 = 5;
/// Of this program's message; drawn by lot.
const UUID: [u8; 16] = [0xe2, 0xa2, 0x14, 0xe8, 0xbb, 0xe9, 0x46, 0x75, 0x9d, 0x52, 0x49, 0x05, 0x75, 0xff, 0xc5, 0x3d];
/// Bytes of one NAL unit that are looked at, and messages in it.
const LOOKED_AT: usize = 1024;
const MESSAGES: usize = 16;

/// A keyframe that says which size its source has.
pub(in crate::codec) fn with_source_size(unit: &[u8], size: Size) -> Vec<u8> {
    let mut payload = vec![USER_DATA_UNREGISTERED as u8, UUID.len() as u8 + 4];
    payload.extend(UUID);
    // A side has 14 bits at most.
    payload.extend((size.width() as u16).to_be_bytes());
    payload.extend((size.height() as u16).to_be_bytes());
    // The bit that ends it.
    payload.push(0x80);
    let message = nal_of(6, &payload);
    let mut out = Vec::with_capacity(unit.len() + message.len() + 8);
    let mut told = false;
    for nal in nal_units(unit) {
        if !told && NalKind::of(nal).is_some_and(NalKind::is_slice) {
            push_nal(&mut out, &message);
            told = true;
        }
        push_nal(&mut out, nal);
    }
    out
}

/// What a NAL unit says of it, if it says anything.
pub(in crate::codec) fn source_size(nal: &[u8]) -> Option<Size> {
    if NalKind::of(nal) != Some(NalKind::Sei) {
        return None;
    }
    let data = rbsp(nal, LOOKED_AT);
    let mut rest = data.as_slice();
    for _ in 0..MESSAGES {
        let (kind, after) = number(rest)?;
        let (length, after) = number(after)?;
        let (message, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
        if kind == USER_DATA_UNREGISTERED
            && let Some(&[w1, w0, h1, h0]) = message.strip_prefix(&UUID)
        {
            let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
            return Size::new(side(w1, w0), side(h1, h0)).ok();
        }
        rest = after;
    }
    None
}

/// A number in bytes of 255 and one that is less (7.3.2.3.1).
fn number(data: &[u8]) -> Option<(u32, &[u8])> {
    let full = data.iter().take_while(|&&byte| byte == 255).count();
    let last = *data.get(full)?;
    Some((u32::try_from(full).ok()?.checked_mul(255)?.checked_add(last.into())?, &data[full + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::nal::tests::coded;
    use crate::frame::MAX_SIDE;

    fn told(unit: &[u8]) -> Option<Size> {
        nal_units(unit).find_map(source_size)
    }

    #[test]
    fn it_stands_between_the_parameter_sets_and_the_slices() {
        let (_, units) = coded();
        let size = Size::new(1280, 720).unwrap();
        let unit = with_source_size(&units[0], size);
        let kinds: Vec<_> = nal_units(&unit).filter_map(NalKind::of).collect();
        assert_eq!(kinds, [NalKind::Sps, NalKind::Pps, NalKind::Sei, NalKind::Idr]);
        assert_eq!((told(&unit), told(&units[0])), (Some(size), None));
        // The rest is as it was.
        let rest: Vec<_> = nal_units(&unit).filter(|nal| NalKind::of(nal) != Some(NalKind::Sei)).collect();
        assert_eq!(rest, nal_units(&units[0]).collect::<Vec<_>>());
    }

    #[test]
    fn it_is_found_behind_other_messages() {
        let own = with_source_size(&coded().1[0], Size::new(640, 480).unwrap());
        let own = nal_units(&own).find(|nal| NalKind::of(nal) == Some(NalKind::Sei)).unwrap();
        let own = rbsp(own, usize::MAX);
        // Type 255 + 45 of 260 bytes, and one of no bytes.
        let others = [[255, 45, 255, 5].as_slice(), &[7; 260], &[1, 0]].concat();
        assert_eq!(source_size(&nal_of(6, &[others.as_slice(), &own].concat())), Size::new(640, 480).ok());
        // A foreign UUID says nothing, and neither does a size that no picture has.
        let mut foreign = own.clone();
        foreign[2] ^= 1;
        assert_eq!(source_size(&nal_of(6, &foreign)), None);
        let mut none = own;
        none[18..22].fill(0);
        assert_eq!(source_size(&nal_of(6, &none)), None);
    }

    proptest! {
        #[test]
        fn every_size_comes_back(width in 1..=MAX_SIDE, height in 1..=MAX_SIDE) {
            let size = Size::new(width, height).unwrap();
            prop_assert_eq!(told(&with_source_size(&[0, 0, 1, 0x65, 0x88], size)), Some(size));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..64), long in 0..3000_usize) {
            let _ = source_size(&[[6].as_slice(), &bytes].concat());
            let _ = source_size(&[[6].as_slice(), &vec![255; long], &bytes].concat());
        }
    }
}
