// The network's luma that was shown last, which the next follows with a deadband (src/upscale/hysteresis.rs): of each
// pixel its 2×2 output pixels, as (0,0), (1,0), (0,1), (1,1).

@group(0) @binding(8) var<storage, read_write> previous_luma: array<vec4<f32>>;

// What is shown of pixel `at` now.
fn follow(at: vec2<u32>, value: vec4<f32>) -> vec4<f32> {
    let computed = clamp(value, vec4<f32>(0.0), vec4<f32>(1.0));
    let i = at.y * picture.size.x + at.x;
    let now = max(min(previous_luma[i], computed + picture.deadband), computed - picture.deadband);
    previous_luma[i] = now;
    return now;
}
