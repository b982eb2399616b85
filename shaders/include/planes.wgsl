// The decoded picture.

@group(0) @binding(1) var luma: texture_2d<f32>;
@group(0) @binding(2) var cb: texture_2d<f32>;
@group(0) @binding(3) var cr: texture_2d<f32>;

// A pixel of a plane; places outside read the nearest edge.
fn pixel(plane: texture_2d<f32>, x: i32, y: i32) -> f32 {
    let last = vec2<i32>(textureDimensions(plane)) - 1;
    return textureLoad(plane, clamp(vec2<i32>(x, y), vec2<i32>(0), last), 0).r;
}
