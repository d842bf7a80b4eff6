// What attention reads and writes, as attention.wgsl describes it; included in both of its kernels. Template: BIAS and
// OTHERS (0 or 1; BIAS only with OTHERS), AT_Y (binding).
struct Sizes {
    heads: u32, queries: u32, keys: u32, scale: f32,
    q_item: u32, q_head: u32, q_row: u32,
    k_item: u32, k_head: u32, k_row: u32,
    v_item: u32, v_head: u32, v_row: u32,
    bias_item: u32, bias_head: u32, bias_query: u32, bias_key: u32,
    k_first: u32, v_first: u32, unused: u32,
}

@group(0) @binding(0) var<storage, read_write> q: array<vec4f>;
//% if OTHERS
@group(0) @binding(1) var<storage, read_write> k: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> v: array<vec4f>;
//% end
//% if BIAS
@group(0) @binding(3) var<storage, read_write> bias: array<f32>;
//% end
@group(0) @binding(<AT_Y>) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(<1 + AT_Y>) var<uniform> sizes: Sizes;

//% if OTHERS
fn key_four(at: u32) -> vec4f { return k[at]; }
fn value_four(at: u32) -> vec4f { return v[at]; }
//% else
fn key_four(at: u32) -> vec4f { return q[at]; }
fn value_four(at: u32) -> vec4f { return q[at]; }
//% end

// The lowest number: a query whose keys are all masked out with it hears them equally.
const LOWEST = -3.4028234e38;
