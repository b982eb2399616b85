//! Pairs of luma planes to learn from, the file that keeps them, and the batches cut from them.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Read, Write},
    path::Path,
};

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::{
    atomic_file,
    frame::Plane,
    train::TrainError,
    upscale::{bicubic::DOUBLE, filter::weighted},
};

/// The first bytes of a cache file; the number counts up with the format.
const MAGIC: &[u8; 16] = b"clearcall pairs3";
/// The longest description of what pairs were made from, in bytes.
const MAX_KEY: u32 = 1 << 20;
/// The most pairs that a cache file may announce.
const MAX_PAIRS: u32 = 1 << 20;
/// The most bytes of pictures that are kept in memory.
pub(super) const MAX_BYTES: u64 = 16 << 30;

/// What is known of a pair besides its pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    /// The decoder's mean luma quantiser.
    pub(super) qp: f32,
    /// Frames since the keyframe.
    pub(super) age: u16,
    /// How often it is looked at, compared with a plain picture: 1 to 4.
    pub(super) interest: f32,
}

/// What a call shows of a frame, and the frame itself at twice the size.
#[derive(Clone, PartialEq)]
pub(super) struct Pair {
    width: usize,
    height: usize,
    pub(super) seen: Seen,
    /// Decoded luma, `width · height`.
    lr: Vec<u8>,
    /// Luma before it was scaled down, `4 · width · height`.
    hr: Vec<u8>,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pair {}x{}", self.width, self.height)
    }
}

/// Planes that are not a pair.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} and {} are not a picture and its double", sizes[0], sizes[1])]
pub(super) struct NotAPair {
    sizes: [String; 2],
}

impl Pair {
    pub(super) fn new(lr: &Plane, hr: &Plane, seen: Seen) -> Result<Self, NotAPair> {
        if (hr.width(), hr.height()) != (2 * lr.width(), 2 * lr.height()) {
            return Err(NotAPair { sizes: [lr, hr].map(|p| format!("{}x{}", p.width(), p.height())) });
        }
        Ok(Self { width: lr.width(), height: lr.height(), seen, lr: lr.to_packed(), hr: hr.to_packed() })
    }

    pub(super) const fn width(&self) -> usize {
        self.width
    }

    pub(super) const fn height(&self) -> usize {
        self.height
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.lr.len() + self.hr.len()) as u64
    }

    pub(super) fn hr(&self) -> &[u8] {
        &self.hr
    }

    /// A square of low-resolution luma in 0..1; the edge is repeated outside the picture.
    fn lr_square(&self, left: isize, top: isize, side: usize) -> Square {
        let clamp = |v: isize, n: usize| v.clamp(0, n as isize - 1) as usize;
        Square::new(side, |x, y| {
            let (x, y) = (clamp(left + x as isize, self.width), clamp(top + y as isize, self.height));
            f32::from(self.lr[y * self.width + x]) / 255.0
        })
    }

    /// The low-resolution picture that the clean one would be scaled to, moved by `shift` of its own pixels, less
    /// itself unmoved.
    fn direction(&self, [left, top]: [isize; 2], side: usize, shift: [isize; 2]) -> Square {
        let clean = |x: isize, y: isize| {
            let at = |dx: isize, dy: isize| {
                let x = (x + dx).clamp(0, 2 * self.width as isize - 1) as usize;
                let y = (y + dy).clamp(0, 2 * self.height as isize - 1) as usize;
                f32::from(self.hr[y * 2 * self.width + x])
            };
            (at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1)) / (4.0 * 255.0)
        };
        Square::new(side, |x, y| {
            let (x, y) = (2 * (left + x as isize), 2 * (top + y as isize));
            clean(x + shift[0], y + shift[1]) - clean(x, y)
        })
    }

    fn hr_square(&self, left: usize, top: usize, side: usize) -> Square {
        self.hr_moved([left, top], side, [0, 0])
    }

    /// A square of the large picture, which was moved; the edge is repeated outside the picture.
    fn hr_moved(&self, [left, top]: [usize; 2], side: usize, shift: [isize; 2]) -> Square {
        let clamp = |at: usize, by: isize, n: usize| at.saturating_add_signed(by).min(n - 1);
        Square::new(side, |x, y| {
            let (x, y) = (clamp(left + x, shift[0], 2 * self.width), clamp(top + y, shift[1], 2 * self.height));
            f32::from(self.hr[y * 2 * self.width + x]) / 255.0
        })
    }

    /// All of the low-resolution luma in 0..1, its edge repeated `margin` times.
    pub(super) fn lr_padded(&self, margin: usize) -> Vec<f32> {
        let mut out = Vec::with_capacity((self.width + 2 * margin) * (self.height + 2 * margin));
        for y in 0..self.height + 2 * margin {
            let row = &self.lr[y.saturating_sub(margin).min(self.height - 1) * self.width..][..self.width];
            let x = |x: usize| x.saturating_sub(margin).min(self.width - 1);
            out.extend((0..self.width + 2 * margin).map(|i| f32::from(row[x(i)]) / 255.0));
        }
        out
    }
}

