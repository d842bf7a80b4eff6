// Linear layer: y[r, o] = bias[o] + sum over i of x[r, i] w[o, i].
//
// Layouts, contiguous: x [rows, in], w [out, in] as PyTorch stores it, bias [out], y [rows, out]. in is a
//   multiple of 4.
// Bindings: 0 x, 1 w, 2 bias (with BIAS), then y, then the sizes.
// Template: ROWS and COLUMNS (the tile of a thread, 1 to 8 each), WIDTH (invocations of a workgroup, 1 to
//   256), BIAS (0 or 1).
// A thread makes a tile of y and reads four numbers at once along `in`. Workgroup memory: none. Features:
// none. Without it: plain::linear.

struct Sizes { rows: u32, outputs: u32, quads: u32, unused: u32 }

@group(0) @binding(0) var<storage, read_write> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> w: array<vec4f>;
//% if BIAS
@group(0) @binding(2) var<storage, read_write> bias: array<f32>;
//% end
@group(0) @binding(<2 + BIAS>) var<storage, read_write> y: array<f32>;
@group(0) @binding(<3 + BIAS>) var<uniform> sizes: Sizes;

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
    for (var i = 0u; i < sizes.quads; i++) {
//% for c in COLUMNS
        let v<c> = w[w<c> + i];
//% end
//% for r in ROWS
        let u<r> = x[x<r> + i];
//% for c in COLUMNS
        sum<r>_<c> += dot(u<r>, v<c>);
//% end
//% end
    }
//% for r in ROWS
    if row + <r>u < sizes.rows {
//% for c in COLUMNS
        if column + <c>u < sizes.outputs {
            y[(row + <r>u) * sizes.outputs + column + <c>u] = sum<r>_<c>;
        }
//% end
    }
//% end
}
