// The numbers that the network computes with: bytes, as src/upscale/cpu/quantised.rs makes them.

// Four channels of a pixel, from 0 to 127 each, the first lowest.
alias Vector = u32;
// What weights are kept in: bytes for four outputs, or the bits of four numbers.
alias Word = vec4<u32>;
// What is added to the 2×2 output pixels of a pixel.
alias Detail = vec4<f32>;
