//! Twice the size: bicubic and the network, on the GPU or the CPU.
//!
//! An engine takes a decoded picture and gives both results of the same picture, so that what is shown side
//! by side always belongs together. [`mod@reference`] says what they must give; tests hold every engine to
//! within one code of it.
//!
//! ```text
//!          ┌─▶ bicubic ─────────────────┬──▶ colour ─▶ left
//!   Y ─────┤                            ▼
//!          └─▶ network ─▶ shuffle ────▶ + ─▶ colour ─▶ right
//!   U, V ────▶ bicubic ─────────────────────▶ both
//! ```

use std::{fmt, sync::Arc, time::Duration};

use clap::ValueEnum;

use crate::{
    frame::{Frame, FrameError, Rgba, Size, SizeError, Stamp},
    model::Model,
};

pub mod bicubic;
mod colour;
pub mod cpu;
pub(crate) mod filter;
pub mod fsr1;
pub mod gpu;
pub mod governor;
pub mod hysteresis;
pub mod lanczos;
pub mod reference;

pub use cpu::{CpuEngine, Isa};
pub use gpu::{GpuContext, GpuEngine, GpuPicture};

/// Where pictures are upscaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// WGSL compute shaders.
    Gpu,
    /// Threads and vectorised loops.
    Cpu,
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gpu => "gpu",
            Self::Cpu => "cpu",
        })
    }
}

/// Which engine the user wants. What its values say is the command line's help, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum EngineChoice {
    /// A real GPU if there is one, else the CPU: in a call in bytes, for files in f32
    #[default]
    Auto,
    /// The GPU, even a software one
    Gpu,
    /// The same, computing in bytes, four products at once
    GpuInt8,
    /// The CPU
    Cpu,
    /// The CPU, computing in bytes: faster, above all with larger models, and some hundredths of a dB worse
    CpuInt8,
}

/// In what an engine computes a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floating point.
    #[default]
    F32,
    /// Features, weights and products in 16 bits, sums in 32: GPUs that have them.
    F16,
    /// Bytes, summed up in 32 bits: faster on the CPU, and off by less than a code now and then.
    Int8,
}

/// What bicubic, chroma and colours of a pixel take beside the network, in multiply-adds in f32 (CPU engine).
pub(crate) const REST: f64 = 250.0;

impl Precision {
    /// What so many multiply-adds take on the CPU, in those in f32: a quarter in bytes, as with AVX-512 VNNI. It is half
    /// in AVX2; what a larger model takes is then told a tenth too short.
    pub(crate) fn cost(self, multiply_adds: usize) -> f64 {
        multiply_adds as f64 / if self == Self::Int8 { 4.0 } else { 1.0 }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        })
    }
}

/// How a picture is made twice as large. What its values say is the command line's help, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Linear interpolation
    Bilinear,
    /// Keys' cubic, a = −0.5
    Bicubic,
    /// Lanczos with three lobes
    Lanczos,
    /// The network's luma on bicubic
    #[default]
    Cnn,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of all values only one that was hidden from the command line would have no word.
        self.to_possible_value().map_or(Ok(()), |word| f.write_str(word.get_name()))
    }
}

impl EngineChoice {
    /// All, in the order in which they are offered.
    pub const ALL: [Self; 5] = [Self::Auto, Self::Gpu, Self::GpuInt8, Self::Cpu, Self::CpuInt8];

    /// Whether no GPU is asked for.
    pub fn is_cpu(self) -> bool {
        matches!(self, Self::Cpu | Self::CpuInt8)
    }

    /// Whether a GPU is asked for, even one that is a program.
    pub fn is_gpu(self) -> bool {
        matches!(self, Self::Gpu | Self::GpuInt8)
    }
}

