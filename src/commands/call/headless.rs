//! A call without a window: it prints what people have to know, and leaves numbers and a picture.

use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use clearcall::{
    call::Media,
    interrupt::Interrupt,
    model::Model,
    pipeline::{CallSettings, CallState, Cause, DisplayFrame, NetworkOff, Session, Signaling, Taken},
    qr::QrCode,
    report,
    upscale::GpuContext,
};
use indicatif::ProgressBar;

use super::{InputFault, Outcome, session_fault};
use crate::commands::{self, Input as _};

/// How long a call with oneself lasts unless told otherwise.
const LOOPBACK: Duration = Duration::from_secs(10);

/// How often the state is looked at.
const TICK: Duration = Duration::from_millis(50);

/// What is on its way when a call with oneself ends still arrives within this time.
const ON_ITS_WAY: Duration = Duration::from_millis(500);

/// Holds the call until its time is over, the other side leaves, or the program is told to end.
pub(super) fn run(
    mut settings: CallSettings,
    signaling: Signaling,
    outcome: Outcome,
    interrupt: &Interrupt,
) -> anyhow::Result<()> {
    let vivid = outcome.vivid.unwrap_or(Model::USUAL_VIVID);
    if let Some(weights) = &outcome.weights {
        settings.model = settings.model.blended(weights, vivid).map(Arc::new).input()?;
    }
    if let Some(auto) = &mut settings.auto {
        auto.models = Model::shipped().map(|name| commands::blended(name, vivid)).collect::<anyhow::Result<_>>()?;
    }
    let gpu = if settings.engine.is_cpu() { None } else { GpuContext::headless().ok() };
    let loopback = matches!(signaling, Signaling::Loopback);
    let session = match Session::start(settings, signaling, gpu, Arc::new(|| {})) {
        Ok(session) => session,
        Err(error) => return session_fault(error),
    };
    let mut console = Console { bar: None, said: CallState::Starting, pasted: None };
    if !console.connect(&session, interrupt)? {
        eprintln!("ended before anybody was connected");
        return Ok(());
    }

    let length = outcome.seconds.map(Duration::from_secs_f64).or(loopback.then_some(LOOPBACK));
    let started = Instant::now();
    let bar = console.bar.insert(commands::bar(None, "calling")).clone();
    let mut last: Option<Arc<DisplayFrame>> = None;
    let mut take = |wait: Duration| match session.wait_frame(wait) {
        Taken::Value(frame) => {
            session.shown(&frame);
            bar.inc(1);
            last = Some(frame);
        }
        Taken::Timeout => {}
        Taken::Closed => std::thread::sleep(wait),
    };
    let mut ended = None;
    while !interrupt.is_told() && length.is_none_or(|length| started.elapsed() < length) {
        take(TICK);
        if let Some(end) = console.follow(&session)? {
            ended = Some(end);
            break;
        }
    }
    if loopback && ended.is_none() {
        session.stop_sending();
        let stopped = Instant::now();
        while stopped.elapsed() < ON_ITS_WAY {
            take(TICK);
        }
    }
    bar.finish_and_clear();
    let lasted = started.elapsed();

    let numbers = session.stats();
    // The other side hears of the end before files are written.
    drop(session);
    out!("{}", report::summary(&numbers, loopback).trim_end());
    if let Some(path) = &outcome.report {
        report::write_json(path, &numbers)?;
    }
    let direction = numbers.direction.unwrap_or_default();
    // To publish only, or to watch only, is a call.
    let receives = direction.receives();
    match (&outcome.snapshot, &last) {
        (Some(path), Some(frame)) => {
            report::write_pair(path, &frame.pair)?;
            let sides = match frame.off {
                None => "bicubic (left) and CNN (right)",
                Some(NetworkOff::TooSlow) => {
                    "bicubic (left) and bicubic again, for want of a network that is fast enough, (right)"
                }
                Some(NetworkOff::FullSize) => "both sides, which are the same, since it came at its full size,",
            };
            out!("{sides} of the last frame are in {}", path.display());
        }
        (Some(path), None) if !receives => {
            bail!("the other side sends no video, so {} was not written", path.display());
        }
        (Some(path), None) => bail!("no frame arrived, so {} was not written", path.display()),
        (None, _) => {}
    }
    match ended {
        Some((why, Cause::Input)) => Err(InputFault(why).into()),
        Some((why, Cause::Failure)) => bail!(why),
        Some((why, Cause::Finished)) => {
            out!("{why}");
            Ok(())
        }
        None if interrupt.is_told() => Ok(()),
        None if receives && last.is_none() => bail!("no frame arrived in {:.0} seconds", lasted.as_secs_f64()),
        None if direction == Media::SendOnly && numbers.frames.sent == 0 => {
            bail!("no frame was sent in {:.0} seconds", lasted.as_secs_f64())
        }
        None => Ok(()),
    }
}

/// What the person is told and asked meanwhile.
struct Console {
    bar: Option<ProgressBar>,
    said: CallState,
    /// Lines from stdin, once they are asked for.
    pasted: Option<Receiver<std::io::Result<String>>>,
}

