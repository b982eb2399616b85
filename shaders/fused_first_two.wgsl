// The first two layers in one pass: luma to features. What lies between them stays in the workgroup.
//
// The features reach MARGIN pixels beyond the picture.

#include "data_type.wgsl"
#include "picture.wgsl"
#include "planes.wgsl"
#include "conv.wgsl"
#include "start.wgsl"
#include "tile.wgsl"
#include "after.wgsl"

// Channels out, in vectors of four.
override OUTPUTS: u32;
// How many layers follow the second.
override MARGIN: u32;

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let origin = vec2<u32>(GROUP_X, 4 * GROUP_Y) * group.xy;
    for (var item = index; item < TILE / 4; item += GROUP_X * GROUP_Y) {
        let at = place(item);
        let corner = vec2<i32>(origin + at.xy) - i32(MARGIN) - 1;
        keep(at, start(corner.x, corner.y, at.z, MIDDLE));
    }
    workgroupBarrier();
    let size = picture.size + 2 * MARGIN;
    let at = origin + vec2<u32>(local.x, 4 * local.y);
    if any(at >= size) {
        return;
    }
    for (var vector = 0u; vector < OUTPUTS; vector++) {
        store(at, size, vector, second(vector, OUTPUTS, local.xy));
    }
}
