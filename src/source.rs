//! Where pictures come from.
//!
//! A [`SourceSpec`] is what the user writes, [`open`] makes a [`Source`] of it, and a source gives one
//! [`Event`] after the other.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use self::devices::{DevicesError, Format, ListedCamera};
use crate::frame::{Frame, Size};

#[cfg(feature = "camera")]
pub mod camera;
pub mod clip;
pub mod devices;
pub mod scene;

/// A source as the user names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SourceSpec {
    /// The camera with this number, in this format; without one in that nearest to what is sent.
    Camera(u32, Option<Format>),
    /// A video file, looped.
    Clip(PathBuf),
    /// The moving picture that the program draws itself.
    Scene,
}

/// A source that cannot be named so, opened, or read on.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Not a source.
    #[error(
        "'{0}' is not a source: use camera, camera:N (N from 0), camera:N:FORMAT (as in 1280x720@30:MJPEG), scene, or the path of a video"
    )]
    Spec(String),
    /// The file.
    #[error(transparent)]
    Clip(#[from] clip::ClipError),
    /// The camera.
    #[cfg(feature = "camera")]
    #[error(transparent)]
    Camera(#[from] camera::CameraError),
    /// The built-in scene.
    #[error(transparent)]
    Scene(#[from] scene::SceneError),
    /// This build or this machine lacks it.
    #[error("{source_name} is not available: {why}")]
    Unavailable {
        /// The source, as it is named.
        source_name: String,
        /// Why, and what to do about it.
        why: String,
    },
}

impl FromStr for SourceSpec {
    type Err = SourceError;

    /// ```
    /// # use clearcall::source::SourceSpec;
    /// assert_eq!("camera".parse::<SourceSpec>().unwrap(), SourceSpec::Camera(0, None));
    /// assert_eq!("camera:2".parse::<SourceSpec>().unwrap(), SourceSpec::Camera(2, None));
    /// let format = "640x480@30:YUYV".parse().ok();
    /// assert_eq!("camera:0:640x480@30:YUYV".parse::<SourceSpec>().unwrap(), SourceSpec::Camera(0, format));
    /// assert_eq!("scene".parse::<SourceSpec>().unwrap(), SourceSpec::Scene);
    /// assert_eq!("./scene".parse::<SourceSpec>().unwrap(), SourceSpec::Clip("./scene".into()));
    /// assert!("camera:front".parse::<SourceSpec>().is_err());
    /// assert!("".parse::<SourceSpec>().is_err());
    /// ```
    fn from_str(s: &str) -> Result<Self, SourceError> {
        let error = || SourceError::Spec(s.to_owned());
        match s {
            "" => Err(error()),
            "scene" => Ok(Self::Scene),
            "camera" => Ok(Self::Camera(0, None)),
            _ => match s.strip_prefix("camera:") {
                Some(which) => {
                    let (number, format) = match which.split_once(':') {
                        Some((number, format)) => (number, Some(format.parse().map_err(|_| error())?)),
                        None => (which, None),
                    };
                    number.parse().map(|number| Self::Camera(number, format)).map_err(|_| error())
                }
                None => Ok(Self::Clip(s.into())),
            },
        }
    }
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Camera(number, None) => write!(f, "camera:{number}"),
            Self::Camera(number, Some(format)) => write!(f, "camera:{number}:{}", format.word()),
            Self::Clip(path) => write!(f, "{}", path.display()),
            Self::Scene => f.write_str("scene"),
        }
    }
}

/// What the call would like of a source that can choose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wish {
    /// The picture's size.
    pub size: Size,
    /// Frames per second.
    pub fps: f32,
}

/// What a source gives.
#[derive(Debug)]
pub enum Event {
    /// The next picture.
    Frame(Frame),
    /// The device is gone, with a notice to show. It may come back, so go on asking.
    Lost(String),
    /// There will be no more pictures.
    Ended,
}

/// A source of pictures, owned by one thread.
pub trait Source: Send {
    /// What to call it in a window or a report.
    fn name(&self) -> String;

