//! OpenH264's encoder by its own interface: the `openh264` crate cannot ask it for CABAC.

use openh264_sys2::source::APILoader;
use openh264_sys2::{
    CAMERA_VIDEO_REAL_TIME, CM_BT709, CM_SMPTE170M, CONSTANT_ID, CP_BT709, CP_SMPTE170M, ENCODER_OPTION_BITRATE,
    ENCODER_OPTION_DATAFORMAT, ENCODER_OPTION_FRAME_RATE, ENCODER_OPTION_MAX_BITRATE, ENCODER_OPTION_TRACE_LEVEL,
    ISVCEncoder, ISVCEncoderVtbl, MEDIUM_COMPLEXITY, PRO_BASELINE, PRO_HIGH, PRO_MAIN, RC_BITRATE_MODE, SBitrateInfo,
    SEncParamExt, SFrameBSInfo, SM_SINGLE_SLICE, SM_SIZELIMITED_SLICE, SPATIAL_LAYER_0, SSourcePicture, TRC_BT709,
    TRC_SMPTE170M, videoFormatI420, videoFrameTypeI as I, videoFrameTypeIDR as IDR, videoFrameTypeP as P,
    videoFrameTypeSkip as SKIPPED,
};

use super::{EncoderConfig, H264Profile};
use crate::frame::{Colour, Matrix, Range, Size};

/// The planes of a 4:2:0 picture with even sides, each with its stride.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planes<'a> {
    pub(super) size: Size,
    pub(super) data: [&'a [u8]; 3],
    pub(super) strides: [usize; 3],
}

/// What has become of a picture.
#[derive(Debug)]
pub(super) enum Coded {
    Skipped,
    /// An access unit, in Annex B.
    Unit {
        data: Vec<u8>,
        idr: bool,
    },
}

/// An encoder of the library's.
struct Handle(*mut ISVCEncoder);

// SAFETY: OpenH264 keeps an encoder's state with the encoder, and does not ask for a certain thread.
unsafe impl Send for Handle {}

/// An option of an encoder, with the type that it has in `codec_app_def.h`.
#[derive(Debug, Clone, Copy)]
enum Setting {
    TraceLevel(i32),
    DataFormat(i32),
    FrameRate(f32),
    Bitrate(SBitrateInfo),
    MaxBitrate(SBitrateInfo),
}

fn done(doing: &str, code: i32) -> Result<(), String> {
    if code == 0 { Ok(()) } else { Err(format!("{doing} failed (code {code})")) }
}

const MISSING: &str = "OpenH264 lacks a function";

impl Handle {
    fn new() -> Result<Self, String> {
        let mut encoder = std::ptr::null_mut();
        // SAFETY: it writes the encoder's address, and nothing where there is none.
        done("making one", unsafe { APILoader::WelsCreateSVCEncoder(&raw mut encoder) })?;
        if encoder.is_null() { Err("there is no memory for it".to_owned()) } else { Ok(Self(encoder)) }
    }

    fn functions(&self) -> &ISVCEncoderVtbl {
        // SAFETY: to C an encoder is a pointer to its table of functions, which is there as long as the library.
        unsafe { &**self.0 }
    }

    fn defaults(&self) -> Result<SEncParamExt, String> {
        let mut parameters = SEncParamExt::default();
        let get = self.functions().GetDefaultParams.ok_or(MISSING)?;
        // SAFETY: it fills in what lives until it returns.
        done("asking for its settings", unsafe { get(self.0, &raw mut parameters) })?;
        Ok(parameters)
    }

    fn initialize(&mut self, parameters: &SEncParamExt) -> Result<(), String> {
        let initialize = self.functions().InitializeExt.ok_or(MISSING)?;
        // SAFETY: it copies what it reads before it returns.
        done("its start", unsafe { initialize(self.0, std::ptr::from_ref(parameters)) })
    }

    fn set(&mut self, setting: Setting) -> Result<(), String> {
        let mut value = setting;
        let (option, at) = match &mut value {
            Setting::TraceLevel(value) => (ENCODER_OPTION_TRACE_LEVEL, (&raw mut *value).cast()),
            Setting::DataFormat(value) => (ENCODER_OPTION_DATAFORMAT, (&raw mut *value).cast()),
            Setting::FrameRate(value) => (ENCODER_OPTION_FRAME_RATE, (&raw mut *value).cast()),
            Setting::Bitrate(value) => (ENCODER_OPTION_BITRATE, (&raw mut *value).cast()),
            Setting::MaxBitrate(value) => (ENCODER_OPTION_MAX_BITRATE, (&raw mut *value).cast()),
        };
        let set = self.functions().SetOption.ok_or(MISSING)?;
        // SAFETY: each option reads a value of its own type, which lives until the call returns.
        done(&format!("{setting:?}"), unsafe { set(self.0, option, at) })
    }

