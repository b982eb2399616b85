// Both pictures in RGB. One invocation for each low-resolution pixel: the pixel shuffle, bicubic of all
// three planes, and the colours.

#include "picture.wgsl"
#include "bicubic.wgsl"
#include "detail.wgsl"

@group(0) @binding(1) var luma: texture_2d<f32>;
@group(0) @binding(2) var cb: texture_2d<f32>;
@group(0) @binding(3) var cr: texture_2d<f32>;
@group(0) @binding(6) var out_bicubic: texture_storage_2d<rgba8unorm, write>;
@group(0) @binding(7) var out_cnn: texture_storage_2d<rgba8unorm, write>;

fn colour(y: f32, u: f32, v: f32) -> vec4<f32> {
    let yuv = vec4<f32>(y, u, v, 1.0);
    return vec4<f32>(dot(picture.red, yuv), dot(picture.green, yuv), dot(picture.blue, yuv), 1.0);
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if any(id.xy >= picture.size) {
        return;
    }
    let at = vec2<i32>(id.xy);
    let base = double(luma, at);
    let zero = vec4<f32>(0.0);
    let one = vec4<f32>(1.0);
    let y = clamp(base, zero, one);
    let better = clamp(base + detail(id.xy), zero, one);
    let u = clamp(quadruple(cb, at), zero, one);
    let v = clamp(quadruple(cr, at), zero, one);
    for (var i = 0u; i < 4; i++) {
        let to = 2 * id.xy + vec2<u32>(i & 1, i >> 1);
        textureStore(out_bicubic, to, clamp(colour(y[i], u[i], v[i]), zero, one));
        textureStore(out_cnn, to, clamp(colour(better[i], u[i], v[i]), zero, one));
    }
}
