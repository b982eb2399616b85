// The network's luma in bytes. One invocation for each two low-resolution pixels side by side.

#include "data_type.wgsl"
#include "picture.wgsl"
#include "planes.wgsl"
#include "bicubic.wgsl"
#include "detail.wgsl"
#include "words.wgsl"
#include "hysteresis.wgsl"

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if outside(id.xy) {
        return;
    }
    let left = vec2<u32>(2 * id.x, id.y);
    // Where the width is odd, the last one is computed twice.
    let right = min(left + vec2<u32>(1, 0), picture.size - 1);
    store(
        id.xy,
        follow(left, double(luma, vec2<i32>(left)) + detail(left)),
        follow(right, double(luma, vec2<i32>(right)) + detail(right)),
    );
}
