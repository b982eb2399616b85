//! The machine's own devices, through cpal: PulseAudio and PipeWire where one of them runs, else ALSA; CoreAudio; WASAPI.

mod format;
mod input;
mod names;
mod output;

use super::{AudioDevices, DeviceError, Direction, Microphone, Speaker};
use crate::audio::{Block, SAMPLE_RATE};
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, ErrorKind, SupportedBufferSize, SupportedStreamConfig};
use names::Found;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// A driver that takes longer to list or open a device hangs.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a stream's thread looks after its device, if that says nothing (ALSA; elsewhere it is how long opening may
/// take).
const LOOK: Duration = Duration::from_secs(4);
/// So many errors with nothing brought or fetched in between end a device; PulseAudio's plug for ALSA starts with a few.
const ERRORS: u32 = 100;
/// A device that has neither brought nor fetched a sample for so long has ended without saying so.
const DEAD: Duration = Duration::from_secs(5);

/// The devices of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpalDevices;

impl CpalDevices {
    /// Nothing is opened or asked before it is needed.
    pub fn new() -> Self {
        Self
    }
}

impl AudioDevices for CpalDevices {
    fn microphones(&self) -> Vec<String> {
        list(Direction::Microphone)
    }

    fn speakers(&self) -> Vec<String> {
        list(Direction::Speaker)
    }

    fn open_microphone(&self, name: Option<&str>) -> Result<Box<dyn Microphone>, DeviceError> {
        let direction = Direction::Microphone;
        let wanted = name.map(str::to_owned);
        let microphone = apart(direction, name, move || {
            let (name, device) = find(direction, wanted)?;
            let ranges = device.supported_input_configs();
            let config = configuration(direction, &name, device.default_input_config(), ranges)?;
            open_at(direction, &name, &config, |size| open_input(&name, &device, &config, size))
        })?;
        Ok(Box::new(microphone))
    }

    fn open_speaker(&self, name: Option<&str>) -> Result<Box<dyn Speaker>, DeviceError> {
        let direction = Direction::Speaker;
        let wanted = name.map(str::to_owned);
        let speaker = apart(direction, name, move || {
            let (name, device) = find(direction, wanted)?;
            let ranges = device.supported_output_configs();
            let config = configuration(direction, &name, device.default_output_config(), ranges)?;
            open_at(direction, &name, &config, |size| open_output(&name, &device, &config, size))
        })?;
        Ok(Box::new(speaker))
    }
}

/// Does what asks the system on a thread of its own, and gives up on it where it hangs. What it opens too late is closed
/// by that thread.
fn apart<T: Send + 'static>(
    direction: Direction,
    name: Option<&str>,
    work: impl FnOnce() -> Result<T, DeviceError> + Send + 'static,
) -> Result<T, DeviceError> {
    let refused = |reason: &str| DeviceError::Refused {
        direction,
        name: name.unwrap_or("default").to_owned(),
        reason: reason.to_owned(),
    };
    let (sender, receiver) = sync_channel(1);
    let spawned = thread::Builder::new().name("open a sound device".to_owned()).spawn(move || {
        let result = without_alsas_complaints(work);
        let _ = sender.send(result);
    });
    spawned.map_err(|error| refused(&format!("no thread to open it on: {error}")))?;
    let result = receiver.recv_timeout(PATIENCE).unwrap_or_else(|error| {
        Err(refused(match error {
            RecvTimeoutError::Timeout => "the system does not answer: plug it in again, or restart the sound server",
            RecvTimeoutError::Disconnected => "the system's driver has failed: choose another",
        }))
    });
    result.map_err(|error| match (error, name) {
        // The one that was asked for is there no more, whatever else is.
        (DeviceError::NoDevice(_), Some(name)) => DeviceError::Gone { direction, name: name.to_owned() },
        (error, _) => error,
    })
}

