//! Parameter sets: what a stream says about its pictures.

use super::bits::{Bits, rbsp};
use crate::frame::{Aspect, Matrix, Range, Siting, Size};

/// The macroblocks of the largest picture of level 5.2 (table A-1): 4096×2304.
const MAX_MACROBLOCKS: u64 = 36_864;

/// A parameter set is read up to this length; real ones have some tens of bytes.
const MAX_BYTES: usize = 4096;

/// What the program reads of a sequence parameter set (7.3.2.1.1).
#[derive(Debug, Clone, PartialEq)]
pub struct Sps {
    /// `seq_parameter_set_id`, below 32.
    pub id: u8,
    /// `profile_idc`: 66 baseline, 77 main, 100 high.
    pub profile: u8,
    /// The byte with `constraint_set0_flag` as its highest bit.
    pub constraints: u8,
    /// `level_idc`: ten times the level.
    pub level: u8,
    /// What is shown: the coded size without what is cropped away.
    pub size: Size,
    pub(super) frames_only: bool,
    /// From the VUI; [`None`] where it does not say.
    pub matrix: Option<Matrix>,
    /// From the VUI; [`None`] where it does not say.
    pub range: Option<Range>,
    /// The shape of a pixel, from the VUI; [`None`] where it does not say.
    pub aspect: Option<Aspect>,
    /// Where chroma lies, from the VUI; at the left where it does not say (E.2.1).
    pub siting: Siting,
    /// Where the flag stands that says so, in bits of the payload.
    pub(super) siting_at: Option<usize>,
    /// Frames per second from the VUI's timing, where it is there and within 1 to 240.
    pub fps: Option<f32>,
    pub(super) separate_planes: bool,
    pub(in crate::codec) frame_num_bits: u32,
    /// `gaps_in_frame_num_value_allowed_flag`: pictures may be left out on purpose.
    pub(in crate::codec) gaps_allowed: bool,
    pub(super) order: PictureOrder,
    /// Pictures are shown in the order in which they are coded, as far as the set says so.
    pub(in crate::codec) in_order: bool,
}

/// How a slice header says where its picture stands (`pic_order_cnt_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PictureOrder {
    Lsb { bits: u32 },
    Delta { always_zero: bool },
    Decoding,
}

/// A sequence parameter set that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpsError {
    /// Its bits end too early or contradict the standard.
    #[error("the sequence parameter set is damaged")]
    Damaged,
    /// Larger than the program decodes.
    #[error("its pictures would be {width}x{height}: more than H.264's level 5.2 (4096x2304) is not decoded")]
    TooLarge {
        /// Coded luma columns.
        width: u64,
        /// Coded luma rows.
        height: u64,
    },
    /// Not progressive 8-bit 4:2:0 of the baseline, main or high profile.
    #[error("its pictures are {what}: only progressive 8-bit 4:2:0 is decoded")]
    Format {
        /// What they are, in words.
        what: String,
    },
}

impl Sps {
    /// Reads a NAL unit of kind [`Sps`](super::NalKind::Sps).
    ///
    /// # Errors
    /// When the set is damaged, or its pictures are too large or of a format that is not decoded.
    pub fn parse(nal: &[u8]) -> Result<Self, SpsError> {
        let data = rbsp(nal, MAX_BYTES);
        let raw = RawSps::read(&mut Bits::new(&data)).ok_or(SpsError::Damaged)?;
        raw.check()
    }
}

/// The fields as they stand in the stream.
struct RawSps {
    sps: Sps,
    chroma_format: u32,
    depths: [u32; 2],
    /// `qpprime_y_zero_transform_bypass_flag`.
    lossless: bool,
    coded: [u64; 2],
    crop: [u64; 4],
}

