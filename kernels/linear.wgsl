// Linear layer: y[r, o] = activation(bias[o] + sum over i of x[r, i] w[o, i]) + residual[r, o]; with GATED the outputs
// are values first and as many gates behind them, and y[r, o] = value[r, o] activation(gate[r, o]).
//
// Layouts, contiguous: x [rows, in], w [out, in] as PyTorch stores it; bias, residual and y as in store_output.wgsl.
//   in is a multiple of 2, and of 32 with Q8 and Q4. Packed weights: F16 two elements per word; Q8 four int8 per
//   word; Q4 eight 4-bit elements per word, stored plus 8; both times the scale of their block of 32 along in,
//   scales [out, in / 32] as f16, two per word.
// Bindings: 0 x, 1 w, then scales (Q8, Q4), bias (BIAS), residual (RESIDUAL), then y, then the sizes.
// Template: ROWS (1 to 8) and COLUMNS (must be 8), the tile of a thread, and OUTPUTS (elements of y in a row of the tile:
//   8, or 4 with GATED); WORKGROUP_SIZE (1 to 256); BIAS, RESIDUAL, CHANNELS, GATED, at most one of F16, Q8, Q4 and
//   at most one of SILU, GELU (0 or 1); BLOCKS (Q8 or Q4); AT_BIAS, AT_RESIDUAL, AT_Y (bindings).
// Register-tiled: each thread computes a tile of y, two elements along `in` per iteration. Tuned for software adapters:
// a large tile, because a load costs as much as several products; two elements, because more make the code too long;
// packed words are loaded again for each pair, because a nested loop costs more; and few shifts, which are slow.
// Workgroup memory: none. Features: none. Fallback: plain::linear on Packed::unpack.

//% include store_output.wgsl
//% include block_scale.wgsl

struct Sizes { rows: u32, outputs: u32, pairs: u32, area: u32 }

@group(0) @binding(0) var<storage, read_write> x: array<vec2f>;
//% if F16
@group(0) @binding(1) var<storage, read_write> w: array<u32>;
//% else
//% if BLOCKS
@group(0) @binding(1) var<storage, read_write> w: array<u32>;
@group(0) @binding(2) var<storage, read_write> scales: array<u32>;
//% else
@group(0) @binding(1) var<storage, read_write> w: array<vec2f>;
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

@compute @workgroup_size(<WORKGROUP_SIZE>)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let column = id.x * <OUTPUTS>u;
    let row = id.y * <ROWS>u;
    if column >= sizes.outputs {
        return;
    }
    // Rows and columns past the end repeat the last one, which is then stored several times.
//% for r in ROWS
    let x<r> = min(row + <r>u, sizes.rows - 1u) * sizes.pairs;
//% end
//% for c in OUTPUTS
    let column<c> = min(column + <c>u, sizes.outputs - 1u);
//% if GATED
    let column<4 + c> = sizes.outputs + column<c>;
//% end
//% end
//% for c in COLUMNS
    let start<c> = bias_of(column<c>);
//% for r in ROWS
    var sum<r>_<c> = start<c>;
//% end
//% end
//% if BLOCKS
    let blocks = sizes.pairs / 16u;
    for (var block = 0u; block < blocks; block++) {
//% for c in COLUMNS
        let scale<c> = block_scale(column<c> * blocks + block);
//% if Q8
        let w<c> = column<c> * 8u * blocks;
//% else
        let w<c> = column<c> * 4u * blocks;
//% end
//% end
        for (var i = 16u * block; i < 16u * block + 16u; i++) {
//% if Q8
            let second = i % 2u == 1u;
//% for c in COLUMNS
            let n<c> = unpack4x8snorm(w[w<c> + i / 2u]);
            let v<c> = select(n<c>.xy, n<c>.zw, second) * scale<c>;
//% end
//% else
            let shift = 8u * (i % 4u);
//% for c in COLUMNS
            let n<c> = w[w<c> + i / 4u] >> shift;
            // Signed integers convert to floats faster.
            let p<c> = vec2f(f32(i32(n<c> & 15u)), 0.0625 * f32(i32(n<c> & 240u)));
            let v<c> = (p<c> - 8.0) * scale<c>;
//% end
//% end
//% for r in ROWS
            let u<r> = x[x<r> + i];
//% for c in COLUMNS
            sum<r>_<c> += dot(u<r>, v<c>);
//% end
//% end
        }
    }
//% else
//% for c in COLUMNS
    let w<c> = column<c> * sizes.pairs;
//% end
    for (var i = 0u; i < sizes.pairs; i++) {
//% for c in COLUMNS
//% if F16
        let v<c> = unpack2x16float(w[w<c> + i]);
//% else
        let v<c> = w[w<c> + i];
//% end
//% end
//% for r in ROWS
        let u<r> = x[x<r> + i];
//% for c in COLUMNS
        sum<r>_<c> += dot(u<r>, v<c>);
//% end
//% end
    }
//% end
    let step = column_step();
//% for r in ROWS
    let out<r> = row_start(min(row + <r>u, sizes.rows - 1u));
//% for c in OUTPUTS
//% if GATED
    store_output(out<r> + column<c> * step, sum<r>_<c>, sum<r>_<4 + c>);
//% else
    store_output(out<r> + column<c> * step, sum<r>_<c>, 0.0);
//% end
//% end
//% end
}