/// alsa-lib writes to stderr whatever it does not find: into the log with it.
fn without_alsas_complaints<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(target_os = "linux")]
    {
        // This holds for this thread alone, and this thread does nothing else.
        let complaints = alsa::Output::local_error_handler();
        let result = work();
        if let Ok(complaints) = complaints {
            complaints.borrow().buffer_string(|text| {
                if !text.is_empty() {
                    tracing::debug!("ALSA says: {}", String::from_utf8_lossy(text).trim());
                }
            });
        }
        result
    }
    #[cfg(not(target_os = "linux"))]
    {
        work()
    }
}

fn list(direction: Direction) -> Vec<String> {
    let listed = apart(direction, None, move || Ok(devices(direction).into_iter().map(|(name, _)| name).collect()));
    listed.unwrap_or_else(|error| {
        tracing::warn!("{error}");
        Vec::new()
    })
}

/// The devices that a person would know, the default first, each with a name of its own.
fn devices(direction: Direction) -> Vec<(String, cpal::Device)> {
    let Some(host) = host() else { return Vec::new() };
    let default = default(&host, direction);
    let others = host.devices().map(Iterator::collect).unwrap_or_else(|error| {
        tracing::debug!("no list of sound devices: {error}");
        Vec::new()
    });
    let others: Vec<cpal::Device> = others;
    // Names and ids alone say which to show; the rest would open each.
    let fits = |device: &cpal::Device| match direction {
        Direction::Microphone => device.supports_input(),
        Direction::Speaker => device.supports_output(),
    };
    let mut all: Vec<cpal::Device> = default.into_iter().collect();
    all.extend(others.into_iter().filter(fits));
    let found = all.iter().enumerate().filter_map(|(index, device)| {
        let name = device.description().ok()?.name().to_owned();
        Some(Found { name, id: device.id().ok()?.id().to_owned(), index })
    });
    let listed = names::listed(found.collect());
    let mut all: Vec<Option<cpal::Device>> = all.into_iter().map(Some).collect();
    listed.into_iter().filter_map(|found| Some((found.name, all.get_mut(found.index)?.take()?))).collect()
}

/// The device of that name, or the default.
fn find(direction: Direction, wanted: Option<String>) -> Result<(String, cpal::Device), DeviceError> {
    let mut devices = devices(direction);
    let names: Vec<String> = devices.iter().map(|(name, _)| name.clone()).collect();
    match super::choose(direction, &names, wanted.as_deref()) {
        Ok(name) => {
            let index = names.iter().position(|known| known == name).unwrap_or(0);
            Ok(devices.swap_remove(index))
        }
        // A default that is not worth listing may lead somewhere all the same.
        Err(error @ DeviceError::NoDevice(_)) => {
            let default = host().and_then(|host| default(&host, direction)).ok_or(error)?;
            Ok((default.to_string(), default))
        }
        Err(error) => Err(error),
    }
}

/// The first of the system's sound servers and drivers that answers: what its other programs use. (`cpal::default_host`
/// panics where none does.)
fn host() -> Option<cpal::Host> {
    cpal::available_hosts().into_iter().find_map(|id| cpal::host_from_id(id).ok())
}

fn default(host: &cpal::Host, direction: Direction) -> Option<cpal::Device> {
    match direction {
        Direction::Microphone => host.default_input_device(),
        Direction::Speaker => host.default_output_device(),
    }
}

/// How to run a device.
fn configuration<R: Iterator<Item = cpal::SupportedStreamConfigRange>>(
    direction: Direction,
    name: &str,
    default: Result<SupportedStreamConfig, cpal::Error>,
    ranges: Result<R, cpal::Error>,
) -> Result<SupportedStreamConfig, DeviceError> {
    let ranges = ranges.map_err(|error| refusal(direction, name, &error))?;
    format::choose(default.ok(), ranges).ok_or_else(|| DeviceError::Refused {
        direction,
        name: name.to_owned(),
        reason: "it has no format for sound that this program knows: choose another".to_owned(),
    })
}

