// Packs the rows of a matrix into panels of unpacked elements: eight rows side by side, two elements of each at a time.
//
//   y[p, i, 2 r + k] = x[8 p + r, 2 i + k] for r from 0 to 7 and k from 0 to 1
//
// Layouts, contiguous: x [rows, in] as linear.wgsl describes its weight; y [panels, in / 2, 16]. in is a multiple of 4,
//   and of 32 with Q8 and Q4. Rows past the end repeat the last one.
// Bindings: 0 x, then scales (Q8, Q4), then y, then the sizes.
// Template: at most one of F16, Q8, Q4, and BLOCKS (Q8 or Q4); GATED (0 or 1): rows are those of values and then as
//   many of gates, and a panel has four of each; EIGHT (8), AT_Y (binding), WORKGROUP_SIZE (1 to 256).
// Each thread packs 32 elements of each row of a panel. Workgroup memory: none. Features: none. Fallback: linear.wgsl,
// which reads rows.

//% include block_scale.wgsl
//% include unpack.wgsl

struct Sizes { rows: u32, quads: u32, panels: u32, unused: u32 }

//% if F16
@group(0) @binding(0) var<storage, read_write> w: array<vec2u>;
//% else
//% if BLOCKS
@group(0) @binding(0) var<storage, read_write> w: array<u32>;
@group(0) @binding(1) var<storage, read_write> scales: array<u32>;
//% else
@group(0) @binding(0) var<storage, read_write> w: array<vec4f>;
//% end
//% end
@group(0) @binding(<AT_Y>) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(<1 + AT_Y>) var<uniform> sizes: Sizes;

@compute @workgroup_size(<WORKGROUP_SIZE>)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let panel = id.x;
    let first = 8u * id.y;
    if panel >= sizes.panels {
        return;
    }
//% for r in EIGHT
//% if GATED
    let row<r> = min(4u * panel + <r>u % 4u, sizes.rows / 2u - 1u) + <r>u / 4u * (sizes.rows / 2u);
//% else
    let row<r> = min(8u * panel + <r>u, sizes.rows - 1u);
//% end
    let at<r> = row<r> * sizes.quads;
//% if BLOCKS
    let scale<r> = block_scale((at<r> + first) / 8u);
//% end
//% end
    for (var quad = first; quad < min(first + 8u, sizes.quads); quad++) {
//% for r in EIGHT
//% if BLOCKS
        let v<r> = unpack_weights(at<r> + quad) * scale<r>;
//% else
        let v<r> = unpack_weights(at<r> + quad);
//% end
//% end
        let out = 8u * (panel * sizes.quads + quad);
        y[out] = vec4f(v0.xy, v1.xy);
        y[out + 1u] = vec4f(v2.xy, v3.xy);
        y[out + 2u] = vec4f(v4.xy, v5.xy);
        y[out + 3u] = vec4f(v6.xy, v7.xy);
        y[out + 4u] = vec4f(v0.zw, v1.zw);
        y[out + 5u] = vec4f(v2.zw, v3.zw);
        y[out + 6u] = vec4f(v4.zw, v5.zw);
        y[out + 7u] = vec4f(v6.zw, v7.zw);
    }
}
