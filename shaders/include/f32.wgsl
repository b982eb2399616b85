// The numbers that the network computes with: 32 bits.

// Four channels of a pixel.
alias Vector = vec4<f32>;
// What weights are kept in.
alias Word = vec4<f32>;
// What is added to the 2×2 output pixels of a pixel.
alias Detail = vec4<f32>;
alias Matrix = mat4x4<f32>;