/// A picture that could not be upscaled.
#[derive(Debug, thiserror::Error)]
pub enum UpscaleError {
    /// The result would be larger than pictures may be.
    #[error("the picture is too large to be doubled: {0}")]
    Size(#[from] SizeError),
    /// Planes that do not fit together.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The threads cannot be started.
    #[error("cannot start the threads of the CPU engine: {0}")]
    Threads(String),
    /// Instructions that nobody knows or that the machine does not have.
    #[error("the CPU engine cannot use these instructions: {0}")]
    Simd(String),
    /// Weights of another shape.
    #[error("the model {0} has another shape than the one that runs")]
    Shape(String),
    /// There is no adapter to use.
    #[error("there is no GPU adapter to use: {0}. The CPU engine needs none: --engine cpu")]
    NoAdapter(String),
    /// The GPU is gone: it was reset, its driver ended, or it was unplugged.
    #[error("the GPU was lost: {0}. The CPU engine needs none: --engine cpu")]
    Lost(String),
    /// The GPU or its driver failed.
    #[error("the GPU cannot upscale: {0}. The CPU engine needs none: --engine cpu")]
    Gpu(String),
}

/// One picture of a [`Pair`].
#[derive(Debug, Clone)]
pub enum Picture {
    /// In memory.
    Cpu(Arc<Rgba>),
    /// A texture of the device that the engine runs on.
    Gpu(GpuPicture),
}

impl Picture {
    /// The bytes, wherever they are now. From a GPU this waits until the picture is done.
    ///
    /// # Errors
    /// When a GPU's device is lost, or refuses to copy.
    pub fn to_rgba(&self) -> Result<Arc<Rgba>, UpscaleError> {
        match self {
            Self::Cpu(rgba) => Ok(rgba.clone()),
            Self::Gpu(picture) => picture.read_back().map(Arc::new),
        }
    }
}

/// Both results of one frame.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The frame's.
    pub stamp: Stamp,
    /// The size of both pictures: twice the frame's, or the frame's own where it [came so](Self::as_it_came).
    pub size: Size,
    /// The baseline.
    pub bicubic: Picture,
    /// The network's.
    pub cnn: Picture,
}

impl Pair {
    /// A frame that is shown at its own size, as both pictures.
    pub fn as_it_came(frame: &Frame) -> Self {
        let picture = Picture::Cpu(Arc::new(frame.to_rgba()));
        Self { stamp: frame.stamp, size: frame.size(), bicubic: picture.clone(), cnn: picture }
    }
}

/// What a GPU needed for a frame, by its own clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuTime {
    /// From the beginning of its first pass to the end of its last one.
    pub total: Duration,
    /// Each pass, in the order in which they ran.
    pub passes: Arc<[PassTime]>,
}

/// A part of a [`GpuTime`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassTime {
    /// What the pass computes: "layer 1", "pictures".
    pub name: Arc<str>,
    /// From its beginning to that of the next.
    pub time: Duration,
}

/// An engine.
pub trait Upscaler: Send {
    /// Where it runs.
    fn engine(&self) -> EngineKind;

    /// What it runs on, in words: "CPU, 2 threads", or the adapter's name.
    fn describe(&self) -> String;

    /// In what it computes the network that it has.
    fn precision(&self) -> Precision;

    /// Both pictures of one frame.
    ///
    /// # Errors
    /// When twice the frame's size is too large, or the GPU fails or is lost for good.
    fn compare(&mut self, lr: &Frame) -> Result<Pair, UpscaleError>;

    /// Bicubic alone, as both pictures: where no network is fast enough.
    ///
    /// # Errors
    /// When twice the frame's size is too large, or the GPU fails or is lost for good.
    fn bicubic(&mut self, lr: &Frame) -> Result<Pair, UpscaleError>;

    /// What the GPU needed for a frame lately, one of the last few; none without a GPU, or where it has no clock.
    fn gpu_time(&mut self) -> Option<GpuTime> {
        None
    }

    /// What each of the CPU's threads computed for the last frame of [`Upscaler::compare`] or [`Upscaler::bicubic`], on
    /// the mean: what it would take by the clock on a machine that does nothing else. None on a GPU, and where the
    /// system does not say.
    fn cpu_time(&self) -> Option<Duration> {
        None
    }

    /// What the engine has to tell the person since it was last asked: that it lost its GPU and found another.
    fn notice(&mut self) -> Option<String> {
        None
    }

    /// The frame at twice the size in I420, for files and scores.
    ///
    /// # Errors
    /// When twice the frame's size is too large, or the GPU fails or is lost for good.
    fn upscale(&mut self, lr: &Frame, how: Method) -> Result<Frame, UpscaleError>;

    /// Uses another model from the next frame on.
    fn set_model(&mut self, model: Arc<Model>);

    /// Uses other weights of the same shape from the next frame on, which follows no frame before. Cheap enough for
    /// every frame: nothing is compiled or made anew. A model of another shape is refused, and changes nothing.
    ///
    /// # Errors
    /// When the model has another shape than the one that runs.
    fn set_weights(&mut self, model: &Model) -> Result<(), UpscaleError>;
}

