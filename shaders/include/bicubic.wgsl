// Bicubic by Keys with a = -0.5. A block of 2×2 output pixels is a vector: (0,0), (1,0), (0,1), (1,1).

// The four pixels around a place 1/4, 1/8 and 3/8 of a pixel after the second of them.
const QUARTER = vec4<f32>(-0.0703125, 0.8671875, 0.2265625, -0.0234375);
const EIGHTH = vec4<f32>(-0.0478515625, 0.9638671875, 0.0908203125, -0.0068359375);
const THREE_EIGHTHS = vec4<f32>(-0.0732421875, 0.7275390625, 0.3896484375, -0.0439453125);

fn four(plane: texture_2d<f32>, x: i32, y: i32) -> vec4<f32> {
    return vec4<f32>(pixel(plane, x, y), pixel(plane, x + 1, y), pixel(plane, x + 2, y), pixel(plane, x + 3, y));
}

// The two output columns of pixel x, in row y.
fn double_row(plane: texture_2d<f32>, x: i32, y: i32) -> vec2<f32> {
    let left = four(plane, x - 2, y);
    let right = vec4<f32>(left.yzw, pixel(plane, x + 2, y));
    return vec2<f32>(dot(QUARTER.wzyx, left), dot(QUARTER, right));
}

// Twice the size: the four output pixels of a pixel.
fn double(plane: texture_2d<f32>, at: vec2<i32>) -> vec4<f32> {
    let a = double_row(plane, at.x, at.y - 2);
    let b = double_row(plane, at.x, at.y - 1);
    let c = double_row(plane, at.x, at.y);
    let d = double_row(plane, at.x, at.y + 1);
    let e = double_row(plane, at.x, at.y + 2);
    let top = QUARTER.w * a + QUARTER.z * b + QUARTER.y * c + QUARTER.x * d;
    let bottom = QUARTER.x * b + QUARTER.y * c + QUARTER.z * d + QUARTER.w * e;
    return vec4<f32>(top, bottom);
}

// The weights of the two output pixels that belong to the first or the second half of a chroma pixel.
fn quadruple_taps(side: i32) -> mat2x4<f32> {
    if side == 0 {
        return mat2x4<f32>(THREE_EIGHTHS.wzyx, EIGHTH.wzyx);
    }
    return mat2x4<f32>(EIGHTH, THREE_EIGHTHS);
}
