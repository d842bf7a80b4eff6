// One-dimensional transposed convolution by gathering: each output sums over the inputs that contribute to it.
//
//   y[n, o, t] = bias[o] + sum over i, a with a = t + padding (mod stride) of x[n, i, (t + padding - a) / stride] w[a, i, o]
//
// with zeros outside of x.
//
// Layouts, contiguous: x [batch, in, samples], w [kernel, in, out], bias [out], y [batch, out, out samples]. out
//   is a multiple of 4.
// Bindings: 0 x, 1 w, then bias (BIAS), then y, then the sizes.
// Template: STEPS (outputs per thread, 1 to 8), WORKGROUP_SIZE (1 to 256), BIAS (0 or 1), AT_BIAS, AT_Y (bindings).
// Each thread computes 4 channels of STEPS outputs with a distance of `stride`, which share their taps.
// Workgroup memory: none. Features: none. Fallback: plain::conv_transpose1d.

struct Sizes {
    inputs: u32, samples: u32, outputs: u32, out_samples: u32,
    kernel: u32, stride: u32, padding: u32, unused: u32,
}

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> w: array<vec4f>;
//% if BIAS
@group(0) @binding(<AT_BIAS>) var<storage, read_write> bias: array<vec4f>;
//% end
@group(0) @binding(<AT_Y>) var<storage, read_write> y: array<f32>;
@group(0) @binding(<1 + AT_Y>) var<uniform> sizes: Sizes;

@compute @workgroup_size(<WORKGROUP_SIZE>)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let quads = sizes.outputs / 4u;
    let quad = id.y;
    // Outputs in groups of STEPS strides; each thread takes one phase of a group.
    let phase = id.x % sizes.stride;
    let first = id.x / sizes.stride * sizes.stride * <STEPS>u + phase;
    if first >= sizes.out_samples {
        return;
    }
//% for s in STEPS
    let t<s> = first + <s>u * sizes.stride + sizes.padding;
//% if BIAS
    var sum<s> = bias[quad];
//% else
    var sum<s> = vec4f();
//% end
//% end
    for (var a = t0 % sizes.stride; a < sizes.kernel; a += sizes.stride) {
//% for s in STEPS
        // Negative indices wrap to large ones.
        let from<s> = u32(i32(t<s>) - i32(a)) / sizes.stride;
        let inside<s> = t<s> >= a && from<s> < sizes.samples;
        let keep<s> = select(0.0, 1.0, inside<s>);
        var at<s> = id.z * sizes.inputs * sizes.samples + select(0u, from<s>, inside<s>);
//% end
        var place = a * sizes.inputs * quads + quad;
        for (var i = 0u; i < sizes.inputs; i++) {
            let weight = w[place];
            place += quads;
//% for s in STEPS
            sum<s> += x[at<s>] * keep<s> * weight;
            at<s> += sizes.samples;
//% end
        }
    }
    let out = (id.z * sizes.outputs + 4u * quad) * sizes.out_samples;
//% for s in STEPS
    let to<s> = first + <s>u * sizes.stride;
    if to<s> < sizes.out_samples {
        y[out + to<s>] = sum<s>.x;
        y[out + sizes.out_samples + to<s>] = sum<s>.y;
        y[out + 2u * sizes.out_samples + to<s>] = sum<s>.z;
        y[out + 3u * sizes.out_samples + to<s>] = sum<s>.w;
    }
//% end
}
