// What the layers share. An invocation computes four pixels below each other and four channels: what it reads
// of weights serves four pixels, what it reads of features serves three taps; and invocations side by side
// read what lies side by side.
//
// Features: [vector of four channels][row][column]. Weights of a layer: for each vector of outputs, for each
// column of taps, each vector of inputs, each tap from top to bottom, the tap's words; then for each vector of
// outputs the words of its bias.

#include "taps.wgsl"

// Columns and rows of a workgroup's invocations.
override GROUP_X: u32;
override GROUP_Y: u32;

@group(0) @binding(4) var<storage, read> weights: array<Word>;

// Four outputs of four pixels below each other.
struct Four {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}

// The same while it is summed up.
struct Sums {
    a: Sum,
    b: Sum,
    c: Sum,
    d: Sum,
}

// The sums of a vector whose bias lies at `w`, before anything is added.
fn none(w: u32) -> Sums {
    let value = begin(w);
    return Sums(value, value, value, value);
}

fn all(sums: Sums, w: u32) -> Four {
    return Four(end(sums.a, w), end(sums.b, w), end(sums.c, w), end(sums.d, w));
}

// Adds what a column of three taps makes of a vector of inputs, of six pixels below each other.
fn add(sums: Sums, w: u32, p0: Vector, p1: Vector, p2: Vector, p3: Vector, p4: Vector, p5: Vector) -> Sums {
    let top = tap(w);
    let middle = tap(w + TAP);
    let bottom = tap(w + 2 * TAP);
    return Sums(
        sums.a + column(top, middle, bottom, p0, p1, p2),
        sums.b + column(top, middle, bottom, p1, p2, p3),
        sums.c + column(top, middle, bottom, p2, p3, p4),
        sums.d + column(top, middle, bottom, p3, p4, p5),
    );
}
