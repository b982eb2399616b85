//! The thread that opens microphones and speakers, which may take a while.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{playing::Playing, sending::Sending};
use crate::audio::device::{DeviceError, Devices, Microphone, Speaker};

/// A device that could not be opened, or has gone, is tried again after this time.
const RETRY: Duration = Duration::from_secs(2);

/// What is to be opened; none stands for the system's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Microphone(Option<String>),
    Speaker(Option<String>),
}

enum Opened {
    Microphone(Option<String>, Result<Box<dyn Microphone>, DeviceError>),
    Speaker(Option<String>, Result<Box<dyn Speaker>, DeviceError>),
}

/// The handle of the thread; dropping it ends and joins it.
pub(super) struct Opener {
    wanted: Option<Sender<Wanted>>,
    opened: Receiver<Opened>,
    thread: Option<JoinHandle<()>>,
    retries: Vec<(Wanted, Instant)>,
    /// What was said last of each of the two, so that it is said once.
    said: [Option<DeviceError>; 2],
}

impl Opener {
    pub(super) fn start(devices: Devices) -> std::io::Result<Self> {
        let (wanted, wishes) = channel();
        let (results, opened) = channel();
        let thread = std::thread::Builder::new().name("audio devices".into()).spawn(move || {
            for wish in wishes {
                let result = match wish {
                    Wanted::Microphone(name) => {
                        let result = devices.open_microphone(name.as_deref());
                        Opened::Microphone(name, result)
                    }
                    Wanted::Speaker(name) => {
                        let result = devices.open_speaker(name.as_deref());
                        Opened::Speaker(name, result)
                    }
                };
                if results.send(result).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { wanted: Some(wanted), opened, thread: Some(thread), retries: Vec::new(), said: [None, None] })
    }

    /// Opens it as soon as possible; [`opened`](Self::opened) hands it over.
    pub(super) fn open(&mut self, wanted: Wanted) {
        self.retries.retain(|(other, _)| std::mem::discriminant(other) != std::mem::discriminant(&wanted));
        if let Some(wishes) = &self.wanted {
            let _ = wishes.send(wanted);
        }
    }

    /// Hands over what has been opened since, to who still wants it, and opens anew what has failed; what is to be said
    /// about it.
    pub(super) fn opened(&mut self, sending: &mut Sending, playing: &mut Playing, now: Instant) -> Vec<String> {
        let mut notices = Vec::new();
        while let Ok(opened) = self.opened.try_recv() {
            match opened {
                Opened::Microphone(name, result) if sending.wants(&name) => match result {
                    Ok(microphone) => {
                        self.said[0] = None;
                        sending.use_microphone(microphone);
                    }
                    Err(error) => self.failed(Wanted::Microphone(name), error, now, &mut notices),
                },
                Opened::Speaker(name, result) if playing.wants(&name) => match result {
                    Ok(speaker) => {
                        self.said[1] = None;
                        playing.use_speaker(speaker);
                    }
                    Err(error) => self.failed(Wanted::Speaker(name), error, now, &mut notices),
                },
                // Another one is wanted by now.
                Opened::Microphone(..) | Opened::Speaker(..) => {}
            }
        }
        if let Some((name, error)) = sending.failed() {
            self.failed(Wanted::Microphone(name), error, now, &mut notices);
        }
        if let Some((name, error)) = playing.failed() {
            self.failed(Wanted::Speaker(name), error, now, &mut notices);
        }
        let (due, later) = std::mem::take(&mut self.retries).into_iter().partition(|(_, at)| *at <= now);
        self.retries = later;
        let due: Vec<(Wanted, Instant)> = due;
        for (wanted, _) in due {
            if let Some(wishes) = &self.wanted {
                let _ = wishes.send(wanted);
            }
        }
        notices
    }

    fn failed(&mut self, wanted: Wanted, error: DeviceError, now: Instant, notices: &mut Vec<String>) {
        let said = &mut self.said[usize::from(matches!(wanted, Wanted::Speaker(_)))];
        if said.as_ref() != Some(&error) {
            // One that has only changed is opened anew at once, and there is nothing to say of it.
            if !matches!(error, DeviceError::Changed { .. }) {
                notices.push(format!("{error}; the call goes on without it until then"));
            }
            *said = Some(error.clone());
        }
        let at = if matches!(error, DeviceError::Changed { .. }) { now } else { now + RETRY };
        self.retries.push((wanted, at));
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        self.wanted = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that opens audio devices panicked");
        }
    }
}
