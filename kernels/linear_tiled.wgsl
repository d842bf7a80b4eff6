// Linear layer for GPUs: the same function, layouts, bindings and packed weights as linear.wgsl, whose head
// describes them; in is a multiple of 4.
//
// Template: WIDTH (must be 256); HALF (0 or 1, what tiles hold); DEPTH (fours of a row of a tile: 4, or 8 with
//   HALF) and LOADS (DEPTH / 4); BIAS, RESIDUAL, CHANNELS, GATED, OWN, F16, Q8, Q4, BLOCKS, SILU,
//   GELU and the bindings as there.
// A workgroup makes 64 by 64 sums, a thread 4 by 4 of them that lie 16 apart; with GATED the first half of the
// columns are values and the second their gates. Numbers of x and w are
// unpacked once into workgroup memory, 4 DEPTH along `in` at a time. With HALF they lie there as f16, at most
// 65,504 in size; products and sums are f32 in any case. Workgroup memory: 10,240 bytes, with HALF 9,216; the
// last four of a row stays empty, so that neighbours lie in different banks. Features: shader-f16 with HALF,
// else none; without it: HALF 0. Needs activation.wgsl, put.wgsl, scale.wgsl, unpack.wgsl and tile.wgsl. Where workgroup memory is
// slow: linear.wgsl.

struct Sizes { rows: u32, outputs: u32, quads: u32, area: u32 }

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

// Fours from one row of a tile to the next.
const PITCH = <1 + DEPTH>u;

var<workgroup> x_tile: array<Four, 64u * PITCH>;
var<workgroup> w_tile: array<Four, 64u * PITCH>;

@compute @workgroup_size(<WIDTH>)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
    let first_row = id.y * 64u;
    let first_column = id.x * 8u * <OWN>u;
    let tx = lane % 16u;
    let ty = lane / 16u;
    // What this thread loads: fours of rows of x and of w.
    let load = lane / <DEPTH>u;
    let part = lane % <DEPTH>u;
//% for j in LOADS
    let load<j> = load + <WIDTH>u / <DEPTH>u * <j>u;
    let x_row<j> = min(first_row + load<j>, sizes.rows - 1u) * sizes.quads;
//% if GATED
    let column<j> = min(first_column + load<j> % 32u, sizes.outputs - 1u) + load<j> / 32u * sizes.outputs;
//% else
    let column<j> = min(first_column + load<j>, sizes.outputs - 1u);
//% end
    let w_row<j> = column<j> * sizes.quads;
//% end
//% for r in FOUR
//% for c in FOUR
    var sum<r>_<c> = 0.0;
//% end
//% end
    for (var start = 0u; start < sizes.quads; start += <DEPTH>u) {
        let quad = start + part;
//% for j in LOADS
        var x_four<j> = vec4f();
        var w_four<j> = vec4f();
        if quad < sizes.quads {
            x_four<j> = x[x_row<j> + quad];
            w_four<j> = weights(w_row<j> + quad);
//% if BLOCKS
            w_four<j> *= scale_of((w_row<j> + quad) / 8u);
//% end
        }
        x_tile[load<j> * PITCH + part] = four(x_four<j>);
        w_tile[load<j> * PITCH + part] = four(w_four<j>);
//% end
        workgroupBarrier();
        for (var k = 0u; k < <DEPTH>u; k++) {
//% for c in FOUR
            let v<c> = vec4f(w_tile[(tx + 16u * <c>u) * PITCH + k]);
//% end
//% for r in FOUR
            let u<r> = vec4f(x_tile[(ty + 16u * <r>u) * PITCH + k]);
//% for c in FOUR
            sum<r>_<c> += dot(u<r>, v<c>);
//% end
//% end
        }
        workgroupBarrier();
    }
    let step = column_step();
//% for c in FOUR
    let end<c> = first_column + tx + 16u * <c>u;
//% end
//% for r in FOUR
    let row<r> = first_row + ty + 16u * <r>u;
    let out<r> = row_start(row<r>);
//% if GATED
//% for c in TWO
    if row<r> < sizes.rows && end<c> < sizes.outputs {
        let gate<r>_<c> = sum<r>_<2 + c> + bias_of(sizes.outputs + end<c>);
        put(out<r> + end<c> * step, sum<r>_<c> + bias_of(end<c>), gate<r>_<c>);
    }
//% end
//% else
//% for c in FOUR
    if row<r> < sizes.rows && end<c> < sizes.outputs {
        put(out<r> + end<c> * step, sum<r>_<c> + bias_of(end<c>), 0.0);
    }
//% end
//% end
//% end
}
