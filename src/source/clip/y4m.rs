//! Raw pictures with a line of text in front (YUV4MPEG2).

use std::fs::File;
use std::io::{BufRead, BufWriter, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::ClipError;
use crate::frame::{Aspect, Colour, Frame, Matrix, Plane, Range, Siting, Size, Stamp};

/// How a file begins.
pub(super) const MAGIC: &[u8] = b"YUV4MPEG2 ";

/// The longest line of text in a file; real ones have some tens of bytes.
const MAX_LINE: u64 = 4096;

/// What to convert other formats to.
const INSTEAD: &str = "8-bit 4:2:0 (with ffmpeg: -pix_fmt yuv420p)";

/// What the first line says.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Header {
    size: Size,
    fps: f32,
    colour: Colour,
    aspect: Aspect,
    siting: Siting,
    /// Each picture says when it is shown.
    timed: bool,
}

/// What a header says when pictures have times of their own, for which the format has no word but comments: `X…` in
/// the header, and [`TIME`] in front of each picture.
const TIMED: &str = "XFRAMETIMES";
/// When the picture is shown, in seconds.
const TIME: &str = "XTIME=";

impl Header {
    fn parse(line: &[u8], path: &Path) -> Result<Self, ClipError> {
        let damaged = |what: &str| ClipError::damaged(path, format!("its Y4M header {what}"));
        let unsupported = |what: String| ClipError::Unsupported { path: path.to_owned(), what, instead: INSTEAD };
        let text = std::str::from_utf8(line).map_err(|_| damaged("is not text"))?;
        let (mut width, mut height, mut fps, mut colour) = (None, None, 30.0, Colour::default());
        let (mut aspect, mut siting, mut timed) = (Aspect::SQUARE, Siting::Centre, false);
        for field in text.split(' ').skip(1).filter(|f| !f.is_empty()) {
            let (tag, value) = field.split_at(field.chars().next().map_or(0, char::len_utf8));
            match tag {
                "W" => width = value.parse::<u32>().ok(),
                "H" => height = value.parse::<u32>().ok(),
                "F" => {
                    let (n, d) = value.split_once(':').unwrap_or((value, "1"));
                    let rate = n.parse::<u32>().ok().zip(d.parse::<u32>().ok());
                    let (n, d) = rate.ok_or_else(|| damaged("has no frame rate (F)"))?;
                    // 0:0 stands for an unknown rate.
                    if n > 0 && d > 0 {
                        fps = (f64::from(n) / f64::from(d)) as f32;
                    }
                }
                "I" if !matches!(value, "p" | "?") => return Err(unsupported("interlaced pictures".to_owned())),
                "C" if !matches!(value, "420" | "420jpeg" | "420mpeg2" | "420paldv") => {
                    let plain = value.escape_default().take(24).collect::<String>();
                    return Err(unsupported(format!("pictures of the format {plain}")));
                }
                "C" if matches!(value, "420mpeg2" | "420paldv") => siting = Siting::Left,
                "A" => {
                    // 0:0 stands for an unknown shape.
                    let shape = value.split_once(':').and_then(|(x, y)| Aspect::new(x.parse().ok()?, y.parse().ok()?));
                    aspect = shape.unwrap_or_default();
                }
                "X" => match value {
                    "FRAMETIMES" => timed = true,
                    "COLORRANGE=FULL" => colour.range = Range::Full,
                    "COLORRANGE=LIMITED" => colour.range = Range::Limited,
                    "COLORMATRIX=BT709" => colour.matrix = Matrix::Bt709,
                    _ => {}
                },
                _ => {}
            }
        }
        let (Some(width), Some(height)) = (width, height) else {
            return Err(damaged("has no size (W and H)"));
        };
        if !(0.1..=1000.0).contains(&fps) {
            return Err(damaged("has a frame rate (F) that is not between 0.1 and 1000"));
        }
        let size = Size::new(width, height).map_err(|e| ClipError::size(path, &e))?;
        Ok(Self { size, fps, colour, aspect, siting, timed })
    }

    /// The bytes of a picture.
    fn picture(&self) -> u64 {
        (self.size.pixels() + 2 * self.size.chroma().pixels()) as u64
    }
}

