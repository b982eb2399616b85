// The last layer as a pass of its own: features to what is added to bicubic.

#include "data_type.wgsl"
#include "picture.wgsl"
#include "conv.wgsl"
#include "before.wgsl"

@group(0) @binding(6) var<storage, read_write> details: array<Detail>;

// Channels in, in vectors of four.
override INPUTS: u32;

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let at = vec2<u32>(id.x, 4 * id.y);
    if any(at >= picture.size) {
        return;
    }
    let made = gather(0, 1, INPUTS, at, picture.size + 2);
    let across = picture.size.x;
    let to = at.y * across + at.x;
    details[to] = Detail(made.a);
    if at.y + 1 < picture.size.y {
        details[to + across] = Detail(made.b);
    }
    if at.y + 2 < picture.size.y {
        details[to + 2 * across] = Detail(made.c);
    }
    if at.y + 3 < picture.size.y {
        details[to + 3 * across] = Detail(made.d);
    }
}
