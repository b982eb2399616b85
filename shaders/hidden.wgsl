// A layer from features to features, with ReLU. One invocation for each pixel and four channels.
//
// What it writes reaches MARGIN pixels beyond the picture, what it reads one more.

#include "picture.wgsl"

// Channels in and out, in vectors of four.
override INPUTS: u32;
override OUTPUTS: u32;
// How many layers follow.
override MARGIN: u32;

// For each vector of outputs: for each tap, each vector of inputs and each of its channels the weights of
// the four outputs. Then for each vector of outputs the bias.
@group(0) @binding(4) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> before: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> after: array<vec4<f32>>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let size = picture.size + 2 * MARGIN;
    if any(id.xy >= size) {
        return;
    }
    var sum = weights[36 * INPUTS * OUTPUTS + id.z];
    for (var tap = 0u; tap < 9; tap++) {
        let start = ((id.y + tap / 3) * (size.x + 2) + id.x + tap % 3) * INPUTS;
        for (var i = 0u; i < INPUTS; i++) {
            let w = ((id.z * 9 + tap) * INPUTS + i) * 4;
            sum += mat4x4<f32>(weights[w], weights[w + 1], weights[w + 2], weights[w + 3]) * before[start + i];
        }
    }
    after[(id.y * size.x + id.x) * OUTPUTS + id.z] = max(sum, vec4<f32>(0.0));
}
