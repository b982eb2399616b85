// What the network adds to the 2×2 output pixels of a pixel, as (0,0), (1,0), (0,1), (1,1).

@group(0) @binding(5) var<storage, read> details: array<Detail>;

fn detail(at: vec2<u32>) -> vec4<f32> {
    return vec4<f32>(details[at.y * picture.size.x + at.x]);
}
