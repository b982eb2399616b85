//! What stands in the scene: a person before a wall, a notice board, a curtain, and grass in a pot.
//!
//! Places are in units: 720 from top to bottom of the picture, about 960 from left to right.

use super::SceneError;
use super::layer::{Layer, OVERSAMPLE, Rect, Viewport};
use super::paint::{Canvas, Colour, Face};
use super::strokes::Strokes;
use super::text::{LINES, SIZES};
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer, images::Image, images::ImageRef};

/// The picture is laid out for this width; wider ones get more curtain and board, narrower ones lose them.
pub(super) const FULL_WIDTH: f32 = 960.0;
/// The middle of the person's face, from the left.
pub(super) const PERSON: f32 = 352.0;
/// How far down the face is.
pub(super) const FACE: f32 = 195.0;
/// How far layers go beyond what a camera at rest sees.
const MARGIN: f32 = 32.0;
/// Units per pixel of the photograph, and where its top left corner lies.
const PHOTO_SCALE: f32 = 1.6;
const PHOTO_LEFT: f32 = -13.0;
const PHOTO_TOP: f32 = 12.0;
/// So many rows at the top of the photograph, above the hair, are stretched so far that wall enough is there.
const WALL_ROWS: f32 = 12.0;
const WALL_STRETCH: f32 = 3.4;
/// The scrolling text's window, from the board's top left corner.
const WINDOW: [f32; 2] = [14.0, 206.0];
const BOARD_TOP: f32 = 44.0;
const BOARD_HEIGHT: f32 = 500.0;

const PAPER: Colour = [232.0, 229.0, 220.0];
const INK: Colour = [34.0, 36.0, 44.0];
const BLUE: Colour = [28.0, 74.0, 140.0];
const RED: Colour = [186.0, 44.0, 36.0];

/// All that is drawn before the first frame.
pub(super) struct Stage {
    pub(super) back: Layer,
    pub(super) board: Option<Board>,
    pub(super) curtains: Vec<Curtain>,
    pub(super) grass: Strokes,
}

/// The notice board and the sheet that scrolls in its window.
pub(super) struct Board {
    pub(super) sheet: Layer,
    pub(super) rect: Rect,
    pub(super) text: Layer,
    pub(super) window: Rect,
    /// After so many units the text begins again.
    pub(super) period: f32,
}

/// A woven cloth that hangs from top to bottom.
pub(super) struct Curtain {
    pub(super) cloth: Layer,
    pub(super) edge: f32,
    pub(super) to_right: bool,
    /// Units of its width.
    pub(super) width: f32,
}

impl Stage {
    pub(super) fn new(view: &Viewport) -> Result<Self, SceneError> {
        let density = view.scale * OVERSAMPLE;
        let full = view.width.max(FULL_WIDTH);
        let spare = full - FULL_WIDTH;
        // In a wide picture the person stays left of the middle, and a second curtain hangs on the left.
        let photo_left = PHOTO_LEFT + spare / 2.0;
        let board_width = 308.0 + (spare / 4.0).min(120.0);
        let board_left = full - 62.0 - board_width;
        let right_edge = photo_left + 512.0 * PHOTO_SCALE - 26.0;
        let mut back = Photo::read()?.spread(view, photo_left, density)?;
        let board = Rect {
            left: board_left,
            top: BOARD_TOP,
            right: board_left + board_width,
            bottom: BOARD_TOP + BOARD_HEIGHT,
        };
        shade(&mut back, |x, y| {
            1.0 - 0.45 * shadow(&board, x - 10.0, y - 12.0) - 0.35 * (-(right_edge - x).max(0.0) / 16.0).exp()
        });
        let seen = |left: f32, right: f32| right > view.left - MARGIN && left < view.left + view.width + MARGIN;
        let mut curtains = Vec::new();
        let end = view.left + view.width + MARGIN;
        if seen(right_edge, end) {
            curtains.push(curtain(right_edge, true, end - right_edge, density)?);
        }
        if spare > 40.0 {
            curtains.push(curtain(photo_left + 40.0, false, photo_left + 40.0 + MARGIN, density)?);
        }
        let board = if seen(board.left, board.right) { Some(Board::new(board, density)?) } else { None };
        let grass = Strokes::new(full - 92.0, 738.0);
        Ok(Self { back: Layer::new(back)?, board, curtains, grass })
    }

    /// Where the face is, for its movement.
    pub(super) fn face(view: &Viewport) -> (f32, f32) {
        (PERSON + (view.width - FULL_WIDTH).max(0.0) / 2.0, FACE)
    }
}

/// The photograph, decoded.
struct Photo {
    data: Vec<u8>,
    width: u32,
    height: u32,
}