/// Opens a device so that it brings or fetches 10 ms at once, or as it likes where it does not do that.
fn open_at<T>(
    direction: Direction,
    name: &str,
    config: &SupportedStreamConfig,
    open: impl Fn(BufferSize) -> Result<T, cpal::Error>,
) -> Result<T, DeviceError> {
    let ten = config.sample_rate() / 100;
    let size = match *config.buffer_size() {
        SupportedBufferSize::Range { min, max } => ten.max(min).min(max),
        SupportedBufferSize::Unknown => ten,
    };
    let opened = open(BufferSize::Fixed(size)).or_else(|error| {
        tracing::debug!("{direction} {name:?} does not take {size} samples at once: {error}");
        open(BufferSize::Default)
    });
    opened.map_err(|error| refusal(direction, name, &error))
}

/// What the system says when something is opened, and what to do.
fn refusal(direction: Direction, name: &str, error: &cpal::Error) -> DeviceError {
    let advice = match error.kind() {
        // ALSA has a default where there is nothing at all.
        ErrorKind::DeviceNotAvailable | ErrorKind::HostUnavailable => return DeviceError::NoDevice(direction),
        ErrorKind::DeviceBusy => "close the other program that has it",
        ErrorKind::PermissionDenied if cfg!(target_os = "linux") => {
            "allow it by `sudo usermod -aG audio $USER`, then log in again"
        }
        ErrorKind::PermissionDenied => "allow it in the system's privacy settings",
        _ => "choose another",
    };
    DeviceError::Refused { direction, name: name.to_owned(), reason: format!("{error}: {advice}") }
}

/// What a device's thread says about its end.
#[derive(Clone, Debug)]
struct Health {
    end: Arc<OnceLock<cpal::Error>>,
    /// How often the device has brought or fetched something.
    calls: Arc<AtomicU64>,
    /// Errors since it last did.
    errors: Arc<AtomicU32>,
}

impl Health {
    fn new() -> Self {
        Self { end: Arc::default(), calls: Arc::default(), errors: Arc::default() }
    }

    /// To be called by the device's thread when it works.
    fn works(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.errors.store(0, Ordering::Relaxed);
    }

    /// To be called by the device's thread when it has an error. The first that ends it counts.
    fn report(&self, error: cpal::Error) {
        match error.kind() {
            // It goes on by itself.
            ErrorKind::Xrun | ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied | ErrorKind::DeviceBusy => {}
            ErrorKind::DeviceNotAvailable | ErrorKind::StreamInvalidated | ErrorKind::HostUnavailable => {
                let _ = self.end.set(error);
            }
            _ => {
                if self.errors.fetch_add(1, Ordering::Relaxed) + 1 >= ERRORS {
                    let _ = self.end.set(error);
                }
            }
        }
    }
}

/// Sees that a device still works.
#[derive(Debug)]
struct Watch {
    direction: Direction,
    name: String,
    health: Health,
    calls: u64,
    since: Instant,
}

impl Watch {
    fn new(direction: Direction, name: &str, health: Health, now: Instant) -> Self {
        Self { direction, name: name.to_owned(), health, calls: 0, since: now }
    }

    fn failed(&mut self, now: Instant) -> Option<DeviceError> {
        let calls = self.health.calls.load(Ordering::Relaxed);
        if calls != self.calls {
            (self.calls, self.since) = (calls, now);
        }
        let (direction, name) = (self.direction, self.name.clone());
        match self.health.end.get().map(|error| (error.kind(), error)) {
            Some((ErrorKind::StreamInvalidated, _)) => Some(DeviceError::Changed { direction, name }),
            Some((ErrorKind::DeviceNotAvailable, _)) => Some(DeviceError::Gone { direction, name }),
            Some((_, error)) => {
                Some(DeviceError::Refused { direction, name, reason: format!("{error}: open it again") })
            }
            None => {
                let dead = now.saturating_duration_since(self.since) > DEAD;
                dead.then_some(DeviceError::Gone { direction, name })
            }
        }
    }
}

