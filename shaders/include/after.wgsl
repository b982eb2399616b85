// Features that a layer writes.

@group(0) @binding(6) var<storage, read_write> after: array<Vector>;

// Four pixels from `at` down, of one vector, as far as they lie within the features' size.
fn store(at: vec2<u32>, size: vec2<u32>, vector: u32, values: Four) {
    let to = (vector * size.y + at.y) * size.x + at.x;
    after[to] = cut(values.a);
    if at.y + 1 < size.y {
        after[to + size.x] = cut(values.b);
    }
    if at.y + 2 < size.y {
        after[to + 2 * size.x] = cut(values.c);
    }
    if at.y + 3 < size.y {
        after[to + 3 * size.x] = cut(values.d);
    }
}
