// Linear layer on packed panels (pack_panels.wgsl): the same function as linear.wgsl, whose header describes it.
//
// Layouts, contiguous: x [row panels, in / 2, 16], w [column panels, in / 2, 16]; bias, residual and y as in
//   store_output.wgsl.
// Bindings: 0 x, 1 w, then bias (BIAS), residual (RESIDUAL), then y, then the sizes.
// Template: WORKGROUP_SIZE (1 to 256); FOUR, EIGHT, OUTPUTS (4, 8; 8, or 4 with GATED); BIAS, RESIDUAL, CHANNELS, GATED
//   and at most one of SILU, GELU (0 or 1); AT_BIAS, AT_RESIDUAL, AT_Y (bindings).
// Each thread multiplies two panels, which it reads sequentially: on a software adapter that is a sixth faster than
// reading 16 rows, which outweighs the packing where there are many rows. Workgroup memory: none. Features: none.
// Fallback: linear.wgsl.

//% include store_output.wgsl

struct Sizes { rows: u32, outputs: u32, pairs: u32, area: u32 }

@group(0) @binding(0) var<storage, read_write> x: array<mat4x4f>;
@group(0) @binding(1) var<storage, read_write> w: array<mat4x4f>;
//% if BIAS
@group(0) @binding(<AT_BIAS>) var<storage, read_write> bias: array<f32>;
//% end
//% if RESIDUAL
@group(0) @binding(<AT_RESIDUAL>) var<storage, read_write> residual: array<f32>;
//% end
@group(0) @binding(<AT_Y>) var<storage, read_write> y: array<f32>;
@group(0) @binding(<1 + AT_Y>) var<uniform> sizes: Sizes;

@compute @workgroup_size(<WORKGROUP_SIZE>)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let row = id.y * 8u;
    let column = id.x * <OUTPUTS>u;
    if column >= sizes.outputs {
        return;
    }
    let x_at = id.y * sizes.pairs;
    let w_at = id.x * sizes.pairs;
    // Rows and columns past the end repeat the last one, which is then stored several times.
//% for c in OUTPUTS
    let column<c> = min(column + <c>u, sizes.outputs - 1u);
//% if GATED
    let column<4 + c> = sizes.outputs + column<c>;
//% end
//% end
//% for c in EIGHT
    let start<c> = bias_of(column<c>);
//% for r in EIGHT
    var sum<r>_<c> = start<c>;
//% end
//% end
    for (var i = 0u; i < sizes.pairs; i++) {
//% for q in FOUR
        let n<q> = w[w_at + i][<q>];
        let m<q> = x[x_at + i][<q>];
//% end
        let v0 = n0.xy;
        let v1 = n0.zw;
        let v2 = n1.xy;
        let v3 = n1.zw;
        let v4 = n2.xy;
        let v5 = n2.zw;
        let v6 = n3.xy;
        let v7 = n3.zw;
        let u0 = m0.xy;
        let u1 = m0.zw;
        let u2 = m1.xy;
        let u3 = m1.zw;
        let u4 = m2.xy;
        let u5 = m2.zw;
        let u6 = m3.xy;
        let u7 = m3.zw;
//% for r in EIGHT
//% for c in EIGHT
        sum<r>_<c> += dot(u<r>, v<c>);
//% end
//% end
    }
    let step = column_step();
//% for r in EIGHT
    let out<r> = row_start(min(row + <r>u, sizes.rows - 1u));
//% for c in OUTPUTS
//% if GATED
    store_output(out<r> + column<c> * step, sum<r>_<c>, sum<r>_<4 + c>);
//% else
    store_output(out<r> + column<c> * step, sum<r>_<c>, 0.0);
//% end
//% end
//% end
}
