//! Access units to pictures.

use std::borrow::Cow;
use std::collections::VecDeque;

use openh264::OpenH264API;
use openh264::decoder::{self as oh, DecoderConfig, Flush};
use openh264_sys2::{DECODER_OPTION_ERROR_CON_IDC, SBufferInfo, videoFormatI420};

use super::MAX_UNIT_BYTES;
use super::gaps::FrameNumbers;
use super::nal::{NalKind, ParameterSets, Parameters, Sps, SpsError, nal_units, push_nal, source_size};
use super::opening::Opening;
use crate::frame::{Aspect, Colour, Frame, FrameError, Plane, Siting, Size, Stamp};

/// Conceal lost slices and pictures with what lay there before (`ERROR_CON_SLICE_COPY`).
const CONCEAL_BY_COPY: i32 = 2;

/// A decoder holds back at most 16 pictures; what is older will not come any more.
const MAX_WAITING: usize = 32;

/// One that takes in more units than this and gives no picture will never give one.
const MAX_SILENT: u32 = 16;

/// One picture.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// The picture, with the stamp and the quantiser of the unit that it came from.
    pub frame: Frame,
    /// Something was missing and has been filled in: ask for a keyframe, show it all the same.
    pub damaged: bool,
    /// It refers to no other picture.
    pub keyframe: bool,
}

/// A unit that gave no picture.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Longer than any picture of a size that is decoded.
    #[error("an access unit of {0} bytes is more than the {MAX_UNIT_BYTES} that a picture can have")]
    TooLong(usize),
    /// The stream is H.264, but not of a sort that is decoded here.
    #[error("this H.264 stream cannot be decoded: {0}")]
    Unsupported(SpsError),
    /// Nothing could be made of it; decoding starts again at the next keyframe.
    #[error("the H.264 decoder made nothing of {bytes} bytes (state {state:#x}); the next keyframe will do")]
    Broken {
        /// The unit's length.
        bytes: usize,
        /// The decoder's own flags (`DECODING_STATE`).
        state: i32,
    },
    /// The decoder cannot be set up.
    #[error("the H.264 decoder does not start: {0}")]
    Start(String),
    /// What came out is no picture.
    #[error("the H.264 decoder gave no picture: {0}")]
    Picture(#[from] FrameError),
}

/// What a picture is taken for where its stream does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Assumed {
    /// Matrix and range.
    pub colour: Colour,
    /// The shape of a pixel.
    pub aspect: Aspect,
}

impl Assumed {
    /// What holds by a parameter set that may be silent.
    fn unless(self, sps: Option<&Sps>) -> Self {
        let Some(sps) = sps else { return self };
        Self {
            colour: Colour {
                matrix: sps.matrix.unwrap_or(self.colour.matrix),
                range: sps.range.unwrap_or(self.colour.range),
            },
            aspect: sps.aspect.unwrap_or(self.aspect),
        }
    }
}

/// An H.264 decoder that survives any bytes.
///
/// It is fed one access unit at a time. Streams of the baseline profile, all that this program sends,
/// give their picture at once; others may hold it back by a few units, and [`Decoder::flush`] brings
/// out the last ones.
pub struct Decoder {
    inner: oh::Decoder,
    parameters: Parameters,
    waiting: VecDeque<Waiting>,
    /// Came out together with one that was given before them.
    ready: VecDeque<Decoded>,
    fed: u64,
    /// Fed or missing before what was fed, and not given.
    owed: u64,
    /// Units with slices since the last picture came out.
    silent: u32,
    numbers: FrameNumbers,
    opening: Opening,
    assumed: Assumed,
    sets: ParameterSets,
    /// The sequence parameter set in force since the last keyframe, as it came.
    active: Option<Vec<u8>>,
    /// Its pictures are shown in the order in which they come.
    in_order: bool,
    /// What the last keyframe said.
    source_size: Option<Size>,
}

/// What a picture's slices say.
#[derive(Default)]
struct Noted {
    keyframe: bool,
    qps: Vec<f32>,
    looks: Option<Assumed>,
    siting: Option<Siting>,
    source_size: Option<Size>,
}

