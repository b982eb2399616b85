// The picture that is upscaled: what every pass knows about it.

struct Picture {
    // Low-resolution luma, columns and rows.
    size: vec2<u32>,
    // How far the luma that is shown may stay behind what is computed.
    deadband: f32,
    unused: u32,
    // Factors of Y, Cb, Cr and a constant, for values in 0..1.
    red: vec4<f32>,
    green: vec4<f32>,
    blue: vec4<f32>,
}

@group(0) @binding(0) var<uniform> picture: Picture;
