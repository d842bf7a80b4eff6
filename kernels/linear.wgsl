// Linear layer: y[r, o] = activation(bias[o] + sum over i of x[r, i] w[o, i]) + residual[r, o].
//
// Layouts, contiguous: x [rows, in], w [out, in] as PyTorch stores it, bias [out], residual and y
//   [rows, out]. in is a multiple of 4, and of 32 with Q8 and Q4. Packed weights: F16 two numbers a word;
//   Q8 four int8 a word; Q4 eight numbers of 4 bits a word, plus 8; both times the scale of their block of
//   32 along in, scales [out, in / 32] as f16, two a word.
// Bindings: 0 x, 1 w, then scales (Q8, Q4), bias (BIAS), residual (RESIDUAL), then y, then the sizes.
// Template: ROWS and COLUMNS (the tile of a thread, 1 to 8 each), WIDTH (invocations of a workgroup, 1 to
//   256); BIAS, RESIDUAL, at most one of F16, Q8, Q4 and at most one of SILU, GELU (0 or 1); BLOCKS (Q8 or
//   Q4); AT_BIAS, AT_RESIDUAL, AT_Y (bindings).
// A thread makes a tile of y and reads four numbers at once along `in`. Workgroup memory: none. Features:
// none. Needs activation.wgsl. Without it: plain::linear, on what Packed::unpack gives.

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
fn scale_of(block: u32) -> f32 {
    let pair = unpack2x16float(scales[block / 2u]);
    return select(pair.x, pair.y, block % 2u == 1u);
}

//% end
@compute @workgroup_size(<WIDTH>)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let column = id.x * <COLUMNS>u;
    let row = id.y * <ROWS>u;
    if column >= sizes.outputs {
        return;
    }
    // The last row and column stand for those behind them, which are not written.
//% for r in ROWS
    let x<r> = min(row + <r>u, sizes.rows - 1u) * sizes.quads;
//% end
//% for c in COLUMNS
    let column<c> = min(column + <c>u, sizes.outputs - 1u);
    let w<c> = column<c> * sizes.quads;
//% for r in ROWS
//% if BIAS
    var sum<r>_<c> = bias[column<c>];
//% else
    var sum<r>_<c> = 0.0;
//% end
//% end
//% end
//% if BLOCKS
    for (var block = 0u; block < sizes.quads / 8u; block++) {
//% for c in COLUMNS
        let scale<c> = scale_of(w<c> / 8u + block);
//% end
//% if Q8
        for (var i = 8u * block; i < 8u * block + 8u; i++) {
//% for c in COLUMNS
            let v<c> = unpack4x8snorm(w[w<c> + i]) * (127.0 * scale<c>);
//% end
//% for r in ROWS
            let u<r> = x[x<r> + i];
//% for c in COLUMNS
            sum<r>_<c> += dot(u<r>, v<c>);
//% end
//% end
        }
//% else
        for (var i = 4u * block; i < 4u * block + 4u; i++) {
//% for c in COLUMNS
            let n<c> = w[w<c> / 2u + i];
            let even<c> = unpack4x8unorm(n<c> & 0x0f0f0f0fu) * (255.0 * scale<c>) - 8.0 * scale<c>;
            let odd<c> = unpack4x8unorm((n<c> >> 4u) & 0x0f0f0f0fu) * (255.0 * scale<c>) - 8.0 * scale<c>;
//% end
//% for r in ROWS
            let a<r> = x[x<r> + 2u * i];
            let b<r> = x[x<r> + 2u * i + 1u];
            let u<r> = vec4f(a<r>.xz, b<r>.xz);
            let t<r> = vec4f(a<r>.yw, b<r>.yw);
//% for c in COLUMNS
            sum<r>_<c> += dot(u<r>, even<c>) + dot(t<r>, odd<c>);
//% end
//% end
        }
//% end
    }
//% else
    for (var i = 0u; i < sizes.quads; i++) {
//% for c in COLUMNS
//% if F16
        let n<c> = w[w<c> + i];
        let v<c> = vec4f(unpack2x16float(n<c>.x), unpack2x16float(n<c>.y));
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
//% for r in ROWS
    if row + <r>u < sizes.rows {
//% for c in COLUMNS
        if column + <c>u < sizes.outputs {
            let out<c> = (row + <r>u) * sizes.outputs + column + <c>u;
//% if RESIDUAL
            y[out<c>] = activation(sum<r>_<c>) + residual[out<c>];
//% else
            y[out<c>] = activation(sum<r>_<c>);
//% end
        }
//% end
    }
//% end
}
