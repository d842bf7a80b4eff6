// Bindings and loads that both attention kernels share; attention.wgsl describes them. Template: BIAS and SEPARATE_KV
// (0 or 1; BIAS only with SEPARATE_KV), AT_Y (binding).
struct Sizes {
    heads: u32, queries: u32, keys: u32, scale: f32,
    q_item: u32, q_head: u32, q_row: u32,
    k_item: u32, k_head: u32, k_row: u32,
    v_item: u32, v_head: u32, v_row: u32,
    bias_item: u32, bias_head: u32, bias_query: u32, bias_key: u32,
    k_first: u32, v_first: u32, unused: u32,
}

@group(0) @binding(0) var<storage, read_write> q: array<vec4f>;
//% if SEPARATE_KV
@group(0) @binding(1) var<storage, read_write> k: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> v: array<vec4f>;
//% end
//% if BIAS
@group(0) @binding(3) var<storage, read_write> bias: array<f32>;
//% end
@group(0) @binding(<AT_Y>) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(<1 + AT_Y>) var<uniform> sizes: Sizes;

//% if SEPARATE_KV
fn load_key(at: u32) -> vec4f { return k[at]; }
fn load_value(at: u32) -> vec4f { return v[at]; }
//% else
fn load_key(at: u32) -> vec4f { return q[at]; }
fn load_value(at: u32) -> vec4f { return q[at]; }
//% end

// The smallest f32: a query whose keys are all masked with it attends to them equally.
const MIN_SCORE = -3.4028234e38;
