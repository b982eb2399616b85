// Taps in 16 or 32 bits: four words each, the weights of an input channel for four outputs; a vector's bias is a
// word.

const TAP: u32 = 4;
const BIAS: u32 = 1;

alias Sum = vec4<f32>;
alias Tap = Matrix;

// A word as numbers.
fn numbers(w: u32) -> vec4<f32> {
    return vec4<f32>(weights[w]);
}

// What the sums of a vector begin with; `w` is where its bias lies.
fn begin(w: u32) -> Sum {
    return numbers(w);
}

// And what they come to.
fn end(sum: Sum, w: u32) -> vec4<f32> {
    return sum;
}

fn tap(w: u32) -> Tap {
    return Matrix(weights[w], weights[w + 1], weights[w + 2], weights[w + 3]);
}

// What a column of three taps makes of three pixels below each other.
fn column(top: Tap, middle: Tap, bottom: Tap, p0: Vector, p1: Vector, p2: Vector) -> Sum {
    return vec4<f32>(top * p0 + middle * p1 + bottom * p2);
}

// What goes on to the next layer.
fn cut(value: vec4<f32>) -> Vector {
    return Vector(max(value, vec4<f32>(0.0)));
}
