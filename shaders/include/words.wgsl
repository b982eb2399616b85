// A plane of bytes, four to a word, rows beginning with a word.

struct Plane {
    // Columns and rows.
    size: vec2<u32>,
    unused: vec2<u32>,
}

@group(0) @binding(6) var<uniform> plane_out: Plane;
@group(0) @binding(7) var<storage, read_write> words: array<u32>;

// Writes two blocks of 2×2 pixels that lie side by side: a word in each of two rows.
fn store(at: vec2<u32>, left: vec4<f32>, right: vec4<f32>) {
    let pitch = (plane_out.size.x + 3) / 4;
    let first = 2 * at.y * pitch + at.x;
    words[first] = pack4x8unorm(vec4<f32>(left.xy, right.xy));
    if 2 * at.y + 1 < plane_out.size.y {
        words[first + pitch] = pack4x8unorm(vec4<f32>(left.zw, right.zw));
    }
}

// Whether there is anything to write at `at`.
fn outside(at: vec2<u32>) -> bool {
    return 4 * at.x >= plane_out.size.x || 2 * at.y >= plane_out.size.y;
}
