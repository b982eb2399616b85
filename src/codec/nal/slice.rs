//! Slice headers, as far as the quantiser.

use std::collections::BTreeMap;

use super::NalKind;
use super::bits::{Bits, rbsp};
use super::params::{PictureOrder, Pps, Sps, SpsError};

/// The parameter sets that a stream has sent so far: at most 32 and 256.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    sps: BTreeMap<u8, Sps>,
    pps: BTreeMap<u8, Pps>,
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
            // A subset set (of scalable video) begins like any other; only its bounds matter here.
            Some(NalKind::Other(15)) => {
                Sps::parse(nal)?;
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
        let frame_num = b.u(sps.frame_num_bits)?;
        let field = !sps.frames_only && b.flag()?;
        if field {
            let _bottom = b.flag()?;
        }
        if idr {
            let _idr_pic_id = b.ue()?;
        }
        match sps.order {
            PictureOrder::Lsb { bits } => {
                b.u(bits)?;
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
        if reference {
            skip_marking(b, idr)?;
        }
        if pps.cabac && !i {
            b.ue()?;
        }
        let qp = pps.qp.checked_add(b.se()?).filter(|q| (0..=51).contains(q))?;
        Some(SliceHeader { first_macroblock, frame_num, qp, sps: sps.id, reference })
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
