// Two-dimensional convolution for GPUs: the same function, layouts, bindings and packed weights as
// conv2d.wgsl, whose header describes them.
//
// Template: WORKGROUP_SIZE (must be 256); F16_TILES (0 or 1, the element type of tiles); DEPTH (inputs of a tile: 16, or
//   32 with F16_TILES), X_LOADS (DEPTH / 4) and W_LOADS (DEPTH / 16); BIAS, SHIFT, RESIDUAL, F16, Q8, Q4, BLOCKS and
//   the bindings as there.
// Shared-memory-tiled: a workgroup computes 64 successive outputs of 64 channels, each thread 4 outputs with a stride of
// 16 of 4 channels. Elements of x and w are gathered and unpacked once into workgroup memory, one tap and DEPTH inputs
// per iteration. With F16_TILES they are stored as f16, clamped to 65,504; products and sums are f32 in any case.
// Workgroup memory: 8,192 bytes. Features: shader-f16 with F16_TILES, else none; without it: F16_TILES 0.
// Where workgroup memory is slow: conv2d.wgsl.

//% include unpack.wgsl
//% include tile.wgsl

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

var<workgroup> x_tile: array<TileScalar, 64u * <DEPTH>u>;
var<workgroup> w_tile: array<TileVec4, 16u * <DEPTH>u>;

@compute @workgroup_size(<WORKGROUP_SIZE>)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
    let pixels = sizes.out_rows * sizes.out_columns;
    let quads = sizes.outputs / 4u;
    let area = sizes.rows * sizes.columns;
    let image = id.z * sizes.inputs * area;
    let taps = sizes.kernel_rows * sizes.kernel_columns;
    let first = id.x * 64u;
    let tx = lane % 16u;
    let ty = lane / 16u;
    // This thread loads four channels of an input's weights, and one output's position in several inputs.
    let load_quad = min(id.y * 16u + tx, quads - 1u);
    let load_pixel = first + lane % 64u;
    let row = i32(load_pixel / sizes.out_columns * sizes.stride_rows) - i32(sizes.padding_rows);
    let column = i32(load_pixel % sizes.out_columns * sizes.stride_columns) - i32(sizes.padding_columns);
//% for p in FOUR
    var sum<p> = vec4f();
//% end
    for (var tap = 0u; tap < taps; tap++) {
        let down = i32(tap / sizes.kernel_columns * sizes.dilation_rows);
        let right = i32(tap % sizes.kernel_columns * sizes.dilation_columns);
        // Negative indices wrap to large ones.
        let inside = load_pixel < pixels && u32(row + down) < sizes.rows && u32(column + right) < sizes.columns;
        let place = image + u32(row + down) * sizes.columns + u32(column + right);
        for (var start = 0u; start < sizes.inputs; start += <DEPTH>u) {
//% for j in X_LOADS
            let input<j> = start + lane / 64u + 4u * <j>u;
            var x<j> = 0.0;
            if inside && input<j> < sizes.inputs {
                x<j> = x[place + input<j> * area];
            }
            x_tile[lane + 256u * <j>u] = to_tile_scalar(x<j>);
//% end
//% for j in W_LOADS
            let from<j> = start + ty + 16u * <j>u;
            var w<j> = vec4f();
            if from<j> < sizes.inputs {
                w<j> = unpack_weights((tap * sizes.inputs + from<j>) * quads + load_quad);
//% if BLOCKS
                w<j> *= scales[(from<j> * taps + tap) / 32u * quads + load_quad];
//% end
            }
            w_tile[lane + 256u * <j>u] = to_tile_vec4(w<j>);
//% end
            workgroupBarrier();
            for (var k = 0u; k < <DEPTH>u; k++) {
                let v = vec4f(w_tile[16u * k + ty]);
//% for p in FOUR
                sum<p> += f32(x_tile[64u * k + tx + 16u * <p>u]) * v;
//% end
            }
            workgroupBarrier();
        }
    }
    let quad = id.y * 16u + ty;
    if quad >= quads {
        return;
    }
    var start = vec4f();
//% if BIAS
    start += bias[quad];
//% end
//% if SHIFT
    start += shift[id.z * quads + quad];
//% end
    let out = (id.z * sizes.outputs + 4u * quad) * pixels;
//% for p in FOUR
    store_output(out, first + tx + 16u * <p>u, pixels, sum<p> + start);
//% end
}

// Stores four channels of one output, if it lies inside y.
fn store_output(out: u32, pixel: u32, pixels: u32, sum: vec4f) {
    if pixel >= pixels {
        return;
    }
//% for c in FOUR
    let at<c> = out + <c>u * pixels + pixel;
//% if RESIDUAL
    y[at<c>] = sum[<c>] + residual[at<c>];
//% else
    y[at<c>] = sum[<c>];
//% end
//% end
}
