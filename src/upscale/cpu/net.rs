//! The network, one row after another.

use crate::{frame::Plane, model::Model, upscale::filter::extend};

/// Pixels that one step of the innermost loop computes: two registers of SSE2 or NEON, one of AVX.
const LANES: usize = 8;
/// Output channels that it computes at once; with [`LANES`] the sums fill half of sixteen registers.
const GROUP: usize = 4;

/// A convolution with its weights in the order in which the loop needs them.
#[derive(Debug)]
struct Layer {
    inputs: usize,
    /// For each group of outputs, then for each input, the nine taps with the weights of the group.
    weights: Vec<[[f32; GROUP]; 9]>,
    /// For each group of outputs.
    bias: Vec<[f32; GROUP]>,
    relu: bool,
}

impl Layer {
    /// Channels that it writes: a last group that is not full writes zeros.
    fn outputs(&self) -> usize {
        self.bias.len() * GROUP
    }
}

/// A model, ready to run.
#[derive(Debug)]
pub(super) struct Net {
    layers: Vec<Layer>,
}

impl Net {
    pub(super) fn new(model: &Model) -> Self {
        let count = model.layers().len();
        let layer = |(i, conv): (usize, &crate::model::Conv3x3)| {
            let groups = conv.outputs.div_ceil(GROUP);
            let mut weights = vec![[[0.0; GROUP]; 9]; groups * conv.inputs];
            for (n, w) in conv.weights.iter().enumerate() {
                let (o, input, tap) = (n / 9 / conv.inputs, n / 9 % conv.inputs, n % 9);
                weights[o / GROUP * conv.inputs + input][tap][o % GROUP] = *w;
            }
            let mut bias = vec![[0.0; GROUP]; groups];
            for (o, b) in conv.bias.iter().enumerate() {
                bias[o / GROUP][o % GROUP] = *b;
            }
            Layer { inputs: conv.inputs, weights, bias, relu: i + 1 < count }
        };
        Self { layers: model.layers().iter().enumerate().map(layer).collect() }
    }

    fn radius(&self) -> usize {
        self.layers.len()
    }
}

/// The last three rows that each layer wrote.
///
/// Step s puts row `first − radius + s` of the luma in; layer l then has three rows before it from step
/// 2(l+1) on and writes one. After 2·radius steps each step ends in a row of the result. A row written in
/// step s lies in place s mod 3, for every layer.
#[derive(Debug, Default)]
pub(super) struct NetRows {
    /// Before layer 0, 1, …, and after the last: three places, each with all channels, `stride` apart.
    rings: Vec<Vec<f32>>,
    stride: usize,
    width: usize,
    /// The luma row of the next step.
    next: isize,
    step: usize,
}

impl NetRows {
    /// Begins a band whose first row is `first`.
    pub(super) fn start(&mut self, net: &Net, width: usize, first: usize) {
        let radius = net.radius();
        self.width = width;
        // A step of the loop writes up to LANES − 1 pixels beyond a row and reads two more.
        self.stride = (width + 2 * radius).next_multiple_of(LANES) + LANES;
        self.rings.resize_with(radius + 1, Vec::new);
        let channels = std::iter::once(1).chain(net.layers.iter().map(Layer::outputs));
        for (ring, channels) in self.rings.iter_mut().zip(channels) {
            ring.resize(3 * channels * self.stride, 0.0);
        }
        self.next = first as isize - radius as isize;
        self.step = 0;
    }

    /// The four channels of the next row of the result.
    pub(super) fn row(&mut self, net: &Net, luma: &Plane) -> [&[f32]; 4] {
        while self.step < 2 * net.radius() {
            self.advance(net, luma);
        }
        let place = self.step % 3;
        self.advance(net, luma);
        let last = self.rings.last().map_or(&[][..], Vec::as_slice);
        std::array::from_fn(|c| &last[(4 * place + c) * self.stride..][..self.width])
    }

    fn advance(&mut self, net: &Net, luma: &Plane) {
        let radius = net.radius();
        let row = luma.row(self.next.clamp(0, luma.height() as isize - 1) as usize);
        let place = self.step % 3;
        extend(row, radius, &mut self.rings[0][place * self.stride..][..self.stride]);
        for (l, layer) in net.layers.iter().enumerate() {
            if self.step < 2 * (l + 1) {
                break;
            }
            let (before, after) = self.rings.split_at_mut(l + 1);
            let size = before[l].len() / 3;
            let rows = [1, 2, 3].map(|k| &before[l][(self.step + k) % 3 * size..][..size]);
            let size = layer.outputs() * self.stride;
            let out = &mut after[0][place * size..][..size];
            let width = self.width + 2 * (radius - 1 - l);
            convolve(layer, rows, self.stride, width, out);
        }
        self.next += 1;
        self.step += 1;
    }
}

/// One row of a layer: `rows` are the three before it, each with all channels.
fn convolve(layer: &Layer, rows: [&[f32]; 3], stride: usize, width: usize, out: &mut [f32]) {
    for (group, bias) in layer.bias.iter().enumerate() {
        let weights = &layer.weights[group * layer.inputs..][..layer.inputs];
        for x in (0..width).step_by(LANES) {
            let mut sums = bias.map(|b| [b; LANES]);
            for (input, taps) in weights.iter().enumerate() {
                for (ky, row) in rows.iter().enumerate() {
                    let Some(pixels) = row[input * stride + x..].first_chunk::<{ LANES + 2 }>() else { return };
                    for kx in 0..3 {
                        for (sum, w) in sums.iter_mut().zip(taps[3 * ky + kx]) {
                            for lane in 0..LANES {
                                sum[lane] += w * pixels[lane + kx];
                            }
                        }
                    }
                }
            }
            for (o, sum) in sums.iter().enumerate() {
                let to = &mut out[(group * GROUP + o) * stride + x..][..LANES];
                for (to, v) in to.iter_mut().zip(sum) {
                    *to = if layer.relu && *v < 0.0 { 0.0 } else { *v };
                }
            }
        }
    }
}
