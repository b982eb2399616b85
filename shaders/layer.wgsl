// A layer from features to features, with ReLU.
//
// What it writes reaches MARGIN pixels beyond the picture, what it reads one more.

#include "data_type.wgsl"
#include "picture.wgsl"
#include "conv.wgsl"
#include "before.wgsl"
#include "after.wgsl"

// Channels in and out, in vectors of four.
override INPUTS: u32;
override OUTPUTS: u32;
// How many layers follow.
override MARGIN: u32;

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
    let size = picture.size + 2 * MARGIN;
    let at = vec2<u32>(id.x, 4 * id.y);
    if any(at >= size) {
        return;
    }
    store(at, size, group.z, gather(group.z, OUTPUTS, INPUTS, at, size + 2));
}