impl Photo {
    fn read() -> Result<Self, SceneError> {
        let bytes = include_bytes!("../../../assets/astronaut.jpg");
        let image = image::load_from_memory(bytes).map_err(|e| SceneError::Asset(format!("the photograph: {e}")))?;
        let rgb = image.into_rgb8();
        Ok(Self { width: rgb.width(), height: rgb.height(), data: rgb.into_raw() })
    }

    /// Scaled to the layer's density, with more wall above the head by stretching the rows there.
    fn spread(&self, view: &Viewport, left: f32, density: f32) -> Result<Canvas, SceneError> {
        let failed = |e: &dyn std::fmt::Display| SceneError::Asset(format!("scaling the photograph: {e}"));
        let scaled = |n: u32| ((n as f32 * PHOTO_SCALE * density).round() as u32).max(1);
        let (w, h) = (scaled(self.width), scaled(self.height));
        let pixels = fast_image_resize::PixelType::U8x3;
        let from = ImageRef::new(self.width, self.height, &self.data, pixels).map_err(|e| failed(&e))?;
        let mut to = Image::new(w, h, pixels);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
        Resizer::new().resize(&from, &mut to, &options).map_err(|e| failed(&e))?;
        let photo = to.buffer();
        let (width, height) = (view.width + 2.0 * MARGIN, view.height + 2.0 * MARGIN);
        let mut canvas = Canvas::new(view.left - MARGIN, -MARGIN, width, height, density, [0.0; 3]);
        let (dx, dy) = ((canvas.left - left) * density, (canvas.top - PHOTO_TOP) * density);
        let wall = WALL_ROWS * PHOTO_SCALE * density;
        for y in 0..canvas.height {
            let y1 = y as f32 + dy;
            let y1 = if y1 < wall { wall - (wall - y1) / WALL_STRETCH } else { y1 };
            let y1 = (y1.round() as i64).clamp(0, i64::from(h) - 1);
            for x in 0..canvas.width {
                let x1 = (x as i64 + dx.round() as i64).clamp(0, i64::from(w) - 1);
                let i = 3 * (y1 * i64::from(w) + x1) as usize;
                canvas.data[y * canvas.width + x] = [photo[i], photo[i + 1], photo[i + 2]];
            }
        }
        Ok(canvas)
    }
}

/// Multiplies light into a canvas.
fn shade(canvas: &mut Canvas, light: impl Fn(f32, f32) -> f32) {
    let (d, left, top) = (canvas.density, canvas.left, canvas.top);
    for (y, row) in canvas.data.chunks_mut(canvas.width).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            let l = light(left + x as f32 / d, top + y as f32 / d);
            if l < 1.0 {
                *pixel = pixel.map(|c| (f32::from(c) * l) as u8);
            }
        }
    }
}

/// How much a soft shadow of a rectangle covers a place.
fn shadow(rect: &Rect, x: f32, y: f32) -> f32 {
    const FAR: f32 = 30.0;
    if x < rect.left - FAR || x > rect.right + FAR || y < rect.top - FAR || y > rect.bottom + FAR {
        return 0.0;
    }
    let soft = |d: f32| 1.0 / (1.0 + (-d / 5.0).exp());
    soft(x - rect.left) * soft(rect.right - x) * soft(y - rect.top) * soft(rect.bottom - y)
}

impl Board {
    fn new(rect: Rect, density: f32) -> Result<Self, SceneError> {
        let face = Face::new()?;
        let (width, height) = (rect.right - rect.left, rect.bottom - rect.top);
        let mut sheet = Canvas::new(rect.left - 2.0, rect.top - 2.0, width + 4.0, height + 4.0, density, PAPER);
        let (l, t) = (rect.left, rect.top);
        let wood = [96.0, 74.0, 54.0];
        for (x, y, w, h) in [
            (-2.0, -2.0, width + 4.0, 9.0),
            (-2.0, height - 7.0, width + 4.0, 9.0),
            (-2.0, -2.0, 9.0, height + 4.0),
            (width - 7.0, -2.0, 9.0, height + 4.0),
        ] {
            sheet.rect(l + x, t + y, w, h, wood);
        }
        sheet.text(&face, 30.0, l + 16.0, t + 38.0, "Clear at half size", BLUE);
        sheet.text(&face, 12.0, l + 17.0, t + 55.0, "480 × 360 sent · 960 × 720 seen", INK);
        fan(&mut sheet, l + 18.0, t + 66.0);
        chart(&mut sheet, &face, l + 146.0, t + 66.0, width - 166.0);
        let window =
            Rect { left: l + WINDOW[0], top: t + WINDOW[1], right: rect.right - WINDOW[0], bottom: rect.bottom - 14.0 };
        for y in [window.top - 3.0, window.bottom + 1.5] {
            sheet.line((window.left, y), (window.right, y), 0.8, INK);
        }
        let (text, period) = scroll(&face, &window, density);
        Ok(Self { sheet: Layer::new(sheet)?, rect, text: Layer::new(text)?, window, period })
    }
}

