//! What both engines must give: written to be read, slow, and sharing nothing with them but the kernels'
//! formulas and the colour matrix.

use super::{Method, Precision, UpscaleError, bicubic, hysteresis, lanczos};
use crate::{
    frame::{Frame, Plane, Rgba},
    model::{Conv3x3, Model, SCALE},
};

/// Both output pictures' luma, or a plane of chroma at the output's pixels: values around 0..1.
#[derive(Clone)]
struct Values {
    width: usize,
    data: Vec<f32>,
}

impl Values {
    fn is_as_large_as(&self, other: &Self) -> bool {
        (self.width, self.data.len()) == (other.width, other.data.len())
    }

    fn at(&self, x: usize, y: usize) -> f32 {
        self.data[y * self.width + x]
    }
}

/// The picture at twice the size in RGB. `model` is what [`Method::Cnn`] uses.
///
/// # Errors
/// When twice the frame's size is too large for a picture.
pub fn rgba(lr: &Frame, how: Method, model: &Model) -> Result<Rgba, UpscaleError> {
    let y = luma(lr, how, model);
    in_rgb(lr, how, &y)
}

fn in_rgb(lr: &Frame, how: Method, y: &Values) -> Result<Rgba, UpscaleError> {
    let size = lr.size().times(SCALE)?;
    let (width, height) = (size.width() as usize, size.height() as usize);
    // The chroma planes have half the luma's size and go to twice of it.
    let u = resample(lr.u(), 4, width, height, how.kernel());
    let v = resample(lr.v(), 4, width, height, how.kernel());
    let matrix = lr.colour.to_rgb();
    let mut data = Vec::with_capacity(4 * size.pixels());
    for row in 0..height {
        for x in 0..width {
            let [y, u, v] = [y, &u, &v].map(|plane| plane.at(x, row).clamp(0.0, 1.0));
            let rgb = matrix.map(|k| to_byte(k[0] * y + k[1] * u + k[2] * v + k[3]));
            data.extend([rgb[0], rgb[1], rgb[2], 255]);
        }
    }
    Ok(Rgba { size, data })
}

/// The picture at twice the size in I420.
///
/// # Errors
/// When twice the frame's size is too large for a picture.
pub fn i420(lr: &Frame, how: Method, model: &Model) -> Result<Frame, UpscaleError> {
    in_yuv(lr, how, luma(lr, how, model))
}

/// The network's pictures of a video, each of which follows the one before as [`hysteresis`] says.
#[derive(Default)]
pub struct Video {
    previous: Option<Values>,
}

impl Video {
    /// The next frame in RGB.
    ///
    /// # Errors
    /// When twice the frame's size is too large for a picture.
    pub fn rgba(&mut self, lr: &Frame, model: &Model) -> Result<Rgba, UpscaleError> {
        in_rgb(lr, Method::Cnn, &self.next(lr, model))
    }

    /// The next frame in I420.
    ///
    /// # Errors
    /// When twice the frame's size is too large for a picture.
    pub fn i420(&mut self, lr: &Frame, model: &Model) -> Result<Frame, UpscaleError> {
        in_yuv(lr, Method::Cnn, self.next(lr, model))
    }

    fn next(&mut self, lr: &Frame, model: &Model) -> Values {
        let mut y = luma(lr, Method::Cnn, model);
        y.data.iter_mut().for_each(|v| *v = v.clamp(0.0, 1.0));
        if let Some(previous) = self.previous.take().filter(|previous| previous.is_as_large_as(&y)) {
            let deadband = hysteresis::of_model(model, Precision::F32);
            for (v, previous) in y.data.iter_mut().zip(&previous.data) {
                *v = hysteresis::follow(*previous, *v, deadband);
            }
        }
        self.previous.insert(y).clone()
    }
}

fn in_yuv(lr: &Frame, how: Method, y: Values) -> Result<Frame, UpscaleError> {
    let size = lr.size().times(SCALE)?;
    let to_plane = |values: Values, width: usize, height: usize| {
        Plane::from_vec(values.data.iter().map(|&v| to_byte(v)).collect(), width, height, width)
    };
    let (width, height) = (size.width() as usize, size.height() as usize);
    let (cw, ch) = (size.chroma().width() as usize, size.chroma().height() as usize);
    let y = to_plane(y, width, height).map_err(crate::frame::FrameError::from)?;
    let u = to_plane(resample(lr.u(), 2, cw, ch, how.kernel()), cw, ch).map_err(crate::frame::FrameError::from)?;
    let v = to_plane(resample(lr.v(), 2, cw, ch, how.kernel()), cw, ch).map_err(crate::frame::FrameError::from)?;
    Ok(Frame::new(y, u, v, lr.colour, lr.stamp)?)
}

