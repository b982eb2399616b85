//! Pictures to test engines with, and what compares them.

use clearcall::frame::{Colour, Frame, Matrix, Plane, Range, Rgba, Size, Stamp};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Both matrices in both ranges.
pub(crate) fn colours() -> impl Iterator<Item = Colour> {
    [Matrix::Bt601, Matrix::Bt709]
        .into_iter()
        .flat_map(|matrix| [Range::Limited, Range::Full].map(|range| Colour { matrix, range }))
}

/// A picture with soft shapes, hard edges and noise in all three planes, whose rows are padded with
/// `padding` bytes that must not be looked at.
pub(crate) fn picture(width: u32, height: u32, colour: Colour, padding: usize, seed: u64) -> Frame {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let size = Size::new(width, height).unwrap();
    let mut plane = |size: Size, middle: f32| {
        let (w, h) = (size.width() as usize, size.height() as usize);
        let (fx, fy, edge) = (rng.random_range(0.05..0.6), rng.random_range(0.05..0.6), rng.random_range(0..=w));
        let mut data = Vec::with_capacity(h * (w + padding));
        for y in 0..h {
            for x in 0..w {
                let wave = 60.0 * (fx * x as f32).sin() * (fy * y as f32 + 1.0).cos();
                let step = if x > edge { 50.0 } else { -20.0 };
                data.push((middle + wave + step + rng.random_range(-40.0..40.0)).clamp(0.0, 255.0) as u8);
            }
            data.extend((0..padding).map(|_| rng.random::<u8>()));
        }
        Plane::from_vec(data, w, h, w + padding).unwrap()
    };
    let (y, u, v) = (plane(size, 120.0), plane(size.chroma(), 100.0), plane(size.chroma(), 140.0));
    Frame::new(y, u, v, colour, Stamp::now(seed)).unwrap()
}

/// How far two pictures are apart: the largest difference of two codes, and where; an error where they are
/// not even of one size.
pub(crate) fn difference(a: &[u8], b: &[u8]) -> Result<(u8, usize), String> {
    if a.len() != b.len() {
        return Err(format!("{} bytes against {}", a.len(), b.len()));
    }
    let differences = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    Ok(differences.enumerate().map(|(i, d)| (d, i)).max_by_key(|(d, _)| *d).unwrap_or((0, 0)))
}

/// Says where two RGBA pictures are more than one code apart.
pub(crate) fn same_rgba(a: &Rgba, b: &Rgba) -> Result<(), String> {
    if a.size != b.size {
        return Err(format!("{} against {}", a.size, b.size));
    }
    match difference(&a.data, &b.data)? {
        (0 | 1, _) => Ok(()),
        (d, i) => {
            let (pixel, width) = (i / 4, a.size.width() as usize);
            let place = format!("({}, {}), channel {}", pixel % width, pixel / width, i % 4);
            Err(format!("{d} codes apart at {place}: {} against {}", a.data[i], b.data[i]))
        }
    }
}

/// Says where two I420 pictures are more than one code apart.
pub(crate) fn same_i420(a: &Frame, b: &Frame) -> Result<(), String> {
    if (a.size(), a.colour, a.stamp) != (b.size(), b.colour, b.stamp) {
        return Err(format!(
            "{} {:?} {:?} against {} {:?} {:?}",
            a.size(),
            a.colour,
            a.stamp,
            b.size(),
            b.colour,
            b.stamp
        ));
    }
    for ((name, a), b) in ["Y", "U", "V"].into_iter().zip(a.planes()).zip(b.planes()) {
        let (d, i) = difference(&a.to_packed(), &b.to_packed())?;
        if d > 1 {
            return Err(format!("{d} codes apart in {name} at ({}, {})", i % a.width(), i / a.width()));
        }
    }
    Ok(())
}
