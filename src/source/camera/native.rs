//! The system's cameras, through nokhwa.

use super::{About, Backend, CameraError, Device, FormatRequest, Raw, choose::choose};
use crate::{
    frame::Size,
    source::devices::{DevicesError, Format, ListedCamera, Pixels},
};
use nokhwa::{
    Buffer, Camera, NokhwaError,
    utils::{
        ApiBackend, CameraFormat, CameraIndex, CameraInfo, FrameFormat, RequestedFormat, RequestedFormatType,
        frame_formats,
    },
};
use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant, SystemTime},
};

/// How long the system may take to list its cameras. On macOS the user may be asked first.
const LISTING: Duration = Duration::from_secs(10);

/// The cameras that there are, with their formats.
pub(crate) fn list() -> Result<Vec<ListedCamera>, DevicesError> {
    // Listing opens each camera, and a driver may hang: so on a thread that can be left alone.
    let (tell, told) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("list cameras".into())
        .spawn(move || drop(tell.try_send(infos().map(|infos| infos.iter().filter_map(describe).collect()))))
        .map_err(|e| DevicesError::Failed(e.to_string()))?;
    told.recv_timeout(LISTING).unwrap_or_else(|_| Err(DevicesError::Failed("it does not answer".into())))
}

fn infos() -> Result<Vec<(u32, CameraInfo)>, DevicesError> {
    // On macOS this asks the user; elsewhere it answers at once.
    let (tell, told) = mpsc::sync_channel(1);
    nokhwa::nokhwa_initialize(move |allowed| {
        let _ = tell.try_send(allowed);
    });
    if !told.recv_timeout(LISTING).unwrap_or(false) {
        return Err(DevicesError::Failed("it does not allow this program to use them".into()));
    }
    let mut infos: Vec<_> = nokhwa::query(ApiBackend::Auto)
        .map_err(|e| DevicesError::Failed(e.to_string()))?
        .into_iter()
        .filter_map(|info| info.index().as_index().ok().map(|index| (index, info)))
        .collect();
    infos.sort_by_key(|(index, _)| *index);
    Ok(infos)
}

/// A camera's formats. `None` for what only looks like one: Linux lists a camera's metadata as a device.
fn describe((index, info): &(u32, CameraInfo)) -> Option<ListedCamera> {
    let (mut formats, problem) = match first(*index).and_then(|mut camera| camera.compatible_camera_formats()) {
        Ok(formats) => (formats.iter().filter_map(|f| ours(*f)).collect::<Vec<_>>(), None),
        Err(e) if sends_nothing(&e) => return None,
        Err(e) => (Vec::new(), Some(e.to_string())),
    };
    formats.sort_by_key(|f| (std::cmp::Reverse((f.width * f.height, f.fps)), f.pixels.to_string()));
    formats.dedup();
    Some(ListedCamera { index: *index, name: info.human_name(), formats, problem })
}

/// Opens a camera in any format.
fn first(index: u32) -> Result<Camera, NokhwaError> {
    let any = RequestedFormat::with_formats(RequestedFormatType::None, frame_formats());
    Camera::new(CameraIndex::Index(index), any)
}

/// nokhwa's way to say that a device has no format at all.
fn sends_nothing(error: &NokhwaError) -> bool {
    matches!(error, NokhwaError::GetPropertyError { property, .. } if property == "CameraFormat" || property == "FrameFormat")
}

fn pixels(format: FrameFormat) -> Pixels {
    match format {
        FrameFormat::MJPEG => Pixels::Mjpeg,
        FrameFormat::YUYV => Pixels::Yuyv,
        FrameFormat::NV12 => Pixels::Nv12,
        FrameFormat::GRAY => Pixels::Grey,
        FrameFormat::RAWRGB => Pixels::Rgb,
        FrameFormat::RAWBGR => Pixels::Bgr,
    }
}

fn ours(f: CameraFormat) -> Option<Format> {
    Size::new(f.width(), f.height()).ok()?;
    Some(Format { width: f.width(), height: f.height(), fps: f.frame_rate(), pixels: pixels(f.format()) })
}

/// Opens the system's cameras.
pub(super) struct Native;

impl Backend for Native {
    fn open(&self, number: u32, wanted: &FormatRequest) -> Result<Box<dyn Device>, CameraError> {
        let infos = infos()?;
        let Some((_, info)) = infos.iter().find(|(index, _)| *index == number) else {
            let others: Vec<_> = infos.iter().map(|(i, info)| format!("{i} ({})", info.human_name())).collect();
            return Err(if others.is_empty() {
                CameraError::None(number)
            } else {
                CameraError::NotThere { number, others: others.join(", ") }
            });
        };
        let refused = |e: NokhwaError| {
            if sends_nothing(&e) {
                CameraError::NoFormat(number)
            } else {
                CameraError::Refused { number, why: e.to_string() }
            }
        };
        let mut camera = first(number).map_err(refused)?;
        let all = camera.compatible_camera_formats().map_err(refused)?;
        let known: Vec<Format> = all.iter().filter_map(|f| ours(*f)).collect();
        let best = choose(&known, wanted).and_then(|best| all.iter().find(|f| ours(**f) == Some(best)));
        if let Some(best) = best.filter(|best| **best != camera.camera_format()) {
            let exactly = RequestedFormat::with_formats(RequestedFormatType::Exact(*best), frame_formats());
            // Some drivers list what they then refuse: what is set now is good enough.
            if let Err(e) = camera.set_camera_requset(exactly) {
                tracing::warn!("camera {number} refuses {best}: {e}");
                camera.refresh_camera_format().map_err(refused)?;
            }
        }
        camera.open_stream().map_err(refused)?;
        let format = ours(camera.camera_format()).ok_or(CameraError::NoFormat(number))?;
        Ok(Box::new(Open { camera, about: About { name: info.human_name(), format } }))
    }
}

struct Open {
    camera: Camera,
    about: About,
}

impl Device for Open {
    fn about(&self) -> About {
        self.about.clone()
    }

    fn read(&mut self) -> Result<Raw, String> {
        let buffer = self.camera.frame().map_err(|e| e.to_string())?;
        let resolution = buffer.resolution();
        let size = Size::new(resolution.width(), resolution.height()).map_err(|e| e.to_string())?;
        let pixels = pixels(buffer.source_frame_format());
        Ok(Raw { bytes: buffer.buffer_bytes(), size, pixels, captured: captured(&buffer) })
    }
}

/// When the light fell in, if the driver says so credibly; else now.
fn captured(buffer: &Buffer) -> Instant {
    let now = Instant::now();
    let age = buffer
        .capture_timestamp()
        .and_then(|since| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.checked_sub(since))
        .filter(|age| *age < Duration::from_secs(1));
    age.and_then(|age| now.checked_sub(age)).unwrap_or(now)
}