fn to_byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

fn luma(lr: &Frame, how: Method, model: &Model) -> Values {
    let (lr, layers) = (lr.y(), model.at_qp(lr.weights_qp));
    let mut out = resample(lr, 2, 2 * lr.width(), 2 * lr.height(), how.kernel());
    if how == Method::Cnn {
        let detail = network(lr, &layers);
        for (v, d) in out.data.iter_mut().zip(&detail.data) {
            *v += d;
        }
    }
    out
}

/// A kernel and how far it reaches.
type Kernel = (fn(f32) -> f32, isize);

impl Method {
    /// The CNN adds to bicubic and leaves chroma to it.
    fn kernel(self) -> Kernel {
        match self {
            Self::Bilinear => (lanczos::triangle, 1),
            Self::Bicubic | Self::Cnn => (bicubic::keys, 2),
            Self::Lanczos => (lanczos::lanczos3, 3),
        }
    }
}

/// `factor` times the size, cut to `width` and `height`: each output pixel is the weighted mean of the input
/// pixels around its place.
fn resample(plane: &Plane, factor: usize, width: usize, height: usize, (kernel, reach): Kernel) -> Values {
    let place = |out: usize| (out as f32 + 0.5) / factor as f32 - 0.5;
    let mut data = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let (px, py) = (place(x), place(y));
            let (mut sum, mut weights) = (0.0, 0.0);
            for j in py.floor() as isize + 1 - reach..=py.floor() as isize + reach {
                for i in px.floor() as isize + 1 - reach..=px.floor() as isize + reach {
                    let weight = kernel(px - i as f32) * kernel(py - j as f32);
                    sum += weight * f32::from(plane.clamped(i, j)) / 255.0;
                    weights += weight;
                }
            }
            data.push(sum / weights);
        }
    }
    Values { width, data }
}

/// The network's output at twice the size: what is added to bicubic.
fn network(lr: &Plane, layers: &[Conv3x3]) -> Values {
    // The luma with its edges repeated, so that every convolution can be valid.
    let reach = layers.len();
    let (mut width, mut height) = (lr.width() + 2 * reach, lr.height() + 2 * reach);
    let mut channels = vec![Vec::with_capacity(width * height)];
    for y in 0..height {
        for x in 0..width {
            let code = lr.clamped(x as isize - reach as isize, y as isize - reach as isize);
            channels[0].push(f32::from(code) / 255.0);
        }
    }
    for (i, layer) in layers.iter().enumerate() {
        channels = convolve(layer, &channels, width, height);
        (width, height) = (width - 2, height - 2);
        if i + 1 < layers.len() {
            channels.iter_mut().flatten().for_each(|v| *v = v.max(0.0));
        }
    }
    // Pixel shuffle.
    let mut data = vec![0.0; 4 * width * height];
    for y in 0..2 * height {
        for x in 0..2 * width {
            let channel = 2 * (y % 2) + x % 2;
            data[y * 2 * width + x] = channels[channel][y / 2 * width + x / 2];
        }
    }
    Values { width: 2 * width, data }
}

