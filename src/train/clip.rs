//! Training clips: a picture filmed by a moving camera, shrunk, encoded and decoded as a call does it.

use std::{
    f32::consts::TAU,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    elastic::Elastic,
    pairs::Pair,
    photo::{self, Ellipse, Pose},
    transmission::{AnyError, FPS, Manner, Transmission, WINDOW, encoder, log_uniform},
};
use crate::{
    codec::Decoder,
    frame::{Frame, Plane, Size, Stamp},
    scale::{Kernel, Scaler},
};

/// So many of the clips are filmed by a camera that stands still, as on a desk, and so many of these have someone
/// before it; of the others half.
const AT_REST: f64 = 0.5;
const BEFORE_IT: f64 = 0.9;
/// So many of the clips of people have elastic motion.
const ELASTIC: f64 = 0.7;

/// Films one clip of `picture` and returns `kept` pairs of it, fewer when the encoder skipped frames.
///
/// Everything about the clip follows from `seed` and `number`. `start` is the time of the first frame; only
/// the distances between frames matter.
pub(super) fn film(
    picture: &Frame,
    seed: u64,
    number: u64,
    kept: usize,
    start: Instant,
) -> Result<Vec<Pair>, AnyError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    let mut take = Take::draw(&mut rng, picture.size());
    let window = Size::new(take.window[0], take.window[1])?;
    let picture = take.prepare(picture)?;
    let mut earlier = match take.earlier_bitrate {
        Some(bitrate) => {
            let sent = Size::new(take.window[0] / 2, take.window[1] / 2)?;
            Some((encoder(window, sent, bitrate)?, Decoder::new()?))
        }
        None => None,
    };
    let first = take.frame(&picture, window, 0, Stamp { id: 0, captured: start }, &mut rng);
    if rng.random_bool(ELASTIC) {
        take.elastic = Elastic::draw(&mut rng, &first);
    }
    let mut transmission = Transmission::new(window, take.manner, kept, photo::interest(&first))?;
    for t in 0..take.manner.frames(kept) {
        let captured = start + Duration::from_secs_f64(t as f64 / f64::from(FPS));
        let stamp = Stamp { id: t as u64, captured };
        let mut frame = take.frame(&picture, window, t, stamp, &mut rng);
        if let Some((encoder, decoder)) = &mut earlier {
            // A frame that the earlier encoder skipped never reached the camera's side of our call.
            let Some(unit) = encoder.encode(&frame)? else { continue };
            let Some(decoded) = decoder.decode(&unit.data, stamp)? else { continue };
            frame = decoded.frame.with_stamp(stamp);
        }
        transmission.push(t, &frame)?;
    }
    Ok(transmission.pairs())
}

/// How one clip is filmed.
#[derive(Debug, Clone, PartialEq)]
struct Take {
    window: [u32; 2],
    /// The picture is shrunk by this first, so that the camera stands further off.
    shrink: f32,
    /// It is shrunk by this and grown again: a lens out of focus, a cheap camera, an upscaled source.
    soften: Option<f32>,
    camera: Path,
    /// Something that moves on its own before the rest, and where.
    subject: Option<(Path, Ellipse)>,
    /// A person's own motion.
    elastic: Option<Elastic>,
    manner: Manner,
    /// Light: contrast about black, and its change a frame, as a camera's exposure wanders.
    gain: [f32; 2],
    /// Standard deviation of the sensor's noise in luma codes, at white.
    noise: f32,
    /// The clip was compressed before, as a file or by a camera that sends H.264; bit/s at a full window.
    earlier_bitrate: Option<f32>,
}

/// How a camera, or what it looks at, moves.
#[derive(Debug, Clone, PartialEq)]
struct Path {
    start: Pose,
    /// Pixels a frame.
    speed: [f32; 2],
    /// Factor on the scale a frame.
    zoom: f32,
    /// Radians a frame.
    spin: f32,
    /// Amplitude in pixels, frames of a period, phase.
    shake: [f32; 3],
}

impl Path {
    fn draw(rng: &mut ChaCha8Rng, picture: [f32; 2], window: [f32; 2]) -> Self {
        let speed = match rng.random_range(0..10) {
            0..3 => rng.random_range(0.0..0.2),
            3..8 => log_uniform(rng, 0.2..4.0),
            _ => log_uniform(rng, 4.0..14.0),
        };
        let heading = rng.random_range(0.0..TAU);
        let some = |rng: &mut ChaCha8Rng, share, range: f32| {
            if rng.random_bool(share) { rng.random_range(-range..range) } else { 0.0 }
        };
        let mut place = |i: usize| {
            let room = (picture[i] - window[i]).max(1.0);
            window[i].min(picture[i]) / 2.0 + rng.random_range(0.0..room)
        };
        let centre = [place(0), place(1)];
        Self {
            start: Pose { centre, scale: rng.random_range(0.94..1.04), turn: some(rng, 0.4, 0.1) },
            speed: [speed * heading.cos(), speed * heading.sin()],
            zoom: 1.0 + some(rng, 0.4, 0.004),
            spin: some(rng, 0.3, 0.003),
            shake: [
                if rng.random_bool(0.5) { log_uniform(rng, 0.05..1.5) } else { 0.0 },
                rng.random_range(4.0..20.0),
                rng.random_range(0.0..TAU),
            ],
        }
    }

    /// The same view all the time.
    fn at_rest(self) -> Self {
        Self { speed: [0.0; 2], zoom: 1.0, spin: 0.0, shake: [0.0, 1.0, 0.0], ..self }
    }

