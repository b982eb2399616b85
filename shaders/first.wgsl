// The first layer: luma to features, with ReLU. One invocation for four pixels in a row and four channels.
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

fn store(pixel: u32, vector: u32, sum: vec4<f32>) {
    features[pixel * OUTPUTS + vector] = max(sum, vec4<f32>(0.0));
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
    let size = picture.size + 2 * MARGIN;
    let x = 4 * id.x;
    if x >= size.x || id.y >= size.y {
        return;
    }
    let last = vec2<i32>(picture.size) - 1;
    let corner = vec2<i32>(i32(x), i32(id.y)) - i32(MARGIN) - 1;
    let bias = weights[9 * OUTPUTS + group.z];
    var a = bias;
    var b = bias;
    var c = bias;
    var d = bias;
    for (var row = 0; row < 3; row++) {
        var p: array<f32, 6>;
        for (var i = 0; i < 6; i++) {
            p[i] = textureLoad(luma, clamp(corner + vec2<i32>(i, row), vec2<i32>(0), last), 0).r;
        }
        let w = 9 * group.z + 3 * u32(row);
        let left = weights[w];
        let middle = weights[w + 1];
        let right = weights[w + 2];
        a += left * p[0] + middle * p[1] + right * p[2];
        b += left * p[1] + middle * p[2] + right * p[3];
        c += left * p[2] + middle * p[3] + right * p[4];
        d += left * p[3] + middle * p[4] + right * p[5];
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
