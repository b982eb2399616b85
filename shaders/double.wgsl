// A plane at twice the size by bicubic, in bytes. One invocation for each two pixels side by side.

#include "planes.wgsl"
#include "bicubic.wgsl"
#include "words.wgsl"

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if outside(id.xy) {
        return;
    }
    let left = vec2<i32>(i32(2 * id.x), i32(id.y));
    store(id.xy, double(luma, left), double(luma, left + vec2<i32>(1, 0)));
}
