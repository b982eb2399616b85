//! The command line: types and help texts, nothing else.

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use clap::{Args, Parser, Subcommand};
use clearcall::{
    call::signal::DEFAULT_PORT,
    codec::{H264Profile, MAX_BITRATE, MIN_BITRATE},
    pipeline::{SizeChoice, SoundSource},
    source::SourceSpec,
    upscale::{EngineChoice, Method},
};

mod bench;
#[cfg(feature = "app")]
mod blind;
#[cfg(feature = "train")]
mod lab;
#[cfg(feature = "train")]
mod train;

pub(crate) use bench::{BenchCommand, Peer, QualityArgs, SpeedArgs};
#[cfg(feature = "app")]
pub(crate) use blind::{BlindArgs, BlindCommand, MergeArgs, TestArgs};
#[cfg(feature = "train")]
pub(crate) use lab::{
    BoundsArgs, CollapseArgs, ComplexityCommand, CountArgs, CurvesArgs, LabCommand, LadderArgs, PlayersArgs,
    SurfaceArgs, TransportArgs, TurnsArgs,
};
#[cfg(feature = "train")]
pub(crate) use train::TrainArgs;

/// Video calls in low resolution, made sharp where they are watched.
///
/// The sender scales its picture down, encodes it as H.264 and sends it through WebRTC. The receiver
/// decodes each frame and doubles its size twice, with bicubic and with a small neural network (CNN),
/// and shows both side by side, always of the same frame.
///
/// Without a command, a loopback call starts in a window: the camera if there is one, else a scene that
/// the program draws. With no display the same call runs headless for 10 seconds and writes the two
/// pictures to clearcall-snapshot.png.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_long_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Say more on stderr; twice for everything. RUST_LOG works too
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Threads of the CPU engine, and of train and lab, at most; without it one for each core. CLEARCALL_SIMD forces the
    /// engine's instructions: avx512, avx2, neon or portable
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(crate) threads: Option<u16>,

    /// Do not measure once how a network runs fastest on a GPU, and remember neither that nor its compiled shaders
    #[arg(long, global = true)]
    pub(crate) no_tune: bool,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  something failed on the way
  2  the command line is wrong
  3  an input is wrong: a file, device, model, address or token
  4  done, but pictures of an input are missing or damaged

Examples:
  clearcall
  clearcall call --source clip.mp4 --bitrate 150k --model small
  clearcall call --headless --seconds 10 --report r.json --snapshot both.png
  clearcall host --listen 192.168.1.20:8080      (then, on the other machine, `clearcall join LINK`)
  clearcall host --tls --listen 0.0.0.0:8080     (then open the link on a phone: it is the camera)
  clearcall watch https://example.net/whep/room --token SECRET
  clearcall encode clip.mp4 -o low.264 --bitrate 150k
  clearcall upscale low.264 -o high.y4m --upscaler cnn --reference clip.mp4 --json";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Call yourself: sender and receiver in one process, over real UDP on this machine
    Call(CallArgs),
    /// Wait for a call from another machine
    ///
    /// Serves one HTTP endpoint in the shape of WHIP and prints the link, with a random token in it, that the
    /// other side gives to `clearcall join`. It listens on loopback unless --listen says otherwise. With
    /// --paste there is no server: one line is copied each way by hand.
    Host(HostArgs),
    /// Call the machine that printed this link, or any server that takes calls by WHIP
    ///
    /// A server is given by the address of its endpoint, whatever stands in it, and --token is what it asks for.
    Join(JoinArgs),
    /// See what a server sends by WHEP, upscaled; nothing is sent
    ///
    /// So many can watch one picture, each upscaling it for itself.
    Watch(WatchArgs),
    /// Scale and encode a video as the sender of a call would
    ///
    /// Writes a raw H.264 byte stream (Annex B). The picture is fitted into --size without squeezing it.
    Encode(EncodeArgs),
    /// Decode a video and double its size as the receiver of a call would
    Upscale(UpscaleArgs),
    /// Compare two videos: PSNR-Y, SSIM and SSIMULACRA2, frame by frame
    Measure(MeasureArgs),
    /// Measure how good the upscalers are
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Ask people which of two upscalers' pictures is better, without telling which is which
    ///
    /// In each round of the test a window shows a part of a frame twice, one pixel to one pixel: a frame of a clip that was
    /// scaled down, encoded and decoded as a call does it, upscaled by A and by B, in an order that is drawn by lot as are
    /// clip, bitrate, moment and place. The arrow keys answer: left, right, and down for no difference. `clearcall blind
    /// merge` counts what several people said together.
    #[cfg(feature = "app")]
    Blind(BlindArgs),
    /// List cameras with their formats, GPU adapters and engines
    Devices(ListArgs),
    /// List the models with size, cost and scores
    Models(ListArgs),
    /// Train a model on a folder of pictures
    #[cfg(feature = "train")]
    Train(TrainArgs),
    /// The theory behind the small network, as experiments: why such networks collapse, and how small they may be
    #[cfg(feature = "train")]
    #[command(subcommand)]
    Lab(LabCommand),
}