/// Thin lines from one point: finer and finer towards it.
fn fan(sheet: &mut Canvas, x: f32, y: f32) {
    const LINES: usize = 25;
    for i in 0..LINES {
        let angle = std::f32::consts::FRAC_PI_2 * i as f32 / (LINES - 1) as f32;
        let (sin, cos) = angle.sin_cos();
        sheet.line((x + 14.0 * cos, y + 14.0 * sin), (x + 112.0 * cos, y + 112.0 * sin), 0.9, INK);
    }
}

/// A grid of hairlines with two curves, and what they mean.
fn chart(sheet: &mut Canvas, face: &Face, x: f32, y: f32, width: f32) {
    let height = 100.0;
    let grey = [150.0, 152.0, 158.0];
    let mut at = 0.0;
    while at <= width {
        sheet.line((x + at, y), (x + at, y + height), 0.6, grey);
        at += 10.0;
    }
    for i in 0..=10 {
        sheet.line((x, y + 10.0 * i as f32), (x + width, y + 10.0 * i as f32), 0.6, grey);
    }
    for (colour, rise, bend) in [(RED, 62.0, 0.35), (BLUE, 78.0, 0.22)] {
        let curve = |s: f32| (x + s * width, y + height - 8.0 - rise * s / (s + bend) * (1.0 + bend));
        for i in 0..60 {
            sheet.line(curve(i as f32 / 60.0), curve((i + 1) as f32 / 60.0), 1.4, colour);
        }
    }
    sheet.text(face, 8.5, x, y + height + 10.0, "150       300       600 kbit/s", INK);
    sheet.text(face, 8.5, x, y + height + 20.0, "upscaled in blue, bicubic in red", INK);
}

/// The sheet of text, broken to the window's width. Its end repeats its beginning by a window's height.
fn scroll(face: &Face, window: &Rect, density: f32) -> (Canvas, f32) {
    let width = window.right - window.left;
    let mut lines: Vec<(f32, f32, String, Colour)> = Vec::new();
    let mut y = 4.0;
    for (i, paragraph) in LINES.iter().enumerate() {
        let size = SIZES[i % SIZES.len()];
        let colour = if size > 15.0 { BLUE } else { INK };
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if face.width(size, &longer) > width - 8.0 && !line.is_empty() {
                y += size * 1.2;
                lines.push((size, y, std::mem::replace(&mut line, word.to_owned()), colour));
            } else {
                line = longer;
            }
        }
        y += size * 1.2;
        lines.push((size, y, line, colour));
        y += size * 0.7;
    }
    let period = y + 6.0;
    let height = period + window.bottom - window.top + 4.0;
    let mut sheet = Canvas::new(window.left - 2.0, window.top - 2.0, width + 4.0, height + 4.0, density, PAPER);
    for turn in [0.0, period] {
        for (size, y, line, colour) in &lines {
            sheet.text(face, *size, window.left + 4.0, window.top + y + turn, line, *colour);
        }
    }
    (sheet, period)
}

/// A twill of two yarns with a thicker thread here and there.
fn curtain(edge: f32, to_right: bool, width: f32, density: f32) -> Result<Curtain, SceneError> {
    const THREAD: f32 = 3.0;
    let left = if to_right { edge - 24.0 } else { edge - width };
    let mut canvas = Canvas::new(left, -MARGIN, width + 24.0, 720.0 + 2.0 * MARGIN, density, [0.0; 3]);
    let chance = |i: i32, salt: u32| super::strokes::chance((i as u32).wrapping_mul(2).wrapping_add(salt));
    canvas.fill_with(THREAD / 3.0, |x, y| {
        let (i, j) = ((x / THREAD).floor() as i32, (y / THREAD).floor() as i32);
        let across = |v: f32| 1.0 - (2.0 * (v / THREAD).rem_euclid(1.0) - 1.0).powi(2);
        let over = (i + j).rem_euclid(4) < 2;
        let (yarn, round, tone): (Colour, f32, f32) = if over {
            ([66.0, 108.0, 116.0], across(x), chance(i, 0))
        } else {
            ([112.0, 142.0, 138.0], across(y), chance(j, 1))
        };
        let light = (0.62 + 0.42 * round) * (0.84 + 0.3 * tone);
        yarn.map(|c| (c * light).min(255.0))
    });
    Ok(Curtain { cloth: Layer::new(canvas)?, edge, to_right, width: width + 24.0 })
}