/// A stream that is closed without waiting for its device.
struct Open(Option<cpal::Stream>);

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(stream) = self.0.take() {
            // Closing joins the device's thread, which may be in the driver. Without a thread it is closed here.
            let _ = thread::Builder::new().name("close a sound device".to_owned()).spawn(move || drop(stream));
        }
    }
}

struct CpalMicrophone {
    listener: input::Listener,
    watch: Watch,
    _stream: Open,
}

fn open_input(
    name: &str,
    device: &cpal::Device,
    config: &SupportedStreamConfig,
    size: BufferSize,
) -> Result<CpalMicrophone, cpal::Error> {
    let (mut ear, listener) = input::new(config.channels(), config.sample_rate()).map_err(unsupported)?;
    let health = Health::new();
    let (works, reports) = (health.clone(), health.clone());
    let mut stream_config = config.config();
    stream_config.buffer_size = size;
    let stream = device.build_input_stream_raw(
        stream_config,
        config.sample_format(),
        move |data, info| {
            let now = Instant::now();
            let times = info.timestamp();
            let delay = times.callback.saturating_duration_since(times.capture);
            ear.hear(data, now.checked_sub(delay).unwrap_or(now));
            works.works();
        },
        move |error| reports.report(error),
        Some(LOOK),
    )?;
    stream.play()?;
    let watch = Watch::new(Direction::Microphone, name, health, Instant::now());
    Ok(CpalMicrophone { listener, watch, _stream: Open(Some(stream)) })
}

impl Microphone for CpalMicrophone {
    fn name(&self) -> &str {
        &self.watch.name
    }

    fn read(&mut self) -> Option<(Block, Instant)> {
        self.listener.read()
    }

    fn dropped(&self) -> u64 {
        self.listener.dropped()
    }

    fn failed(&mut self) -> Option<DeviceError> {
        self.watch.failed(Instant::now())
    }
}

struct CpalSpeaker {
    feeder: output::Feeder,
    watch: Watch,
    _stream: Open,
}

fn open_output(
    name: &str,
    device: &cpal::Device,
    config: &SupportedStreamConfig,
    size: BufferSize,
) -> Result<CpalSpeaker, cpal::Error> {
    let (mut mouth, feeder) =
        output::new(config.channels(), config.sample_rate(), Instant::now()).map_err(unsupported)?;
    let health = Health::new();
    let (works, reports) = (health.clone(), health.clone());
    let mut stream_config = config.config();
    stream_config.buffer_size = size;
    let stream = device.build_output_stream_raw(
        stream_config,
        config.sample_format(),
        move |data, info| {
            let times = info.timestamp();
            let delay = times.playback.saturating_duration_since(times.callback);
            mouth.fill(data, Instant::now() + delay.min(output::LONGEST_DELAY));
            works.works();
        },
        move |error| reports.report(error),
        Some(LOOK),
    )?;
    stream.play()?;
    let watch = Watch::new(Direction::Speaker, name, health, Instant::now());
    Ok(CpalSpeaker { feeder, watch, _stream: Open(Some(stream)) })
}

impl Speaker for CpalSpeaker {
    fn name(&self) -> &str {
        &self.watch.name
    }

    fn queued(&self) -> usize {
        self.feeder.queued()
    }

    fn wanted(&self) -> usize {
        self.feeder.wanted()
    }

    fn write(&mut self, block: &Block) -> bool {
        self.feeder.write(block)
    }

    fn latency(&self) -> Duration {
        self.feeder.latency(Instant::now())
    }

    fn missed(&self) -> u64 {
        self.feeder.missed()
    }

    fn failed(&mut self) -> Option<DeviceError> {
        self.watch.failed(Instant::now())
    }
}

fn unsupported(error: impl std::fmt::Display) -> cpal::Error {
    cpal::Error::with_message(ErrorKind::UnsupportedConfig, error.to_string())
}

