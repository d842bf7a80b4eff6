// The weights of a 3 by 3 convolution for Winograd's F(4x4, 3x3), second of four kernels (winograd_input.wgsl has more):
//
//   u[k, i, o] = (G g G^T)[k], g[a, b] = w[a, b, i, o]
//
//   G =   1     0     0
//       -2/3  -2s/3 -1/3     s^2 = 1/2
//       -2/3   2s/3 -1/3
//        1/6   s/3   1/3
//        1/6  -s/3   1/3
//         0     0     1
//
// Layouts, contiguous: w and its scales as conv2d.wgsl has them, u [36, in, room], where room is out rounded up.
//   Elements past the last output are not stored. out is a multiple of 4.
// Bindings: 0 w, then scales (Q8, Q4), then u, then the sizes.
// Template: THREE, SIX (3, 6), WORKGROUP_SIZE (1 to 256); at most one of F16, Q8, Q4 (0 or 1); BLOCKS (Q8 or Q4).
// Each thread computes four outputs of an input. Workgroup memory: none. Features: none.
// Fallback for the four kernels: conv2d.wgsl.

//% include unpack.wgsl

struct Sizes { inputs: u32, quads: u32, room: u32, unused: u32 }

//% if F16
@group(0) @binding(0) var<storage, read_write> w: array<vec2u>;
//% else
//% if BLOCKS
@group(0) @binding(0) var<storage, read_write> w: array<u32>;
@group(0) @binding(1) var<storage, read_write> scales: array<vec4f>;
//% else
@group(0) @binding(0) var<storage, read_write> w: array<vec4f>;
//% end
//% end
@group(0) @binding(<1 + BLOCKS>) var<storage, read_write> u: array<vec4f>;
@group(0) @binding(<2 + BLOCKS>) var<uniform> sizes: Sizes;

const s = 0.70710678118654752;

@compute @workgroup_size(<WORKGROUP_SIZE>)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= sizes.quads {
        return;
    }
//% for a in THREE
//% for b in THREE
    let at<a>_<b> = ((3u * <a>u + <b>u) * sizes.inputs + id.y) * sizes.quads + id.x;
//% if BLOCKS
    let block<a>_<b> = (9u * id.y + 3u * <a>u + <b>u) / 32u * sizes.quads + id.x;
    let g<a>_<b> = unpack_weights(at<a>_<b>) * scales[block<a>_<b>];
//% else
    let g<a>_<b> = unpack_weights(at<a>_<b>);
//% end
//% end
    let p<a> = -(2.0 * g<a>_0 + g<a>_2) / 3.0;
    let q<a> = g<a>_1 * (2.0 * s / 3.0);
    let r<a> = (0.5 * g<a>_0 + g<a>_2) / 3.0;
    let t<a> = g<a>_1 * (s / 3.0);
    let e<a>_0 = g<a>_0;
    let e<a>_1 = p<a> - q<a>;
    let e<a>_2 = p<a> + q<a>;
    let e<a>_3 = r<a> + t<a>;
    let e<a>_4 = r<a> - t<a>;
    let e<a>_5 = g<a>_2;
//% end
    let step = sizes.inputs * sizes.room;
    let first = id.y * sizes.room + id.x;
//% for b in SIX
    let c<b> = -(2.0 * e0_<b> + e2_<b>) / 3.0;
    let d<b> = e1_<b> * (2.0 * s / 3.0);
    let h<b> = (0.5 * e0_<b> + e2_<b>) / 3.0;
    let l<b> = e1_<b> * (s / 3.0);
    u[first + <b>u * step] = e0_<b>;
    u[first + (6u + <b>u) * step] = c<b> - d<b>;
    u[first + (12u + <b>u) * step] = c<b> + d<b>;
    u[first + (18u + <b>u) * step] = h<b> + l<b>;
    u[first + (24u + <b>u) * step] = h<b> - l<b>;
    u[first + (30u + <b>u) * step] = e2_<b>;
//% end
}
