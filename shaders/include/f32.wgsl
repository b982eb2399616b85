// The numbers that the network computes with: 32 bits.

alias Real = f32;
alias Vector = vec4<f32>;
alias Matrix = mat4x4<f32>;