/// A square of numbers.
struct Square {
    side: usize,
    data: Vec<f32>,
}

impl Square {
    fn new(side: usize, value: impl Fn(usize, usize) -> f32) -> Self {
        let data = (0..side * side).map(|i| value(i % side, i / side)).collect();
        Self { side, data }
    }

    /// See [`shuffled`].
    fn shuffled(&self) -> Vec<f32> {
        shuffled(&self.data, self.side)
    }

    /// One of the eight ways to lay a square on itself.
    fn laid(self, way: u8) -> Self {
        if way == 0 {
            return self;
        }
        let last = self.side - 1;
        Self::new(self.side, |x, y| {
            let (x, y) = if way & 1 == 0 { (x, y) } else { (y, x) };
            let x = if way & 2 == 0 { x } else { last - x };
            let y = if way & 4 == 0 { y } else { last - y };
            self.data[y * self.side + x]
        })
    }
}

/// The four pictures of a pixel shuffle of a square, `[2·dy + dx][row][column]`.
pub(super) fn shuffled(square: &[f32], side: usize) -> Vec<f32> {
    let rows = |dy: usize| square.chunks_exact(side).skip(dy).step_by(2);
    let part = |part: usize| rows(part / 2).flat_map(move |row| row.iter().skip(part % 2).step_by(2));
    (0..4).flat_map(part).copied().collect()
}

/// The square of `(2·side)²` pixels that four pictures of `side²` are the pixel shuffle of.
pub(super) fn unshuffled(parts: &[f32], side: usize) -> Vec<f32> {
    let at = |x: usize, y: usize| parts[((y % 2 * 2 + x % 2) * side + y / 2) * side + x / 2];
    (0..2 * side).flat_map(|y| (0..2 * side).map(move |x| at(x, y))).collect()
}

/// The bicubic picture of a padded plane, as the four pictures of a pixel shuffle: `[2·dy + dx][y][x]`.
///
/// `plane` has `margin` (at least 2) pixels around the `width`×`height` that are wanted.
pub(super) fn bicubic(plane: &[f32], width: usize, height: usize, margin: usize) -> Vec<f32> {
    let stride = width + 2 * margin;
    // The first of the four pixels that an output pixel is made of, counted from two before its own.
    let first = DOUBLE.first.map(|first| 2_usize.saturating_add_signed(first));
    // Along the rows first: the even and the odd columns, for all rows of the padded plane.
    let rows = height + 4;
    let mut across = [vec![0.0_f32; width * rows], vec![0.0_f32; width * rows]];
    for y in 0..rows {
        let row = &plane[(y + margin - 2) * stride + margin - 2..][..width + 4];
        for ((taps, first), out) in DOUBLE.taps.into_iter().zip(first).zip(&mut across) {
            weighted(taps, std::array::from_fn(|t| &row[first + t..]), &mut out[y * width..][..width]);
        }
    }
    let mut out = vec![0.0; 4 * width * height];
    let mut to = out.chunks_exact_mut(width);
    for (taps, first) in DOUBLE.taps.into_iter().zip(first) {
        for plane in &across {
            for (y, to) in to.by_ref().take(height).enumerate() {
                weighted(taps, std::array::from_fn(|t| &plane[(y + first + t) * width..]), to);
            }
        }
    }
    out
}

