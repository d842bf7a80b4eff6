// The outputs of Winograd's F(4x4, 3x3), last of four kernels (winograd_input.wgsl has more):
//
//   y[n, o, 4 r + a, 4 c + b] = (A m[., o, t] A^T)[a, b] + bias[o] + shift[n, o] + residual[n, o, 4 r + a, 4 c + b]
//
//   A = 1   1    1    1    1   0
//       0   s   -s   2s  -2s   0     s^2 = 1/2
//       0  1/2  1/2   2    2   0
//       0  s/2 -s/2  4s  -4s   1
//
// Layouts, contiguous: m [36, out_room, room], bias [out], shift [batch, out], residual and y [batch, out, rows,
//   columns], tiles t as in the first kernel.
// Bindings: 0 m, then bias (BIAS), shift (SHIFT), residual (RESIDUAL), then y, then the sizes.
// Template: FOUR, SIX (4, 6), WORKGROUP_SIZE (1 to 256); BIAS, SHIFT, RESIDUAL (0 or 1);
//   AT_BIAS, AT_SHIFT, AT_RESIDUAL, AT_Y (bindings).
// One thread per tile and channel. Workgroup memory: none. Features: none. Fallback for the four kernels: conv2d.wgsl.

struct Sizes {
    outputs: u32, out_room: u32, rows: u32, columns: u32,
    tile_rows: u32, tile_columns: u32, tiles: u32, room: u32,
}

@group(0) @binding(0) var<storage, read_write> m: array<f32>;
//% if BIAS
@group(0) @binding(<AT_BIAS>) var<storage, read_write> bias: array<f32>;
//% end
//% if SHIFT
@group(0) @binding(<AT_SHIFT>) var<storage, read_write> shift: array<f32>;
//% end
//% if RESIDUAL
@group(0) @binding(<AT_RESIDUAL>) var<storage, read_write> residual: array<f32>;
//% end
@group(0) @binding(<AT_Y>) var<storage, read_write> y: array<f32>;
@group(0) @binding(<1 + AT_Y>) var<uniform> sizes: Sizes;

const s = 0.70710678118654752;

@compute @workgroup_size(<WORKGROUP_SIZE>)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let tile = id.x;
    if tile >= sizes.tiles {
        return;
    }
    let each = sizes.tile_rows * sizes.tile_columns;
    let image = tile / each;
    let place = tile % each;
    let row = place / sizes.tile_columns * 4u;
    let column = place % sizes.tile_columns * 4u;
    let step = sizes.out_room * sizes.room;
    let first = id.y * sizes.room + tile;
//% for b in SIX
    let m<b>_0 = m[first + <b>u * step];
    let m<b>_1 = m[first + (6u + <b>u) * step];
    let m<b>_2 = m[first + (12u + <b>u) * step];
    let m<b>_3 = m[first + (18u + <b>u) * step];
    let m<b>_4 = m[first + (24u + <b>u) * step];
    let m<b>_5 = m[first + (30u + <b>u) * step];
    let p<b> = m<b>_1 + m<b>_2;
    let q<b> = m<b>_3 + m<b>_4;
    let d<b> = s * (m<b>_1 - m<b>_2);
    let e<b> = s * (m<b>_3 - m<b>_4);
    let n0_<b> = m<b>_0 + p<b> + q<b>;
    let n1_<b> = d<b> + 2.0 * e<b>;
    let n2_<b> = 0.5 * p<b> + 2.0 * q<b>;
    let n3_<b> = 0.5 * d<b> + 4.0 * e<b> + m<b>_5;
//% end
    var start = 0.0;
//% if BIAS
    start += bias[id.y];
//% end
//% if SHIFT
    start += shift[image * sizes.outputs + id.y];
//% end
    let out = ((image * sizes.outputs + id.y) * sizes.rows + row) * sizes.columns + column;
//% for a in FOUR
    let f<a> = n<a>_1 + n<a>_2;
    let g<a> = n<a>_3 + n<a>_4;
    let h<a> = s * (n<a>_1 - n<a>_2);
    let l<a> = s * (n<a>_3 - n<a>_4);
    let y<a>_0 = n<a>_0 + f<a> + g<a>;
    let y<a>_1 = h<a> + 2.0 * l<a>;
    let y<a>_2 = 0.5 * f<a> + 2.0 * g<a>;
    let y<a>_3 = 0.5 * h<a> + 4.0 * l<a> + n<a>_5;
//% for b in FOUR
    if row + <a>u < sizes.rows && column + <b>u < sizes.columns {
        let at = out + <a>u * sizes.columns + <b>u;
//% if RESIDUAL
        y[at] = start + y<a>_<b> + residual[at];
//% else
        y[at] = start + y<a>_<b>;
//% end
    }
//% end
//% end
}
