// Two layers in one pass, from features to features. What lies between them stays in the workgroup.
//
// What it writes reaches MARGIN pixels beyond the picture, what it reads two more.

#include "data_type.wgsl"
#include "picture.wgsl"
#include "conv.wgsl"
#include "before.wgsl"
#include "tile.wgsl"
#include "after.wgsl"

// Channels in and out, in vectors of four.
override INPUTS: u32;
override OUTPUTS: u32;
// How many layers follow the second.
override MARGIN: u32;

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let size = picture.size + 2 * MARGIN;
    let origin = vec2<u32>(GROUP_X, 4 * GROUP_Y) * group.xy;
    for (var item = index; item < TILE / 4; item += GROUP_X * GROUP_Y) {
        let at = place(item);
        keep(at, gather(at.z, MIDDLE, INPUTS, origin + at.xy, size + 4));
    }
    workgroupBarrier();
    let at = origin + vec2<u32>(local.x, 4 * local.y);
    if any(at >= size) {
        return;
    }
    for (var vector = 0u; vector < OUTPUTS; vector++) {
        store(at, size, vector, second(vector, OUTPUTS, local.xy));
    }
}
