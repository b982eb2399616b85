// Taps in bytes: a word each, for each of four outputs the weights of four inputs; of a vector there are two
// words more, what its sums are multiplied by and its bias, both in f32.

const TAP: u32 = 1;
const BIAS: u32 = 2;

alias Sum = vec4<i32>;
alias Tap = vec4<u32>;

// A word as numbers.
fn numbers(w: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(weights[w]);
}

// What the sums of a vector begin with.
fn begin(w: u32) -> Sum {
    return vec4<i32>(0);
}

// And what they come to; `w` is where its scale and its bias lie.
fn end(sum: Sum, w: u32) -> vec4<f32> {
    return vec4<f32>(sum) * numbers(w) + numbers(w + 1);
}

fn tap(w: u32) -> Tap {
    return weights[w];
}

fn product(tap: Tap, p: Vector) -> Sum {
    return vec4<i32>(
        dot4I8Packed(tap.x, p),
        dot4I8Packed(tap.y, p),
        dot4I8Packed(tap.z, p),
        dot4I8Packed(tap.w, p),
    );
}

// What a column of three taps makes of three pixels below each other.
fn column(top: Tap, middle: Tap, bottom: Tap, p0: Vector, p1: Vector, p2: Vector) -> Sum {
    return product(top, p0) + product(middle, p1) + product(bottom, p2);
}

// What goes on to the next layer: the nearest whole numbers, as far as seven bits reach.
fn cut(value: vec4<f32>) -> Vector {
    return pack4xU8(vec4<u32>(round(clamp(value, vec4<f32>(0.0), vec4<f32>(127.0)))));
}
