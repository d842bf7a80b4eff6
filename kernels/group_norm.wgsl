// Group normalisation and an activation:
//
//   y = f((x - mean) / sqrt(variance + eps) scale[channel] + shift[channel])
//
// with mean and (biased) variance over the channels, rows and columns of a group; f is x or
// SiLU(x) = x / (1 + exp(-x)).
//
// Layouts, contiguous: x and y [batch, channels, area], scale and shift [channels].
// Bindings: 0 x, 1 scale, 2 shift, 3 y, 4 the sizes.
// Template: WIDTH (invocations of a workgroup, 1 to 256), SILU (0 or 1).
// A workgroup makes a group. Workgroup memory: 4 WIDTH bytes. Features: none. Without it:
// plain::group_norm.

struct Sizes { groups: u32, channels: u32, area: u32, eps: f32 }

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> scale: array<f32>;
@group(0) @binding(2) var<storage, read_write> shift: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> sizes: Sizes;

var<workgroup> parts: array<f32, <WIDTH>>;

// The sum over the workgroup.
fn together(part: f32, lane: u32) -> f32 {
    parts[lane] = part;
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < <WIDTH>u; i++) {
        sum += parts[i];
    }
    workgroupBarrier();
    return sum;
}

@compute @workgroup_size(<WIDTH>)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
    let channels = sizes.channels / sizes.groups;
    let count = channels * sizes.area;
    let start = id.x * count;
    var part = 0.0;
    for (var i = lane; i < count; i += <WIDTH>u) {
        part += x[start + i];
    }
    let mean = together(part, lane) / f32(count);
    part = 0.0;
    for (var i = lane; i < count; i += <WIDTH>u) {
        let centred = x[start + i] - mean;
        part += centred * centred;
    }
    let factor = inverseSqrt(together(part, lane) / f32(count) + sizes.eps);
    let first = id.x % sizes.groups * channels;
    for (var i = lane; i < count; i += <WIDTH>u) {
        let channel = first + i / sizes.area;
        let value = (x[start + i] - mean) * factor * scale[channel] + shift[channel];
//% if SILU
        y[start + i] = value / (1.0 + exp(-value));
//% else
        y[start + i] = value;
//% end
    }
}
