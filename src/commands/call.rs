//! `clearcall`, `clearcall call`, `host` and `join`: a call in a window or headless.

mod headless;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use clap::Parser as _;
use clearcall::{
    call::{
        DEFAULT_BITRATE, IceServer, Impairment,
        signal::{Bearer, ServerIdentity},
    },
    interrupt::Interrupt,
    model::Model,
    pipeline::{
        AudioProcessing, AudioSettings, Auto, CallSettings, NetworkSettings, SessionError, Signaling, SoundSource,
        SpeakerChoice,
    },
    source::{self, SourceSpec},
};

use super::{Input as _, InputFault};
use crate::cli::{
    CallArgs, Cli, Command, HostArgs, JoinArgs, NetworkArgs, ReceiveArgs, SendArgs, SoundReceiveArgs, SoundSendArgs,
    TlsArgs, WatchArgs,
};

/// The model's name that leaves the choice to the program.
const AUTO: &str = "auto";

/// Where `clearcall` alone leaves its picture when there is no display.
const SNAPSHOT: &str = "clearcall-snapshot.png";

/// What becomes of a call besides being shown.
struct Outcome {
    headless: bool,
    seconds: Option<f64>,
    report: Option<PathBuf>,
    snapshot: Option<PathBuf>,
    /// Without a display go on headless and leave a picture.
    fall_back: bool,
    /// The network was named, or what it may take: what a window remembers does not count.
    #[cfg(feature = "app")]
    chosen: bool,
    /// The engine was named, likewise.
    #[cfg(feature = "app")]
    engine_chosen: bool,
    #[cfg(feature = "app")]
    named: Named,
    /// How far networks go to their vivid weights, where the command line says.
    vivid: Option<f32>,
    /// Those of the network that it names, if it has some.
    weights: Option<Model>,
}

/// What else the command line says, so that what a window remembers of it does not count.
#[cfg_attr(not(feature = "app"), allow(dead_code))] // without a window nothing is remembered
#[derive(Clone, Copy)]
struct Named {
    /// The size, the frame rate or the bitrate.
    sending: bool,
    /// A device, a file, or what is done to the sound.
    sound: bool,
    /// That there is to be no sound.
    no_sound: bool,
}

/// `clearcall` without a command: the loopback call of `clearcall call`, headless where there is no display.
pub(crate) fn default() -> anyhow::Result<()> {
    // Parsed from the same definitions, so that the defaults stand in one place.
    let Some(Command::Call(args)) = Cli::try_parse_from(["clearcall", "call"])?.command else {
        bail!("the command line has no call");
    };
    let sound = Sound::of_loopback(args.sound, args.hear);
    let named = sound.named(args.send.named());
    let settings = call_settings(args.send, &args.receive, sound, no_impairment())?;
    run(settings, Signaling::Loopback, Outcome { fall_back: true, ..outcome(args.receive, named)? })
}

pub(crate) fn call(args: CallArgs) -> anyhow::Result<()> {
    let delay = Duration::from_millis(args.delay.into());
    let impairment = no_impairment().with_loss(args.loss.0.into()).with_delay(delay, Duration::ZERO);
    let sound = Sound::of_loopback(args.sound, args.hear);
    let named = sound.named(args.send.named());
    let settings = call_settings(args.send, &args.receive, sound, impairment)?;
    run(settings, Signaling::Loopback, Outcome { fall_back: true, ..outcome(args.receive, named)? })
}

pub(crate) fn host(args: HostArgs) -> anyhow::Result<()> {
    let sound = Sound::of_call(args.sound, args.hear);
    let named = sound.named(args.send.named());
    let mut settings = call_settings(args.send, &args.receive, sound, no_impairment())?;
    settings.network = NetworkSettings { identity: identity(&args.tls)?, ..network(args.network, None)? };
    let signaling = if args.paste { Signaling::Offer } else { Signaling::Host { listen: args.listen } };
    run(settings, signaling, outcome(args.receive, named)?)
}

pub(crate) fn join(args: JoinArgs) -> anyhow::Result<()> {
    let sound = Sound::of_call(args.sound, args.hear);
    let named = sound.named(args.send.named());
    let mut settings = call_settings(args.send, &args.receive, sound, no_impairment())?;
    settings.network = network(args.network, args.token)?;
    let link = args.link.trim().to_owned();
    let signaling = if link.starts_with("http://") || link.starts_with("https://") {
        Signaling::Join { url: link }
    } else {
        Signaling::Answer { offer: link }
    };
    run(settings, signaling, outcome(args.receive, named)?)
}