    /// The next picture is an IDR picture, unless it is skipped.
    fn force_idr(&mut self) -> Result<(), String> {
        let force = self.functions().ForceIntraFrame.ok_or(MISSING)?;
        // SAFETY: it takes no memory of ours.
        done("a keyframe", unsafe { force(self.0, true) })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let uninitialize = self.functions().Uninitialize;
        // SAFETY: the encoder was made by this library and is not used after this; it may be uninitialised twice.
        unsafe {
            if let Some(uninitialize) = uninitialize {
                uninitialize(self.0);
            }
            APILoader::WelsDestroySVCEncoder(self.0);
        }
    }
}

/// An encoder at work on one coded video sequence.
pub(super) struct RawEncoder {
    handle: Handle,
    size: Size,
}

impl RawEncoder {
    /// An encoder for pictures of this size, whose sides are even, and colour.
    pub(super) fn new(
        config: &EncoderConfig,
        longest_nal_unit: Option<u32>,
        size: Size,
        colour: Colour,
    ) -> Result<Self, String> {
        let mut handle = Handle::new()?;
        // It would warn on stderr, of settings that are meant.
        handle.set(Setting::TraceLevel(0))?;
        let mut parameters = handle.defaults()?;
        adjust(&mut parameters, config, longest_nal_unit, size, colour);
        handle.initialize(&parameters)?;
        handle.set(Setting::DataFormat(videoFormatI420))?;
        Ok(Self { handle, size })
    }

    /// Encodes the next picture, whose time is in milliseconds; as an IDR picture, if that is wanted.
    pub(super) fn encode(&mut self, picture: Planes<'_>, time: i64, idr: bool) -> Result<Coded, String> {
        let source = source(picture, time).filter(|_| picture.size == self.size);
        let source = source.ok_or("its planes do not fit it")?;
        if idr {
            self.handle.force_idr()?;
        }
        let mut coded = SFrameBSInfo::default();
        let encode = self.handle.functions().EncodeFrame.ok_or(MISSING)?;
        // SAFETY: it only reads the planes, which are as long as `source` has found and of the size that the encoder
        // was started for, and fills in what it has made.
        done("encoding", unsafe { encode(self.handle.0, &raw const source, &raw mut coded) })?;
        match coded.eFrameType {
            SKIPPED => Ok(Coded::Skipped),
            kind @ (IDR | I | P) => {
                // SAFETY: it has just been filled in.
                let data = unsafe { unit(&coded) };
                Ok(Coded::Unit { data, idr: kind == IDR })
            }
            _ => Err("it takes no such picture".to_owned()),
        }
    }

    /// Another frame rate, without a keyframe.
    pub(super) fn set_frame_rate(&mut self, fps: f32) -> Result<(), String> {
        self.handle.set(Setting::FrameRate(fps))
    }

    /// Another bitrate instead of the one before, without a keyframe.
    pub(super) fn set_bitrate(&mut self, before: u32, bitrate: u32) -> Result<(), String> {
        let info = SBitrateInfo { iLayer: SPATIAL_LAYER_0, iBitrate: bitrate.cast_signed() };
        // The target must never be above the maximum.
        let settings = if bitrate > before {
            [Setting::MaxBitrate(info), Setting::Bitrate(info)]
        } else {
            [Setting::Bitrate(info), Setting::MaxBitrate(info)]
        };
        settings.into_iter().try_for_each(|setting| self.handle.set(setting))
    }
}

/// The NAL units that an encoder has made.
///
/// # Safety
/// `coded` must be as the encoder has filled it in, which must not have encoded again or ended since.
unsafe fn unit(coded: &SFrameBSInfo) -> Vec<u8> {
    let layers = usize::try_from(coded.iLayerNum).unwrap_or(0);
    let mut out = Vec::new();
    for layer in coded.sLayerInfo.iter().take(layers) {
        let nals = usize::try_from(layer.iNalCount).unwrap_or(0);
        if nals == 0 || layer.pNalLengthInByte.is_null() || layer.pBsBuf.is_null() {
            continue;
        }
        // SAFETY: as `codec_app_def.h` has it, there is a length for each NAL unit, and the units lie one behind the
        // other, in memory of the encoder's that stays until it encodes again.
        let bytes = unsafe {
            let lengths = std::slice::from_raw_parts(layer.pNalLengthInByte, nals);
            let bytes = lengths.iter().map(|&length| usize::try_from(length).unwrap_or(0)).sum();
            std::slice::from_raw_parts(layer.pBsBuf, bytes)
        };
        out.extend_from_slice(bytes);
    }
    out
}

