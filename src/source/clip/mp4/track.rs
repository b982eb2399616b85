//! What a track says about its pictures: which codec, which way up, of which shape and colour, and what of it is shown.

use super::boxes::{Fields, Malformed, boxes, find};
use super::index::IndexError;
use crate::codec::nal::AvcConfig;
use crate::frame::{Aspect, Matrix, Orientation, Range};

/// One entry of `stsd`: how a part of the samples is to be read.
#[derive(Debug, Clone)]
pub(super) struct Description {
    /// [`None`]: it is not H.264.
    pub(super) config: Option<AvcConfig>,
    /// From `pasp`.
    pub(super) aspect: Option<Aspect>,
    /// From `colr`.
    pub(super) matrix: Option<Matrix>,
    pub(super) range: Option<Range>,
}

/// One entry of `elst`, §8.6.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edit {
    /// In the movie's units; 0: to the end.
    pub(super) duration: u64,
    /// Where it begins in the track, in the track's units; negative: nothing is shown.
    pub(super) media_time: i64,
    /// One picture stands still.
    pub(super) dwell: bool,
}

/// A track with H.264.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) id: u32,
    pub(super) timescale: u32,
    /// Units a second of edits' durations.
    pub(super) movie_timescale: u32,
    pub(super) descriptions: Vec<Description>,
    pub(super) orientation: Orientation,
    /// How much wider the matrix makes a pixel.
    pub(super) stretch: f64,
    /// Width and height at which the track is shown, before it is turned.
    pub(super) shown: Option<(f64, f64)>,
    pub(super) edits: Vec<Edit>,
}

pub(super) fn must<'a>(data: &'a [u8], kind: &'static [u8; 4]) -> Result<&'a [u8], IndexError> {
    Ok(find(data, kind)?.ok_or_else(|| Malformed(format!("missing {}", kind.escape_ascii())))?)
}

/// Of a box that is good to have: one that is not there, or damaged, does not spoil the rest.
fn wish<'a>(data: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    find(data, kind).ok().flatten()
}

/// Reads a `trak` box and gives its sample tables; [`None`]: it is not video.
pub(super) fn read_track<'a>(trak: &'a [u8], mvhd: Option<&[u8]>) -> Result<Option<(Track, &'a [u8])>, IndexError> {
    let mdia = must(trak, b"mdia")?;
    let mut hdlr = Fields::new(must(mdia, b"hdlr")?, b"hdlr");
    hdlr.skip(8)?;
    if hdlr.u32()?.to_be_bytes() != *b"vide" {
        return Ok(None);
    }
    let stbl = must(must(mdia, b"minf")?, b"stbl")?;
    let descriptions = read_descriptions(must(stbl, b"stsd")?)?;
    let mut tkhd = Fields::new(must(trak, b"tkhd")?, b"tkhd");
    let (version, _) = tkhd.version()?;
    tkhd.skip(if version == 1 { 16 } else { 8 })?;
    let id = tkhd.u32()?;
    let (matrix, shown) = read_placement(tkhd, version).unwrap_or((UPRIGHT, None));
    let mut mdhd = Fields::new(must(mdia, b"mdhd")?, b"mdhd");
    let (version, _) = mdhd.version()?;
    mdhd.skip(if version == 1 { 16 } else { 8 })?;
    let timescale = mdhd.u32()?;
    if timescale == 0 {
        return Err(mdhd.malformed().into());
    }
    let (movie_timescale, movie_matrix) = mvhd.and_then(|mvhd| read_movie(mvhd).ok()).unwrap_or((1000, UPRIGHT));
    let matrix = product(matrix, movie_matrix);
    let edits = wish(trak, b"edts").and_then(|edts| wish(edts, b"elst")).and_then(|elst| read_edits(elst).ok());
    let track = Track {
        id,
        timescale,
        movie_timescale,
        descriptions,
        orientation: Orientation::from_matrix(matrix),
        stretch: stretch(matrix),
        shown,
        edits: edits.unwrap_or_default(),
    };
    Ok(Some((track, stbl)))
}

/// a, b, c, d of a matrix in 16.16.
type Linear = [i64; 4];
const ONE: i64 = 1 << 16;
const UPRIGHT: Linear = [ONE, 0, 0, ONE];

/// The linear part of a matrix: a b u, c d v, x y w.
fn read_matrix(f: &mut Fields<'_>) -> Result<Linear, Malformed> {
    let mut values = [0; 9];
    for value in &mut values {
        *value = i64::from(f.u32()?.cast_signed());
    }
    let [a, b, _, c, d, ..] = values;
    // All zeros is said by some that mean nothing.
    Ok(if [a, b, c, d] == [0; 4] { UPRIGHT } else { [a, b, c, d] })
}

/// First `a`, then `b`.
fn product(a: Linear, b: Linear) -> Linear {
    // Entries have 32 bits, so that the sums fit.
    let at = |x: i64, y: i64, z: i64, w: i64| (i128::from(x) * i128::from(y) + i128::from(z) * i128::from(w)) >> 16;
    [at(a[0], b[0], a[1], b[2]), at(a[0], b[1], a[1], b[3]), at(a[2], b[0], a[3], b[2]), at(a[2], b[1], a[3], b[3])]
        .map(|v| i64::try_from(v).unwrap_or(0))
}

/// How much wider than high a matrix makes a stored pixel.
fn stretch([a, b, c, d]: Linear) -> f64 {
    let (along_x, along_y) = if Orientation::from_matrix([a, b, c, d]).transposed { (b, c) } else { (a, d) };
    let ratio = along_x.unsigned_abs() as f64 / along_y.unsigned_abs() as f64;
    if ratio.is_finite() && ratio > 0.0 { ratio } else { 1.0 }
}