/// What is known of a picture that has not come out yet.
struct Waiting {
    /// Of the unit that it came with.
    number: u64,
    stamp: Stamp,
    keyframe: bool,
    qp: Option<f32>,
    looks: Assumed,
    siting: Siting,
    source_size: Option<Size>,
    damaged: bool,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("fed", &self.fed).finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder that waits for a keyframe.
    ///
    /// # Errors
    /// When OpenH264's decoder does not start.
    pub fn new() -> Result<Self, DecodeError> {
        Ok(Self {
            inner: Self::open()?,
            parameters: Parameters::default(),
            waiting: VecDeque::new(),
            ready: VecDeque::new(),
            fed: 0,
            owed: 0,
            silent: 0,
            numbers: FrameNumbers::default(),
            opening: Opening::default(),
            assumed: Assumed::default(),
            sets: ParameterSets::default(),
            active: None,
            in_order: false,
            source_size: None,
        })
    }

    fn open() -> Result<oh::Decoder, DecodeError> {
        let start = |why: String| DecodeError::Start(why);
        let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        let mut inner =
            oh::Decoder::with_api_config(OpenH264API::from_source(), config).map_err(|e| start(e.to_string()))?;
        let mut conceal = CONCEAL_BY_COPY;
        // SAFETY: the option reads one `int`, which lives until the call returns.
        let code = unsafe { inner.raw_api().set_option(DECODER_OPTION_ERROR_CON_IDC, (&raw mut conceal).cast()) };
        if code != 0 {
            return Err(start(format!("no error concealment (code {code})")));
        }
        Ok(inner)
    }

    /// What pictures of units that follow are taken for where the stream does not say: BT.601 in limited range and square
    /// pixels, if this is never called.
    pub fn assume(&mut self, assumed: Assumed) {
        self.assumed = assumed;
    }

    /// A picture has been lost before it came here.
    pub fn miss(&mut self) {
        self.numbers.next(None, None, false);
        self.owed = self.owed.saturating_add(1);
    }

    /// Decodes one access unit. [`None`]: no picture is due yet.
    ///
    /// Size and format are read from the stream's own parameter sets and checked before the decoder sees
    /// them. Colour is read there too; a stream that does not say is BT.601 in limited range. Of a unit that holds two
    /// pictures the second comes with the next call.
    ///
    /// # Errors
    /// When the unit is too long, its pictures are too large or of another format, or the decoder makes nothing of it.
    pub fn decode(&mut self, data: &[u8], stamp: Stamp) -> Result<Option<Decoded>, DecodeError> {
        if data.len() > MAX_UNIT_BYTES {
            self.owed += 1;
            return Err(DecodeError::TooLong(data.len()));
        }
        let Some(data) = self.opening.unit(without_extensions(data), &mut self.parameters) else {
            self.owed += 1;
            return Ok(None);
        };
        let data = &*data;
        if data.is_empty() {
            return Ok(None);
        }
        let before = self.active.clone();
        let has_slices = self.note_unit(data, stamp)?;
        if before.is_some() && self.active != before {
            // What it holds back would be lost when it makes room for another sort of pictures.
            for _ in 0..MAX_WAITING {
                let Some(raw) = self.flush_raw() else { break };
                let decoded = self.finish(Some(raw))?;
                self.ready.extend(decoded);
            }
        }
        let (mut pictures, mut state) = self.feed_unit(data);
        let fed = self.fed;
        let keyframe = self.waiting.iter().any(|w| w.number == fed && w.keyframe);
        if (state != 0 || self.silent > MAX_SILENT) && keyframe && pictures.iter().all(Option::is_none) {
            // Some bytes leave OpenH264 in a state that no keyframe mends, with or without an error. A keyframe needs
            // nothing that came before it.
            self.waiting.retain(|w| w.number == fed);
            self.silent = 0;
            self.inner = Self::open()?;
            (pictures, state) = self.feed_unit(data);
        }
        if state != 0 && has_slices {
            self.waiting.iter_mut().filter(|w| w.number == fed).for_each(|w| w.damaged = true);
        }
        let [first, second] = pictures.map(|raw| self.finish(raw).map(|decoded| self.ready.extend(decoded)));
        first.and(second)?;
        // OpenH264 holds a picture back in every profile but baseline, for one that might have to be shown before it.
        for _ in 0..if self.in_order { MAX_WAITING } else { 0 } {
            let Some(raw) = self.flush_raw() else { break };
            let decoded = self.finish(Some(raw))?;
            self.ready.extend(decoded);
        }
        match self.give() {
            Some(decoded) => Ok(Some(decoded)),
            None => {
                self.silent = self.silent.saturating_add(has_slices.into());
                let held_back = state == 0 && self.silent <= MAX_SILENT;
                if held_back { Ok(None) } else { Err(DecodeError::Broken { bytes: data.len(), state }) }
            }
        }
    }

