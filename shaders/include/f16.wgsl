// The numbers that the network computes with: 16 bits. Features and weights take half of the memory, and
// most GPUs multiply two of them at once; sums over more than three taps are kept in 32 bits.
enable f16;

// Four channels of a pixel.
alias Vector = vec4<f16>;
// What weights are kept in.
alias Word = vec4<f16>;
// What is added to the 2×2 output pixels of a pixel.
alias Detail = vec4<f16>;
alias Matrix = mat4x4<f16>;
