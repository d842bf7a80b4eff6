// Two-dimensional convolution as implicit GEMM in registers.
//
//   y[n, o, r, c] = bias[o] + shift[n, o] + residual[n, o, r, c] + sum over i, a, b of
//                   x[n, i, r stride_r + a dilation_r - padding_r, c stride_c + b dilation_c - padding_c] w[a, b, i, o]
//
// with zeros outside of x. A one-dimensional convolution is one with a single row.
//
// Layouts, contiguous: x [batch, in, rows, columns], w [kernel rows, kernel columns, in, out], bias [out],
//   shift [batch, out], residual and y [batch, out, out rows, out columns]. out is a multiple of 4.
//   Packed weights, four outputs in a vec4: F16 two words; Q8 one word of int8; Q4 half a word of 4 bits each,
//   stored plus 8; both times scales [in kernel rows kernel columns / 32, out], whose blocks run along (in, kernel
//   rows, kernel columns) in PyTorch's order; for Q8 they are 127 times as large.
// Bindings: 0 x, 1 w, then scales (Q8, Q4), bias (BIAS), shift (SHIFT), residual (RESIDUAL), then y, then the
//   sizes.
// Template: PIXELS (outputs per thread, 1 to 8), QUADS (vec4s of channels per thread, 1 or 2), WORKGROUP_SIZE (1 to 256);
//   BIAS, SHIFT, RESIDUAL and at most one of F16, Q8, Q4 (0 or 1); BLOCKS (Q8 or Q4); AT_BIAS, AT_SHIFT, AT_RESIDUAL,
//   AT_Y (bindings).
// Register-tiled: each thread computes PIXELS successive outputs of 4 QUADS channels, so that a load of x serves 4 QUADS
// products and a load of w serves PIXELS. Workgroup memory: none. Features: none.
// Fallback: plain::conv2d on Packed::unpack.

//% include unpack.wgsl

struct Sizes {
    inputs: u32, rows: u32, columns: u32, outputs: u32,
    out_rows: u32, out_columns: u32, kernel_rows: u32, kernel_columns: u32,
    stride_rows: u32, stride_columns: u32, padding_rows: u32, padding_columns: u32,
    dilation_rows: u32, dilation_columns: u32,
}

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
//% if F16
@group(0) @binding(1) var<storage, read_write> w: array<vec2u>;
//% else
//% if BLOCKS
@group(0) @binding(1) var<storage, read_write> w: array<u32>;
@group(0) @binding(2) var<storage, read_write> scales: array<vec4f>;
//% else
@group(0) @binding(1) var<storage, read_write> w: array<vec4f>;
//% end
//% end
//% if BIAS
@group(0) @binding(<AT_BIAS>) var<storage, read_write> bias: array<vec4f>;
//% end
//% if SHIFT
@group(0) @binding(<AT_SHIFT>) var<storage, read_write> shift: array<vec4f>;
//% end
//% if RESIDUAL
@group(0) @binding(<AT_RESIDUAL>) var<storage, read_write> residual: array<f32>;
//% end
@group(0) @binding(<AT_Y>) var<storage, read_write> y: array<f32>;
@group(0) @binding(<1 + AT_Y>) var<uniform> sizes: Sizes;

@compute @workgroup_size(<WORKGROUP_SIZE>)
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
    let taps = sizes.kernel_rows * sizes.kernel_columns;
//% for q in QUADS
    // Quads past the end repeat the last one and are not stored.
    let quad<q> = min(quad + <q>u, quads - 1u);
//% if BIAS
    var start<q> = bias[quad<q>];
//% else
    var start<q> = vec4f();
//% end
//% if SHIFT
    start<q> += shift[id.z * quads + quad<q>];
//% end
//% end
//% for p in PIXELS
    let row<p> = i32((first + <p>u) / sizes.out_columns * sizes.stride_rows) - i32(sizes.padding_rows);
    let column<p> = i32((first + <p>u) % sizes.out_columns * sizes.stride_columns) - i32(sizes.padding_columns);
//% for q in QUADS
    var sum<p>_<q> = start<q>;
//% end
//% end

    var tap = 0u;
    for (var a = 0u; a < sizes.kernel_rows; a++) {
        for (var b = 0u; b < sizes.kernel_columns; b++) {
            let down = i32(a * sizes.dilation_rows);
            let right = i32(b * sizes.dilation_columns);
//% for p in PIXELS
            // Negative indices wrap to large ones.
            let inside<p> = first + <p>u < pixels
                && u32(row<p> + down) < sizes.rows && u32(column<p> + right) < sizes.columns;
            let keep<p> = select(0.0, 1.0, inside<p>);
            let place<p> = u32(row<p> + down) * sizes.columns + u32(column<p> + right);
            var at<p> = image + select(0u, place<p>, inside<p>);
//% end
            var place = tap * sizes.inputs * quads;
            for (var i = 0u; i < sizes.inputs; i++) {
//% if BLOCKS
                let block = (i * taps + tap) / 32u * quads;
//% end
//% for q in QUADS
//% if BLOCKS
                let w<q> = unpack_weights(place + quad<q>) * scales[block + quad<q>];
//% else
                let w<q> = unpack_weights(place + quad<q>);
//% end
//% end
                place += quads;
//% for p in PIXELS
                let x<p> = x[at<p>] * keep<p>;
                at<p> += area;
//% for q in QUADS
                sum<p>_<q> += x<p> * w<q>;
//% end
//% end
            }
            tap += 1u;
        }
    }

//% for q in QUADS
    if quad + <q>u < quads {
        let out = (id.z * sizes.outputs + 4u * quad<q>) * pixels + first;
//% for p in PIXELS
        if first + <p>u < pixels {
//% if RESIDUAL
            y[out + <p>u] = sum<p>_<q>.x + residual[out + <p>u];
            y[out + pixels + <p>u] = sum<p>_<q>.y + residual[out + pixels + <p>u];
            y[out + 2u * pixels + <p>u] = sum<p>_<q>.z + residual[out + 2u * pixels + <p>u];
            y[out + 3u * pixels + <p>u] = sum<p>_<q>.w + residual[out + 3u * pixels + <p>u];
//% else
            y[out + <p>u] = sum<p>_<q>.x;
            y[out + pixels + <p>u] = sum<p>_<q>.y;
            y[out + 2u * pixels + <p>u] = sum<p>_<q>.z;
            y[out + 3u * pixels + <p>u] = sum<p>_<q>.w;
//% end
        }
//% end
    }
//% end
}