/// A way in which a patch's content may differ: it moves a little.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Move {
    /// How the clean low-resolution picture changes, as large as the input.
    pub(super) direction: Vec<f32>,
    /// How the large picture changes, as large as the target.
    pub(super) of_true: Vec<f32>,
}

/// A patch to learn from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Patch {
    /// Low-resolution luma, `[side + 2·radius][side + 2·radius]`.
    pub(super) input: Vec<f32>,
    /// What has to be added to bicubic, `[2·dy + dx][side][side]`.
    pub(super) target: Vec<f32>,
    /// The quantiser of the picture that it was cut from.
    pub(super) qp: f32,
    /// The input with noise, where it was asked for.
    pub(super) noisy: Vec<f32>,
    /// As many as were asked for.
    pub(super) moves: Vec<Move>,
}

/// What to cut out of pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cut<'a> {
    /// Low-resolution pixels on a side.
    pub(super) side: usize,
    /// As many more around them.
    pub(super) radius: usize,
    /// The standard deviation of the noise in [`Patch::noisy`]; without it there is none.
    pub(super) noise: Option<f32>,
    /// How far [`Patch::moves`] go, in pixels of the large picture.
    pub(super) moves: &'a [[isize; 2]],
}

/// Draws pairs, those of more interest more often.
#[derive(Debug)]
pub(super) struct Draw<'a> {
    filmed: Weighted<'a>,
    clips: Weighted<'a>,
    /// So many of all are drawn from clips.
    share: f64,
}

/// Pairs, and the sum of their interests up to each.
#[derive(Debug)]
struct Weighted<'a> {
    pairs: &'a [Pair],
    sums: Vec<f32>,
}

impl<'a> Weighted<'a> {
    fn new(pairs: &'a [Pair]) -> Self {
        let mut sum = 0.0;
        let sums = pairs.iter().map(|pair| {
            sum += pair.seen.interest;
            sum
        });
        Self { pairs, sums: sums.collect() }
    }

    fn one(&self, rng: &mut ChaCha8Rng) -> &'a Pair {
        let at = rng.random_range(0.0..1.0) * self.sums.last().copied().unwrap_or(0.0);
        &self.pairs[self.sums.partition_point(|sum| *sum <= at).min(self.pairs.len() - 1)]
    }
}

impl<'a> Draw<'a> {
    /// From some pairs only.
    pub(super) fn of(pairs: &'a [Pair]) -> Self {
        Self { filmed: Weighted::new(pairs), clips: Weighted::new(&[]), share: 0.0 }
    }

    /// From what there is to learn from; `share` of all from clips, where there are any.
    pub(super) fn new(pairs: &'a Pairs, share: f32) -> Self {
        let share = if pairs.clips.is_empty() { 0.0 } else { f64::from(share).clamp(0.0, 1.0) };
        Self { filmed: Weighted::new(&pairs.train), clips: Weighted::new(&pairs.clips), share }
    }

    fn one(&self, rng: &mut ChaCha8Rng) -> &'a Pair {
        if self.share > 0.0 && rng.random_bool(self.share) { self.clips.one(rng) } else { self.filmed.one(rng) }
    }
}

