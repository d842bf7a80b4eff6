// The inputs of a 3 by 3 convolution for Winograd's F(4x4, 3x3), first of four kernels: a tile of 6 by 6 inputs,
// which 4 by 4 outputs need, becomes the 36 factors that winograd_product.wgsl multiplies:
//
//   v[k, i, t] = (B d B^T)[k], d[a, b] = x[n, i, 4 r + a - 1, 4 c + b - 1], zeros outside of x
//
//   B = 1     0   -5/2    0   1  0
//       0   -2s    -2     s   1  0     s^2 = 1/2, the points being 0, s, -s, 2s, -2s and infinity: rounding is
//       0    2s    -2    -s   1  0     half as large as with 0, 1, -1, 2, -2 and infinity.
//       0    -s   -1/2   2s   1  0
//       0     s   -1/2  -2s   1  0
//       0     1     0  -5/2   0  1
//
// Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016.
//
// Layouts, contiguous: x [batch, in, rows, columns], v [36, in, room], where tile t = (n tile_rows + r)
//   tile_columns + c and room is the number of tiles rounded up. Elements past the last tile are not stored.
// Bindings: 0 x, 1 v, 2 the sizes.
// Template: SIX (6), WORKGROUP_SIZE (1 to 256).
// One thread per tile and channel. Workgroup memory: none. Features: none. Fallback for the four kernels: conv2d.wgsl.

struct Sizes {
    inputs: u32, rows: u32, columns: u32, tile_rows: u32,
    tile_columns: u32, tiles: u32, room: u32, unused: u32,
}

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> v: array<f32>;
@group(0) @binding(2) var<uniform> sizes: Sizes;

const s = 0.70710678118654752;

@compute @workgroup_size(<WORKGROUP_SIZE>)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let tile = id.x;
    if tile >= sizes.tiles {
        return;
    }
    let each = sizes.tile_rows * sizes.tile_columns;
    let place = tile % each;
    let plane = (tile / each * sizes.inputs + id.y) * sizes.rows;
    // -1 wraps to a large index.
    let row = place / sizes.tile_columns * 4u - 1u;
    let column = place % sizes.tile_columns * 4u - 1u;
//% for a in SIX
//% for b in SIX
    let inside<a>_<b> = row + <a>u < sizes.rows && column + <b>u < sizes.columns;
    let at<a>_<b> = (plane + row + <a>u) * sizes.columns + column + <b>u;
    let d<a>_<b> = select(0.0, x[select(0u, at<a>_<b>, inside<a>_<b>)], inside<a>_<b>);
//% end
    let p<a> = d<a>_4 - 2.0 * d<a>_2;
    let q<a> = s * (d<a>_3 - 2.0 * d<a>_1);
    let f<a> = d<a>_4 - 0.5 * d<a>_2;
    let g<a> = 2.0 * s * (d<a>_3 - 0.5 * d<a>_1);
    let e<a>_0 = d<a>_0 - 2.5 * d<a>_2 + d<a>_4;
    let e<a>_1 = p<a> + q<a>;
    let e<a>_2 = p<a> - q<a>;
    let e<a>_3 = f<a> + g<a>;
    let e<a>_4 = f<a> - g<a>;
    let e<a>_5 = d<a>_1 - 2.5 * d<a>_3 + d<a>_5;
//% end
    let step = sizes.inputs * sizes.room;
    let first = id.y * sizes.room + tile;
//% for b in SIX
    let r<b> = e4_<b> - 2.0 * e2_<b>;
    let t<b> = s * (e3_<b> - 2.0 * e1_<b>);
    let h<b> = e4_<b> - 0.5 * e2_<b>;
    let l<b> = 2.0 * s * (e3_<b> - 0.5 * e1_<b>);
    v[first + <b>u * step] = e0_<b> - 2.5 * e2_<b> + e4_<b>;
    v[first + (6u + <b>u) * step] = r<b> + t<b>;
    v[first + (12u + <b>u) * step] = r<b> - t<b>;
    v[first + (18u + <b>u) * step] = h<b> + l<b>;
    v[first + (24u + <b>u) * step] = h<b> - l<b>;
    v[first + (30u + <b>u) * step] = e1_<b> - 2.5 * e3_<b> + e5_<b>;
//% end
}
