// The first layer: luma to features, with ReLU. One invocation for each pixel and four channels.
//
// The features reach MARGIN pixels beyond the picture; there the luma repeats its edge.

#include "picture.wgsl"

// Channels out, in vectors of four.
override OUTPUTS: u32;
// How many layers follow.
override MARGIN: u32;

@group(0) @binding(1) var luma: texture_2d<f32>;
// For each vector of outputs the nine taps, then for each the bias.
@group(0) @binding(4) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> features: array<vec4<f32>>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let size = picture.size + 2 * MARGIN;
    if any(id.xy >= size) {
        return;
    }
    let middle = vec2<i32>(id.xy) - i32(MARGIN);
    let last = vec2<i32>(picture.size) - 1;
    var sum = weights[9 * OUTPUTS + id.z];
    for (var tap = 0; tap < 9; tap++) {
        let at = clamp(middle + vec2<i32>(tap % 3, tap / 3) - 1, vec2<i32>(0), last);
        sum += weights[9 * id.z + u32(tap)] * textureLoad(luma, at, 0).r;
    }
    features[(id.y * size.x + id.x) * OUTPUTS + id.z] = max(sum, vec4<f32>(0.0));
}