    /// Gives the decoder a whole unit: what comes of it, and the decoder's flags.
    fn feed_unit(&mut self, data: &[u8]) -> ([Option<RawPicture>; 2], i32) {
        // The first call takes the unit in, the second says that it is whole. Either can give a picture.
        let (first, state) = self.feed(Some(data));
        let (second, more_state) = self.feed(None);
        ([first, second], state | more_state)
    }

    /// The next picture that is still held back, when no more units will come.
    ///
    /// # Errors
    /// When the picture has planes that do not fit together.
    pub fn flush(&mut self) -> Result<Option<Decoded>, DecodeError> {
        if let Some(decoded) = self.give() {
            return Ok(Some(decoded));
        }
        let raw = self.flush_raw();
        let decoded = self.finish(raw)?;
        self.ready.extend(decoded);
        Ok(self.give())
    }

    fn flush_raw(&mut self) -> Option<RawPicture> {
        let mut dst = [std::ptr::null_mut::<u8>(); 3];
        let mut info = SBufferInfo::default();
        // SAFETY: `dst` has the three places and `info` the struct that the call writes to.
        unsafe {
            self.inner.raw_api().flush_frame(dst.as_mut_ptr(), &raw mut info);
            RawPicture::copy(&dst, &info)
        }
    }

    /// How many pictures were fed, or are missing in the numbers of those that were, and have not been given: held back,
    /// or lost. When everything has been flushed they are the lost ones.
    pub const fn owed(&self) -> u64 {
        self.owed
    }

    /// The oldest picture that is ready.
    fn give(&mut self) -> Option<Decoded> {
        let decoded = self.ready.pop_front()?;
        self.owed = self.owed.saturating_sub(1);
        self.silent = 0;
        Some(decoded)
    }

    /// Reads what the decoder does not tell: colour, quantiser, whether it is a keyframe. Says whether the unit has
    /// slices.
    fn note_unit(&mut self, data: &[u8], stamp: Stamp) -> Result<bool, DecodeError> {
        self.fed += 1;
        // Nearly always one: who sends two pictures with one time still sent two.
        let mut pictures: Vec<Noted> = Vec::new();
        let mut source_said = None;
        for nal in nal_units(data) {
            source_said = source_size(nal).or(source_said);
            self.sets.update(nal);
            match self.parameters.update(nal) {
                Ok(()) => {}
                // A torn parameter set is the decoder's business; what it must not see is too large a one.
                Err(SpsError::Damaged) => {}
                Err(e) => return Err(DecodeError::Unsupported(e)),
            }
            let Some(kind) = NalKind::of(nal).filter(|k| k.is_slice()) else { continue };
            let header = self.parameters.slice(nal);
            let begins = header.is_some_and(|header| header.first_macroblock == 0);
            if pictures.is_empty() || begins {
                pictures.push(Noted::default());
                let sps = header.and_then(|header| self.parameters.sps(header.sps));
                let bits = sps.filter(|sps| !sps.gaps_allowed).map(|sps| sps.frame_num_bits);
                let missing = self.numbers.next(header.as_ref(), bits, kind == NalKind::Idr);
                self.owed = self.owed.saturating_add(missing.into());
            }
            let Some(picture) = pictures.last_mut() else { continue };
            picture.keyframe |= kind == NalKind::Idr;
            if kind == NalKind::Idr && begins {
                self.source_size = source_said.take();
            }
            picture.source_size = self.source_size;
            if let Some(header) = header {
                picture.qps.push(header.qp as f32);
                let sps = self.parameters.sps(header.sps);
                picture.looks = Some(self.assumed.unless(sps));
                picture.siting = sps.map(|sps| sps.siting);
                if kind == NalKind::Idr {
                    self.active = self.sets.sequence(header.sps.into()).map(<[u8]>::to_vec);
                    self.in_order = sps.is_some_and(|sps| sps.in_order);
                }
            }
        }
        for Noted { keyframe, qps, looks, siting, source_size } in pictures.iter().take(MAX_WAITING) {
            self.owed += 1;
            let qp = (!qps.is_empty()).then(|| qps.iter().sum::<f32>() / qps.len() as f32);
            let looks = looks.unwrap_or(self.assumed);
            if self.waiting.len() == MAX_WAITING {
                self.waiting.pop_front();
            }
            self.waiting.push_back(Waiting {
                number: self.fed,
                stamp,
                keyframe: *keyframe,
                qp,
                looks,
                siting: siting.unwrap_or(Siting::Left),
                source_size: *source_size,
                damaged: false,
            });
        }
        Ok(!pictures.is_empty())
    }

