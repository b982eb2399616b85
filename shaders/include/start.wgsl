// The first layer, from luma: four pixels from (x, y) of the picture down, for one vector of outputs. Beyond
// the picture its edge is repeated. It stays in 32 bits: a tenth of the work, and all that follows builds on it.

fn start(x: i32, y: i32, vector: u32, outputs: u32) -> Four {
    let bias = numbers(9 * outputs + vector);
    var sums = Four(bias, bias, bias, bias);
    for (var column = 0; column < 3; column++) {
        let at = x + column - 1;
        let p0 = pixel(luma, at, y - 1);
        let p1 = pixel(luma, at, y);
        let p2 = pixel(luma, at, y + 1);
        let p3 = pixel(luma, at, y + 2);
        let p4 = pixel(luma, at, y + 3);
        let p5 = pixel(luma, at, y + 4);
        let w = 9 * vector + 3 * u32(column);
        let top = numbers(w);
        let middle = numbers(w + 1);
        let bottom = numbers(w + 2);
        sums.a += top * p0 + middle * p1 + bottom * p2;
        sums.b += top * p1 + middle * p2 + bottom * p3;
        sums.c += top * p2 + middle * p3 + bottom * p4;
        sums.d += top * p3 + middle * p4 + bottom * p5;
    }
    return sums;
}
