// The last layer, and both pictures: what the network adds to bicubic is written nowhere in between.

#include "data_type.wgsl"
#include "picture.wgsl"
#include "planes.wgsl"
#include "bicubic.wgsl"
#include "conv.wgsl"
#include "before.wgsl"
#include "pictures.wgsl"

// Channels in, in vectors of four.
override INPUTS: u32;

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let at = vec2<u32>(id.x, 4 * id.y);
    if any(at >= picture.size) {
        return;
    }
    let details = gather(0, 1, INPUTS, at, picture.size + 2);
    show(at, mat4x4<f32>(details.a, details.b, details.c, details.d));
}
