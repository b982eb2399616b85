// What the layers share. An invocation computes four pixels below each other and four channels: what it reads
// of weights serves four pixels, what it reads of features serves three taps; and invocations side by side
// read what lies side by side.
//
// Features: [vector of four channels][row][column]. Weights of a layer: for each vector of outputs, for each
// column of taps, each vector of inputs, each tap from top to bottom and each channel of the vector, the
// weights of the four outputs; then for each vector of outputs the bias.

// Columns and rows of a workgroup's invocations.
override GROUP_X: u32;
override GROUP_Y: u32;

@group(0) @binding(4) var<storage, read> weights: array<Vector>;

// Four outputs of four pixels below each other.
struct Four {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}

fn bias(w: u32) -> Four {
    let value = vec4<f32>(weights[w]);
    return Four(value, value, value, value);
}

fn tap(w: u32) -> Matrix {
    return Matrix(weights[w], weights[w + 1], weights[w + 2], weights[w + 3]);
}

// Adds what a column of three taps makes of a vector of inputs, of six pixels below each other.
fn add(sums: Four, w: u32, p0: Vector, p1: Vector, p2: Vector, p3: Vector, p4: Vector, p5: Vector) -> Four {
    let top = tap(w);
    let middle = tap(w + 4);
    let bottom = tap(w + 8);
    return Four(
        sums.a + vec4<f32>(top * p0 + middle * p1 + bottom * p2),
        sums.b + vec4<f32>(top * p1 + middle * p2 + bottom * p3),
        sums.c + vec4<f32>(top * p2 + middle * p3 + bottom * p4),
        sums.d + vec4<f32>(top * p3 + middle * p4 + bottom * p5),
    );
}

// What goes on to the next layer.
fn cut(sum: vec4<f32>) -> Vector {
    return Vector(max(sum, vec4<f32>(0.0)));
}
