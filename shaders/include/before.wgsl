// Features that a layer reads.

@group(0) @binding(5) var<storage, read> before: array<Vector>;

// Vector `vector` of `outputs`, made by the taps at the beginning of the weights from all `inputs` vectors around
// four pixels: `corner` is the upper left of what they read, in features of this size.
//
// At the lower and the right edge some of it is beyond the features; then nobody needs what it goes into.
fn gather(vector: u32, outputs: u32, inputs: u32, corner: vec2<u32>, size: vec2<u32>) -> Four {
    let bias = 9 * TAP * inputs * outputs + BIAS * vector;
    var sums = none(bias);
    var w = 9 * TAP * inputs * vector;
    for (var x = 0u; x < 3; x++) {
        for (var input = 0u; input < inputs; input++) {
            let at = (input * size.y + corner.y) * size.x + corner.x + x;
            sums = add(
                sums,
                w,
                before[at],
                before[at + size.x],
                before[at + 2 * size.x],
                before[at + 3 * size.x],
                before[at + 4 * size.x],
                before[at + 5 * size.x],
            );
            w += 3 * TAP;
        }
    }
    return all(sums, bias);
}