/// Cuts `count` patches, each from a picture and a place drawn from `rng`.
pub(super) fn batch(draw: &Draw<'_>, count: usize, cut: Cut<'_>, rng: &mut ChaCha8Rng) -> Vec<Patch> {
    let Cut { side, radius, noise, moves } = cut;
    let margin = radius.max(2);
    let padded = side + 2 * margin;
    let cut = |_| {
        let pair = draw.one(rng);
        let mut patch =
            Patch { input: Vec::new(), target: Vec::new(), qp: pair.seen.qp, noisy: Vec::new(), moves: Vec::new() };
        let left = rng.random_range(0..=pair.width.saturating_sub(side));
        let top = rng.random_range(0..=pair.height.saturating_sub(side));
        let way = rng.random_range(0..8);
        let lr = pair.lr_square(left as isize - margin as isize, top as isize - margin as isize, padded).laid(way);
        let hr = pair.hr_square(2 * left, 2 * top, 2 * side).laid(way);
        let inner = |square: &Square| {
            let rows = square.data.chunks_exact(padded).skip(margin - radius).take(side + 2 * radius);
            rows.flat_map(|row| &row[margin - radius..][..side + 2 * radius]).copied().collect::<Vec<f32>>()
        };
        patch.input = inner(&lr);
        if let Some(noise) = noise {
            // The sum of four even draws has a third of the variance of one, four times.
            let mut grain = || (0..4).map(|_| rng.random_range(-0.5..0.5)).sum::<f32>() * 3.0_f32.sqrt() * noise;
            patch.noisy = patch.input.iter().map(|v| v + grain()).collect();
        }
        for &shift in moves {
            let corner = [left, top].map(|at| at as isize - margin as isize);
            let direction = inner(&pair.direction(corner, padded, shift).laid(way));
            let moved = pair.hr_moved([2 * left, 2 * top], 2 * side, shift).laid(way);
            let change = moved.data.iter().zip(&hr.data).map(|(moved, hr)| moved - hr).collect();
            let of_true = Square { side: 2 * side, data: change }.shuffled();
            patch.moves.push(Move { direction, of_true });
        }
        let bicubic = bicubic(&lr.data, side, side, margin);
        patch.target = hr.shuffled();
        patch.target.iter_mut().zip(bicubic).for_each(|(target, bicubic)| *target -= bicubic);
        patch
    };
    (0..count).map(cut).collect()
}

/// Pairs by what they are for.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Pairs {
    /// To learn from, filmed of pictures.
    pub(super) train: Vec<Pair>,
    /// To learn from, taken of real clips.
    pub(super) clips: Vec<Pair>,
    /// To judge by; no picture and no person is in both.
    pub(super) validation: Vec<Pair>,
}

impl Pairs {
    /// Writes all pairs. `key` says what they were made from.
    pub(super) fn save(&self, path: &Path, key: &str) -> Result<(), TrainError> {
        let failed = |source| TrainError::Write { path: path.to_owned(), source };
        let write = |file: &mut File| -> std::io::Result<()> {
            let mut file = BufWriter::new(file);
            file.write_all(MAGIC)?;
            file.write_all(&(key.len() as u32).to_le_bytes())?;
            file.write_all(key.as_bytes())?;
            for pairs in [&self.train, &self.clips, &self.validation] {
                file.write_all(&(pairs.len() as u32).to_le_bytes())?;
                for pair in pairs {
                    file.write_all(&(pair.width as u16).to_le_bytes())?;
                    file.write_all(&(pair.height as u16).to_le_bytes())?;
                    file.write_all(&pair.seen.qp.to_le_bytes())?;
                    file.write_all(&pair.seen.age.to_le_bytes())?;
                    file.write_all(&pair.seen.interest.to_le_bytes())?;
                    file.write_all(&pair.lr)?;
                    file.write_all(&pair.hr)?;
                }
            }
            file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
        };
        atomic_file::write(path, write).map_err(failed)
    }

    /// Reads what [`Pairs::save`] wrote. `None`: there is no such file, or it was made from something else.
    pub(super) fn load(path: &Path, key: &str) -> Result<Option<Self>, TrainError> {
        let failed = |why: String| TrainError::Cache { path: path.to_owned(), why };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e.to_string())),
        };
        let length = file.metadata().map_err(|e| failed(e.to_string()))?.len();
        let mut file = BufReader::new(file);
        let mut head = [0; 20];
        let length_of_key = match file.read_exact(&mut head) {
            Ok(()) if head[..16] == *MAGIC => u32::from_le_bytes([head[16], head[17], head[18], head[19]]),
            _ => return Err(failed("it is not a file of training pairs".to_owned())),
        };
        if length_of_key > MAX_KEY {
            return Err(failed("it is not a file of training pairs".to_owned()));
        }
        let mut made_from = vec![0; length_of_key as usize];
        file.read_exact(&mut made_from).map_err(|e| failed(e.to_string()))?;
        if made_from != key.as_bytes() {
            return Ok(None);
        }
        let mut pairs = Self::default();
        let mut left = length.min(MAX_BYTES);
        for list in [&mut pairs.train, &mut pairs.clips, &mut pairs.validation] {
            read_list(&mut file, list, &mut left).map_err(|e| failed(e.to_string()))?;
        }
        Ok(Some(pairs))
    }
}

