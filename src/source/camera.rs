//! Cameras.
//!
//! A camera lives on a thread of its own, since reading from one may block for ever. That thread keeps the newest
//! picture; whoever asks waits for it within a limit. A camera that is unplugged or falls silent is an event, and the
//! program goes on asking until it is back.
//!
//! ```text
//!   device ──▶ worker: read, convert ──▶ newest picture ──▶ Camera::next
//!   (nokhwa, or a fake in tests)         or why it ended      within its patience
//! ```

mod choose;
mod convert;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod jpeg;
mod native;
mod worker;

use super::{Event, Source, SourceError, Wish};
use crate::{
    frame::{Size, Stamp},
    source::devices::{DevicesError, Format, Pixels},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use worker::{Handoff, Wait, Worker};

pub(crate) use native::list;

/// A camera that cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CameraError {
    /// There is none at all.
    #[error(
        "there is no camera {0}, nor any other: plug one in (`clearcall devices` lists them), or use --source scene"
    )]
    None(u32),
    /// There are others.
    #[error("there is no camera {number}, only {others}: `clearcall devices` lists them; or use --source scene")]
    NotThere {
        /// The number that was asked for.
        number: u32,
        /// Those that there are.
        others: String,
    },
    /// The system refuses it.
    #[error(
        "camera {number} cannot be used ({why}): see that no other program holds it and that you may read it, \
         choose another one of `clearcall devices`, or use --source scene"
    )]
    Refused {
        /// Which camera.
        number: u32,
        /// The system's words.
        why: String,
    },
    /// None of its formats is understood.
    #[error(
        "camera {0} sends nothing that this program reads: choose another one of `clearcall devices`, or use --source scene"
    )]
    NoFormat(u32),
    /// It does not answer.
    #[error("camera {number} did not answer within {seconds} seconds: plug it in anew, or use --source scene")]
    Silent {
        /// Which camera.
        number: u32,
        /// How long it was waited for.
        seconds: u64,
    },
    /// Cameras cannot be listed.
    #[error("{0}; use --source scene")]
    Devices(#[from] DevicesError),
}

/// Makes devices of numbers. The program's is nokhwa's; tests bring their own.
trait Backend: Send + Sync {
    /// Opens camera `number` in the format that is wanted. May block.
    fn open(&self, number: u32, wanted: &FormatRequest) -> Result<Box<dyn Device>, CameraError>;
}

/// How a camera is to send.
#[derive(Debug, Clone, Copy)]
struct FormatRequest {
    /// In this format, if it has it.
    format: Option<Format>,
    /// Else in the one nearest to this.
    wish: Wish,
}

/// An open camera. It stays on the thread that opened it.
trait Device {
    /// What it is called, and how it sends.
    fn about(&self) -> About;
    /// The next picture. May block for ever; an error means that the camera is gone.
    fn read(&mut self) -> Result<Raw, String>;
}

/// What is known of an open camera.
#[derive(Debug, Clone)]
struct About {
    name: String,
    format: Format,
}

/// A picture as the camera sent it, perhaps with bytes of no meaning behind it.
struct Raw {
    bytes: bytes::Bytes,
    size: Size,
    pixels: Pixels,
    captured: Instant,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// To open.
    open: Duration,
    /// From there to the first picture: exposure and white balance settle.
    first: Duration,
    /// From one picture to the next.
    next: Duration,
    /// One turn of waiting for a camera that is lost.
    turn: Duration,
    /// Between attempts to open it again.
    retry: Duration,
    /// A thread silent for so long is given up and another one tries.
    stuck: Duration,
    /// A thread that shall end gets so long before it is left alone.
    grace: Duration,
}

impl Patience {
    const DEFAULT: Self = Self {
        open: Duration::from_secs(10),
        first: Duration::from_secs(5),
        next: Duration::from_millis(1500),
        turn: Duration::from_millis(200),
        retry: Duration::from_secs(1),
        stuck: Duration::from_secs(8),
        grace: Duration::from_secs(1),
    };
}

/// So many threads may hang in a camera's driver before no further one is started.
const MAX_STUCK: usize = 2;

