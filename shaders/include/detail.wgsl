// The last layer: what the network adds to a block of 2×2 output pixels, as (0,0), (1,0), (0,1), (1,1).

// Channels of the layer before, in vectors of four.
override INPUTS: u32;

// For each tap, each vector of inputs and each of its channels the weights of the four outputs; then the bias.
@group(0) @binding(4) var<storage, read> weights: array<vec4<f32>>;
// One pixel more than the picture on each side.
@group(0) @binding(5) var<storage, read> features: array<vec4<f32>>;

fn detail(at: vec2<u32>) -> vec4<f32> {
    let width = picture.size.x + 2;
    var sum = weights[36 * INPUTS];
    for (var tap = 0u; tap < 9; tap++) {
        let start = ((at.y + tap / 3) * width + at.x + tap % 3) * INPUTS;
        for (var i = 0u; i < INPUTS; i++) {
            let w = (tap * INPUTS + i) * 4;
            sum += mat4x4<f32>(weights[w], weights[w + 1], weights[w + 2], weights[w + 3]) * features[start + i];
        }
    }
    return sum;
}
