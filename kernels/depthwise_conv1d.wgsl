// One-dimensional convolution of each channel with its own kernel.
//
//   y[n, c, t] = bias[c] + sum over a of x[n, c, t stride + a dilation - padding] w[c, a]
//
// with zeros outside of x.
//
// Layouts, contiguous: x [batch, channels, samples], w [channels, 1, kernel], bias [channels], y [batch, channels,
//   out samples].
// Bindings: 0 x, 1 w, then bias (BIAS), then y, then the sizes.
// Template: WORKGROUP_SIZE (1 to 256), BIAS (0 or 1), AT_BIAS, AT_Y (bindings).
// One thread per output. Workgroup memory: none. Features: none. Fallback: plain::depthwise_conv1d.

struct Sizes {
    channels: u32, samples: u32, out_samples: u32, kernel: u32,
    stride: u32, padding: u32, dilation: u32, unused: u32,
}

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> w: array<f32>;
//% if BIAS
@group(0) @binding(<AT_BIAS>) var<storage, read_write> bias: array<f32>;
//% end
@group(0) @binding(<AT_Y>) var<storage, read_write> y: array<f32>;
@group(0) @binding(<1 + AT_Y>) var<uniform> sizes: Sizes;

@compute @workgroup_size(<WORKGROUP_SIZE>)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= sizes.out_samples {
        return;
    }
    let row = id.z * sizes.channels + id.y;
//% if BIAS
    var sum = bias[id.y];
//% else
    var sum = 0.0;
//% end
    for (var a = 0u; a < sizes.kernel; a++) {
        // Negative indices wrap to large ones.
        let place = u32(i32(id.x * sizes.stride + a * sizes.dilation) - i32(sizes.padding));
        if place < sizes.samples {
            sum += x[row * sizes.samples + place] * w[id.y * sizes.kernel + a];
        }
    }
    y[row * sizes.out_samples + id.x] = sum;
}