impl Console {
    /// Waits until the other side is there, as long as the session does; false when the program is told to end before.
    fn connect(&mut self, session: &Session, interrupt: &Interrupt) -> anyhow::Result<bool> {
        loop {
            match self.follow(session)? {
                Some((why, Cause::Input)) => return Err(InputFault(why).into()),
                Some((why, _)) => bail!(why),
                None => {}
            }
            if matches!(self.said, CallState::Connected { .. }) {
                return Ok(true);
            }
            if interrupt.is_told() {
                return Ok(false);
            }
            session.wait_change(2 * TICK);
        }
    }

    /// Tells what is new of the call; gives its end, if it has come.
    fn follow(&mut self, session: &Session) -> anyhow::Result<Option<(String, Cause)>> {
        for notice in session.notices() {
            self.note(&format!("note: {notice}"));
        }
        let state = session.state();
        if state == self.said {
            if matches!(state, CallState::Offered { .. }) {
                self.paste(session)?;
            }
            return Ok(None);
        }
        match &state {
            CallState::Waiting { link, others, fingerprint } if self.bar.is_none() => {
                self.print(&how_to_reach(link, others, fingerprint.as_deref()))?;
            }
            CallState::Waiting { .. } => self.note("note: waiting for the next call; Ctrl-C ends"),
            CallState::Offered { line } => {
                self.print(&format!(
                    "1. On the other machine:\n  clearcall join '{line}'\n2. Paste the line that it prints here, \
                     within {} minutes:",
                    clearcall::pipeline::PASTE_LIMIT.as_secs() / 60
                ))?;
                self.pasted = Some(lines_of_stdin()?);
            }
            CallState::Answered { line } => self.print(&format!(
                "Paste this line into the program that made the offer, within {} minutes; it is waited for here:\n{line}",
                clearcall::pipeline::PASTE_LIMIT.as_secs() / 60
            ))?,
            CallState::Connected { .. } if self.said == CallState::Reconnecting => self.note("note: connected again"),
            CallState::Connected { with } => self.note(&format!("connected with {with}")),
            CallState::Reconnecting => self.note("note: the other side is not heard; reconnecting"),
            CallState::Ended { why, cause } => return Ok(Some((why.clone(), *cause))),
            CallState::Starting => {}
        }
        self.said = state;
        Ok(None)
    }

    /// Tries what has been pasted.
    fn paste(&self, session: &Session) -> anyhow::Result<()> {
        let Some(lines) = &self.pasted else { return Ok(()) };
        let line = match lines.recv_timeout(TICK) {
            Ok(line) => line.context("stdin")?,
            Err(RecvTimeoutError::Timeout) => return Ok(()),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(anyhow::anyhow!("stdin ended before an answer was pasted")).input();
            }
        };
        if !line.trim().is_empty()
            && let Err(error) = session.accept_answer(line.trim())
        {
            eprintln!("{error}; paste the line again:");
        }
        Ok(())
    }

    fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// For who reads it from a pipe: at once.
    fn print(&self, text: &str) -> anyhow::Result<()> {
        let print = || {
            out!("{text}");
            std::io::stdout().flush().context("stdout")
        };
        self.bar.as_ref().map_or_else(print, |bar| bar.suspend(print))
    }
}

fn is_on_loopback(link: &str) -> bool {
    let host = link.split_once("//").map_or("", |(_, rest)| rest);
    host.starts_with("127.") || host.starts_with("[::1]")
}

/// Says how the host is reached.
fn how_to_reach(link: &str, others: &[String], fingerprint: Option<&str>) -> String {
    let mut text = format!("On the other machine:\n  clearcall join '{link}'");
    if is_on_loopback(link) {
        text = format!(
            "On this machine, since only its loopback address is listened at (--listen 0.0.0.0:8080, or [::]:8080, \
             lets others in):\n  clearcall join '{link}'"
        );
    }
    if !others.is_empty() {
        text += "\nThis machine has other addresses, too; by the network that the other machine is in:";
        others.iter().for_each(|other| text += &format!("\n  clearcall join '{other}'"));
    }
    if let Some(fingerprint) = fingerprint {
        text += "\nOr open the link in a browser, on a phone as well. It will warn that nobody vouches for this machine;\n\
                 the certificate is the right one if its SHA-256 is\n  ";
        text += fingerprint;
    }
    // Where it is read by a person, and can be photographed.
    if std::io::stdout().is_terminal()
        && let Some(code) = QrCode::of(link)
    {
        text += "\n";
        text += &code.for_terminal();
    }
    text
}

/// Read by a thread of its own: nothing can end its waiting, and the call must not wait for it.
fn lines_of_stdin() -> anyhow::Result<Receiver<std::io::Result<String>>> {
    let (give, lines) = mpsc::sync_channel(1);
    let read = move || {
        for line in std::io::stdin().lock().lines() {
            if give.send(line).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("stdin".to_owned()).spawn(read).context("stdin")?;
    Ok(lines)
}
