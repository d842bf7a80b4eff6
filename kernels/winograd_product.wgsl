// The products of Winograd's F(4x4, 3x3), third of four kernels (winograd_input.wgsl has more):
//
//   m[k, o, t] = sum over i of u[k, i, o] v[k, i, t]
//
// Layouts, contiguous: u [36, in, 8 eights], v [36, in, 16 sixteens], m [36, 8 eights, 16 sixteens].
// Bindings: 0 u, 1 v, 2 m, 3 the sizes.
// Template: FOUR, EIGHT (4, 8), WORKGROUP_SIZE (1 to 256).
// Register-tiled: each thread computes 8 outputs of 16 tiles, so that 24 loads serve 128 products: on a software adapter a
// load costs as much as several products. Larger tiles and unrolling are up to twice as slow there, since the code
// becomes too long. Workgroup memory: none. Features: none. Fallback for the four kernels: conv2d.wgsl.

struct Sizes { inputs: u32, eights: u32, sixteens: u32, unused: u32 }

@group(0) @binding(0) var<storage, read_write> u: array<mat2x4f>;
@group(0) @binding(1) var<storage, read_write> v: array<mat4x4f>;
@group(0) @binding(2) var<storage, read_write> m: array<mat4x4f>;
@group(0) @binding(3) var<uniform> sizes: Sizes;

@compute @workgroup_size(<WORKGROUP_SIZE>)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let eights = sizes.eights;
    let sixteens = sizes.sixteens;
    let inputs = sizes.inputs;
    let sixteen = id.x % sixteens;
    let eight = id.x / sixteens;
    if eight >= eights {
        return;
    }
    var at_u = id.y * inputs * eights + eight;
    var at_v = id.y * inputs * sixteens + sixteen;
//% for o in EIGHT
//% for t in FOUR
    var sum<o>_<t> = vec4f();
//% end
//% end
    for (var i = 0u; i < inputs; i++) {
        let low = u[at_u][0];
        let high = u[at_u][1];
        at_u += eights;
        let u0 = low.x;
        let u1 = low.y;
        let u2 = low.z;
        let u3 = low.w;
        let u4 = high.x;
        let u5 = high.y;
        let u6 = high.z;
        let u7 = high.w;
//% for t in FOUR
        let v<t> = v[at_v][<t>];
//% end
        at_v += sixteens;
//% for o in EIGHT
//% for t in FOUR
        sum<o>_<t> += u<o> * v<t>;
//% end
//% end
    }
    let first = (id.y * eights + eight) * 8u * sixteens + sixteen;
//% for o in EIGHT
    m[first + <o>u * sixteens] = mat4x4f(sum<o>_0, sum<o>_1, sum<o>_2, sum<o>_3);
//% end
}