/// A camera as a source of pictures.
pub struct Camera {
    backend: Arc<dyn Backend>,
    number: u32,
    wanted: FormatRequest,
    patience: Patience,
    about: About,
    size: Size,
    worker: Option<Worker>,
    /// Threads that hang in the driver.
    stuck: Vec<Arc<Handoff>>,
    /// When the last picture came, or the camera was opened.
    alive: Instant,
    /// No picture came since the camera was opened.
    fresh: bool,
    lost: Option<String>,
    retry_at: Instant,
    next_id: u64,
}

impl Camera {
    /// Opens camera `number` in `format`. Without one, or if the camera has it not, in its format nearest to the
    /// wish, preferring pictures that need no decoding.
    ///
    /// # Errors
    /// When there is no such camera, it cannot be used, sends nothing that is read here, or does not answer in time.
    pub fn open(number: u32, format: Option<Format>, wish: Wish) -> Result<Self, CameraError> {
        Self::open_with(Arc::new(native::Native), number, FormatRequest { format, wish }, Patience::DEFAULT)
    }

    fn open_with(
        backend: Arc<dyn Backend>,
        number: u32,
        wanted: FormatRequest,
        patience: Patience,
    ) -> Result<Self, CameraError> {
        let worker = Worker::start(Arc::clone(&backend), number, wanted, patience.grace)?;
        let about = worker.opened(patience.open)?;
        let size = about.format.size().ok_or(CameraError::NoFormat(number))?;
        let now = Instant::now();
        Ok(Self {
            backend,
            number,
            wanted,
            patience,
            about,
            size,
            worker: Some(worker),
            stuck: Vec::new(),
            alive: now,
            fresh: true,
            lost: None,
            retry_at: now,
            next_id: 0,
        })
    }

    /// How it sends.
    pub fn format(&self) -> Format {
        self.about.format
    }

    /// The notice about a camera that is lost; the first reason stays until it is back.
    fn notice(&mut self, why: &str) -> Event {
        let name = self.name();
        let text = self.lost.get_or_insert_with(|| {
            format!("{name} is lost ({why}): its last picture stays, and it is taken up again when it is back")
        });
        Event::Lost(text.clone())
    }

    /// Starts another thread when it is time to, and not too many hang already.
    fn revive(&mut self) {
        self.stuck.retain(|shared| !shared.finished());
        if self.worker.is_none() && self.stuck.len() < MAX_STUCK && Instant::now() >= self.retry_at {
            self.retry_at = Instant::now() + self.patience.retry;
            self.alive = Instant::now();
            self.fresh = true;
            self.worker = Worker::start(Arc::clone(&self.backend), self.number, self.wanted, self.patience.grace).ok();
        }
    }

    /// How long the next picture may take.
    fn limit(&self) -> Duration {
        match (&self.lost, self.fresh) {
            (Some(_), _) => self.patience.turn,
            (None, true) => self.patience.first,
            (None, false) => self.patience.next,
        }
    }
}

impl Source for Camera {
    fn name(&self) -> String {
        format!("camera {} ({})", self.number, self.about.name)
    }

    fn size(&self) -> Size {
        self.size
    }

    fn fps(&self) -> f32 {
        self.about.format.fps as f32
    }

    fn live(&self) -> bool {
        true
    }

    fn next(&mut self) -> Result<Event, SourceError> {
        self.revive();
        let limit = self.limit();
        let Some(worker) = &self.worker else {
            std::thread::sleep(self.patience.turn);
            return Ok(self.notice("it does not answer"));
        };
        match worker.next(limit) {
            Wait::Picture(about, frame) => {
                (self.about, self.size) = (about, frame.size());
                (self.alive, self.fresh, self.lost) = (Instant::now(), false, None);
                let stamp = Stamp { id: self.next_id, ..frame.stamp };
                self.next_id += 1;
                Ok(Event::Frame(frame.with_stamp(stamp)))
            }
            Wait::Ended(why) => {
                self.worker = None;
                if self.lost.is_some() {
                    std::thread::sleep(self.patience.turn);
                }
                Ok(self.notice(&why))
            }
            Wait::Nothing => {
                if self.alive.elapsed() > self.patience.stuck
                    && let Some(worker) = self.worker.take()
                {
                    self.stuck.push(worker.abandon());
                }
                Ok(self.notice("it sends no pictures"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