/// A valid convolution of 3×3: two pixels narrower and lower than its input.
fn convolve(layer: &Conv3x3, input: &[Vec<f32>], width: usize, height: usize) -> Vec<Vec<f32>> {
    let mut output = Vec::with_capacity(layer.outputs);
    for o in 0..layer.outputs {
        let mut channel = Vec::with_capacity((width - 2) * (height - 2));
        for y in 0..height - 2 {
            for x in 0..width - 2 {
                let mut sum = layer.bias[o];
                for (i, plane) in input.iter().enumerate() {
                    for ky in 0..3 {
                        for kx in 0..3 {
                            let weight = layer.weights[((o * layer.inputs + i) * 3 + ky) * 3 + kx];
                            sum += weight * plane[(y + ky) * width + x + kx];
                        }
                    }
                }
                channel.push(sum);
            }
        }
        output.push(channel);
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Colour, Size, Stamp};
    use crate::model::Training;

    fn frame(y: Plane) -> Frame {
        let size = Size::try_from_wide(y.width(), y.height()).unwrap().chroma();
        let c = || Plane::filled(size.width() as usize, size.height() as usize, 128);
        Frame::new(y, c(), c(), Colour::default(), Stamp::now(0)).unwrap()
    }

    fn ramp(width: usize, height: usize, step: usize) -> Plane {
        let data = (0..width * height).map(|i| (10 + step * (i % width)) as u8).collect();
        Plane::from_vec(data, width, height, width).unwrap()
    }

    /// Layers that hand on the middle pixel, or one beside it, and in the end give it times `gain`.
    fn pass_on(dx: usize, dy: usize, gain: [f32; 4]) -> Model {
        let mut first = vec![0.0; 9];
        first[3 * dy + dx] = 1.0;
        let mut last = vec![0.0; 36];
        for (o, g) in gain.iter().enumerate() {
            last[9 * o + 4] = *g;
        }
        let layers = vec![
            Conv3x3 { inputs: 1, outputs: 1, weights: first, bias: vec![0.0] },
            Conv3x3 { inputs: 1, outputs: 4, weights: last, bias: vec![0.0; 4] },
        ];
        Model::new("pass on", layers, Training::default()).unwrap()
    }

    #[test]
    fn a_flat_picture_stays_flat() {
        let model = Model::untrained(2, 0, 1).unwrap();
        for how in [Method::Bilinear, Method::Bicubic, Method::Lanczos] {
            let lr = Frame::filled(Size::new(5, 3).unwrap(), [77, 99, 200], Colour::default(), Stamp::now(0));
            let hr = i420(&lr, how, &model).unwrap();
            for (plane, code) in hr.planes().into_iter().zip([77, 99, 200]) {
                assert!(plane.data().iter().all(|&v| v == code), "{how:?}");
            }
        }
    }

    #[test]
    fn output_pixels_lie_a_quarter_of_a_pixel_off() {
        // On a ramp of 8 codes a pixel the output climbs by 4, and starts a quarter of a pixel early.
        let hr = i420(&frame(ramp(12, 1, 8)), Method::Bicubic, &pass_on(1, 1, [0.0; 4])).unwrap();
        for x in 4..20 {
            assert_eq!(hr.y().row(0)[x], (10 + 4 * x - 2) as u8, "column {x}");
        }
    }

    #[test]
    fn bicubic_by_hand() {
        // A single bright pixel of 100: its two outputs in a row take 0.8671875 of it, the next 0.2265625.
        let mut y = Plane::filled(7, 1, 100);
        y.row_mut(0)[3] = 200;
        let hr = i420(&frame(y), Method::Bicubic, &pass_on(1, 1, [0.0; 4])).unwrap();
        assert_eq!(hr.y().row(0)[2..12], [100, 98, 93, 123, 187, 187, 123, 93, 98, 100]);
    }

    #[test]
    fn the_pixel_shuffle_and_the_taps_are_where_the_format_says() {
        let mut y = Plane::filled(5, 5, 0);
        y.row_mut(2)[2] = 255;
        let model = pass_on(1, 1, [0.1, 0.2, 0.3, 0.4]);
        let detail = network(&y, model.layers());
        let around = [detail.at(4, 4), detail.at(5, 4), detail.at(4, 5), detail.at(5, 5)];
        assert_eq!(around, [0.1, 0.2, 0.3, 0.4]);
        assert_eq!(detail.data.iter().filter(|v| **v != 0.0).count(), 4);
        // The tap at kx = 2 looks at the pixel on the right: the bright pixel shows one place to the left.
        assert_eq!(network(&y, pass_on(2, 1, [1.0; 4]).layers()).at(2, 4), 1.0);
        assert_eq!(network(&y, pass_on(1, 2, [1.0; 4]).layers()).at(4, 2), 1.0);
    }

    #[test]
    fn the_network_sees_repeated_edges() {
        let y = Plane::filled(1, 1, 51);
        for (dx, dy) in [(0, 0), (1, 1), (2, 0), (2, 2)] {
            assert_eq!(network(&y, pass_on(dx, dy, [1.0; 4]).layers()).data, vec![51.0 / 255.0; 4]);
        }
    }
}