/// Nothing is sent, so there is nothing to choose of that.
pub(crate) fn watch(args: WatchArgs) -> anyhow::Result<()> {
    let nothing = SendArgs { source: Some(SourceSpec::Scene), size: None, fps: None, bitrate: None };
    let sound = Sound::heard(args.hear);
    let named = sound.named(false);
    let mut settings = call_settings(nothing, &args.receive, sound, no_impairment())?;
    settings.network = network(args.network, args.token)?;
    run(settings, Signaling::Watch { url: args.link.trim().to_owned() }, outcome(args.receive, named)?)
}

/// How the other side is reached. Read here and not by the command line's parser, which would print what is wrong, the
/// password with it.
fn network(args: NetworkArgs, token: Option<String>) -> anyhow::Result<NetworkSettings> {
    let bearer = token.map(|token| token.parse::<Bearer>()).transpose().input()?;
    let ice_servers = args.ice_servers.iter().map(|url| url.parse::<IceServer>()).collect::<Result<_, _>>();
    Ok(NetworkSettings { ice_servers: ice_servers.input()?, bearer, identity: None })
}

/// The certificate that a host is asked to show.
fn identity(args: &TlsArgs) -> anyhow::Result<Option<ServerIdentity>> {
    match (&args.cert, &args.key) {
        (Some(cert), Some(key)) => ServerIdentity::from_files(cert, key).map(Some).input(),
        _ if args.tls => {
            let folder = ServerIdentity::default_folder()
                .context("the system names no folder for settings: give --cert and --key")?;
            ServerIdentity::of_this_machine(&folder).map(Some).input()
        }
        _ => Ok(None),
    }
}

fn no_impairment() -> Impairment {
    Impairment::new(1)
}

/// What is to come of a call.
fn outcome(args: ReceiveArgs, named: Named) -> anyhow::Result<Outcome> {
    #[cfg(not(feature = "app"))]
    let _ = named;
    let vivid = args.vivid.map(|amount| amount.0);
    let weights = match (args.model.as_deref().unwrap_or(AUTO), vivid) {
        (AUTO, _) => None,
        (name, Some(vivid)) => super::vivid_weights(name, vivid)?,
        (name, None) => Model::find_vivid(name).input()?,
    };
    Ok(Outcome {
        headless: args.headless,
        seconds: args.seconds.map(|s| s.0),
        report: args.report,
        snapshot: args.snapshot,
        fall_back: false,
        #[cfg(feature = "app")]
        chosen: args.model.is_some() || args.cpu_share.is_some() || args.ignore_battery,
        #[cfg(feature = "app")]
        engine_chosen: args.engine.is_some(),
        #[cfg(feature = "app")]
        named,
        vivid,
        weights,
    })
}

/// The sound of a call, as the command line has it.
struct Sound {
    send: SoundSendArgs,
    hear: SoundReceiveArgs,
    on: bool,
    /// Nothing is sent in this kind of call.
    only_heard: bool,
}

impl Sound {
    /// With another machine there is sound unless it is not wanted.
    fn of_call(send: SoundSendArgs, hear: SoundReceiveArgs) -> Self {
        Self { on: !hear.no_audio, send, hear, only_heard: false }
    }

    /// A microphone beside its own speaker howls, so a call with oneself is silent unless sound is asked for.
    fn of_loopback(send: SoundSendArgs, hear: SoundReceiveArgs) -> Self {
        let asked = send.audio.is_some() || send.microphone.is_some() || hear.audio_out.is_some();
        Self { on: asked && !hear.no_audio, send, hear, only_heard: false }
    }

    fn heard(hear: SoundReceiveArgs) -> Self {
        Self { on: !hear.no_audio, send: SoundSendArgs::default(), hear, only_heard: true }
    }

    fn named(&self, sending: bool) -> Named {
        let Self { send, hear, .. } = self;
        let device = send.audio.is_some() || send.microphone.is_some() || hear.speaker.is_some();
        let processing = send.no_echo_cancellation || send.no_noise_suppression || send.no_gain_control;
        Named { sending, sound: device || processing, no_sound: hear.no_audio }
    }