/// What is sent.
#[derive(Debug, Clone, Args)]
pub(crate) struct SendArgs {
    /// camera, camera:N, camera:N:FORMAT, scene, or a file (.mp4, .264, .y4m; .png and .jpg stand still), which is repeated
    ///
    /// Without it: the first camera, or the scene where there is none. FORMAT is one of those that `clearcall devices`
    /// lists, as in 1280x720@30:MJPEG; without it the camera's nearest to --size and --fps is taken.
    #[arg(long, value_name = "S")]
    pub(crate) source: Option<SourceSpec>,
    /// The picture that is sent fits into this size, or auto: the size that looks best with the bits that there are
    ///
    /// auto goes up to 1280x720, by the bitrate that the network carries and how hard the pictures are to code. Between
    /// two machines it is taken unless a size is given, in a call with yourself 480x360 is. Where neither this nor --fps nor --bitrate is given, the window takes all three as they were set in it last.
    #[arg(long, value_name = "SIZE|auto")]
    pub(crate) size: Option<SizeChoice>,
    /// Frames a second, at most; 30 unless it is given
    #[arg(long)]
    pub(crate) fps: Option<Fps>,
    /// Bits a second for the video: 300k, 1.2M, 300000; 300k unless it is given
    #[arg(long)]
    pub(crate) bitrate: Option<BitsPerSecond>,
}

impl SendArgs {
    /// Whether the command line says how large or how often pictures are sent.
    pub(crate) fn named(&self) -> bool {
        self.size.is_some() || self.fps.is_some() || self.bitrate.is_some()
    }
}

/// The sound that is sent, and what is done to it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Sound")]
pub(crate) struct SoundSendArgs {
    /// Sound that is sent: microphone, source (the clip's own, or the scene's tones), none, or a file: .wav, .ogg, .mp4, .mkv
    ///
    /// Without it: the microphone, and source where --source names a clip or the scene. A file is repeated. In a call
    /// with yourself nothing is sent or heard unless this is given.
    #[arg(long, value_name = "WHAT")]
    pub(crate) audio: Option<SoundSource>,
    /// The microphone to take, by its name; see `clearcall devices`
    #[arg(long, value_name = "NAME", conflicts_with = "audio")]
    pub(crate) microphone: Option<String>,
    /// Begin with the sound muted: silence is sent
    #[arg(long)]
    pub(crate) mute: bool,
    /// Leave the speaker's echo in what the microphone hears
    #[arg(long)]
    pub(crate) no_echo_cancellation: bool,
    /// Leave steady noise in it
    #[arg(long)]
    pub(crate) no_noise_suppression: bool,
    /// Leave it as loud as it is
    #[arg(long)]
    pub(crate) no_gain_control: bool,
}

/// What is done with the sound that arrives.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Sound")]
pub(crate) struct SoundReceiveArgs {
    /// The speaker to play it by, by its name; see `clearcall devices`. Without a window it is played only where this is given
    #[arg(long, value_name = "NAME")]
    pub(crate) speaker: Option<String>,
    /// Write the sound that arrives to this file
    #[arg(long, value_name = "FILE.wav")]
    pub(crate) audio_out: Option<PathBuf>,
    /// A call without sound: none is sent, and none is asked for
    #[arg(long, conflicts_with_all = ["speaker", "audio_out"])]
    pub(crate) no_audio: bool,
}

