// Both pictures in RGB: the pixel shuffle, bicubic of all three planes and the colours, for four
// low-resolution pixels below each other, which share what is read.

#include "hysteresis.wgsl"

@group(0) @binding(6) var out_bicubic: texture_storage_2d<rgba8unorm, write>;
@group(0) @binding(7) var out_cnn: texture_storage_2d<rgba8unorm, write>;

// Of a column of luma at twice the height: for four pixels from y down their upper halves, then their lower.
fn luma_down(x: i32, y: i32) -> mat2x4<f32> {
    let upper = vec4<f32>(pixel(luma, x, y - 2), pixel(luma, x, y - 1), pixel(luma, x, y), pixel(luma, x, y + 1));
    let lower = vec4<f32>(pixel(luma, x, y + 2), pixel(luma, x, y + 3), pixel(luma, x, y + 4), pixel(luma, x, y + 5));
    let one = vec4<f32>(upper.yzw, lower.x);
    let two = vec4<f32>(upper.zw, lower.xy);
    let three = vec4<f32>(upper.w, lower.xyz);
    return mat2x4<f32>(
        QUARTER.w * upper + QUARTER.z * one + QUARTER.y * two + QUARTER.x * three,
        QUARTER.x * one + QUARTER.y * two + QUARTER.z * three + QUARTER.w * lower,
    );
}

// Of a column of chroma at four times the height: likewise for four luma pixels, the first of which is the
// upper half of chroma row `row`.
fn chroma_down(plane: texture_2d<f32>, x: i32, row: i32) -> mat2x4<f32> {
    let a = vec4<f32>(pixel(plane, x, row - 2), pixel(plane, x, row - 1), pixel(plane, x, row), pixel(plane, x, row + 1));
    let b = vec4<f32>(a.yzw, pixel(plane, x, row + 2));
    let c = vec4<f32>(b.yzw, pixel(plane, x, row + 3));
    let upper = THREE_EIGHTHS.wzyx;
    let lower = EIGHTH.wzyx;
    return mat2x4<f32>(
        vec4<f32>(dot(upper, a), dot(EIGHTH, b), dot(upper, b), dot(EIGHTH, c)),
        vec4<f32>(dot(lower, a), dot(THREE_EIGHTHS, b), dot(lower, b), dot(THREE_EIGHTHS, c)),
    );
}

// Output pixels of four low-resolution ones: upper left, lower left, upper right, lower right of each.
struct Block {
    left: mat2x4<f32>,
    right: mat2x4<f32>,
}

fn luma_block(x: i32, y: i32) -> Block {
    var block: Block;
    // Left output pixels are made from the columns -2 to 1, right ones from -1 to 2.
    var left = vec4<f32>(QUARTER.wzyx);
    var right = vec4<f32>(0.0, QUARTER.xyz);
    for (var i = -2; i < 3; i++) {
        let column = luma_down(x + i, y);
        block.left += left.x * column;
        block.right += right.x * column;
        left = vec4<f32>(left.yzw, 0.0);
        right = vec4<f32>(right.yzw, QUARTER.w);
    }
    return block;
}

fn chroma_block(plane: texture_2d<f32>, x: i32, y: i32) -> Block {
    let side = x & 1;
    let first = (x >> 1u) + side - 2;
    var across = quadruple_taps(side);
    var block: Block;
    for (var i = 0; i < 4; i++) {
        let column = chroma_down(plane, first + i, y >> 1u);
        block.left += across[0].x * column;
        block.right += across[1].x * column;
        across = mat2x4<f32>(across[0].yzwx, across[1].yzwx);
    }
    return block;
}

fn held(v: vec4<f32>) -> vec4<f32> {
    return clamp(v, vec4<f32>(0.0), vec4<f32>(1.0));
}

// The colours of four pixels, a pixel in each column.
fn colours(y: vec4<f32>, u: vec4<f32>, v: vec4<f32>) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(
        held(picture.red.x * y + picture.red.y * u + picture.red.z * v + picture.red.w),
        held(picture.green.x * y + picture.green.y * u + picture.green.z * v + picture.green.w),
        held(picture.blue.x * y + picture.blue.y * u + picture.blue.z * v + picture.blue.w),
        vec4<f32>(1.0),
    ));
}

fn put(to: vec2<u32>, base: vec4<f32>, better: vec4<f32>) {
    textureStore(out_bicubic, to, base);
    textureStore(out_cnn, to, better);
}

// Every second output pixel of a column of both pictures, as far as there are rows.
fn both(to: vec2<u32>, rows: u32, y: vec4<f32>, by_network: vec4<f32>, u: vec4<f32>, v: vec4<f32>) {
    let cb = held(u);
    let cr = held(v);
    var base = colours(held(y), cb, cr);
    var better = colours(by_network, cb, cr);
    for (var i = 0u; i < min(rows, 4u); i++) {
        put(to + vec2<u32>(0, 2 * i), base[i], better[i]);
    }
}

// The pictures of four pixels from `at` down. `details` has what the network adds to each of them: a pixel in
// each column, its output pixels as (0,0), (1,0), (0,1), (1,1).
fn show(at: vec2<u32>, details: mat4x4<f32>) {
    let x = i32(at.x);
    let y = i32(at.y);
    let base = luma_block(x, y);
    let u = chroma_block(cb, x, y);
    let v = chroma_block(cr, x, y);
    let to = 2 * at;
    let rows = picture.size.y - at.y;
    var better = transpose(mat4x4<f32>(base.left[0], base.right[0], base.left[1], base.right[1])) + details;
    for (var i = 0u; i < min(rows, 4u); i++) {
        better[i] = follow(at + vec2<u32>(0, i), better[i]);
    }
    let y_by_network = transpose(better);
    both(to, rows, base.left[0], y_by_network[0], u.left[0], v.left[0]);
    both(to + vec2<u32>(1, 0), rows, base.right[0], y_by_network[1], u.right[0], v.right[0]);
    both(to + vec2<u32>(0, 1), rows, base.left[1], y_by_network[2], u.left[1], v.left[1]);
    both(to + vec2<u32>(1, 1), rows, base.right[1], y_by_network[3], u.right[1], v.right[1]);
}
