//! Which of a camera's formats to take.

use super::FormatRequest;
use crate::{
    source::Wish,
    source::devices::{Format, Pixels},
};

/// The format that was asked for, if it is there; else the nearest to the wish: enough pictures a second first, then
/// the size, then no JPEG.
pub(super) fn choose(formats: &[Format], wanted: &FormatRequest) -> Option<Format> {
    let usable = || formats.iter().filter(|f| f.size().is_some() && f.fps > 0);
    if let Some(asked) = wanted.format {
        if usable().any(|f| *f == asked) {
            return Some(asked);
        }
        tracing::warn!("the camera has no format {asked}; the nearest to what is sent is taken");
    }
    let wish = &wanted.wish;
    usable().min_by(|a, b| cost(a, wish).total_cmp(&cost(b, wish))).copied()
}

/// What a format lacks or has too much of.
fn cost(format: &Format, wish: &Wish) -> f32 {
    let (w, h) = (format.width as f32 / wish.size.width() as f32, format.height as f32 / wish.size.height() as f32);
    // What is missing was never seen by the lens; what is too much only costs time.
    let missing = 1.0 - w.min(1.0) * h.min(1.0);
    let spare = (w.max(1.0) * h.max(1.0) - 1.0).min(20.0);
    let slow = 1.0 - (format.fps as f32 / wish.fps).min(1.0);
    let fast = (format.fps as f32 / wish.fps - 1.0).clamp(0.0, 10.0);
    let packed = match format.pixels {
        Pixels::Yuyv | Pixels::Nv12 => 0.0,
        Pixels::Rgb | Pixels::Bgr => 0.05,
        Pixels::Mjpeg => 0.1,
        Pixels::Grey => 2.0,
    };
    2.0 * missing + 0.5 * spare + 3.0 * slow + 0.02 * fast + packed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Size;

    fn format(width: u32, height: u32, fps: u32, pixels: Pixels) -> Format {
        Format { width, height, fps, pixels }
    }

    fn chosen(width: u32, height: u32, fps: f32, formats: &[Format]) -> String {
        let wish = Wish { size: Size::new(width, height).unwrap(), fps };
        choose(formats, &FormatRequest { format: None, wish }).map(|f| f.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_usual_webcam() {
        use Pixels::{Mjpeg, Yuyv};
        let formats = [
            format(1920, 1080, 5, Yuyv),
            format(1920, 1080, 30, Mjpeg),
            format(1280, 720, 10, Yuyv),
            format(1280, 720, 30, Mjpeg),
            format(640, 480, 30, Yuyv),
            format(640, 480, 30, Mjpeg),
            format(320, 240, 30, Yuyv),
        ];
        assert_eq!(chosen(1280, 720, 30.0, &formats), "1280x720 at 30 frames/s, MJPEG");
        assert_eq!(chosen(960, 720, 30.0, &formats), "1280x720 at 30 frames/s, MJPEG");
        assert_eq!(chosen(640, 480, 30.0, &formats), "640x480 at 30 frames/s, YUYV");
        assert_eq!(chosen(1280, 720, 10.0, &formats), "1280x720 at 10 frames/s, YUYV");
        assert_eq!(chosen(320, 240, 15.0, &formats), "320x240 at 30 frames/s, YUYV");
    }

    #[test]
    fn what_was_asked_for_is_taken_if_it_is_there() {
        let formats = [format(640, 480, 30, Pixels::Yuyv), format(1920, 1080, 5, Pixels::Yuyv)];
        let wish = Wish { size: Size::new(640, 480).unwrap(), fps: 30.0 };
        let taken = |asked| choose(&formats, &FormatRequest { format: Some(asked), wish });
        assert_eq!(taken(formats[1]), Some(formats[1]));
        assert_eq!(taken(format(1920, 1080, 30, Pixels::Yuyv)), Some(formats[0]));
    }

    #[test]
    fn what_cannot_be_used_is_never_taken() {
        let odd =
            [format(0, 720, 30, Pixels::Yuyv), format(1280, 720, 0, Pixels::Yuyv), format(9000, 10, 30, Pixels::Nv12)];
        assert_eq!(chosen(1280, 720, 30.0, &odd), "");
        assert_eq!(chosen(1280, 720, 30.0, &[]), "");
    }

    #[test]
    fn colour_comes_before_an_infrared_camera_of_the_right_size() {
        let formats = [format(640, 360, 30, Pixels::Grey), format(640, 480, 30, Pixels::Nv12)];
        assert_eq!(chosen(640, 360, 30.0, &formats), "640x480 at 30 frames/s, NV12");
    }
}
