// The first layer: luma to features, with ReLU.
//
// The features reach MARGIN pixels beyond the picture; there the luma repeats its edge.

#include "data_type.wgsl"
#include "picture.wgsl"
#include "planes.wgsl"
#include "conv.wgsl"
#include "start.wgsl"
#include "after.wgsl"

// Channels out, in vectors of four.
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
    let corner = vec2<i32>(at) - i32(MARGIN);
    store(at, size, group.z, start(corner.x, corner.y, group.z, OUTPUTS));
}
