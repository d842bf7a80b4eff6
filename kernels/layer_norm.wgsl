// Layer normalisation: y[r, i] = (x[r, i] - mean[r]) / sqrt(variance[r] + eps) scale[i] + shift[i].
//
// Layouts, contiguous: x and y [rows, width], scale and shift [width]. width is a multiple of 4.
// Bindings: 0 x, 1 scale, 2 shift, 3 y, 4 the sizes.
// Template: WIDTH (invocations of a workgroup, 1 to 256).
// A thread makes a row. Workgroup memory: none. Features: none. Without it: plain::layer_norm.

struct Sizes { rows: u32, quads: u32, eps: f32, unused: u32 }

@group(0) @binding(0) var<storage, read_write> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> scale: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> shift: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform> sizes: Sizes;

@compute @workgroup_size(<WIDTH>)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= sizes.rows {
        return;
    }
    let start = id.x * sizes.quads;
    var sum = vec4f();
    for (var i = 0u; i < sizes.quads; i++) {
        sum += x[start + i];
    }
    let mean = dot(sum, vec4f(1.0)) / f32(4u * sizes.quads);
    var squares = 0.0;
    for (var i = 0u; i < sizes.quads; i++) {
        let centred = x[start + i] - mean;
        squares += dot(centred, centred);
    }
    let factor = inverseSqrt(squares / f32(4u * sizes.quads) + sizes.eps);
    for (var i = 0u; i < sizes.quads; i++) {
        y[start + i] = (x[start + i] - mean) * factor * scale[i] + shift[i];
    }
}