/// What is done with what arrives.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReceiveArgs {
    /// auto, a model's name (see `clearcall models`) or a .safetensors file
    ///
    /// auto takes the largest shipped model with which frames take no more than half of the time from one
    /// to the next, smaller ones while the machine is busy, and bicubic where none is fast enough. Without this
    /// the window takes what was chosen in it last, and that is auto at first.
    #[arg(long, value_name = "auto|NAME|FILE")]
    pub(crate) model: Option<String>,
    /// From the faithful picture (0) to one that looks sharper and invents detail (1), where the model has both; 0.5
    /// without it, or what was chosen in the window last
    #[arg(long, value_name = "0..1")]
    pub(crate) vivid: Option<Amount>,
    /// With --model auto: upscaling takes at most this share of all cores
    #[arg(long, value_name = "PERCENT")]
    pub(crate) cpu_share: Option<Percent>,
    /// With --model auto: take as much while the machine runs on its battery as otherwise
    #[arg(long, hide = !clearcall::pipeline::Auto::KNOWS_BATTERY)]
    pub(crate) ignore_battery: bool,
    /// Where the upscaling runs; auto, the default, takes the GPU if there is a real one
    ///
    /// Without this the window takes what was chosen in it last.
    #[arg(long, value_enum)]
    pub(crate) engine: Option<EngineChoice>,
    /// No window
    #[arg(long)]
    pub(crate) headless: bool,
    /// End the call so many seconds after it was first connected; a headless call with oneself ends after 10 otherwise
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<Seconds>,
    /// Write the call's numbers to this file as JSON
    #[arg(long, value_name = "R.json")]
    pub(crate) report: Option<PathBuf>,
    /// Write the last frame's two pictures, side by side, to this file
    #[arg(long, value_name = "P.png")]
    pub(crate) snapshot: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CallArgs {
    #[command(flatten)]
    pub(crate) send: SendArgs,
    #[command(flatten)]
    pub(crate) receive: ReceiveArgs,
    #[command(flatten)]
    pub(crate) sound: SoundSendArgs,
    #[command(flatten)]
    pub(crate) hear: SoundReceiveArgs,
    /// Lose this share of the packets on purpose, in percent
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    pub(crate) loss: Percent,
    /// Delay packets by this many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=5000))]
    pub(crate) delay: u32,
}

#[derive(Debug, Args)]
pub(crate) struct HostArgs {
    /// Address and port to wait at; 0 as the port takes a free one
    #[arg(long, value_name = "ADDR", default_value_t = SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT)))]
    pub(crate) listen: SocketAddr,
    /// Copy and paste one line each way instead of serving HTTP
    #[arg(long)]
    pub(crate) paste: bool,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) send: SendArgs,
    #[command(flatten)]
    pub(crate) receive: ReceiveArgs,
    #[command(flatten)]
    pub(crate) sound: SoundSendArgs,
    #[command(flatten)]
    pub(crate) hear: SoundReceiveArgs,
}

/// How a host shows who it is.
#[derive(Debug, Args)]
pub(crate) struct TlsArgs {
    /// Speak https, which browsers ask for before they give out a camera
    ///
    /// With a certificate that this machine makes for itself at the first time and keeps with the settings. The link
    /// carries its fingerprint, so that `clearcall join` knows it; browsers warn once.
    #[arg(long, conflicts_with = "paste")]
    pub(crate) tls: bool,
    /// Speak https with this certificate: a PEM file, those that vouch for it included
    #[arg(long, value_name = "CERT.pem", requires = "key", conflicts_with_all = ["tls", "paste"])]
    pub(crate) cert: Option<PathBuf>,
    /// The certificate's private key
    #[arg(long, value_name = "KEY.pem", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
}

/// How the other side is reached.
#[derive(Debug, Clone, Args)]
pub(crate) struct NetworkArgs {
    /// A server that helps two machines to find a way: stun:HOST:PORT or turn:USER:PASSWORD@HOST:PORT; may be repeated
    ///
    /// STUN tells a machine how it is seen from outside, TURN relays where there is no other way; both over UDP.
    /// ':' and '@' in a name or password are written %3A and %40. A host names its servers, with their passwords, to
    /// those who have its link.
    #[arg(long = "ice-server", value_name = "URL")]
    pub(crate) ice_servers: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct JoinArgs {
    /// The link that `clearcall host` printed, a WHIP endpoint, or the line that `clearcall host --paste` printed
    #[arg(value_name = "URL")]
    pub(crate) link: String,
    /// What the server asks for (a bearer token); the link of a clearcall host has it in it
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) send: SendArgs,
    #[command(flatten)]
    pub(crate) receive: ReceiveArgs,
    #[command(flatten)]
    pub(crate) sound: SoundSendArgs,
    #[command(flatten)]
    pub(crate) hear: SoundReceiveArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// The WHEP endpoint of a server
    #[arg(value_name = "URL")]
    pub(crate) link: String,
    /// What the server asks for (a bearer token)
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) receive: ReceiveArgs,
    #[command(flatten)]
    pub(crate) hear: SoundReceiveArgs,
}

