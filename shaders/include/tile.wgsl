// A layer's result that stays in the workgroup's memory, with the pixels around it that the next layer needs.
//
// [vector][row][column]: two columns more than the group's pixels, and four rows more, of which two are there
// because four rows are made at a time.

// Channels between the two layers, in vectors of four.
override MIDDLE: u32;
// MIDDLE * (GROUP_X + 2) * 4 * (GROUP_Y + 1)
override TILE: u32;
// Where the second layer's weights begin.
override SECOND: u32;

var<workgroup> tile: array<Vector, TILE>;

// The second layer's result for the four pixels of an invocation.
fn second(vector: u32, outputs: u32, local: vec2<u32>) -> Four {
    let across = GROUP_X + 2;
    let bias = SECOND + 9 * TAP * MIDDLE * outputs + BIAS * vector;
    var sums = none(bias);
    var w = SECOND + 9 * TAP * MIDDLE * vector;
    for (var x = 0u; x < 3; x++) {
        for (var i = 0u; i < MIDDLE; i++) {
            let at = (4 * (i * (GROUP_Y + 1) + local.y)) * across + local.x + x;
            sums = add(
                sums,
                w,
                tile[at],
                tile[at + across],
                tile[at + 2 * across],
                tile[at + 3 * across],
                tile[at + 4 * across],
                tile[at + 5 * across],
            );
            w += 3 * TAP;
        }
    }
    return all(sums, bias);
}

// Where the first layer's result of number `item` lies in the tile: column, row, vector. There are
// MIDDLE * (GROUP_X + 2) * (GROUP_Y + 1) of them, each of four rows.
fn place(item: u32) -> vec3<u32> {
    let across = GROUP_X + 2;
    let rest = item / across;
    return vec3<u32>(item % across, 4 * (rest % (GROUP_Y + 1)), rest / (GROUP_Y + 1));
}

fn keep(at: vec3<u32>, values: Four) {
    let across = GROUP_X + 2;
    let to = (4 * at.z * (GROUP_Y + 1) + at.y) * across + at.x;
    tile[to] = cut(values.a);
    tile[to + across] = cut(values.b);
    tile[to + 2 * across] = cut(values.c);
    tile[to + 3 * across] = cut(values.d);
}
