// Both pictures, once the network's last layer has run.

#include "data_type.wgsl"
#include "picture.wgsl"
#include "planes.wgsl"
#include "bicubic.wgsl"
#include "detail.wgsl"
#include "pictures.wgsl"

override GROUP_X: u32;
override GROUP_Y: u32;

@compute @workgroup_size(GROUP_X, GROUP_Y)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let at = vec2<u32>(id.x, 4 * id.y);
    if any(at >= picture.size) {
        return;
    }
    // Below the picture's last row nobody looks at what is read.
    let below = vec2<u32>(0, 1);
    show(at, mat4x4<f32>(detail(at), detail(at + below), detail(at + 2 * below), detail(at + 3 * below)));
}
