// Linear layer for GPUs: the same function, layouts, bindings and packed weights as linear.wgsl, whose header
// describes them; in is a multiple of 4.
//
// Template: WORKGROUP_SIZE (must be 256); F16_TILES (0 or 1, the element type of tiles); DEPTH (vec4s in a row of a tile:
//   4, or 8 with F16_TILES) and LOADS (DEPTH / 4); BIAS, RESIDUAL, CHANNELS, GATED, OUTPUTS, F16, Q8, Q4, BLOCKS,
//   SILU, GELU and the bindings as there.
// Shared-memory-tiled: a workgroup computes 64 by 64 sums, each thread 4 by 4 of them with a stride of 16; with GATED the
// first half of the columns are values and the second half their gates. Elements of x and w are unpacked once into
// workgroup memory, 4 DEPTH along `in` per iteration. With F16_TILES they are stored as f16, clamped to 65,504; products
// and sums are f32 in any case. Workgroup memory: 10,240 bytes, with F16_TILES 9,216; rows are padded by one vec4 against
// bank conflicts. Features: shader-f16 with F16_TILES, else none; without it: F16_TILES 0. Where workgroup memory is slow:
// linear.wgsl.

//% include store_output.wgsl
//% include block_scale.wgsl
//% include unpack.wgsl
//% include tile.wgsl

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

// Stride between the rows of a tile, in vec4s.
const PITCH = <1 + DEPTH>u;

var<workgroup> x_tile: array<TileVec4, 64u * PITCH>;
var<workgroup> w_tile: array<TileVec4, 64u * PITCH>;

@compute @workgroup_size(<WORKGROUP_SIZE>)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
    let first_row = id.y * 64u;
    let first_column = id.x * 8u * <OUTPUTS>u;
    let tx = lane % 16u;
    let ty = lane / 16u;
    // The vec4s of x and w that this thread loads.
    let load = lane / <DEPTH>u;
    let part = lane % <DEPTH>u;
//% for j in LOADS
    let load<j> = load + <WORKGROUP_SIZE>u / <DEPTH>u * <j>u;
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
        var x_vec4<j> = vec4f();
        var w_vec4<j> = vec4f();
        if quad < sizes.quads {
            x_vec4<j> = x[x_row<j> + quad];
            w_vec4<j> = unpack_weights(w_row<j> + quad);
//% if BLOCKS
            w_vec4<j> *= block_scale((w_row<j> + quad) / 8u);
//% end
        }
        x_tile[load<j> * PITCH + part] = to_tile_vec4(x_vec4<j>);
        w_tile[load<j> * PITCH + part] = to_tile_vec4(w_vec4<j>);
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
        store_output(out<r> + end<c> * step, sum<r>_<c> + bias_of(end<c>), gate<r>_<c>);
    }
//% end
//% else
//% for c in FOUR
    if row<r> < sizes.rows && end<c> < sizes.outputs {
        store_output(out<r> + end<c> * step, sum<r>_<c> + bias_of(end<c>), 0.0);
    }
//% end
//% end
//% end
}
