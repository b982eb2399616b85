//! `clearcall bench`: arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use clearcall::{
    codec::H264Profile, frame::Size, measure::Metric, pipeline::SizeChoice, report::Crop, upscale::EngineChoice,
};

use super::BitsPerSecond;

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Score upscalers on clips at several bitrates
    ///
    /// Each clip is scaled down, encoded at each bitrate and decoded, as a call does it, upscaled by each upscaler,
    /// and scored against the clip itself. `full` is the clip encoded at its full size at the same bitrates,
    /// without any upscaler. BD-rate says how much less (negative) or more a curve of quality over bitrate needs
    /// for the same quality. The comparison ends with an error where an output is shifted, late, or of another
    /// range.
    Quality(Box<QualityArgs>),
    /// Measure how long a frame takes with each model, and the machine's peak beside it
    Speed(SpeedArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SpeedArgs {
    /// Which engine; auto measures the CPU, and a real GPU if there is one
    #[arg(long, value_enum, default_value_t)]
    pub(crate) engine: EngineChoice,
    /// Sizes of the pictures that are doubled
    #[arg(long, value_name = "SIZES", value_delimiter = ',', default_value = "480x360,640x360,1280x720")]
    pub(crate) size: Vec<Size>,
    /// Models' names or .safetensors files, NAME@0.6 with so much of its vivid weights; all shipped ones without it
    #[arg(long, value_name = "NAMES|FILES", value_delimiter = ',')]
    pub(crate) model: Vec<String>,
    /// Print JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct QualityArgs {
    /// Videos that were little compressed: .mp4 with H.264, .264/.h264, .y4m; or scene, the built-in one
    #[arg(value_name = "CLIP", required_unless_present = "judge")]
    pub(crate) clips: Vec<PathBuf>,
    /// Take all videos of this folder, in the order of their names, instead of naming clips
    #[arg(long, value_name = "DIR", conflicts_with = "clips")]
    pub(crate) judge: Option<PathBuf>,
    /// Bits a second for the video; four or more make BD-rates sound
    #[arg(long, value_name = "RATES", value_delimiter = ',', default_value = "150k,300k,600k")]
    pub(crate) bitrates: Vec<BitsPerSecond>,
    /// The picture that is sent fits into this size; a clip smaller than twice of it is sent at half its own
    #[arg(long, default_value = "480x360")]
    pub(crate) size: Size,
    /// Send each clip at each of these sizes, and compare all with the clip at its own size, within 1280x720
    ///
    /// A size that the clip does not have is sent at the clip's own, which is shown as it came, as `full` is. auto is the
    /// size that a call would come to.
    #[arg(long, value_name = "SIZES|auto", value_delimiter = ',', conflicts_with = "size")]
    pub(crate) sizes: Vec<SizeChoice>,
    /// What of H.264 is used
    #[arg(long, value_enum, default_value_t)]
    pub(crate) profile: H264Profile,
    /// Models: all, none, or names and .safetensors files
    #[arg(long, value_name = "all|NAMES|FILES", value_delimiter = ',', default_value = "all")]
    pub(crate) models: Vec<String>,
    /// What else takes part; bicubic always does
    #[arg(
        long,
        value_enum,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "bilinear,bicubic,lanczos,fsr1,full"
    )]
    pub(crate) upscalers: Vec<Peer>,
    /// Which scores; flicker, grain and the shift of luma are always measured
    #[arg(
        long,
        value_enum,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "psnr,ssim,ms-ssim,ssimulacra2"
    )]
    pub(crate) metrics: Vec<Score>,
    /// Measure LPIPS too, by the network in this file: alexnet.safetensors or vgg16.safetensors
    ///
    /// LPIPS (Zhang et al. 2018) is how far apart two pictures are to a network that names what pictures show; less
    /// is better. The networks are no part of clearcall: scripts/features.py makes their files.
    #[arg(long, value_name = "FILE")]
    pub(crate) features: Option<PathBuf>,
    /// Other scores than PSNR, which take most of the time, of every Nth frame that was sent
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) every: u32,
    /// At most so many frames of each clip
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) frames: Option<u32>,
    /// Let the encoder skip frames to hold its bitrate, as in a call; those that are sent are scored
    ///
    /// Without it every frame is sent, as `clearcall encode` does it, and a clip may need more than its bitrate;
    /// curves go by the bits that were really spent.
    #[arg(long)]
    pub(crate) skip: bool,
    /// Where the CNN runs; auto takes the GPU if there is a real one
    #[arg(long, value_enum, default_value_t)]
    pub(crate) engine: EngineChoice,
    /// Print JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the scores of each clip, bitrate and upscaler as CSV
    #[arg(long, value_name = "F.csv")]
    pub(crate) csv: Option<PathBuf>,
    /// Draw the first score over bitrate, a panel for each clip, and one for LPIPS where it is measured
    #[arg(long, value_name = "F.svg")]
    pub(crate) plot: Option<PathBuf>,
    /// Draw details of the truth, bicubic and the models side by side at 3 times their size
    #[arg(long, value_name = "F.png", conflicts_with = "sizes")]
    pub(crate) sheet: Option<PathBuf>,
    /// The detail to draw, in pixels of the clip; given several times for more. Without it, where most is lost
    #[arg(long, value_name = "X,Y,W,H", requires = "sheet")]
    pub(crate) crop: Vec<Crop>,
    /// The frame to draw details of, from 0; the middle one without it
    #[arg(long, value_name = "N", requires = "sheet")]
    pub(crate) frame: Option<u32>,
}

/// What takes part besides models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// Linear interpolation
    Bilinear,
    /// Keys' cubic, a = −0.5: the baseline
    Bicubic,
    /// Lanczos with three lobes
    Lanczos,
    /// After AMD's FidelityFX Super Resolution 1: EASU and RCAS, on luma
    Fsr1,
    /// No upscaler: the clip encoded at its full size
    Full,
}

/// Scores as they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Score {
    /// Of Y, U and V
    Psnr,
    /// Of luma
    Ssim,
    /// Of luma at five scales; pictures of 176x176 and more
    MsSsim,
    /// Of colours; slow
    Ssimulacra2,
    /// The mean difference of the pixels' colours; less is better
    Ciede2000,
    /// Of colours, by the network that --features names, which asks for it already; less is better
    Lpips,
}

impl Score {
    /// What the library calls it.
    pub(crate) const fn metrics(self) -> &'static [Metric] {
        match self {
            Self::Psnr => &[Metric::PsnrY, Metric::PsnrU, Metric::PsnrV],
            Self::Ssim => &[Metric::Ssim],
            Self::MsSsim => &[Metric::MsSsim],
            Self::Ssimulacra2 => &[Metric::Ssimulacra2],
            Self::Ciede2000 => &[Metric::Ciede2000],
            Self::Lpips => &[Metric::Lpips],
        }
    }
}