    fn settings(self, pictures: Option<&SourceSpec>, headless: bool) -> anyhow::Result<AudioSettings> {
        let Self { send, hear, on, only_heard } = self;
        let unheard = send.audio.is_some() || send.microphone.is_some();
        if unheard && !on {
            return Err(
                InputFault("--no-audio is a call without sound: leave out --audio and --microphone".into()).into()
            );
        }
        if cfg!(not(feature = "audio")) && (unheard || hear.audio_out.is_some() || hear.speaker.is_some()) {
            let why = "this program was built without sound (cargo feature `audio`): leave out its options";
            return Err(InputFault(why.to_owned()).into());
        }
        let source = match (send.audio, send.microphone, pictures) {
            _ if only_heard => SoundSource::None,
            (Some(source), ..) => source,
            (None, Some(name), _) => SoundSource::Microphone(Some(name)),
            (None, None, Some(SourceSpec::Clip(_) | SourceSpec::Scene)) => SoundSource::OfPictures,
            (None, None, _) => SoundSource::Microphone(None),
        };
        if let SoundSource::File(path) = &source
            && !path.is_file()
        {
            let text =
                format!("--audio {}: there is no such file; it may also be microphone, source or none", path.display());
            return Err(InputFault(text).into());
        }
        Ok(AudioSettings {
            on: on && cfg!(feature = "audio"),
            source,
            speaker: match hear.speaker {
                Some(name) => SpeakerChoice::Named(name),
                None if headless => SpeakerChoice::None,
                None => SpeakerChoice::Default,
            },
            muted: send.mute,
            processing: AudioProcessing {
                echo_cancellation: !send.no_echo_cancellation,
                noise_suppression: !send.no_noise_suppression,
                gain_control: !send.no_gain_control,
            },
            out: hear.audio_out,
            #[cfg(feature = "audio")]
            devices: clearcall::audio::device::Devices::default(),
        })
    }
}

fn call_settings(
    send: SendArgs,
    receive: &ReceiveArgs,
    sound: Sound,
    impairment: Impairment,
) -> anyhow::Result<CallSettings> {
    let audio = sound.settings(send.source.as_ref(), receive.headless)?;
    let source = send.source.unwrap_or_else(|| match source::cameras() {
        Ok(cameras) if !cameras.is_empty() => SourceSpec::Camera(cameras[0].index, None),
        _ => SourceSpec::Scene,
    });
    let asked = receive.model.as_deref().unwrap_or(AUTO);
    let (model, auto) = if asked == AUTO {
        let cpu_share = receive.cpu_share.map(|p| p.0.into());
        let limits = Auto { models: Vec::new(), cpu_share, spare_battery: !receive.ignore_battery };
        (super::model("nano", 0.0)?, Some(limits))
    } else if receive.cpu_share.is_some() {
        return Err(InputFault(format!("--cpu-share is for --model {AUTO}: {asked} is used as it is")).into());
    } else {
        (super::model(asked, 0.0)?, None)
    };
    Ok(CallSettings {
        source,
        size: send.size,
        fps: send.fps.map_or(30.0, |fps| fps.0),
        bitrate: send.bitrate.map_or(DEFAULT_BITRATE, |bitrate| bitrate.0),
        muted: false,
        audio,
        model,
        auto,
        engine: receive.engine.unwrap_or_default(),
        impairment: Arc::new(impairment),
        recording: None,
        network: NetworkSettings::default(),
    })
}

#[cfg(feature = "app")]
fn run(settings: CallSettings, signaling: Signaling, mut outcome: Outcome) -> anyhow::Result<()> {
    let interrupt = Interrupt::of_process().context("signals of the system cannot be heard")?;
    use clearcall::app::{self, AppError, Start};

    if outcome.headless {
        return headless::run(settings, signaling, outcome, &interrupt);
    }
    let start = Start {
        call_settings: settings.clone(),
        chosen: outcome.chosen,
        engine_chosen: outcome.engine_chosen,
        sending_chosen: outcome.named.sending,
        sound_chosen: outcome.named.sound,
        no_sound: outcome.named.no_sound,
        vivid: outcome.vivid,
        weights: outcome.weights.clone(),
        signaling: Some(signaling.clone()),
        seconds: outcome.seconds,
        report: outcome.report.clone(),
        snapshot: outcome.snapshot.clone(),
        settings: app::settings::Settings::default_path(),
        pictures: None,
        interrupt: interrupt.clone(),
    };
    match app::open::run(start) {
        Err(AppError::NoDisplay(why)) => {
            eprintln!("No window can be opened here ({why}); the call runs headless.");
            if outcome.fall_back && outcome.snapshot.is_none() {
                outcome.snapshot = Some(SNAPSHOT.into());
            }
            headless::run(settings, signaling, outcome, &interrupt)
        }
        Err(AppError::Session(error)) => session_fault(error),
        done => done.map_err(Into::into),
    }
}

#[cfg(not(feature = "app"))]
fn run(settings: CallSettings, signaling: Signaling, mut outcome: Outcome) -> anyhow::Result<()> {
    let interrupt = Interrupt::of_process().context("signals of the system cannot be heard")?;
    if !outcome.headless {
        eprintln!("This clearcall was built without its window (feature `app`); the call runs headless.");
        if outcome.fall_back && outcome.snapshot.is_none() {
            outcome.snapshot = Some(SNAPSHOT.into());
        }
    }
    headless::run(settings, signaling, outcome, &interrupt)
}

fn session_fault<T>(error: SessionError) -> anyhow::Result<T> {
    if error.is_input() { Err(InputFault(error.to_string()).into()) } else { Err(error.into()) }
}
