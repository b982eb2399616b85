//! Both pictures of a frame, and the details in which they differ.

use std::path::Path;

use super::{
    Crop, ENLARGED, ReportError,
    canvas::{Canvas, LINE},
    write_rgba,
};
use crate::{
    frame::{Rgba, Size},
    spotlight::{Extent, Saliency},
    upscale::Pair,
};

/// Details that are shown.
const DETAILS: usize = 2;
/// Pixels between them.
const GAP: usize = 6;
/// Smaller ones show nothing.
const LEAST: usize = 12;

/// Writes bicubic (left) and CNN (right) of one frame beside each other as PNG, whole or not at all. Below them stand
/// the details in which they differ most, each of both sides, three times as large; where they do not differ, none.
///
/// # Errors
/// When a picture cannot be read back from the GPU or encoded, or the file cannot be written.
pub fn write_pair(path: &Path, pair: &Pair) -> Result<(), ReportError> {
    let (left, right) = (pair.bicubic.to_rgba()?, pair.cnn.to_rgba()?);
    let row = left.size.width() as usize * 4;
    let mut data = Vec::with_capacity(left.data.len() * 2);
    for (a, b) in left.data.chunks(row).zip(right.data.chunks(row)) {
        data.extend_from_slice(a);
        data.extend_from_slice(b);
    }
    let (width, mut height) = (left.size.width() * 2, left.size.height());
    if let Some(details) = details(&left, &right)? {
        height += details.size.height();
        data.extend_from_slice(&details.data);
    }
    // Two pictures of the largest size are wider than `Size` allows, which bounds what comes from outside.
    write_rgba(path, (width, height), &data)
}

/// A strip as wide as both pictures; none for pictures that are too small or too large for it, or do not differ.
fn details(left: &Rgba, right: &Rgba) -> Result<Option<Rgba>, ReportError> {
    let (w, h) = (left.size.width() as usize, left.size.height() as usize);
    let step = (2 * w).saturating_sub(GAP) / (2 * DETAILS);
    let width = step.saturating_sub(GAP) / ENLARGED;
    let height = (2 * width / 3).min(h);
    let strip = Size::try_from_wide(2 * w, 2 * GAP + LINE + height * ENLARGED);
    let (Ok(strip), Ok(size)) = (strip, Size::try_from_wide(width, height)) else { return Ok(None) };
    let extent = Extent { width: width as f32 / w as f32, height: height as f32 / h as f32 };
    let places = Saliency::of(left, right).places(extent, DETAILS);
    if places.is_empty() || width < LEAST || height < LEAST {
        return Ok(None);
    }
    let mut canvas = Canvas::new(strip)?;
    for (i, place) in places.iter().enumerate() {
        let corner = |middle: f32, whole: usize, part: usize| {
            let at = (middle * whole as f32 - part as f32 / 2.0).round().max(0.0) as usize;
            at.min(whole - part) as u32
        };
        let crop = Crop { x: corner(place.x, w, width), y: corner(place.y, h, height), size };
        for (j, (name, picture)) in [("bicubic", left), ("CNN", right)].into_iter().enumerate() {
            let x = GAP + (2 * i + j) * step;
            canvas.text(x, GAP, step - GAP, &format!("{name}, detail {} enlarged", i + 1));
            canvas.put(x, GAP + LINE, &crop.of(picture), ENLARGED);
        }
    }
    Ok(Some(canvas.into_picture()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{frame::Stamp, upscale::Picture};

    type Level<'a> = &'a dyn Fn(u32, u32) -> u8;

    fn pair(size: Size, [a, b]: [Level<'_>; 2]) -> Pair {
        let draw = |level: Level<'_>| {
            let pixels = (0..size.height()).flat_map(|y| (0..size.width()).map(move |x| (x, y)));
            let data = pixels.flat_map(|(x, y)| [level(x, y), level(x, y), level(x, y), 255]).collect();
            Picture::Cpu(Arc::new(Rgba { size, data }))
        };
        Pair { stamp: Stamp::now(0), size, bicubic: draw(a), cnn: draw(b) }
    }

    #[test]
    fn left_is_bicubic_and_right_is_the_network() {
        let size = Size::new(3, 2).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pair.png");
        let both = pair(size, [&|_, _| 10, &|_, _| 200]);
        write_pair(&path, &both).unwrap();
        let png = image::open(&path).unwrap().to_rgba8();
        assert_eq!((png.width(), png.height()), (6, 2));
        assert_eq!((png.get_pixel(2, 1)[0], png.get_pixel(3, 0)[0]), (10, 200));
        let missing = folder.path().join("no/such/folder.png");
        let message = write_pair(&missing, &both).unwrap_err().to_string();
        assert!(message.contains("folder.png"), "{message}");
    }

    #[test]
    fn where_they_differ_stands_below_enlarged_on_both_sides() {
        let size = Size::new(320, 240).unwrap();
        // A patch of stripes, which one side has stronger, and a number for each of its columns.
        let level = |strength: u32| {
            move |x: u32, y: u32| match (x / 32, y / 24) {
                (6, 3) => (60 + (x % 2) * strength + (y % 2) * strength) as u8,
                _ => 20,
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pair.png");
        write_pair(&path, &pair(size, [&level(60), &level(90)])).unwrap();
        let png = image::open(&path).unwrap().to_rgba8();
        assert!(png.width() == 640 && png.height() > 300, "{:?}", png.dimensions());
        // The brightest pixels of the left and of the right tile are those of the patch, three times as large.
        let step = (640 - GAP as u32) / 4;
        for (i, brightest) in [180, 240].into_iter().enumerate() {
            let from = GAP as u32 + i as u32 * step;
            let tile: Vec<u8> = (240 + (GAP + LINE) as u32..png.height() - GAP as u32)
                .flat_map(|y| (from..from + step - GAP as u32).map(move |x| (x, y)))
                .map(|(x, y)| png.get_pixel(x, y)[0])
                .collect();
            assert_eq!(tile.iter().max(), Some(&brightest), "tile {i}");
            let count = tile.iter().filter(|v| **v == brightest).count();
            assert_eq!(count, 16 * 12 * ENLARGED * ENLARGED, "tile {i}");
        }
        write_pair(&path, &pair(size, [&level(60), &level(60)])).unwrap();
        assert_eq!(image::open(&path).unwrap().height(), 240, "nothing to point at");
    }
}