#[derive(Debug, Args)]
pub(crate) struct EncodeArgs {
    /// A video: .mp4, .mov, .mkv with H.264, .264/.h264, .y4m; a still .png, .jpg; or scene, the built-in one
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// The byte stream to write, or an .mp4, which keeps the pictures' times
    #[arg(short, long, value_name = "OUT.264|OUT.mp4")]
    pub(crate) output: PathBuf,
    /// The encoded picture fits into this size, or auto: the size that a call would come to with these bits
    #[arg(long, value_name = "SIZE|auto", default_value = "480x360")]
    pub(crate) size: SizeChoice,
    /// Frames a second; the video's own rate without it, and at most that
    #[arg(long)]
    pub(crate) fps: Option<Fps>,
    /// Bits a second: 300k, 1.2M, 300000
    #[arg(long, default_value = "300k")]
    pub(crate) bitrate: BitsPerSecond,
    /// What of H.264 is used
    #[arg(long, value_enum, default_value_t)]
    pub(crate) profile: H264Profile,
    /// Skip frames where the bitrate asks for it, as a call does
    ///
    /// Without it every frame of the video comes out, so that the result can be compared frame by frame; a
    /// first frame that is expensive then costs more than its share.
    #[arg(long)]
    pub(crate) skip: bool,
    /// Print a JSON summary on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UpscaleArgs {
    /// A video: .mp4, .mov, .mkv with H.264, .264/.h264, .y4m; a still .png, .jpg; or scene, the built-in one
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// A .y4m file, or a folder for PNG pictures
    #[arg(short, long, value_name = "OUT.y4m|DIR")]
    pub(crate) output: Option<PathBuf>,
    /// How the size is doubled
    #[arg(long, value_enum, default_value_t)]
    pub(crate) upscaler: Method,
    /// A model's name (see `clearcall models`), NAME.vivid of one that has a vivid set, or a .safetensors file
    #[arg(long, value_name = "NAME|FILE", default_value = "small")]
    pub(crate) model: String,
    /// From the faithful picture (0) to one that looks sharper and invents detail (1), where the model has both
    #[arg(long, value_name = "0..1", default_value = "0")]
    pub(crate) vivid: Amount,
    /// Where the CNN runs; auto takes the GPU if there is a real one
    #[arg(long, value_enum, default_value_t)]
    pub(crate) engine: EngineChoice,
    /// Score the result against this video, which has twice the size of IN
    #[arg(long, value_name = "HR")]
    pub(crate) reference: Option<PathBuf>,
    /// Print JSON on stdout: frames, psnr_y, ssim, ssimulacra2, per_frame
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MeasureArgs {
    /// The video to judge
    #[arg(value_name = "A")]
    pub(crate) video: PathBuf,
    /// The truth it is held against, of the same size
    #[arg(value_name = "B")]
    pub(crate) reference: PathBuf,
    /// Print JSON on stdout: frames, psnr_y, ssim, ssimulacra2, per_frame
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty), $parse:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub(crate) struct $name(pub(crate) $inner);

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let parse: fn(&str) -> Result<$inner, String> = $parse;
                parse(text.trim()).map(Self)
            }
        }
    };
}

fn bounded(text: &str, low: f64, high: f64, what: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(v) if (low..=high).contains(&v) => Ok(v),
        _ => Err(format!("{what} must be a number from {low} to {high}")),
    }
}

number!(
    /// Frames a second.
    Fps(f32), |t| bounded(t, 1.0, 60.0, "the frame rate").map(|v| v as f32)
);
number!(
    /// How much of something, 0 to 1.
    Amount(f32), |t| bounded(t, 0.0, 1.0, "the amount").map(|v| v as f32)
);
number!(
    /// A share in percent, kept as 0 to 1.
    Percent(f32), |t| bounded(t.trim_end_matches('%'), 0.0, 100.0, "the share").map(|v| (v / 100.0) as f32)
);
number!(
    /// A time span.
    Seconds(f64), |t| bounded(t, 0.1, 86_400.0, "the time in seconds")
);
number!(
    /// A bitrate; k and M are thousands and millions.
    BitsPerSecond(u32), |t| {
        let (digits, factor) = match t.as_bytes().last() {
            Some(b'k' | b'K') => (&t[..t.len() - 1], 1e3),
            Some(b'm' | b'M') => (&t[..t.len() - 1], 1e6),
            _ => (t, 1.0),
        };
        match digits.trim().parse::<f64>() {
            Ok(v) if (f64::from(MIN_BITRATE)..=f64::from(MAX_BITRATE)).contains(&(v * factor)) => Ok((v * factor).round() as u32),
            _ => Err(format!(
                "a bitrate is written 300k, 1.2M or 300000, and lies between {}k and {}M",
                MIN_BITRATE / 1000,
                MAX_BITRATE / 1_000_000
            )),
        }
    }
);

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn bitrates_as_people_write_them() {
        let parse = |t: &str| t.parse::<BitsPerSecond>().map(|b| b.0);
        assert_eq!(parse("300k"), Ok(300_000));
        assert_eq!(parse("1.2M"), Ok(1_200_000));
        assert_eq!(parse("64000"), Ok(64_000));
        assert!(parse("300").is_err());
        assert!(parse("k").is_err());
        assert!(parse("NaN").is_err());
        assert!(parse("").is_err());
    }
}