/// Reads one list; `left` bytes of the file are still to come, and no more is set aside.
fn read_list(file: &mut impl Read, list: &mut Vec<Pair>, left: &mut u64) -> std::io::Result<()> {
    let bad = |why: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, why.to_owned());
    let mut count = [0; 4];
    file.read_exact(&mut count)?;
    let count = u32::from_le_bytes(count);
    if count > MAX_PAIRS {
        return Err(bad("it announces more pairs than there can be"));
    }
    for _ in 0..count {
        let mut head = [0; 14];
        file.read_exact(&mut head)?;
        let [w0, w1, h0, h1, q0, q1, q2, q3, a0, a1, i0, i1, i2, i3] = head;
        let (width, height) = (u16::from_le_bytes([w0, w1]), u16::from_le_bytes([h0, h1]));
        let (qp, interest) = (f32::from_le_bytes([q0, q1, q2, q3]), f32::from_le_bytes([i0, i1, i2, i3]));
        let seen = Seen { qp, age: u16::from_le_bytes([a0, a1]), interest };
        if !(0.0..=51.0).contains(&qp) || !(1.0..=4.0).contains(&interest) {
            return Err(bad("it holds a quantiser or a weight that cannot be"));
        }
        let pixels = usize::from(width) * usize::from(height);
        *left = left.checked_sub(5 * pixels as u64).ok_or_else(|| bad("it is cut short"))?;
        if pixels == 0 {
            return Err(bad("it holds an empty picture"));
        }
        let (mut lr, mut hr) = (vec![0; pixels], vec![0; 4 * pixels]);
        file.read_exact(&mut lr)?;
        file.read_exact(&mut hr)?;
        list.push(Pair { width: width.into(), height: height.into(), seen, lr, hr });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upscale::bicubic::QUARTER;
    use rand::SeedableRng;

    const SEEN: Seen = Seen { qp: 30.0, age: 4, interest: 1.0 };

    fn pair(width: usize, height: usize, seed: u64) -> Pair {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut plane = |w, h| {
            let data = (0..w * h).map(|_| rng.random()).collect();
            Plane::from_vec(data, w, h, w).unwrap()
        };
        let (lr, hr) = (plane(width, height), plane(2 * width, 2 * height));
        Pair::new(&lr, &hr, Seen { qp: 30.5, age: seed as u16, interest: 1.0 + seed as f32 }).unwrap()
    }

    #[test]
    fn a_pair_is_a_picture_and_its_double() {
        let plane = |w, h| Plane::filled(w, h, 9);
        assert!(Pair::new(&plane(4, 3), &plane(8, 6), SEEN).is_ok());
        assert!(Pair::new(&plane(4, 3), &plane(8, 7), SEEN).is_err());
    }

    #[test]
    fn a_batch_is_cut_where_bicubic_and_picture_agree() {
        // In a picture that is a ramp, bicubic is exact away from the edge, whichever way the patch is laid.
        let ramp = |w: usize, h: usize, half: f32| {
            let v = |i: usize, j: usize| (2.0 * half * i as f32 + 4.0 * half * j as f32 + half * 3.0 - 1.5) as u8;
            Plane::from_vec((0..w * h).map(|k| v(k % w, k / w)).collect(), w, h, w).unwrap()
        };
        // Low resolution 4i + 8j + 1.5 → 2·(2i + ½ …): the same plane seen at twice the density, up to rounding.
        let pair = Pair::new(&ramp(20, 12, 2.0), &ramp(40, 24, 1.0), SEEN).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let pairs = Pairs { train: vec![pair], ..Pairs::default() };
        let batch = batch(
            &Draw::new(&pairs, 0.0),
            16,
            Cut { side: 6, radius: 3, noise: Some(0.01), moves: &[[1, 0], [2, 0]] },
            &mut rng,
        );
        assert_eq!(batch.len(), 16);
        assert!(batch.iter().all(|p| p.input.len() == 12 * 12 && p.target.len() == 4 * 6 * 6 && p.qp == 30.0));
        let near = batch.iter().flat_map(|p| &p.target).filter(|t| t.abs() <= 2.0 / 255.0).count();
        assert!(near * 10 > 16 * 4 * 6 * 6 * 8, "{near}");
        // Noise is as strong as it was asked to be, and each move is of the picture that it is a move of.
        let grain = batch.iter().flat_map(|p| p.input.iter().zip(&p.noisy));
        let grain: Vec<f32> = grain.map(|(clean, noisy)| noisy - clean).collect();
        let strength = (grain.iter().map(|g| g * g).sum::<f32>() / grain.len() as f32).sqrt();
        assert!((strength - 0.01).abs() < 0.001, "{strength}");
        // A pixel to the right is 2 codes in the large picture, two pixels 4, and in the small one the same.
        for patch in &batch {
            for (step, moved) in [2.0, 4.0].into_iter().zip(&patch.moves) {
                assert!(moved.direction.len() == 144 && moved.of_true.len() == 4 * 36);
                let like = |v: &&f32| (v.abs() * 255.0 - step).abs() < 1.01;
                let (small, large) =
                    (moved.direction.iter().filter(like).count(), moved.of_true.iter().filter(like).count());
                assert!(small > 72 && large > 72, "{small} {large}");
            }
        }
    }

    #[test]
    fn what_is_of_more_interest_is_drawn_more_often() {
        let (train, clips) = (vec![pair(2, 2, 0), pair(3, 2, 2)], vec![pair(5, 2, 0)]);
        let mut pairs = Pairs { train, clips, validation: Vec::new() };
        let drawn = |pairs: &Pairs, share, width| {
            let (draw, mut rng) = (Draw::new(pairs, share), ChaCha8Rng::seed_from_u64(1));
            (0..4000).filter(|_| draw.one(&mut rng).width() == width).count()
        };
        assert!((2900..3100).contains(&drawn(&pairs, 0.0, 3)), "interest 1 and 3");
        assert_eq!(drawn(&pairs, 0.0, 5), 0);
        assert!((900..1100).contains(&drawn(&pairs, 0.25, 5)), "a quarter from clips");
        assert!((2150..2350).contains(&drawn(&pairs, 0.25, 3)), "and of the rest as before");
        pairs.clips.clear();
        assert_eq!(drawn(&pairs, 0.5, 5), 0, "there are none");
    }

    #[test]
    fn a_pixel_shuffle_comes_undone() {
        let square: Vec<f32> = (0..36).map(|v| v as f32).collect();
        let parts = shuffled(&square, 6);
        assert_eq!(parts[..3], [0.0, 2.0, 4.0]);
        assert_eq!(parts[27..30], [7.0, 9.0, 11.0]);
        assert_eq!(unshuffled(&parts, 3), square);
    }

    #[test]
    fn bicubic_of_an_edge() {
        // One row by hand: … 0 0 1 1 …, the output pixels around the step.
        let (width, margin) = (4, 2);
        let row = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0];
        let plane: Vec<f32> = (0..5).flat_map(|_| row).collect();
        let out = bicubic(&plane, width, 1, margin);
        let (even, odd) = (&out[..4], &out[4..8]);
        assert_eq!(odd[1], QUARTER[2] + QUARTER[3]);
        assert_eq!(even[2], QUARTER[0] * 0.0 + QUARTER[1] + QUARTER[0]);
        assert_eq!(out[8..12], out[..4], "all rows are alike");
    }

    #[test]
    fn the_cache_gives_back_what_it_was_given_and_survives_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs");
        let pairs = Pairs {
            train: vec![pair(5, 4, 1), pair(8, 2, 2)],
            clips: vec![pair(2, 3, 1)],
            validation: vec![pair(3, 3, 3)],
        };
        assert_eq!(Pairs::load(&path, "seven").unwrap(), None, "there is none yet");
        pairs.save(&path, "seven").unwrap();
        assert_eq!(Pairs::load(&path, "seven").unwrap().as_ref(), Some(&pairs));
        assert_eq!(Pairs::load(&path, "eight").unwrap(), None, "made from something else");
        let bytes = std::fs::read(&path).unwrap();
        for cut in 0..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            assert!(Pairs::load(&path, "seven").is_err(), "cut to {cut}");
        }
        for at in [16, 18, 25, 27, 29, 31, 35, 41] {
            let mut bytes = bytes.clone();
            bytes[at..at + 2].fill(0xff);
            std::fs::write(&path, &bytes).unwrap();
            assert!(Pairs::load(&path, "seven").is_err(), "huge numbers at {at}");
        }
    }
}