#[derive(Debug)]
pub(super) struct Y4mReader<R> {
    reader: R,
    header: Header,
    /// Where the first picture begins.
    start: u64,
    frames: u64,
}

impl<R: BufRead + Seek> Y4mReader<R> {
    pub(super) fn open(mut reader: R, path: &Path) -> Result<Self, ClipError> {
        let line = read_line(&mut reader, path)?.ok_or_else(|| ClipError::cut(path, "in its header", 0))?;
        let header = Header::parse(&line, path)?;
        Ok(Self { reader, header, start: line.len() as u64 + 1, frames: 0 })
    }

    pub(super) const fn size(&self) -> Size {
        self.header.size
    }

    pub(super) const fn fps(&self) -> f32 {
        self.header.fps
    }

    /// Whether each picture says when it is shown.
    pub(super) const fn timed(&self) -> bool {
        self.header.timed
    }

    /// The pictures in a file of this length, if no picture has parameters of its own.
    pub(super) fn frames_in(&self, length: u64) -> u64 {
        length.saturating_sub(self.start) / (self.header.picture() + "FRAME\n".len() as u64)
    }

    pub(super) fn rewind(&mut self, path: &Path) -> Result<(), ClipError> {
        self.frames = 0;
        self.reader.seek(std::io::SeekFrom::Start(self.start)).map_err(|e| ClipError::read(path, e))?;
        Ok(())
    }

    /// The next picture, and when it is shown if it says.
    pub(super) fn next(&mut self, stamp: Stamp, path: &Path) -> Result<Option<(Frame, Option<Duration>)>, ClipError> {
        let cut = |what: &str| ClipError::cut(path, format!("in {what} of frame {}", self.frames), self.frames);
        if self.reader.fill_buf().map_err(|e| ClipError::read(path, e))?.is_empty() {
            return Ok(None);
        }
        let line = read_line(&mut self.reader, path)?.ok_or_else(|| cut("the header"))?;
        if line != b"FRAME" && !line.starts_with(b"FRAME ") {
            return Err(ClipError::damaged(path, format!("frame {} does not begin with FRAME", self.frames)));
        }
        let time = std::str::from_utf8(&line).ok().filter(|_| self.header.timed).and_then(|line| {
            let time = line.split(' ').find_map(|field| field.strip_prefix(TIME))?;
            Duration::try_from_secs_f64(time.parse().ok()?).ok()
        });
        let mut plane = |size: Size, name: &str| {
            let (w, h) = (size.width() as usize, size.height() as usize);
            // Memory is taken as bytes come, so a header alone cannot ask for it.
            let mut data = Vec::new();
            let read = self.reader.by_ref().take(size.pixels() as u64).read_to_end(&mut data);
            read.map_err(|e| ClipError::read(path, e))?;
            Plane::from_vec(data, w, h, w).map_err(|_| cut(name))
        };
        let (size, chroma) = (self.header.size, self.header.size.chroma());
        let (y, u, v) = (plane(size, "the luma")?, plane(chroma, "the Cb")?, plane(chroma, "the Cr")?);
        let mut frame =
            Frame::new(y, u, v, self.header.colour, stamp).map_err(|e| ClipError::damaged(path, e.to_string()))?;
        (frame.aspect, frame.siting) = (self.header.aspect, self.header.siting);
        self.frames += 1;
        Ok(Some((frame, time)))
    }
}

/// A line without its end; [`None`] where the file ends before the line.
fn read_line(reader: &mut impl BufRead, path: &Path) -> Result<Option<Vec<u8>>, ClipError> {
    let mut line = Vec::new();
    reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).map_err(|e| ClipError::read(path, e))?;
    match line.pop() {
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() as u64 + 1 == MAX_LINE => Err(ClipError::damaged(path, "a Y4M header has no end")),
        _ => Ok(None),
    }
}

/// Writes pictures of one size into a `.y4m` file.
///
/// Range and matrix go into the header as `XCOLORRANGE` and `XCOLORMATRIX`, and where chroma lies as `420jpeg` (in the
/// middle) or `420mpeg2`. Pictures that last for different times say when each is
/// shown, as `XTIME` in seconds.
#[derive(Debug)]
pub struct Y4mWriter {
    path: PathBuf,
    file: BufWriter<File>,
    size: Size,
    /// When the first picture was captured, where each says when it is shown.
    first: Option<Instant>,
    timed: bool,
}