/// Makes the engine to use for files and scores, and says in words why it is that one.
///
/// A real GPU is used where there is one. Where there is none, or only a program on the CPU that behaves
/// like one, the CPU engine is several times faster. `context` is the window's device, so that pictures stay
/// where they are shown; without it a device of its own is opened.
///
/// # Errors
/// When the engine that was asked for cannot be made, or, for [`EngineChoice::Auto`], not even the CPU's.
pub fn choose(choice: EngineChoice, context: Option<GpuContext>, model: Arc<Model>) -> Result<Chosen, UpscaleError> {
    choose_in(Precision::F32, choice, context, model)
}

/// The same for a call, where a frame has to be done before the next one comes: on a CPU that nobody asked for, the
/// network is computed in bytes. A larger one then fits into the time of a frame, and gains more than bytes lose.
///
/// # Errors
/// As [`choose`].
pub fn choose_for_call(
    choice: EngineChoice,
    context: Option<GpuContext>,
    model: Arc<Model>,
) -> Result<Chosen, UpscaleError> {
    choose_in(Precision::Int8, choice, context, model)
}

/// An engine, and in words why it is that one.
pub type Chosen = (Box<dyn Upscaler>, String);

/// `fallback` is what a CPU that nobody asked for computes in.
fn choose_in(
    fallback: Precision,
    choice: EngineChoice,
    context: Option<GpuContext>,
    model: Arc<Model>,
) -> Result<Chosen, UpscaleError> {
    let cpu = |precision: Precision, why: String| -> Result<Chosen, UpscaleError> {
        let engine = CpuEngine::new(&model, None)?.in_precision(&model, precision);
        let why = match engine.precision() {
            Precision::Int8 => format!("CPU in bytes: {why}"),
            _ if choice == EngineChoice::CpuInt8 => {
                format!("CPU in f32: {} does not say how large its values become", model.name())
            }
            _ => format!("CPU: {why}"),
        };
        Ok((Box::new(engine), why))
    };
    match choice {
        EngineChoice::Cpu => return cpu(Precision::F32, "as asked".to_owned()),
        EngineChoice::CpuInt8 => return cpu(Precision::Int8, "as asked".to_owned()),
        EngineChoice::Auto | EngineChoice::Gpu | EngineChoice::GpuInt8 => {}
    }
    let cpu = |why: String| cpu(fallback, why);
    let opened = context.map_or_else(GpuContext::headless, Ok);
    let gpu = match (opened, choice) {
        (Ok(gpu), EngineChoice::Auto) if gpu.is_software() => {
            return cpu(format!("the only adapter is a software one ({})", gpu.adapter().name));
        }
        (Ok(gpu), _) => gpu,
        (Err(e), _) if choice.is_gpu() => return Err(e),
        (Err(UpscaleError::NoAdapter(why)), _) => return cpu(format!("there is no GPU adapter ({why})")),
        (Err(e), _) => return cpu(e.to_string()),
    };
    let adapter = gpu.adapter().clone();
    let made = match choice {
        EngineChoice::GpuInt8 => GpuEngine::in_bytes(gpu, model.clone()),
        _ => GpuEngine::new(gpu, model.clone()),
    };
    match made {
        Ok(engine) => {
            let how = match engine.precision() {
                Precision::Int8 => " in bytes",
                _ if choice == EngineChoice::GpuInt8 => {
                    ", not in bytes: the model does not say how large its values become"
                }
                _ => "",
            };
            let software = if adapter.software { ", a software adapter, as asked" } else { "" };
            Ok((Box::new(engine), format!("GPU: {}{software}{how}", adapter.name)))
        }
        Err(e) if choice.is_gpu() => Err(e),
        Err(e) => cpu(format!("{} failed ({e})", adapter.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_file_the_report_and_the_command_line_use_the_same_words() {
        let same = |value: serde_json::Value, word: Option<clap::builder::PossibleValue>| {
            assert_eq!(value.as_str(), word.as_ref().map(|w| w.get_name()));
        };
        for method in Method::value_variants() {
            same(serde_json::to_value(method).unwrap(), method.to_possible_value());
        }
        for engine in EngineChoice::ALL {
            same(serde_json::to_value(engine).unwrap(), engine.to_possible_value());
        }
        assert_eq!(Method::Cnn.to_string(), "cnn");
        assert_eq!(EngineChoice::value_variants(), EngineChoice::ALL, "all are offered");
    }
}