    fn at(&self, t: usize) -> Pose {
        let t = t as f32;
        let [amplitude, period, phase] = self.shake;
        let (sin, cos) = (phase + TAU * t / period).sin_cos();
        let shift = [amplitude * sin, amplitude * cos];
        Pose {
            centre: std::array::from_fn(|i| self.start.centre[i] + self.speed[i] * t + shift[i]),
            scale: self.start.scale * self.zoom.powf(t),
            turn: self.start.turn + self.spin * t,
        }
    }
}

impl Take {
    fn draw(rng: &mut ChaCha8Rng, picture: Size) -> Self {
        let picture = [picture.width() as f32, picture.height() as f32];
        // Nine tenths of the picture at most, 4:3, sides that halve to even ones.
        let width = (0.9 * picture[0]).min(0.9 * picture[1] * 4.0 / 3.0).min(WINDOW[0] as f32) as u32 / 16 * 16;
        let window = [width, width / 4 * 3];
        let w = window.map(|v| v as f32);
        let room = (picture[0] / (1.1 * w[0])).min(picture[1] / (1.1 * w[1])).clamp(1.0, 2.5);
        let shrink = log_uniform(rng, 1.0..room.max(1.001));
        let soften = rng.random_bool(0.2).then(|| log_uniform(rng, 1.2..2.5));
        let seen = picture.map(|v| v / shrink);
        let camera = Path::draw(rng, seen, w);
        let (camera, before_it) = match rng.random_bool(AT_REST) {
            true => (camera.at_rest(), BEFORE_IT),
            false => (camera, 0.5),
        };
        let subject = rng.random_bool(before_it).then(|| {
            let path = Path::draw(rng, seen, w);
            let radius = [w[0] * rng.random_range(0.1..0.3), w[1] * rng.random_range(0.15..0.45)];
            let centre = [w[0] * rng.random_range(0.25..0.75), w[1] * rng.random_range(0.3..0.7)];
            (path, Ellipse { centre, radius })
        });
        Self {
            window,
            shrink,
            soften,
            camera,
            subject,
            elastic: None,
            manner: Manner::draw(rng, usize::MAX),
            gain: [
                if rng.random_bool(0.3) { rng.random_range(0.4..1.0) } else { 1.0 },
                if rng.random_bool(0.2) { rng.random_range(-0.006..0.006) } else { 0.0 },
            ],
            noise: if rng.random_bool(0.4) { log_uniform(rng, 0.2..2.0) } else { 0.0 },
            earlier_bitrate: rng.random_bool(0.2).then(|| log_uniform(rng, 1e6..8e6)),
        }
    }

    /// The picture at the distance and sharpness of this take.
    fn prepare(&self, picture: &Frame) -> Result<Frame, Box<dyn std::error::Error + Send + Sync>> {
        let size = picture.size();
        let smaller = |by: f32| Size::new((size.width() as f32 / by) as u32, (size.height() as f32 / by) as u32);
        let to = smaller(self.shrink)?;
        let picture = match self.soften {
            Some(by) => Scaler::new(smaller(self.shrink * by)?, Kernel::Bilinear).scale(picture)?,
            None => picture.clone(),
        };
        Ok(Scaler::new(to, Kernel::default()).scale(&picture)?)
    }

    fn frame(&self, picture: &Frame, window: Size, t: usize, stamp: Stamp, rng: &mut ChaCha8Rng) -> Frame {
        let mut frame = Frame::filled(window, [16, 128, 128], picture.colour, stamp);
        let warp = self.elastic.as_ref().map(|elastic| elastic.at(t, [frame.y().width(), frame.y().height()]));
        photo::look(picture, &mut frame, self.camera.at(t), None, warp.as_ref());
        if let Some((path, ellipse)) = &self.subject {
            // It moves through the window a little less than what is seen in it.
            let drift: [f32; 2] = std::array::from_fn(|i| 0.7 * path.speed[i] * t as f32);
            let centre = std::array::from_fn(|i| ellipse.centre[i] + drift[i]);
            photo::look(picture, &mut frame, path.at(t), Some(Ellipse { centre, ..*ellipse }), warp.as_ref());
        }
        let [luma, ..] = frame.planes_mut();
        let [gain, drift] = self.gain;
        let gain = gain * (1.0 + drift * t as f32);
        if gain != 1.0 || self.noise > 0.0 {
            expose(luma, gain, self.noise, rng);
        }
        frame
    }
}

/// Dims a picture and adds the noise of a sensor, which grows in the dark: a camera amplifies a dim scene, and
/// its tone curve is steeper near black. Twice as much at black as at white.
fn expose(luma: &mut Plane, gain: f32, noise: f32, rng: &mut ChaCha8Rng) {
    let amplified = noise / gain.max(0.25);
    for y in 0..luma.height() {
        for v in luma.row_mut(y) {
            let mut value = 16.0 + gain * (f32::from(*v) - 16.0);
            if noise > 0.0 {
                // The sum of four bytes is nearly normal, with a standard deviation of √(4·(256² − 1)/12) = 147.8.
                let sum: u32 = rng.random::<[u8; 4]>().into_iter().map(u32::from).sum();
                value += amplified * (2.0 - value.clamp(0.0, 255.0) / 255.0) * (sum as f32 - 510.0) / 147.8;
            }
            *v = value.round().clamp(0.0, 255.0) as u8;
        }
    }
}