impl Y4mWriter {
    /// Creates the file, or empties it, and writes its header.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn create(path: impl AsRef<Path>, size: Size, fps: f32, colour: Colour) -> Result<Self, ClipError> {
        Self::begin(
            path.as_ref(),
            Header { size, fps, colour, aspect: Aspect::SQUARE, siting: Siting::Centre, timed: false },
        )
    }

    /// The same for pictures like `first`; where they are `timed`, each is written with its own time.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn create_like(path: impl AsRef<Path>, first: &Frame, fps: f32, timed: bool) -> Result<Self, ClipError> {
        let header =
            Header { size: first.size(), fps, colour: first.colour, aspect: first.aspect, siting: first.siting, timed };
        Self::begin(path.as_ref(), header)
    }

    fn begin(path: &Path, header: Header) -> Result<Self, ClipError> {
        let file = File::create(path).map_err(|e| ClipError::write(path, e))?;
        let file = BufWriter::with_capacity(1 << 16, file);
        let mut this = Self { path: path.to_owned(), file, size: header.size, first: None, timed: header.timed };
        this.put(header_line(&header).as_bytes())?;
        Ok(this)
    }

    /// Appends a picture; it must have the file's size.
    ///
    /// # Errors
    /// When the picture has another size than the file, or the file cannot be written.
    pub fn write(&mut self, frame: &Frame) -> Result<(), ClipError> {
        if frame.size() != self.size {
            return Err(ClipError::WrongSize { path: self.path.clone(), got: frame.size(), want: self.size });
        }
        if self.timed {
            let first = *self.first.get_or_insert(frame.stamp.captured);
            let time = frame.stamp.captured.saturating_duration_since(first).as_secs_f64();
            self.put(format!("FRAME {TIME}{time:.6}\n").as_bytes())?;
        } else {
            self.put(b"FRAME\n")?;
        }
        for plane in frame.planes() {
            for row in plane.rows() {
                self.put(row)?;
            }
        }
        Ok(())
    }

    /// Writes out what is still in memory. Without it, an error at the very end goes unseen.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> Result<(), ClipError> {
        self.file.flush().map_err(|e| ClipError::write(&self.path, e))
    }

    fn put(&mut self, data: &[u8]) -> Result<(), ClipError> {
        self.file.write_all(data).map_err(|e| match e.kind() {
            // The system's own words for it are "failed to write whole buffer".
            ErrorKind::WriteZero => ClipError::write(&self.path, ErrorKind::StorageFull.into()),
            _ => ClipError::write(&self.path, e),
        })
    }
}

fn header_line(header: &Header) -> String {
    let Header { size, fps, colour, aspect, siting, timed } = *header;
    let chroma = match siting {
        Siting::Centre => "420jpeg",
        Siting::Left => "420mpeg2",
    };
    let (n, d) = rate(fps);
    let timed = if timed { format!(" {TIMED}") } else { String::new() };
    let range = match colour.range {
        Range::Full => "FULL",
        Range::Limited => "LIMITED",
    };
    let matrix = match colour.matrix {
        Matrix::Bt601 => "BT601",
        Matrix::Bt709 => "BT709",
    };
    let (w, h) = (size.width(), size.height());
    format!("YUV4MPEG2 W{w} H{h} F{n}:{d} Ip A{aspect} C{chroma} XCOLORRANGE={range} XCOLORMATRIX={matrix}{timed}\n")
}