impl RawSps {
    fn read(b: &mut Bits<'_>) -> Option<Self> {
        let (profile, constraints, level) = (b.u(8)? as u8, b.u(8)? as u8, b.u(8)? as u8);
        let id = u8::try_from(b.ue()?).ok().filter(|&id| id < 32)?;
        let (mut chroma_format, mut depths, mut lossless, mut separate_planes) = (1, [8, 8], false, false);
        if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
            chroma_format = b.ue().filter(|&f| f < 4)?;
            if chroma_format == 3 {
                separate_planes = b.flag()?;
            }
            depths = [b.ue()?.checked_add(8)?, b.ue()?.checked_add(8)?];
            lossless = b.flag()?;
            if b.flag()? {
                for i in 0..if chroma_format == 3 { 12 } else { 8 } {
                    if b.flag()? {
                        skip_scaling_list(b, if i < 6 { 16 } else { 64 })?;
                    }
                }
            }
        }
        let frame_num_bits = b.ue().filter(|&n| n <= 12)? + 4;
        let order = match b.ue()? {
            0 => PictureOrder::Lsb { bits: b.ue().filter(|&n| n <= 12)? + 4 },
            1 => {
                let always_zero = b.flag()?;
                b.se()?;
                b.se()?;
                for _ in 0..b.ue().filter(|&n| n < 256)? {
                    b.se()?;
                }
                PictureOrder::Delta { always_zero }
            }
            2 => PictureOrder::Decoding,
            _ => return None,
        };
        let _references = b.ue()?;
        let gaps_allowed = b.flag()?;
        let (width_mbs, height_units) = (u64::from(b.ue()?) + 1, u64::from(b.ue()?) + 1);
        let frames_only = b.flag()?;
        if !frames_only {
            let _mbaff = b.flag()?;
        }
        let _direct_8x8 = b.flag()?;
        let mut crop = [0; 4];
        if b.flag()? {
            // Left, right, top, bottom, in units of (6-21): chroma samples, and two rows with fields.
            let x = if matches!(chroma_format, 1 | 2) { 2 } else { 1 };
            let y = if chroma_format == 1 { 2 } else { 1 } * (2 - u64::from(frames_only));
            for (c, unit) in crop.iter_mut().zip([x, x, y, y]) {
                *c = u64::from(b.ue()?) * unit;
            }
        }
        // A VUI that is cut off (some encoders' are) does not spoil the rest.
        let vui = if b.flag()? { Vui::read(b) } else { Vui::default() };
        let coded = [width_mbs * 16, height_units * 16 * (2 - u64::from(frames_only))];
        let size = Size::new(1, 1).ok()?;
        // constraint_set5_flag, of main and high profile: no B pictures.
        let no_b = matches!(profile, 77 | 100) && constraints & 0x04 != 0;
        let in_order = no_b || order == PictureOrder::Decoding || vui.reordered == Some(0);
        let sps = Sps {
            id,
            profile,
            constraints,
            level,
            size,
            frames_only,
            matrix: vui.matrix,
            range: vui.range,
            aspect: vui.aspect,
            siting: vui.siting.unwrap_or(Siting::Left),
            siting_at: vui.siting_at,
            fps: vui.fps,
            separate_planes,
            frame_num_bits,
            gaps_allowed,
            order,
            in_order,
        };
        Some(Self { sps, chroma_format, depths, lossless, coded, crop })
    }

    fn check(self) -> Result<Sps, SpsError> {
        let [width, height] = self.coded;
        if self.chroma_format != 1 || self.depths != [8, 8] {
            let format = ["monochrome", "4:2:0", "4:2:2", "4:4:4"][self.chroma_format as usize];
            return Err(SpsError::Format { what: format!("{}-bit {format}", self.depths[0].max(self.depths[1])) });
        }
        if self.lossless {
            return Err(SpsError::Format { what: "coded without loss".to_owned() });
        }
        if !self.sps.frames_only {
            return Err(SpsError::Format { what: "interlaced".to_owned() });
        }
        let [left, right, top, bottom] = self.crop;
        let shown = (width.checked_sub(left + right), height.checked_sub(top + bottom));
        let (Some(w), Some(h)) = shown else { return Err(SpsError::Damaged) };
        let too_large = SpsError::TooLarge { width, height };
        match width.checked_mul(height) {
            Some(pixels) if pixels / 256 <= MAX_MACROBLOCKS => {}
            _ => return Err(too_large),
        }
        if w == 0 || h == 0 {
            return Err(SpsError::Damaged);
        }
        let size = Size::try_from_wide(w, h).map_err(|_| too_large)?;
        Ok(Sps { size, ..self.sps })
    }
}

