// Group normalisation and an activation:
//
//   y = f((x - mean) / sqrt(variance + eps) scale[channel] + shift[channel])
//
// with mean and (biased) variance over the channels, rows and columns of a group; f is x or
// SiLU(x) = x / (1 + exp(-x)).
//
// Layouts, contiguous: x and y [batch, channels, area], with TOKENS y [batch, area, channels]; scale and shift
//   [channels].
// Bindings: 0 x, 1 scale, 2 shift, 3 y, 4 the sizes.
// Template: WORKGROUP_SIZE (1 to 256, a power of two with TREE), SILU, TOKENS and at most one of SUBGROUPS and TREE,
//   the kind of reduction (0 or 1).
// One workgroup per group. Workgroup memory: 4 WORKGROUP_SIZE bytes. Features: subgroups with SUBGROUPS, else none;
// without it: TREE. Where the self-test fails: plain::group_norm.

//% include workgroup_reduction.wgsl

struct Sizes { groups: u32, channels: u32, area: u32, eps: f32 }

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> scale: array<f32>;
@group(0) @binding(2) var<storage, read_write> shift: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> sizes: Sizes;

@compute @workgroup_size(<WORKGROUP_SIZE>)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
    let channels = sizes.channels / sizes.groups;
    let count = channels * sizes.area;
    let start = id.x * count;
    var part = 0.0;
    for (var i = lane; i < count; i += <WORKGROUP_SIZE>u) {
        part += x[start + i];
    }
    let mean = workgroup_sum(part, lane) / f32(count);
    part = 0.0;
    for (var i = lane; i < count; i += <WORKGROUP_SIZE>u) {
        let centred = x[start + i] - mean;
        part += centred * centred;
    }
    let factor = inverseSqrt(workgroup_sum(part, lane) / f32(count) + sizes.eps);
    let first = id.x % sizes.groups * channels;
    for (var i = lane; i < count; i += <WORKGROUP_SIZE>u) {
        let channel = first + i / sizes.area;
        let value = (x[start + i] - mean) * factor * scale[channel] + shift[channel];
//% if TOKENS
        let out = (id.x / sizes.groups * sizes.area + i % sizes.area) * sizes.channels + channel;
//% else
        let out = start + i;
//% end
//% if SILU
        y[out] = value / (1.0 + exp(-value));
//% else
        y[out] = value;
//% end
    }
}
