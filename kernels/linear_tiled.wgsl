// Linear layer for GPUs: the same function, layouts, bindings and packed weights as linear.wgsl, whose head
// describes them; in is a multiple of 4.
//
// Template: WIDTH (must be 256); BIAS, RESIDUAL, F16, Q8, Q4, BLOCKS, SILU, GELU and the bindings as there.
// A workgroup makes 64 by 64 numbers of y, a thread 4 by 4 of them that lie 16 apart. Numbers of x and w are
// unpacked once into workgroup memory, 16 along `in` at a time. Workgroup memory: 10,240 bytes; the fifth
// four of a row stays empty, so that neighbours lie in different banks. Features: none. Needs activation.wgsl and
// unpack.wgsl. Where workgroup memory is slow: linear.wgsl.

struct Sizes { rows: u32, outputs: u32, quads: u32, unused: u32 }

@group(0) @binding(0) var<storage, read_write> x: array<vec4f>;
//% if F16
@group(0) @binding(1) var<storage, read_write> w: array<vec2u>;
//% else
//% if BLOCKS
@group(0) @binding(1) var<storage, read_write> w: array<u32>;
@group(0) @binding(2) var<storage, read_write> scales: array<u32>;
//% else
@group(0) @binding(1) var<storage, read_write> w: array<vec4f>;
//% end
//% end
//% if BIAS
@group(0) @binding(<AT_BIAS>) var<storage, read_write> bias: array<f32>;
//% end
//% if RESIDUAL
@group(0) @binding(<AT_RESIDUAL>) var<storage, read_write> residual: array<f32>;
//% end
@group(0) @binding(<AT_Y>) var<storage, read_write> y: array<f32>;
@group(0) @binding(<1 + AT_Y>) var<uniform> sizes: Sizes;

//% if BLOCKS
// The scale of a block; for int8, of its 127th parts.
fn scale_of(block: u32) -> f32 {
    let pair = unpack2x16float(scales[block / 2u]);
//% if Q8
    return 127.0 * select(pair.x, pair.y, block % 2u == 1u);
//% else
    return select(pair.x, pair.y, block % 2u == 1u);
//% end
}

//% end
var<workgroup> x_tile: array<vec4f, 320>;
var<workgroup> w_tile: array<vec4f, 320>;

@compute @workgroup_size(<WIDTH>)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
    let first_row = id.y * 64u;
    let first_column = id.x * 64u;
    let tx = lane % 16u;
    let ty = lane / 16u;
    // What this thread loads: one four of a row of x and of a row of w.
    let load = lane / 4u;
    let part = lane % 4u;
    let slot = load * 5u + part;
    let x_row = min(first_row + load, sizes.rows - 1u) * sizes.quads;
    let w_row = min(first_column + load, sizes.outputs - 1u) * sizes.quads;
//% for r in FOUR
//% for c in FOUR
    var sum<r>_<c> = 0.0;
//% end
//% end
    for (var start = 0u; start < sizes.quads; start += 4u) {
        let quad = start + part;
        var x_four = vec4f();
        var w_four = vec4f();
        if quad < sizes.quads {
            x_four = x[x_row + quad];
            w_four = weights(w_row + quad);
//% if BLOCKS
            w_four *= scale_of((w_row + quad) / 8u);
//% end
        }
        x_tile[slot] = x_four;
        w_tile[slot] = w_four;
        workgroupBarrier();
        for (var k = 0u; k < 4u; k++) {
//% for c in FOUR
            let v<c> = w_tile[(tx + 16u * <c>u) * 5u + k];
//% end
//% for r in FOUR
            let u<r> = x_tile[(ty + 16u * <r>u) * 5u + k];
//% for c in FOUR
            sum<r>_<c> += dot(u<r>, v<c>);
//% end
//% end
        }
        workgroupBarrier();
    }
//% for r in FOUR
//% for c in FOUR
    put(first_row + ty + 16u * <r>u, first_column + tx + 16u * <c>u, sum<r>_<c>);
//% end
//% end
}

// Writes one number, where it belongs to y.
fn put(row: u32, column: u32, sum: f32) {
    if row >= sizes.rows || column >= sizes.outputs {
        return;
    }
    let out = row * sizes.outputs + column;
    var value = sum;
//% if BIAS
    value += bias[column];
//% end
    value = activation(value);
//% if RESIDUAL
    value += residual[out];
//% end
    y[out] = value;
}