/// 7.3.2.1.1.1
fn skip_scaling_list(b: &mut Bits<'_>, size: usize) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..size {
        if next != 0 {
            next = (last + b.se().filter(|d| (-128..128).contains(d))? + 256) % 256;
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// What the program reads of the usability information (annex E.1.1).
#[derive(Debug, Default)]
struct Vui {
    matrix: Option<Matrix>,
    range: Option<Range>,
    aspect: Option<Aspect>,
    siting: Option<Siting>,
    siting_at: Option<usize>,
    fps: Option<f32>,
    /// `max_num_reorder_frames`.
    reordered: Option<u32>,
}

impl Vui {
    fn read(b: &mut Bits<'_>) -> Self {
        let mut vui = Self::default();
        // What comes before its end counts.
        let _ = vui.fill(b);
        vui
    }

    fn fill(&mut self, b: &mut Bits<'_>) -> Option<()> {
        if b.flag()? {
            self.aspect = match b.u(8)? {
                255 => Aspect::new(b.u(16)?, b.u(16)?),
                code => SHAPES.get((code as usize).wrapping_sub(1)).and_then(|&(x, y)| Aspect::new(x, y)),
            };
        }
        if b.flag()? {
            let _overscan = b.flag()?;
        }
        if b.flag()? {
            let _format = b.u(3)?;
            self.range = Some(if b.flag()? { Range::Full } else { Range::Limited });
            if b.flag()? {
                let _primaries_and_transfer = b.u(16)?;
                self.matrix = Matrix::from_code(b.u(8)?);
            }
        }
        self.siting_at = Some(b.position());
        if b.flag()? {
            // Of figure E-1: 0 is at the left, 1 in the middle; the others lie above or below one of those.
            self.siting = Some(if b.ue()? % 2 == 1 { Siting::Centre } else { Siting::Left });
            b.ue()?;
        }
        if b.flag()? {
            let (tick, scale) = (b.u(32)?, b.u(32)?);
            // A frame lasts two ticks (a tick is a field).
            let fps = f64::from(scale) / (2.0 * f64::from(tick));
            self.fps = (1.0..=240.0).contains(&fps).then_some(fps as f32);
            let _fixed = b.flag()?;
        }
        let mut low_delay = false;
        for _of_nal_and_vcl in 0..2 {
            if b.flag()? {
                skip_hrd(b)?;
                low_delay = true;
            }
        }
        if low_delay {
            b.flag()?;
        }
        let _structures = b.flag()?;
        if b.flag()? {
            let _over_edges = b.flag()?;
            let _sizes = (b.ue()?, b.ue()?, b.ue()?, b.ue()?);
            self.reordered = Some(b.ue()?);
        }
        Some(())
    }
}

/// Annex E.1.2
fn skip_hrd(b: &mut Bits<'_>) -> Option<()> {
    let buffers = b.ue().filter(|&n| n < 32)? + 1;
    b.u(8)?;
    for _ in 0..buffers {
        let _rate_size_and_constancy = (b.ue()?, b.ue()?, b.flag()?);
    }
    b.u(20)?;
    Some(())
}

/// Table E-1, from 1.
const SHAPES: [(u32, u32); 16] = [
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

/// What the program reads of a picture parameter set (7.3.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pps {
    /// `pic_parameter_set_id`.
    pub id: u8,
    /// The sequence parameter set that it belongs to.
    pub sps: u8,
    /// `pic_init_qp`.
    pub qp: i32,
    /// `entropy_coding_mode_flag`.
    pub cabac: bool,
    pub(super) bottom_field_order: bool,
    pub(super) weighted_p: bool,
    pub(super) weighted_b: u32,
    pub(super) references: [u32; 2],
    pub(super) deblocking_control: bool,
    pub(super) redundant_pictures: bool,
}

impl Pps {
    /// Reads a NAL unit of kind [`Pps`](super::NalKind::Pps). Slice groups are not read.
    pub fn parse(nal: &[u8]) -> Option<Self> {
        let data = rbsp(nal, MAX_BYTES);
        let mut b = Bits::new(&data);
        let id = u8::try_from(b.ue()?).ok()?;
        let sps = u8::try_from(b.ue()?).ok().filter(|&id| id < 32)?;
        let (cabac, bottom_field_order) = (b.flag()?, b.flag()?);
        if b.ue()? != 0 {
            return None;
        }
        let references = [b.ue().filter(|&n| n < 32)? + 1, b.ue().filter(|&n| n < 32)? + 1];
        let (weighted_p, weighted_b) = (b.flag()?, b.u(2)?);
        let qp = 26 + b.se().filter(|q| (-26..=25).contains(q))?;
        let _qs = b.se()?;
        let _chroma_offset = b.se()?;
        let (deblocking_control, _constrained_intra, redundant_pictures) = (b.flag()?, b.flag()?, b.flag()?);
        Some(Self {
            id,
            sps,
            qp,
            cabac,
            bottom_field_order,
            weighted_p,
            weighted_b,
            references,
            deblocking_control,
            redundant_pictures,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes bits, for making parameter sets.
    #[derive(Default)]
    struct Writer(Vec<bool>);

    impl Writer {
        fn u(mut self, n: u32, value: u64) -> Self {
            self.0.extend((0..n).rev().map(|i| value >> i & 1 == 1));
            self
        }

        fn ue(self, value: u64) -> Self {
            let n = 64 - (value + 1).leading_zeros();
            self.u(n - 1, 0).u(n, value + 1)
        }

        fn nal(mut self, header: u8) -> Vec<u8> {
            self.0.push(true);
            let mut out = vec![header];
            let mut zeros = 0;
            for chunk in self.0.chunks(8) {
                let byte = chunk.iter().enumerate().fold(0, |byte, (i, &bit)| byte | u8::from(bit) << (7 - i));
                if zeros >= 2 && byte <= 3 {
                    out.push(3);
                    zeros = 0;
                }
                zeros = if byte == 0 { zeros + 1 } else { 0 };
                out.push(byte);
            }
            out
        }
    }

    fn baseline(width_mbs: u64, height_mbs: u64, crop_right: u64) -> Writer {
        let w = Writer::default().u(8, 66).u(8, 0xc0).u(8, 30).ue(0).ue(0).ue(2).ue(1).u(1, 0);
        let w = w.ue(width_mbs - 1).ue(height_mbs - 1).u(1, 1).u(1, 1);
        if crop_right > 0 { w.u(1, 1).ue(0).ue(crop_right).ue(0).ue(0) } else { w.u(1, 0) }
    }

    #[test]
    fn size_and_cropping() {
        let sps = Sps::parse(&baseline(30, 23, 3).u(1, 0).nal(0x67)).unwrap();
        assert_eq!((sps.size.to_string().as_str(), sps.fps), ("474x368", None));
        assert_eq!((sps.matrix, sps.range, sps.aspect), (None, None, None));
        assert_eq!((sps.profile, sps.level), (66, 30));
        assert_eq!(Sps::parse(&baseline(2, 2, 16).u(1, 0).nal(0x67)), Err(SpsError::Damaged));
    }

    #[test]
    fn absurd_sizes_are_refused_before_anything_is_allocated() {
        for side in [513, 1 << 20, (1 << 31) - 1] {
            let nal = baseline(side, side, 0).u(1, 0).nal(0x67);
            assert!(matches!(Sps::parse(&nal), Err(SpsError::TooLarge { .. })), "{side}");
        }
    }

    #[test]
    fn other_chroma_formats_are_named() {
        let nal =
            Writer::default().u(8, 122).u(8, 0).u(8, 40).ue(0).ue(2).ue(2).ue(2).u(2, 0).ue(0).ue(2).ue(1).u(1, 0);
        let nal = nal.ue(29).ue(22).u(1, 1).u(3, 0).nal(0x67);
        let error = Sps::parse(&nal).unwrap_err();
        assert_eq!(error.to_string(), "its pictures are 10-bit 4:2:2: only progressive 8-bit 4:2:0 is decoded");
    }

    #[test]
    fn pictures_without_loss_are_refused() {
        // As `ffmpeg -c:v libx264 -qp 0` makes them: 8-bit 4:2:0, but of the profile High 4:4:4 Predictive.
        let of = |lossless| Writer::default().u(8, 244).u(8, 0).u(8, 30).ue(0).ue(1).ue(0).ue(0).u(1, lossless).u(1, 0);
        let nal = |lossless| of(lossless).ue(0).ue(0).ue(2).ue(1).u(1, 0).ue(29).ue(22).u(1, 1).u(3, 0).nal(0x67);
        let error = Sps::parse(&nal(1)).unwrap_err();
        assert!(error.to_string().contains("without loss"), "{error}");
        assert!(Sps::parse(&nal(0)).is_ok());
    }

    #[test]
    fn interlaced_pictures_are_refused() {
        let w = Writer::default().u(8, 77).u(8, 0).u(8, 30).ue(0).ue(0).ue(2).ue(1).u(1, 0);
        let error = Sps::parse(&w.ue(29).ue(10).u(1, 0).u(2, 0).u(2, 0).nal(0x67)).unwrap_err();
        assert!(error.to_string().contains("interlaced"), "{error}");
    }

    #[test]
    fn colour_and_timing_from_the_vui() {
        let vui = |full: u64, matrix: u64| {
            let w = baseline(30, 23, 0).u(1, 1).u(2, 0).u(1, 1).u(3, 5).u(1, full).u(1, 1).u(16, 0x0101).u(8, matrix);
            Sps::parse(&w.u(1, 0).u(1, 1).u(32, 1001).u(32, 60000).u(1, 1).u(4, 0).nal(0x67)).unwrap()
        };
        let sps = vui(1, 1);
        assert_eq!((sps.matrix, sps.range), (Some(Matrix::Bt709), Some(Range::Full)));
        assert!((sps.fps.unwrap() - 29.97).abs() < 0.001);
        assert_eq!((vui(0, 6).matrix, vui(0, 6).range), (Some(Matrix::Bt601), Some(Range::Limited)));
        assert_eq!(vui(0, 2).matrix, None, "2 is unspecified");
    }

    #[test]
    fn where_chroma_lies_is_read_and_written() {
        // A colour description, timing, and a bit that must not be lost.
        let silent = baseline(30, 23, 0).u(1, 1).u(2, 0).u(1, 1).u(3, 5).u(1, 0).u(1, 1).u(24, 0x01_0101).u(1, 0);
        let silent = silent.u(1, 1).u(32, 1001).u(32, 60000).u(1, 1).u(4, 0).nal(0x67);
        let before = Sps::parse(&silent).unwrap();
        assert_eq!(before.siting, Siting::Left, "as H.264 has it");
        let told = super::super::with_centred_chroma(&silent).unwrap();
        let after = Sps::parse(&told).unwrap();
        assert_eq!(after, Sps { siting: Siting::Centre, ..before });
        assert_eq!(super::super::with_centred_chroma(&told), None, "it says so already");
        assert_eq!(
            super::super::with_centred_chroma(&baseline(30, 23, 0).u(1, 0).nal(0x67)),
            None,
            "there is no place"
        );
    }

    #[test]
    fn the_shape_of_a_pixel_from_the_vui() {
        let of = |w: Writer| Sps::parse(&w.u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(4, 0).nal(0x67)).unwrap().aspect;
        let by_code = |code| of(baseline(30, 23, 0).u(1, 1).u(1, 1).u(8, code));
        assert_eq!([by_code(1), by_code(14), by_code(2)], [(1, 1), (4, 3), (12, 11)].map(|(x, y)| Aspect::new(x, y)));
        assert_eq!([by_code(0), by_code(17), by_code(254)], [None; 3]);
        let own = |x, y| of(baseline(30, 23, 0).u(1, 1).u(1, 1).u(8, 255).u(16, x).u(16, y));
        assert_eq!([own(64, 45), own(0, 3), own(65535, 1)], [Aspect::new(64, 45), None, None]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_pass(mut data in prop::collection::vec(any::<u8>(), 0..80), profile in prop::sample::select(vec![66_u8, 77, 100, 244])) {
            if let Some(p) = data.get_mut(1) {
                *p = profile;
            }
            if let Ok(sps) = Sps::parse(&data) {
                prop_assert!(sps.size.pixels() as u64 <= MAX_MACROBLOCKS * 256);
            }
            let _ = Pps::parse(&data);
        }
    }
}
