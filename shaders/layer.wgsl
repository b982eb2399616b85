// A layer from features to features. One invocation for four pixels in a row and four channels: what it
// reads of weights serves four pixels, what it reads of features serves three taps.
//
// What it writes reaches MARGIN pixels beyond the picture, what it reads one more.

#include "picture.wgsl"

// Channels in and out, in vectors of four.
override INPUTS: u32;
override OUTPUTS: u32;
// How many layers follow.
override MARGIN: u32;
// Every layer but the last cuts what is below zero.
override RELU: bool;

// For each vector of outputs: for each row of taps, each vector of inputs, each tap and each channel of the
// vector the weights of the four outputs. Then for each vector of outputs the bias.
@group(0) @binding(4) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> before: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> after: array<vec4<f32>>;

fn tap(w: u32) -> mat4x4<f32> {
    return mat4x4<f32>(weights[w], weights[w + 1], weights[w + 2], weights[w + 3]);
}

fn store(pixel: u32, vector: u32, sum: vec4<f32>) {
    after[pixel * OUTPUTS + vector] = select(sum, max(sum, vec4<f32>(0.0)), RELU);
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
    let size = picture.size + 2 * MARGIN;
    let x = 4 * id.x;
    if x >= size.x || id.y >= size.y {
        return;
    }
    let bias = weights[36 * INPUTS * OUTPUTS + group.z];
    var a = bias;
    var b = bias;
    var c = bias;
    var d = bias;
    var w = 36 * INPUTS * group.z;
    for (var row = 0u; row < 3; row++) {
        // At the right edge the last of the six pixels may lie in the next row; then nobody needs their sums.
        let start = ((id.y + row) * (size.x + 2) + x) * INPUTS;
        for (var at = start; at < start + INPUTS; at++) {
            let p0 = before[at];
            let p1 = before[at + INPUTS];
            let p2 = before[at + 2 * INPUTS];
            let p3 = before[at + 3 * INPUTS];
            let p4 = before[at + 4 * INPUTS];
            let p5 = before[at + 5 * INPUTS];
            let left = tap(w);
            let middle = tap(w + 4);
            let right = tap(w + 8);
            a += left * p0 + middle * p1 + right * p2;
            b += left * p1 + middle * p2 + right * p3;
            c += left * p2 + middle * p3 + right * p4;
            d += left * p3 + middle * p4 + right * p5;
            w += 12;
        }
    }
    let to = id.y * size.x + x;
    store(to, group.z, a);
    if x + 1 < size.x {
        store(to + 1, group.z, b);
    }
    if x + 2 < size.x {
        store(to + 2, group.z, c);
    }
    if x + 3 < size.x {
        store(to + 3, group.z, d);
    }
}