/// The rest of `tkhd`, behind the track's number.
fn read_placement(mut tkhd: Fields<'_>, version: u8) -> Result<(Linear, Option<(f64, f64)>), Malformed> {
    // Reserved, duration, reserved twice, layer, group, volume, reserved.
    tkhd.skip(if version == 1 { 12 } else { 8 } + 8 + 8)?;
    let matrix = read_matrix(&mut tkhd)?;
    let (w, h) = (f64::from(tkhd.u32()?), f64::from(tkhd.u32()?));
    Ok((matrix, (w > 0.0 && h > 0.0).then_some((w, h))))
}

/// `mvhd`: units a second, and a matrix that acts after the track's.
fn read_movie(mvhd: &[u8]) -> Result<(u32, Linear), Malformed> {
    let mut f = Fields::new(mvhd, b"mvhd");
    let (version, _) = f.version()?;
    f.skip(if version == 1 { 16 } else { 8 })?;
    let timescale = f.u32()?.max(1);
    // Duration, rate, volume, reserved.
    let matrix = f.skip(if version == 1 { 8 } else { 4 } + 16).and_then(|()| read_matrix(&mut f));
    Ok((timescale, matrix.unwrap_or(UPRIGHT)))
}

fn read_edits(elst: &[u8]) -> Result<Vec<Edit>, Malformed> {
    let mut f = Fields::new(elst, b"elst");
    let (version, _) = f.version()?;
    let count = f.count(if version == 1 { 20 } else { 12 })?;
    (0..count)
        .map(|_| {
            let (duration, media_time) = if version == 1 {
                (f.u64()?, f.u64()?.cast_signed())
            } else {
                (f.u32()?.into(), f.u32()?.cast_signed().into())
            };
            Ok(Edit { duration, media_time, dwell: f.u32()? == 0 })
        })
        .collect()
}

/// All entries of `stsd`; at least one must be H.264.
fn read_descriptions(stsd: &[u8]) -> Result<Vec<Description>, IndexError> {
    let mut f = Fields::new(stsd, b"stsd");
    f.skip(8)?;
    let mut descriptions = Vec::new();
    let mut refused = None;
    for found in boxes(f.rest()) {
        let (kind, entry) = found?;
        let read = read_description(&kind, entry);
        descriptions.push(match read {
            Ok(description) => description,
            Err(e) => {
                refused = refused.or(Some(e));
                Description { config: None, aspect: None, matrix: None, range: None }
            }
        });
    }
    if descriptions.iter().any(|d| d.config.is_some()) {
        return Ok(descriptions);
    }
    Err(refused.unwrap_or_else(|| f.malformed().into()))
}

fn read_description(kind: &[u8; 4], entry: &[u8]) -> Result<Description, IndexError> {
    let name = match kind {
        b"avc1" | b"avc2" | b"avc3" | b"avc4" | b"dva1" | b"dvav" => "",
        b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => "H.265 (HEVC)",
        b"vvc1" | b"vvi1" => "H.266 (VVC)",
        b"av01" => "AV1",
        b"vp08" => "VP8",
        b"vp09" => "VP9",
        b"mp4v" => "MPEG-4 part 2",
        b"jpeg" | b"mjpa" | b"mjpb" => "Motion JPEG",
        b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" | b"ap4x" => "ProRes",
        b"encv" => "encrypted",
        other => return Err(IndexError::Codec(other.escape_ascii().to_string())),
    };
    if !name.is_empty() {
        return Err(IndexError::Codec(name.to_owned()));
    }
    // A visual sample entry has 78 bytes of its own in front of its boxes.
    let inside = entry.get(78..).ok_or_else(|| Malformed::new(kind))?;
    let config = match wish(inside, b"avcC") {
        Some(avcc) => AvcConfig::parse(avcc).ok_or_else(|| Malformed::new(b"avcC"))?,
        // The sets come in the samples, and nearly everybody writes lengths of four bytes.
        None if matches!(kind, b"avc3" | b"avc4") => AvcConfig { length_size: 4, parameter_sets: Vec::new() },
        None => return Err(Malformed("missing avcC".to_owned()).into()),
    };
    let (matrix, range) = boxes(inside)
        .map_while(Result::ok)
        .filter(|(kind, _)| kind == b"colr")
        .find_map(|(_, colr)| read_colour(colr))
        .unwrap_or((None, None));
    let aspect = wish(inside, b"pasp").and_then(|pasp| {
        let mut f = Fields::new(pasp, b"pasp");
        Aspect::new(f.u32().ok()?, f.u32().ok()?)
    });
    Ok(Description { config: Some(config), aspect, matrix, range })
}

/// `colr` with numbers, of ISO (`nclx`) or QuickTime (`nclc`); [`None`] for a profile.
fn read_colour(colr: &[u8]) -> Option<(Option<Matrix>, Option<Range>)> {
    let mut f = Fields::new(colr, b"colr");
    let kind = f.u32().ok()?.to_be_bytes();
    if !matches!(&kind, b"nclx" | b"nclc") {
        return None;
    }
    let _primaries_and_transfer = f.u32().ok()?;
    let matrix = Matrix::from_code(f.u16().ok()?.into());
    let range = (&kind == b"nclx")
        .then(|| f.u8().ok().map(|flags| if flags & 0x80 != 0 { Range::Full } else { Range::Limited }))
        .flatten();
    Some((matrix, range))
}