/// The rate as a fraction: whole, over 1001 (NTSC), or in thousandths.
fn rate(fps: f32) -> (u32, u32) {
    let near = |d: f32| {
        let n = (fps * d).round();
        ((n / d - fps).abs() < 0.0005 * fps).then_some(n as u32)
    };
    if let Some(n) = near(1.0) {
        return (n, 1);
    }
    let thousands = (fps * 1.001).round();
    if thousands > 0.0 && (thousands / 1.001 - fps).abs() < 0.0005 {
        return (thousands as u32 * 1000, 1001);
    }
    ((fps * 1000.0).round().max(1.0) as u32, 1000)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn open(data: &[u8]) -> Result<Y4mReader<Cursor<&[u8]>>, ClipError> {
        Y4mReader::open(Cursor::new(data), Path::new("t.y4m"))
    }

    fn header(text: &str) -> Result<Header, ClipError> {
        Header::parse(text.as_bytes(), Path::new("t.y4m"))
    }

    #[test]
    fn headers_are_written_as_they_are_read() {
        for fps in [30.0, 29.97, 25.0, 23.976, 15.5, 59.94, 1.0] {
            for matrix in [Matrix::Bt601, Matrix::Bt709] {
                for range in [Range::Full, Range::Limited] {
                    let aspect = Aspect::new(64, 45).unwrap();
                    let size = Size::new(33, 17).unwrap();
                    let want = Header {
                        size,
                        fps,
                        colour: Colour { matrix, range },
                        aspect,
                        siting: if fps == 25.0 { Siting::Left } else { Siting::Centre },
                        timed: fps == 25.0,
                    };
                    let got = header(header_line(&want).trim_end()).unwrap();
                    assert_eq!(Header { fps, ..got }, want);
                    assert!((got.fps - fps).abs() < 0.001, "{fps} {}", got.fps);
                }
            }
        }
        assert_eq!(rate(29.97), (30000, 1001));
        assert_eq!(rate(25.0), (25, 1));
    }

    #[test]
    fn what_is_not_8_bit_420_is_named() {
        for (c, name) in [("mono", "mono"), ("422", "422"), ("444p10", "444p10"), ("420p10", "420p10")] {
            let error = header(&format!("YUV4MPEG2 W4 H4 F30:1 C{c}")).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("yuv420p"), "{error}");
        }
        assert!(header("YUV4MPEG2 W4 H4 F30:1 It").unwrap_err().to_string().contains("interlaced"));
        for bad in
            ["YUV4MPEG2 W4", "YUV4MPEG2 W0 H4", "YUV4MPEG2 W9999 H9", "YUV4MPEG2 W4 H4 F9", "YUV4MPEG2 W4 H4 F1:"]
        {
            assert!(header(bad).is_err() || bad.ends_with("F9"), "{bad}");
        }
        assert_eq!(header("YUV4MPEG2 W4 H4 F0:0").unwrap().fps, 30.0);
    }

    #[test]
    fn frames_come_back_and_a_cut_is_told() {
        let mut data = b"YUV4MPEG2 W3 H2 F30:1\n".to_vec();
        for i in 0..2 {
            data.extend_from_slice(b"FRAME\n");
            data.extend((0..10).map(|v| v + 100 * i));
        }
        let path = Path::new("t.y4m");
        let mut y4m = open(&data).unwrap();
        assert_eq!(y4m.frames_in(data.len() as u64), 2);
        assert_eq!(y4m.next(Stamp::now(0), path).unwrap().unwrap().0.v().to_packed(), [8, 9]);
        assert_eq!(y4m.next(Stamp::now(1), path).unwrap().unwrap().0.y().to_packed(), [100, 101, 102, 103, 104, 105]);
        assert!(y4m.next(Stamp::now(2), path).unwrap().is_none());
        y4m.rewind(path).unwrap();
        assert!(y4m.next(Stamp::now(0), path).unwrap().is_some());
        let mut y4m = open(&data[..data.len() - 1]).unwrap();
        assert!(y4m.next(Stamp::now(0), path).is_ok());
        let error = y4m.next(Stamp::now(1), path).unwrap_err();
        assert!(matches!(error, ClipError::CutShort { frames: 1, .. }), "{error}");
    }

    #[test]
    fn a_huge_size_alone_costs_no_memory() {
        let mut y4m = open(b"YUV4MPEG2 W8192 H8192 F30:1\nFRAME\nabc").unwrap();
        assert!(matches!(y4m.next(Stamp::now(0), Path::new("t")), Err(ClipError::CutShort { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_pass(tail in "[WHFIACX0-9:p ]{0,40}", body in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut data = format!("YUV4MPEG2 {tail}\n").into_bytes();
            data.extend(body);
            if let Ok(mut y4m) = open(&data) {
                while let Ok(Some(_)) = y4m.next(Stamp::now(0), Path::new("t")) {}
            }
        }
    }
}
