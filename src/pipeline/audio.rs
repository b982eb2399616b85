//! The sound of a call, on one thread that waits for nobody: microphone → echo cancellation → Opus → the connection, and
//! the connection → jitter buffer → speaker.
//!
//! ```text
//!  devices' threads ⇄ ring buffers ⇄ ┌────────┐ ─AudioSender▶ the connection
//!  a file's thread ─blocks─▶         │ audio  │ ◀─packets──── the session
//!  the opener ─opened devices─▶      └────────┘ ─blocks─▶ the writer of --audio-out
//! ```
//!
//! It looks every few milliseconds at what there is. Opening a device, reading a file and writing one may take their time,
//! and are done by threads of their own.

mod opener;
mod playing;
mod sending;
mod sound_reader;
mod wav_out;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use self::{opener::Opener, playing::Playing, sending::Sending, wav_out::WavOut};
use super::{
    CallSettings, SessionError, lip_sync::LipSync, notices::Notices, sender::SourcePosition, state_machine::Generation,
};
use crate::{
    audio::processor::Processor,
    call::{AudioSender, ReceivedAudio},
    stats::{AudioStats, Stats},
};

/// How long the thread sleeps where no packet comes.
const TICK: Duration = Duration::from_millis(5);
/// Packets that may wait for it: five seconds.
const PACKETS: usize = 256;
/// How often its numbers are told.
const STATS_EVERY: Duration = Duration::from_millis(100);

/// The connection that is live, and where packets of sound go, if it takes them.
#[derive(Debug, Clone)]
pub(super) struct AudioOutlet {
    pub(super) generation: Generation,
    pub(super) sender: Option<AudioSender>,
}

/// A packet on its way to the thread.
struct Arrived {
    generation: Generation,
    audio: ReceivedAudio,
}

/// Where packets from the network go.
#[derive(Clone)]
pub(super) struct AudioQueue(SyncSender<Arrived>);

impl AudioQueue {
    /// A packet that came over this connection. One that finds no place is lost, as on the network.
    pub(super) fn put(&self, generation: Generation, audio: ReceivedAudio) {
        let _ = self.0.try_send(Arrived { generation, audio });
    }
}

/// What the thread shares with the session.
pub(super) struct AudioContext {
    pub(super) settings: watch::Receiver<CallSettings>,
    /// Nothing is sent where there is none.
    pub(super) outlet: watch::Receiver<Option<AudioOutlet>>,
    /// Where the pictures' source is.
    pub(super) position: watch::Receiver<Option<SourcePosition>>,
    pub(super) lip_sync: Arc<Mutex<LipSync>>,
    pub(super) stats: Stats,
    pub(super) notices: Notices,
}

/// The running thread; dropping it ends and joins it. It lives as long as the session.
pub(super) struct AudioHalf {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl AudioHalf {
    /// Begins the file for what arrives, if one is wished for, and the thread.
    pub(super) fn start(context: AudioContext) -> Result<(Self, AudioQueue), SessionError> {
        let out = context.settings.borrow().audio.out.as_deref().map(WavOut::create).transpose()?;
        let (packets, inbox) = sync_channel(PACKETS);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("audio".into()).spawn(move || {
            let notices = context.notices.clone();
            match AudioThread::new(context, out) {
                Ok(mut thread) => thread.run(&inbox, &stopped),
                Err(why) => notices.say(format!("there is no sound in this call: {why}")),
            }
        })?;
        Ok((Self { stop, thread: Some(thread) }, AudioQueue(packets)))
    }
}

impl Drop for AudioHalf {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the audio thread panicked");
        }
    }
}

struct AudioThread {
    settings: watch::Receiver<CallSettings>,
    outlet: watch::Receiver<Option<AudioOutlet>>,
    lip_sync: Arc<Mutex<LipSync>>,
    stats: Stats,
    notices: Notices,
    opener: Opener,
    processor: Processor,
    sending: Sending,
    playing: Playing,
    told: Option<Instant>,
    /// What the far side has said last of what it misses.
    loss_out: Option<f32>,
}

impl AudioThread {
    fn new(context: AudioContext, out: Option<WavOut>) -> Result<Self, String> {
        let AudioContext { settings, outlet, position, lip_sync, stats, notices } = context;
        let audio = settings.borrow().audio.clone();
        let opener = Opener::start(audio.devices.clone()).map_err(|e| e.to_string())?;
        Ok(Self {
            sending: Sending::new(position).map_err(|e| e.to_string())?,
            playing: Playing::new(out),
            processor: Processor::new(sending::processing(audio.processing)),
            settings,
            outlet,
            lip_sync,
            stats,
            notices,
            opener,
            told: None,
            loss_out: None,
        })
    }

    fn run(&mut self, inbox: &Receiver<Arrived>, stop: &AtomicBool) {
        self.follow_settings();
        while !stop.load(Ordering::Relaxed) {
            match inbox.recv_timeout(TICK) {
                Ok(arrived) => {
                    self.arrived(arrived);
                    while let Ok(arrived) = inbox.try_recv() {
                        self.arrived(arrived);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.settings.has_changed().unwrap_or(false) {
                self.follow_settings();
            }
            self.step(Instant::now());
        }
        if let Err(error) = self.playing.finish() {
            self.notices.say(error);
        }
    }

    fn follow_settings(&mut self) {
        let (audio, pictures) = {
            let settings = self.settings.borrow_and_update();
            (settings.audio.clone(), settings.source.clone())
        };
        self.processor.set(sending::processing(audio.processing));
        self.sending.follow(&audio, &pictures, &mut self.opener);
        self.playing.follow(&audio, &mut self.opener);
    }

    fn arrived(&mut self, Arrived { generation, audio }: Arrived) {
        if let Err(error) = self.playing.packet(generation, audio) {
            self.notices.say(error.to_string());
        }
    }

    /// Whatever is due.
    fn step(&mut self, now: Instant) {
        for notice in self.opener.opened(&mut self.sending, &mut self.playing, now) {
            self.notices.say(notice);
        }
        let outlet = self.outlet.borrow().clone();
        self.playing.over(outlet.as_ref().map(|outlet| outlet.generation));
        if let Err(error) = self.playing.step(&mut self.processor, &self.lip_sync, now) {
            self.notices.say(error);
        }
        self.sending.step(&mut self.processor, outlet.as_ref(), now);
        if let Some(trouble) = self.sending.trouble() {
            self.notices.say(trouble);
        }
        if self.told.is_none_or(|at| now.saturating_duration_since(at) >= STATS_EVERY) {
            self.told = Some(now);
            self.tell(outlet.as_ref(), now);
        }
    }

    fn tell(&mut self, outlet: Option<&AudioOutlet>, now: Instant) {
        self.playing.follow_pictures(&self.lip_sync, now);
        let mut stats = AudioStats::default();
        self.sending.tell(&mut stats);
        self.playing.tell(&mut stats);
        if let Ok(sync) = self.lip_sync.try_lock() {
            stats.lip_sync_ms = sync.offset(now).map(|seconds| seconds * 1e3);
        }
        stats.echo_return_loss_enhancement_db = self.processor.stats().map(|echo| echo.enhancement_db.into());
        if let Some(sender) = outlet.and_then(|outlet| outlet.sender.as_ref()) {
            self.loss_out = sender.stats().loss_out.or(self.loss_out);
            self.sending.expect_loss(self.loss_out);
        }
        stats.loss_out = self.loss_out.map(f64::from);
        self.stats.audio(stats);
    }
}
