//! Slice headers, as far as the quantiser.

use std::collections::BTreeMap;

use super::bits::{Bits, rbsp};
use super::params::{PictureOrder, Pps, Sps, SpsError};
use super::{NalKind, nal_units};

/// The parameter sets that a stream has sent so far: at most 32 and 256.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    sps: BTreeMap<u8, Sps>,
    pps: BTreeMap<u8, Pps>,
}

/// Reads at which QP the pictures of a stream are coded, one access unit after the other.
#[derive(Debug, Clone, Default)]
pub struct QpReader {
    parameters: Parameters,
}

impl QpReader {
    /// The mean over the unit's slices of the QP that each starts with, 0 to 51; none where it cannot be read.
    pub fn read(&mut self, unit: &[u8]) -> Option<f32> {
        let (mut sum, mut slices) = (0.0, 0);
        for nal in nal_units(unit) {
            // A stream that this is asked of is one's own, so that a set that cannot be read is none.
            let _ = self.parameters.update(nal);
            if let Some(slice) = self.parameters.slice(nal) {
                sum += slice.qp as f32;
                slices += 1;
            }
        }
        (slices > 0).then(|| sum / slices as f32)
    }
}

/// What the program reads of a slice header (7.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SliceHeader {
    /// Where the slice begins; 0 begins a picture.
    pub first_macroblock: u32,
    /// `frame_num`, modulo a power of two.
    pub frame_num: u32,
    /// The quantiser that the slice starts with, 0 to 51.
    pub qp: i32,
    /// The sequence parameter set in force.
    pub sps: u8,
    /// Other pictures refer to this one (`nal_ref_idc`).
    pub reference: bool,
    /// It refers to no other picture.
    pub intra: bool,
    /// `pic_order_cnt_lsb` and its length, where the stream has it.
    pub(in crate::codec) order: Option<(u32, u32)>,
    pub(super) places: Places,
}

/// Where parts of a slice header lie, in bits of the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places {
    /// `frame_num` begins, and has so many bits.
    pub(super) frame_num: (usize, u32),
    /// `dec_ref_pic_marking` begins and ends.
    pub(super) marking: (usize, usize),
    /// The header ends. In CABAC the data begin at the next byte.
    pub(super) end: usize,
    pub(super) cabac: bool,
}

impl Parameters {
    /// Remembers a parameter set; other NAL units are let pass.
    ///
    /// # Errors
    /// As [`Sps::parse`] for a sequence parameter set. A damaged picture parameter set is passed over.
    pub fn update(&mut self, nal: &[u8]) -> Result<(), SpsError> {
        match NalKind::of(nal) {
            Some(NalKind::Sps) => {
                let sps = Sps::parse(nal)?;
                self.sps.insert(sps.id, sps);
            }
            Some(NalKind::Pps) => {
                if let Some(pps) = Pps::parse(nal) {
                    self.pps.insert(pps.id, pps);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The sequence parameter set with this number.
    pub fn sps(&self, id: u8) -> Option<&Sps> {
        self.sps.get(&id)
    }

    /// Reads the header of a slice; [`None`] where it is damaged or its parameter sets are not known.
    pub fn slice(&self, nal: &[u8]) -> Option<SliceHeader> {
        let idr = match NalKind::of(nal)? {
            NalKind::Idr => true,
            NalKind::Slice => false,
            _ => return None,
        };
        let reference = nal[0] >> 5 & 3 != 0;
        let data = rbsp(nal, 1024);
        let b = &mut Bits::new(&data);
        let first_macroblock = b.ue()?;
        let kind = b.ue().filter(|&t| t < 10)? % 5;
        let (p, bi, i) = (kind == 0 || kind == 3, kind == 1, kind == 2 || kind == 4);
        let pps = self.pps.get(&u8::try_from(b.ue()?).ok()?)?;
        let sps = self.sps.get(&pps.sps)?;
        if sps.separate_planes {
            b.u(2)?;
        }
        let frame_num_at = b.position();
        let frame_num = b.u(sps.frame_num_bits)?;
        let mut order = None;
        let field = !sps.frames_only && b.flag()?;
        if field {
            let _bottom = b.flag()?;
        }
        if idr {
            let _idr_pic_id = b.ue()?;
        }
        match sps.order {
            PictureOrder::Lsb { bits } => {
                order = Some((b.u(bits)?, bits));
                if pps.bottom_field_order && !field {
                    b.se()?;
                }
            }
            PictureOrder::Delta { always_zero: false } => {
                b.se()?;
                if pps.bottom_field_order && !field {
                    b.se()?;
                }
            }
            PictureOrder::Delta { .. } | PictureOrder::Decoding => {}
        }
        if pps.redundant_pictures {
            b.ue()?;
        }
        if bi {
            let _direct_spatial = b.flag()?;
        }
        let mut references = pps.references;
        if !i && b.flag()? {
            references[0] = b.ue().filter(|&n| n < 32)? + 1;
            if bi {
                references[1] = b.ue().filter(|&n| n < 32)? + 1;
            }
        }
        for _ in 0..if i { 0 } else { 1 + u32::from(bi) } {
            skip_list_modification(b)?;
        }
        if (pps.weighted_p && p) || (pps.weighted_b == 1 && bi) {
            b.ue()?;
            b.ue()?;
            for &n in &references[..1 + usize::from(bi)] {
                skip_weights(b, n)?;
            }
        }
        let marking = b.position();
        if reference {
            skip_marking(b, idr)?;
        }
        let marking = (marking, b.position());
        if pps.cabac && !i {
            b.ue()?;
        }
        let qp = pps.qp.checked_add(b.se()?).filter(|q| (0..=51).contains(q))?;
        if kind > 2 {
            // SP and SI.
            if kind == 3 {
                let _switching = b.flag()?;
            }
            b.se()?;
        }
        if pps.deblocking_control && b.ue()? != 1 {
            b.se()?;
            b.se()?;
        }
        let places =
            Places { frame_num: (frame_num_at, sps.frame_num_bits), marking, end: b.position(), cabac: pps.cabac };
        Some(SliceHeader { first_macroblock, frame_num, qp, sps: sps.id, reference, intra: i, order, places })
    }
}

#[cfg(test)]
impl SliceHeader {
    /// Of a first slice, all else 0.
    pub(in crate::codec) fn plain() -> Self {
        let places = Places { frame_num: (0, 4), marking: (0, 0), end: 0, cabac: false };
        let (intra, reference) = (false, true);
        Self { first_macroblock: 0, frame_num: 0, qp: 30, sps: 0, reference, intra, order: None, places }
    }
}

/// 7.3.3.1, one list.
fn skip_list_modification(b: &mut Bits<'_>) -> Option<()> {
    if b.flag()? {
        while b.ue().filter(|&op| op <= 3)? != 3 {
            b.ue()?;
        }
    }
    Some(())
}

/// 7.3.3.2, one list.
fn skip_weights(b: &mut Bits<'_>, references: u32) -> Option<()> {
    for _ in 0..references {
        for values in [2, 4] {
            if b.flag()? {
                for _ in 0..values {
                    b.se()?;
                }
            }
        }
    }
    Some(())
}

/// 7.3.3.3
fn skip_marking(b: &mut Bits<'_>, idr: bool) -> Option<()> {
    if idr {
        b.u(2)?;
    } else if b.flag()? {
        loop {
            match b.ue()? {
                0 => break,
                3 => {
                    b.ue()?;
                    b.ue()?;
                }
                1 | 2 | 4 | 6 => {
                    b.ue()?;
                }
                5 => {}
                _ => return None,
            }
        }
    }
    Some(())
}