/// A picture as the encoder takes it; [`None`] where its planes are shorter than it, or those of chroma differ.
fn source(picture: Planes<'_>, time: i64) -> Option<SSourcePicture> {
    let (width, height) = (picture.size.width() as usize, picture.size.height() as usize);
    let sides = [(width, height), (width / 2, height / 2), (width / 2, height / 2)];
    let mut strides = [0; 4];
    let mut data = [std::ptr::null_mut(); 4];
    for (i, (w, h)) in sides.into_iter().enumerate() {
        let (plane, stride) = (picture.data[i], picture.strides[i]);
        let length = stride.checked_mul(h.checked_sub(1)?)?.checked_add(w)?;
        if stride < w || plane.len() < length {
            return None;
        }
        strides[i] = i32::try_from(stride).ok()?;
        // The encoder only reads.
        data[i] = plane.as_ptr().cast_mut();
    }
    (strides[1] == strides[2]).then_some(SSourcePicture {
        iColorFormat: videoFormatI420,
        iStride: strides,
        pData: data,
        iPicWidth: width as i32,
        iPicHeight: height as i32,
        uiTimeStamp: time,
        bPsnrY: false,
        bPsnrU: false,
        bPsnrV: false,
    })
}

fn adjust(
    parameters: &mut SEncParamExt,
    config: &EncoderConfig,
    longest_nal_unit: Option<u32>,
    size: Size,
    colour: Colour,
) {
    let (width, height) = (size.width() as i32, size.height() as i32);
    let bitrate = config.bitrate.cast_signed();
    parameters.iUsageType = CAMERA_VIDEO_REAL_TIME;
    parameters.iPicWidth = width;
    parameters.iPicHeight = height;
    parameters.iTargetBitrate = bitrate;
    parameters.iRCMode = RC_BITRATE_MODE;
    parameters.fMaxFrameRate = config.fps;
    parameters.iTemporalLayerNum = 1;
    parameters.iSpatialLayerNum = 1;
    parameters.iComplexityMode = MEDIUM_COMPLEXITY;
    parameters.uiIntraPeriod = config.keyframe_interval.unwrap_or(0);
    parameters.eSpsPpsIdStrategy = CONSTANT_ID;
    parameters.iEntropyCodingModeFlag = i32::from(config.profile.has_cabac());
    parameters.bEnableFrameSkip = config.skip_frames;
    parameters.iMinQp = 0;
    parameters.iMaxQp = 51;
    parameters.iMultipleThreadIdc = 1;
    parameters.iLoopFilterDisableIdc = 0;
    parameters.bEnableDenoise = false;
    parameters.bEnableSceneChangeDetect = false;
    parameters.bEnableLongTermReference = false;
    // It takes slow changes for background, which it copies: stains, and bits to mend them (docs/experiments.md).
    parameters.bEnableBackgroundDetection = false;
    // OpenH264 switches that off whatever is said here.
    parameters.bEnableAdaptiveQuant = true;
    let layer = &mut parameters.sSpatialLayers[0];
    layer.iVideoWidth = width;
    layer.iVideoHeight = height;
    layer.fFrameRate = config.fps;
    layer.iSpatialBitrate = bitrate;
    layer.iMaxSpatialBitrate = bitrate;
    layer.uiProfileIdc = match config.profile {
        H264Profile::ConstrainedBaseline => PRO_BASELINE,
        H264Profile::Main => PRO_MAIN,
        H264Profile::High => PRO_HIGH,
    };
    let (primaries, transfer, matrix) = match colour.matrix {
        Matrix::Bt601 => (CP_SMPTE170M, TRC_SMPTE170M, CM_SMPTE170M),
        Matrix::Bt709 => (CP_BT709, TRC_BT709, CM_BT709),
    };
    layer.bVideoSignalTypePresent = true;
    layer.bColorDescriptionPresent = true;
    layer.bFullRange = colour.range == Range::Full;
    layer.uiColorPrimaries = primaries as u8;
    layer.uiTransferCharacteristics = transfer as u8;
    layer.uiColorMatrix = matrix as u8;
    if let Some(bytes) = longest_nal_unit {
        parameters.uiMaxNalSize = bytes;
        layer.sSliceArgument.uiSliceMode = SM_SIZELIMITED_SLICE;
        layer.sSliceArgument.uiSliceSizeConstraint = bytes;
    } else {
        layer.sSliceArgument.uiSliceMode = SM_SINGLE_SLICE;
        layer.sSliceArgument.uiSliceNum = 1;
    }
}