    fn feed(&mut self, data: Option<&[u8]>) -> (Option<RawPicture>, i32) {
        let (bytes, length) = data.map_or((std::ptr::null(), 0), |d| (d.as_ptr(), d.len()));
        let mut dst = [std::ptr::null_mut::<u8>(); 3];
        let mut info = SBufferInfo { uiInBsTimeStamp: self.fed, ..SBufferInfo::default() };
        // SAFETY: `bytes` is valid for `length` (checked to be small) or null with 0, which ends a unit;
        // `dst` has the three places and `info` the struct that the call writes to.
        unsafe {
            let state = self.inner.raw_api().decode_frame2(bytes, length as i32, dst.as_mut_ptr(), &raw mut info);
            (RawPicture::copy(&dst, &info), state)
        }
    }

    /// Joins a picture with what was noted when its unit came in.
    fn finish(&mut self, raw: Option<RawPicture>) -> Result<Option<Decoded>, DecodeError> {
        let Some(raw) = raw else { return Ok(None) };
        let at = self.waiting.iter().position(|w| w.number == raw.number).or(self.waiting.len().checked_sub(1));
        let Some(noted) = at.and_then(|at| self.waiting.remove(at)) else { return Ok(None) };
        let planes = raw.planes?;
        let [y, u, v] = planes;
        let mut frame = Frame::new(y, u, v, noted.looks.colour, noted.stamp)?;
        (frame.qp, frame.aspect, frame.siting) = (noted.qp, noted.looks.aspect, noted.siting);
        frame.source_size = noted.source_size;
        Ok(Some(Decoded { frame, damaged: noted.damaged, keyframe: noted.keyframe }))
    }
}

/// A unit from its first start code on, without the extensions for scalable and multiview video: OpenH264 makes nothing
/// of a picture that has them in front.
fn without_extensions(unit: &[u8]) -> Cow<'_, [u8]> {
    let extends = |nal: &[u8]| NalKind::of(nal).is_some_and(NalKind::is_extension);
    let zeros = unit.iter().take_while(|&&b| b == 0).count();
    if zeros >= 2 && unit.get(zeros) == Some(&1) && !nal_units(unit).any(extends) {
        return Cow::Borrowed(unit);
    }
    let mut out = Vec::with_capacity(unit.len());
    nal_units(unit).filter(|nal| !extends(nal)).for_each(|nal| push_nal(&mut out, nal));
    Cow::Owned(out)
}

/// A picture copied out of the decoder's memory, which the next call may overwrite.
struct RawPicture {
    planes: Result<[Plane; 3], FrameError>,
    /// The number that its unit was fed with.
    number: u64,
}

impl RawPicture {
    /// # Safety
    /// `dst` and `info` are what the decoder has just written.
    unsafe fn copy(dst: &[*mut u8; 3], info: &SBufferInfo) -> Option<Self> {
        if info.iBufferStatus != 1 || dst.iter().any(|p| p.is_null()) {
            return None;
        }
        // SAFETY: with `iBufferStatus` 1 the union holds the system buffer, its only member.
        let buffer = unsafe { info.UsrData.sSystemBuffer };
        if buffer.iFormat != videoFormatI420 {
            return None;
        }
        let copy = || {
            let size = Size::try_from_wide(buffer.iWidth, buffer.iHeight)?;
            let plane = |at: *mut u8, size: Size, stride: i32| -> Result<Plane, FrameError> {
                let (w, h) = (size.width() as usize, size.height() as usize);
                let stride = usize::try_from(stride).unwrap_or(0).max(w);
                // SAFETY: the decoder's plane has `h` rows, `stride` bytes apart, the last at least `w` long.
                let data = unsafe { std::slice::from_raw_parts(at, stride * (h - 1) + w) };
                Ok(Plane::copy_from(data, w, h, stride)?)
            };
            let chroma = size.chroma();
            Ok([
                plane(dst[0], size, buffer.iStride[0])?,
                plane(dst[1], chroma, buffer.iStride[1])?,
                plane(dst[2], chroma, buffer.iStride[1])?,
            ])
        };
        Some(Self { planes: copy(), number: info.uiOutYuvTimeStamp })
    }
}
