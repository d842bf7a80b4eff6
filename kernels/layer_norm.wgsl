// Layer normalisation: y[r, i] = (x[r, i] - mean[r]) / sqrt(variance[r] + eps) scale[i] + shift[i].
//
// Layouts, contiguous: x and y [rows, width], scale and shift [width]. width is a multiple of 4.
// Bindings: 0 x, 1 scale, 2 shift, 3 y, 4 the sizes.
// Template: WORKGROUP_SIZE (1 to 256, a power of two with TREE); at most one of SUBGROUPS and TREE, the kind of reduction,
//   and SHARED, which is 1 with one of them (0 or 1).
// One thread per row; with SHARED one workgroup per row, which suits GPUs. Workgroup memory: none, with SHARED
// 4 WORKGROUP_SIZE bytes. Features: subgroups with SUBGROUPS, else none; without it: TREE.
// Where the self-test fails: plain::layer_norm.

//% if SHARED
//% include workgroup_reduction.wgsl
//% end

struct Sizes { rows: u32, quads: u32, eps: f32, unused: u32 }

@group(0) @binding(0) var<storage, read_write> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> scale: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> shift: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform> sizes: Sizes;

@compute @workgroup_size(<WORKGROUP_SIZE>)
//% if SHARED
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
    let stride = <WORKGROUP_SIZE>u;
//% else
fn main(@builtin(global_invocation_id) id: vec3u) {
    let lane = 0u;
    let stride = 1u;
    if id.x >= sizes.rows {
        return;
    }
//% end
    let start = id.x * sizes.quads;
    var part = vec4f();
    for (var i = lane; i < sizes.quads; i += stride) {
        part += x[start + i];
    }
    var sum = dot(part, vec4f(1.0));
//% if SHARED
    sum = workgroup_sum(sum, lane);
//% end
    let mean = sum / f32(4u * sizes.quads);
    var squares = 0.0;
    for (var i = lane; i < sizes.quads; i += stride) {
        let centred = x[start + i] - mean;
        squares += dot(centred, centred);
    }
//% if SHARED
    squares = workgroup_sum(squares, lane);
//% end
    let factor = inverseSqrt(squares / f32(4u * sizes.quads) + sizes.eps);
    for (var i = lane; i < sizes.quads; i += stride) {
        y[start + i] = (x[start + i] - mean) * factor * scale[i] + shift[i];
    }
}
