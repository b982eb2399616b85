// One picture, or the difference of two, drawn into its place in the window.
//
// egui's own shader would do for one, but a software adapter runs both sides of each of its branches for every
// pixel: this takes a fourth of the time there.

struct Part {
    // The part of the picture that is seen, in shares of it: its top left corner, and its size.
    corner: vec2<f32>,
    size: vec2<f32>,
    // What a difference is multiplied with, and what it is added to: 0, or the grey that stands for none.
    gain: f32,
    zero: f32,
    // 1: only luma.
    luma: f32,
    unused: f32,
}

@group(0) @binding(0) var<uniform> part: Part;
@group(0) @binding(1) var picture: texture_2d<f32>;
@group(0) @binding(2) var picture_sampler: sampler;
@group(0) @binding(3) var other: texture_2d<f32>;

struct Vertex {
    @builtin(position) position: vec4<f32>,
    @location(0) uv: vec2<f32>,
}

// A strip of two triangles over the whole viewport, which is the picture's place.
@vertex
fn corners(@builtin(vertex_index) index: u32) -> Vertex {
    let share = vec2<f32>(f32(index & 1u), f32(index >> 1u));
    var out: Vertex;
    out.position = vec4<f32>(2.0 * share.x - 1.0, 1.0 - 2.0 * share.y, 0.0, 1.0);
    out.uv = part.corner + share * part.size;
    return out;
}

// The picture at a pixel of the window. Where that pixel covers many of the picture's, one sample would leave most of
// them out, and fine detail would break into false patterns: then it is the mean of samples at corners of the
// picture's pixels, each of which is the mean of four.
fn seen(view: texture_2d<f32>, uv: vec2<f32>, pixel: vec2<f32>) -> vec3<f32> {
    let one = textureSample(view, picture_sampler, uv).rgb;
    let size = vec2<f32>(textureDimensions(view));
    let n = clamp(ceil(0.5 * pixel * size - 0.3), vec2<f32>(1.0), vec2<f32>(4.0));
    if n.x * n.y < 1.5 {
        return one;
    }
    let corner = round(uv * size - n) + 1.0;
    var sum = vec3<f32>(0.0);
    for (var y = 0.0; y < n.y; y += 1.0) {
        for (var x = 0.0; x < n.x; x += 1.0) {
            // Not level 0: there a sampler that magnifies by the nearest pixel would take but one of the four.
            let at = (corner + 2.0 * vec2<f32>(x, y)) / size;
            sum += textureSampleLevel(view, picture_sampler, at, 1.0).rgb;
        }
    }
    return sum / (n.x * n.y);
}

// What a pixel of the window covers of the picture, in shares of it.
fn covered(uv: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(abs(dpdx(uv.x)), abs(dpdy(uv.y)));
}

// A window whose format encodes what is written gets linear light (IEC 61966-2-1).
fn light(rgb: vec3<f32>) -> vec4<f32> {
    let high = pow((rgb + 0.055) / 1.055, vec3<f32>(2.4));
    return vec4<f32>(select(high, rgb / 12.92, rgb <= vec3<f32>(0.04045)), 1.0);
}

// What the second picture has that the first has not, in R'G'B'; luma by BT.601.
fn difference(uv: vec2<f32>) -> vec3<f32> {
    let pixel = covered(uv);
    let more = seen(other, uv, pixel) - seen(picture, uv, pixel);
    let grey = dot(more, vec3<f32>(0.299, 0.587, 0.114));
    let shown = mix(more, vec3<f32>(grey), part.luma) * part.gain;
    // Signed about the grey, or its size from black on.
    return clamp(select(abs(shown), part.zero + shown * 0.5, part.zero > 0.0), vec3<f32>(0.0), vec3<f32>(1.0));
}

// The window's format takes R'G'B' as it is.
@fragment
fn as_it_is(in: Vertex) -> @location(0) vec4<f32> {
    return vec4<f32>(seen(picture, in.uv, covered(in.uv)), 1.0);
}

@fragment
fn as_light(in: Vertex) -> @location(0) vec4<f32> {
    return light(seen(picture, in.uv, covered(in.uv)));
}

@fragment
fn difference_as_it_is(in: Vertex) -> @location(0) vec4<f32> {
    return vec4<f32>(difference(in.uv), 1.0);
}

@fragment
fn difference_as_light(in: Vertex) -> @location(0) vec4<f32> {
    return light(difference(in.uv));
}