/// So many samples of a device are so many at 48 kHz.
fn at_48k(samples: u64, rate: u32) -> u64 {
    samples.saturating_mul(u64::from(SAMPLE_RATE)) / u64::from(rate.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever this machine has: it answers in time, and what it refuses it explains.
    #[test]
    fn a_machine_with_or_without_devices_answers() {
        let devices = CpalDevices::new();
        for names in [devices.microphones(), devices.speakers()] {
            let mut unique = names.clone();
            unique.sort();
            unique.dedup();
            assert_eq!(unique.len(), names.len(), "{names:?}");
        }
        // One that is there is not opened: a test must not listen.
        if devices.microphones().is_empty()
            && let Err(error) = devices.open_microphone(None)
        {
            assert!(matches!(error, DeviceError::NoDevice(_) | DeviceError::Refused { .. }), "{error:?}");
        }
        let error = devices.open_speaker(Some("no such thing")).err().unwrap();
        assert!(error.to_string().starts_with(r#"there is no speaker "no such thing": "#), "{error}");
    }

    #[test]
    fn a_driver_that_panics_or_hangs_is_an_error() {
        let error = apart::<()>(Direction::Speaker, Some("x"), || panic!("as a driver might")).unwrap_err();
        assert_eq!(error.to_string(), r#"cannot use the speaker "x": the system's driver has failed: choose another"#);
    }

    #[test]
    fn a_named_device_that_cannot_be_reached_has_gone() {
        let none = || Err::<(), _>(DeviceError::NoDevice(Direction::Speaker));
        let error = apart(Direction::Speaker, Some("hdmi"), none).unwrap_err();
        assert_eq!(error, DeviceError::Gone { direction: Direction::Speaker, name: "hdmi".to_owned() });
        assert_eq!(apart(Direction::Speaker, None, none).unwrap_err(), DeviceError::NoDevice(Direction::Speaker));
    }

    #[test]
    fn refusals_say_what_to_do() {
        let refusal = |kind: ErrorKind| refusal(Direction::Microphone, "usb", &kind.into()).to_string();
        assert_eq!(
            refusal(ErrorKind::DeviceNotAvailable),
            "there is no microphone: plug one in, or call without sound (--no-audio)"
        );
        assert!(refusal(ErrorKind::DeviceBusy).ends_with("close the other program that has it"));
        assert!(refusal(ErrorKind::PermissionDenied).contains(": allow it "));
        assert!(refusal(ErrorKind::BackendError).ends_with("choose another"));
    }

    #[test]
    fn a_device_ends_by_an_error_or_by_silence() {
        let start = Instant::now();
        let watch = || {
            let health = Health::new();
            (health.clone(), Watch::new(Direction::Speaker, "usb", health, start))
        };
        let gone = Some(DeviceError::Gone { direction: Direction::Speaker, name: "usb".to_owned() });

        let (health, mut silent) = watch();
        assert_eq!(silent.failed(start + DEAD), None);
        health.works();
        assert_eq!(silent.failed(start + DEAD * 2), None, "it worked in between");
        assert_eq!(silent.failed(start + DEAD * 3), None);
        assert_eq!(silent.failed(start + DEAD * 4), gone);

        let (health, mut unplugged) = watch();
        health.report(ErrorKind::Xrun.into());
        assert_eq!(unplugged.failed(start), None, "it goes on after that");
        health.report(ErrorKind::DeviceNotAvailable.into());
        health.report(ErrorKind::StreamInvalidated.into());
        assert_eq!(unplugged.failed(start), gone, "the first counts");

        let (health, mut confused) = watch();
        for n in 0..2 * ERRORS - 1 {
            assert_eq!(confused.failed(start), None, "after {n} errors");
            if n == ERRORS - 1 {
                health.works();
            }
            health.report(ErrorKind::BackendError.into());
        }
        assert!(matches!(confused.failed(start), Some(DeviceError::Refused { .. })));

        let (health, mut changed) = watch();
        health.report(ErrorKind::StreamInvalidated.into());
        assert!(matches!(changed.failed(start), Some(DeviceError::Changed { .. })));
    }
}
