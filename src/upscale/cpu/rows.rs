//! The network's rolling rows: of each layer the last three, so that they stay in the cache.

use super::{
    conv::{Convolve, Input, Output},
    layer::GROUP,
    memory::{LINE, Lines},
    net::Net,
    simd::{Isa, Simd, SimdKernel},
};
use crate::frame::Plane;

/// The last three rows that each layer wrote, for a stretch of columns.
///
/// Step s puts row `first − radius + s` of the luma in; layer l then has three rows before it from step
/// 2(l+1) on and writes one. After 2·radius steps each step ends in a row of the result. A row written in
/// step s lies in place s mod 3, for every layer.
#[derive(Debug, Default)]
pub(super) struct NetRows {
    /// Before layer 0, 1, …, and after the last: three places, each with all channels, `stride` apart. In bytes, four
    /// channels lie in the four bytes of one value.
    rings: Vec<Lines>,
    stride: usize,
    x: usize,
    width: usize,
    /// The luma row of the next step.
    next: isize,
    step: usize,
}

impl NetRows {
    /// Begins at row `first`, for the columns from `x` on.
    pub(super) fn start(&mut self, net: &Net, x: usize, width: usize, first: usize) {
        let radius = net.radius();
        (self.x, self.width) = (x, width);
        // A vector may reach beyond a row's end, and two pixels more are read. An odd number of cache lines
        // keeps the channels of a place from falling onto the same lines of the cache.
        self.stride = ((width + 2 * radius + LINE + 2).div_ceil(LINE) | 1) * LINE;
        self.rings.resize_with(radius + 1, Lines::default);
        for (ring, values) in self.rings.iter_mut().zip(net.values()) {
            ring.resize(3 * values * self.stride);
        }
        self.next = first as isize - radius as isize;
        self.step = 0;
    }

    /// Bytes for each column of a stretch.
    pub(super) fn bytes_per_column(net: &Net) -> usize {
        3 * size_of::<f32>() * net.values().sum::<usize>()
    }

    /// The four channels of the next row of the result. They are longer than the stretch is wide.
    pub(super) fn row(&mut self, isa: Isa, net: &Net, luma: &Plane) -> [&[f32]; 4] {
        while self.step < 2 * net.radius() {
            self.advance(isa, net, luma);
        }
        let place = self.step % 3;
        self.advance(isa, net, luma);
        let last = self.rings.last().map_or(&[][..], |ring| &**ring);
        std::array::from_fn(|c| &last[(4 * place + c) * self.stride..][..self.stride])
    }

    fn advance(&mut self, isa: Isa, net: &Net, luma: &Plane) {
        let (radius, stride, step) = (net.radius(), self.stride, self.step);
        let row = luma.row(self.next.clamp(0, luma.height() as isize - 1) as usize);
        let out = &mut self.rings[0][step % 3 * stride..][..self.width + 2 * radius];
        isa.run(Extend { row, first: self.x as isize - radius as isize, out });
        let last = radius - 1;
        for (l, layer) in net.layers.iter().enumerate() {
            if step < 2 * (l + 1) {
                break;
            }
            let ([.., before], [after, ..]) = self.rings.split_at_mut(l + 1) else { break };
            let places = |values: usize| [1, 2, 3].map(|k| (step + k) % 3 * values * stride);
            let floats = |values: usize| places(values).map(|at| &before[at..][..values * stride]);
            let place = |values: usize| step % 3 * values * stride..(step % 3 + 1) * values * stride;
            let inputs = if l == 0 { 1 } else { net.layers[l - 1].outputs() };
            let (input, output) = match &net.quantised {
                None => {
                    let out = &mut after[place(layer.outputs())];
                    let input = Input::Floats { rows: floats(inputs), inputs: layer.inputs, numbers: &layer.numbers };
                    (input, Output::Floats { out, floor: layer.floor })
                }
                Some(bytes) => {
                    let input = match l.checked_sub(1) {
                        None => Input::Floats { rows: floats(1), inputs: 1, numbers: &bytes.first },
                        Some(n) => {
                            let numbers = &bytes.rest[n];
                            let rows = places(numbers.inputs).map(|at| &before.bits()[at..][..numbers.inputs * stride]);
                            Input::Bytes { rows, numbers }
                        }
                    };
                    let output = match l == last {
                        true => Output::Floats { out: &mut after[place(layer.outputs())], floor: layer.floor },
                        false => Output::Bytes(&mut after.bits_mut()[place(layer.outputs() / GROUP)]),
                    };
                    (input, output)
                }
            };
            isa.run(Convolve { input, output, stride, width: self.width + 2 * (radius - 1 - l) });
        }
        self.next += 1;
        self.step += 1;
    }
}

/// A row's codes from column `first` on, divided by 255; beyond its ends the edge is repeated.
pub(super) struct Extend<'a> {
    pub(super) row: &'a [u8],
    pub(super) first: isize,
    pub(super) out: &'a mut [f32],
}

impl SimdKernel for Extend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let value = |code: u8| f32::from(code) * (1.0 / 255.0);
        let Self { row, first, out } = self;
        let left = usize::try_from(-first).unwrap_or(0).min(out.len());
        let from = usize::try_from(first).unwrap_or(0).min(row.len());
        let inside = (row.len() - from).min(out.len() - left);
        let (before, rest) = out.split_at_mut(left);
        let (middle, after) = rest.split_at_mut(inside);
        for (v, &code) in middle.iter_mut().zip(&row[from..]) {
            *v = value(code);
        }
        before.fill(row.first().map_or(0.0, |&c| value(c)));
        after.fill(row.last().map_or(0.0, |&c| value(c)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_extended_on_both_sides() {
        let row = [0, 51, 102, 255];
        for isa in Isa::available() {
            for (first, want) in
                [(-2, [0.0, 0.0, 0.0, 0.2, 0.4]), (0, [0.0, 0.2, 0.4, 1.0, 1.0]), (3, [1.0; 5]), (6, [1.0; 5])]
            {
                let mut out = [9.0; 5];
                isa.run(Extend { row: &row, first, out: &mut out });
                let close = out.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6);
                assert!(close, "from {first} with {isa}: {out:?}");
            }
        }
    }
}