    /// The size of its pictures, as far as it is known.
    fn size(&self) -> Size;

    /// Its pictures per second.
    fn fps(&self) -> f32;

    /// A live source (a camera) sets the pace: [`next`](Self::next) blocks until its next picture,
    /// within the bounds of its watchdog. Others answer at once and are paced by who asks.
    fn live(&self) -> bool;

    /// For how long the picture that [`next`](Self::next) gave last is shown; [`None`]: as long as all are.
    fn shown_for(&self) -> Option<Duration> {
        None
    }

    /// Where in the file the picture is that [`next`](Self::next) gave last, from its beginning; none of a live source.
    /// It goes back when a file begins again.
    fn position(&self) -> Option<Duration> {
        None
    }

    /// What there is to be said of the pictures so far, once.
    fn notice(&mut self) -> Option<String> {
        None
    }

    /// The next event.
    ///
    /// # Errors
    /// When no more pictures will come: the file is damaged or cannot be read. A camera that is lost is an event.
    fn next(&mut self) -> Result<Event, SourceError>;
}

/// Opens what `spec` names, as near to `wish` as it can.
///
/// # Errors
/// What opening the clip, the camera or the scene fails with.
pub fn open(spec: &SourceSpec, wish: Wish) -> Result<Box<dyn Source>, SourceError> {
    match spec {
        SourceSpec::Clip(path) => Ok(Box::new(clip::Clip::open(path)?)),
        SourceSpec::Scene => Ok(Box::new(scene::Scene::new(wish.size, wish.fps)?)),
        #[cfg(feature = "camera")]
        SourceSpec::Camera(number, format) => Ok(Box::new(camera::Camera::open(*number, *format, wish)?)),
        #[cfg(not(feature = "camera"))]
        SourceSpec::Camera(..) => Err(SourceError::Unavailable {
            source_name: spec.to_string(),
            why: "this program was built without cameras (cargo feature `camera`); use --source scene".to_owned(),
        }),
    }
}

/// The cameras that there are; an empty list when there is none.
///
/// # Errors
///
/// The system does not list them, or the program was built without the feature `camera`.
#[cfg(feature = "camera")]
pub fn cameras() -> Result<Vec<ListedCamera>, DevicesError> {
    camera::list()
}

/// The cameras that there are: none can be listed in a build without the feature `camera`.
///
/// # Errors
///
/// Always [`DevicesError::NotBuilt`].
#[cfg(not(feature = "camera"))]
pub fn cameras() -> Result<Vec<ListedCamera>, DevicesError> {
    Err(DevicesError::NotBuilt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(feature = "camera"))]
    fn a_build_without_cameras_says_so() {
        assert_eq!(cameras(), Err(DevicesError::NotBuilt));
    }

    /// Linux lists cameras without asking anybody.
    #[test]
    #[cfg(all(feature = "camera", target_os = "linux"))]
    fn every_camera_that_is_listed_has_formats_or_says_why_not() {
        let cameras = cameras().unwrap();
        assert!(cameras.iter().all(|c| !c.formats.is_empty() || c.problem.is_some()), "{cameras:?}");
    }

    #[test]
    fn specs_are_written_as_they_are_read() {
        for text in
            ["camera:0", "camera:17", "camera:2:1280x720@30:MJPEG", "scene", "clip.mp4", "/a b/c.y4m", "camera.mp4"]
        {
            assert_eq!(text.parse::<SourceSpec>().unwrap().to_string(), text);
        }
        for text in
            ["", "camera:", "camera:-1", "camera:4294967296", "camera:0:", "camera:0:large", "camera::640x480@30:YUYV"]
        {
            assert!(text.parse::<SourceSpec>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_missing_clip_is_named() {
        let wish = Wish { size: Size::new(480, 360).unwrap(), fps: 30.0 };
        let error = open(&SourceSpec::Clip("not/there.mp4".into()), wish).err().unwrap().to_string();
        assert!(error.contains("not/there.mp4"), "{error}");
    }
}
