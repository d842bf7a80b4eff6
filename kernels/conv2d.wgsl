// Two-dimensional convolution as implicit GEMM in registers.
//
//   y[n, o, r, c] = bias[o] + sum over i, a, b of
//                   x[n, i, r stride_r + a dilation_r - padding_r, c stride_c + b dilation_c - padding_c] w[a, b, i, o]
//
// with zeros outside of x. A one-dimensional convolution is one with a single row.
//
// Layouts, contiguous: x [batch, in, rows, columns], w [kernel rows, kernel columns, in, out],
//   bias [out], y [batch, out, out rows, out columns]. out is a multiple of 4.
// Bindings: 0 x, 1 w, 2 bias (with BIAS), then y, then the sizes.
// Template: PIXELS (outputs of a thread, 1 to 8), QUADS (fours of channels of a thread, 1 or 2),
//   WIDTH (invocations of a workgroup, 1 to 256), BIAS (0 or 1).
// A thread makes PIXELS successive outputs of 4 QUADS channels: every value of x serves 4 QUADS products,
// every value of w serves PIXELS. Workgroup memory: none. Features: none. Without it: plain::conv2d.

struct Sizes {
    batch: u32, inputs: u32, rows: u32, columns: u32,
    outputs: u32, out_rows: u32, out_columns: u32, kernel_rows: u32,
    kernel_columns: u32, stride_rows: u32, stride_columns: u32, padding_rows: u32,
    padding_columns: u32, dilation_rows: u32, dilation_columns: u32, unused: u32,
}

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> w: array<vec4f>;
//% if BIAS
@group(0) @binding(2) var<storage, read_write> bias: array<vec4f>;
//% end
@group(0) @binding(<2 + BIAS>) var<storage, read_write> y: array<f32>;
@group(0) @binding(<3 + BIAS>) var<uniform> sizes: Sizes;

@compute @workgroup_size(<WIDTH>)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let pixels = sizes.out_rows * sizes.out_columns;
    let first = id.x * <PIXELS>u;
    if first >= pixels {
        return;
    }
    let quads = sizes.outputs / 4u;
    let quad = id.y * <QUADS>u;
    let area = sizes.rows * sizes.columns;
    let image = id.z * sizes.inputs * area;
//% for q in QUADS
    // The last quad stands for those behind it, which are not written.
    let quad<q> = min(quad + <q>u, quads - 1u);
//% end
//% for p in PIXELS
    let row<p> = i32((first + <p>u) / sizes.out_columns * sizes.stride_rows) - i32(sizes.padding_rows);
    let column<p> = i32((first + <p>u) % sizes.out_columns * sizes.stride_columns) - i32(sizes.padding_columns);
//% for q in QUADS
//% if BIAS
    var sum<p>_<q> = bias[quad<q>];
//% else
    var sum<p>_<q> = vec4f();
//% end
//% end
//% end

    var tap = 0u;
    for (var a = 0u; a < sizes.kernel_rows; a++) {
        for (var b = 0u; b < sizes.kernel_columns; b++) {
            let down = i32(a * sizes.dilation_rows);
            let right = i32(b * sizes.dilation_columns);
//% for p in PIXELS
            // Negative places become large ones.
            let inside<p> = first + <p>u < pixels
                && u32(row<p> + down) < sizes.rows && u32(column<p> + right) < sizes.columns;
            let keep<p> = select(0.0, 1.0, inside<p>);
            let place<p> = u32(row<p> + down) * sizes.columns + u32(column<p> + right);
            var at<p> = image + select(0u, place<p>, inside<p>);
//% end
            for (var i = 0u; i < sizes.inputs; i++) {
//% for q in QUADS
                let w<q> = w[tap + quad<q>];
//% end
                tap += quads;
//% for p in PIXELS
                let x<p> = x[at<p>] * keep<p>;
                at<p> += area;
//% for q in QUADS
                sum<p>_<q> += x<p> * w<q>;
//% end
//% end
            }
        }
    }

//% for q in QUADS
    if quad + <q>u < quads {
        let out = (id.z * sizes.outputs + 4u * quad<q>) * pixels + first;
//% for p in PIXELS
        if first + <p>u < pixels {
            y[out + <p>u] = sum<p>_<q>.x;
            y[out + pixels + <p>u] = sum<p>_<q>.y;
            y[out + 2u * pixels + <p>u] = sum<p>_<q>.z;
            y[out + 3u * pixels + <p>u] = sum<p>_<q>.w;
        }
//% end
    }
//% end
}
