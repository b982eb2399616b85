// Features that a layer reads.

@group(0) @binding(5) var<storage, read> before: array<Vector>;

// Adds what all vectors of inputs at `weights[w..]` make of the features around four pixels: `corner` is the
// upper left of what they read, in features of this size.
//
// At the lower and the right edge some of it is beyond the features; then nobody needs the sums it goes into.
fn gather(first: Four, first_weight: u32, inputs: u32, corner: vec2<u32>, size: vec2<u32>) -> Four {
    var sums = first;
    var w = first_weight;
    for (var column = 0u; column < 3; column++) {
        for (var vector = 0u; vector < inputs; vector++) {
            let at = (vector * size.y + corner.y) * size.x + corner.x + column;
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
            w += 12;
        }
    }
    return sums;
}
