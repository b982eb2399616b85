//! Streams that begin without an IDR picture: cut out of a longer one, or of an encoder that makes none.
//!
//! OpenH264 takes everything behind such a beginning for damaged. A picture that refers to no other serves as well as
//! an IDR picture, if what follows refers to nothing before it: it is given out as one, and what follows is counted
//! from it.

use std::borrow::Cow;

use super::nal::{NalKind, Parameters, SliceHeader, as_idr, nal_units, push_nal, with_frame_num};

/// How a stream has begun.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Opening {
    /// Not at all so far.
    #[default]
    Waiting,
    /// With an IDR picture.
    Regular,
    /// With another picture, from which its numbers count.
    Renumbered(Renumbered),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Renumbered {
    /// To be taken off `frame_num`.
    offset: u32,
    /// `pic_order_cnt_lsb` of the picture that it began with, as long as pictures may come that are shown before it.
    /// Those refer to what was before it, too.
    order: Option<u32>,
    /// Pictures that others refer to have been left out.
    gap: bool,
}

impl Opening {
    /// A unit as the decoder is to see it; [`None`]: its picture refers to what never came.
    pub(super) fn unit<'a>(&mut self, unit: Cow<'a, [u8]>, parameters: &mut Parameters) -> Option<Cow<'a, [u8]>> {
        if matches!(self, Self::Regular) {
            return Some(unit);
        }
        let mut headers = Vec::new();
        for nal in nal_units(&unit) {
            // What is wrong with a set is told when the unit is decoded.
            let _ = parameters.update(nal);
            match NalKind::of(nal) {
                Some(NalKind::Idr) => {
                    *self = Self::Regular;
                    return Some(unit);
                }
                Some(NalKind::Slice) => headers.push(parameters.slice(nal)),
                _ => {}
            }
        }
        let Some(&Some(first)) = headers.first() else { return Some(unit) };
        match self {
            Self::Regular => Some(unit),
            Self::Waiting => {
                if !headers.iter().all(|h| h.is_some_and(|h| h.intra && h.reference)) {
                    return Some(unit);
                }
                let order = first.order.map(|(order, _)| order);
                *self = Self::Renumbered(Renumbered { offset: first.frame_num, order, gap: false });
                Some(Cow::Owned(rewritten(&unit, parameters, as_idr)))
            }
            Self::Renumbered(renumbered) => {
                if renumbered.leads(&first) {
                    return None;
                }
                let offset = renumbered.offset;
                Some(Cow::Owned(rewritten(&unit, parameters, |nal, header| {
                    with_frame_num(nal, header, header.frame_num.wrapping_sub(offset))
                })))
            }
        }
    }
}

impl Renumbered {
    /// Whether a picture is shown before that with which the stream begins.
    fn leads(&mut self, header: &SliceHeader) -> bool {
        if let (Some(begin), Some((order, bits))) = (self.order, header.order) {
            // The difference, modulo a power of two, as a signed number.
            let range = 1_u32 << bits;
            if order.wrapping_sub(begin) % range >= range / 2 {
                self.gap |= header.reference;
                return true;
            }
        }
        self.order = None;
        if std::mem::take(&mut self.gap) {
            // The picture after the first.
            self.offset = header.frame_num.wrapping_sub(1);
        }
        false
    }
}

fn rewritten(unit: &[u8], parameters: &Parameters, rewrite: impl Fn(&[u8], &SliceHeader) -> Vec<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len() + 64);
    for nal in nal_units(unit) {
        let header =
            Some(nal).filter(|nal| NalKind::of(nal) == Some(NalKind::Slice)).and_then(|nal| parameters.slice(nal));
        match header {
            Some(header) => push_nal(&mut out, &rewrite(nal, &header)),
            None => push_nal(&mut out, nal),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::nal::tests::{coded, without_idr};
    use crate::codec::{Decoded, Decoder};
    use crate::frame::Stamp;

    fn decoded(units: &[Vec<u8>]) -> (Vec<Decoded>, u64) {
        let mut decoder = Decoder::new().unwrap();
        let mut out: Vec<_> =
            (0..).zip(units).filter_map(|(id, unit)| decoder.decode(unit, Stamp::now(id)).ok().flatten()).collect();
        out.extend(std::iter::from_fn(|| decoder.flush().unwrap()));
        (out, decoder.owed())
    }

    #[test]
    fn a_stream_without_idr_gives_the_same_pictures() {
        let (_, units) = coded();
        let (want, _) = decoded(&units);
        let (got, owed) = decoded(&without_idr(&units));
        assert_eq!((got.len(), owed), (want.len(), 0));
        assert!(got[0].keyframe);
        for (got, want) in got.iter().zip(&want) {
            assert!(!got.damaged);
            assert_eq!(got.frame.planes(), want.frame.planes());
        }
    }

    #[test]
    fn what_is_shown_before_the_first_picture_is_left_out() {
        let header = |frame_num, order, reference| {
            let mut header = SliceHeader::plain();
            (header.frame_num, header.order, header.reference) = (frame_num, Some((order, 4)), reference);
            header
        };
        let mut begun = Renumbered { offset: 7, order: Some(2), gap: false };
        // 14 lies before 2, modulo 16.
        assert!(begun.leads(&header(8, 14, true)));
        assert!(begun.leads(&header(9, 0, false)));
        assert!(!begun.leads(&header(9, 8, true)));
        assert_eq!(begun.offset, 8, "the first picture after it has the number 1");
        assert!(!begun.leads(&header(10, 1, false)), "by then numbers have come round");
    }
}
