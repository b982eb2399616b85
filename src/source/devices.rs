//! Cameras as they are listed, and what they can send.

use crate::frame::Size;
use serde::Serialize;
use std::{fmt, str::FromStr};

/// How a camera packs its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Pixels {
    /// 4:2:2, Y U Y V.
    Yuyv,
    /// 4:2:0, a plane of luma and one of chroma pairs.
    Nv12,
    /// JPEG pictures one after the other.
    Mjpeg,
    /// Luma only.
    Grey,
    /// R, G, B.
    Rgb,
    /// B, G, R.
    Bgr,
}

impl Pixels {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Yuyv, Self::Nv12, Self::Mjpeg, Self::Grey, Self::Rgb, Self::Bgr];
}

impl fmt::Display for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yuyv => "YUYV",
            Self::Nv12 => "NV12",
            Self::Mjpeg => "MJPEG",
            Self::Grey => "GREY",
            Self::Rgb => "RGB",
            Self::Bgr => "BGR",
        })
    }
}

/// One way in which a camera sends pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Format {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Pictures per second.
    pub fps: u32,
    /// How they are packed.
    pub pixels: Pixels,
}

impl Format {
    /// The picture's size, if it is one that the program handles.
    pub fn size(&self) -> Option<Size> {
        Size::new(self.width, self.height).ok()
    }
}

impl Format {
    /// As it is written in `camera:N:FORMAT` and in settings: `1280x720@30:MJPEG`.
    pub fn word(&self) -> String {
        format!("{}x{}@{}:{}", self.width, self.height, self.fps, self.pixels)
    }
}

/// What is not written as [`Format::word`] writes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a camera's format: write it as WIDTHxHEIGHT@RATE:PIXELS, for example 1280x720@30:MJPEG")]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    /// ```
    /// # use clearcall::source::devices::Format;
    /// let format: Format = "1280x720@30:mjpeg".parse().unwrap();
    /// assert_eq!((format.width, format.fps, format.word().as_str()), (1280, 30, "1280x720@30:MJPEG"));
    /// assert!("1280x720".parse::<Format>().is_err() && "1280x720@0:YUYV".parse::<Format>().is_err());
    /// ```
    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let read = || {
            let (picture, pixels) = text.split_once(':')?;
            let (size, fps) = picture.split_once('@')?;
            let size: Size = size.parse().ok()?;
            let fps = fps.parse().ok().filter(|fps| (1..=1000).contains(fps))?;
            let pixels = Pixels::ALL.into_iter().find(|p| p.to_string().eq_ignore_ascii_case(pixels))?;
            Some(Self { width: size.width(), height: size.height(), fps, pixels })
        };
        read().ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{} at {} frames/s, {}", self.width, self.height, self.fps, self.pixels)
    }
}

/// A camera that there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedCamera {
    /// Its number: `--source camera:INDEX`.
    pub index: u32,
    /// What it calls itself.
    pub name: String,
    /// What it can send, the largest first. Empty when it would not say (see [`problem`](Self::problem)).
    pub formats: Vec<Format>,
    /// Why its formats are not known, for example because another program holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Cameras that cannot be listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DevicesError {
    /// The program was built without them.
    #[error("this program was built without cameras (cargo feature `camera`)")]
    NotBuilt,
    /// The system did not tell.
    #[error("the system does not list its cameras: {0}")]
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_read_as_words_and_as_json() {
        let format = Format { width: 1280, height: 720, fps: 30, pixels: Pixels::Mjpeg };
        assert_eq!(format.to_string(), "1280x720 at 30 frames/s, MJPEG");
        let camera = ListedCamera { index: 2, name: "HD".into(), formats: vec![format], problem: None };
        let json = serde_json::to_string(&camera).unwrap();
        let format = r#"{"width":1280,"height":720,"fps":30,"pixels":"MJPEG"}"#;
        assert_eq!(json, format!(r#"{{"index":2,"name":"HD","formats":[{format}]}}"#));
    }

    #[test]
    fn formats_are_read_as_they_are_written() {
        for pixels in Pixels::ALL {
            let format = Format { width: 640, height: 360, fps: 15, pixels };
            assert_eq!(format.word().parse(), Ok(format));
        }
        for wrong in ["", "640x360", "640x360@15", "640x360@:YUYV", "640x360@15:I420", "0x360@15:YUYV", "640@15:YUYV"] {
            assert!(wrong.parse::<Format>().is_err(), "{wrong}");
        }
    }
}
