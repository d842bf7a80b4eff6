// Attention with a running maximum: no score is ever stored.
//
//   y[h, t] = sum over s of softmax over s of (scale q[h, t] . k[h, s] + bias[h, t, s]) v[h, s]
//
// After Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018, and Dao et al.,
// "FlashAttention", 2022.
//
// Layouts, contiguous: q and y [heads, queries, dim], k and v [heads, keys, dim], where heads counts those
//   of all items; bias is read with the strides that the sizes give (0 where it is broadcast). dim is
//   4 QUADS.
// Bindings: 0 q, 1 k, 2 v, 3 bias (with BIAS), then y, then the sizes.
// Template: QUADS (1 to 32), QUERIES (of a thread, 1 to 4), WIDTH (invocations of a workgroup, 1 to 256),
//   BIAS (0 or 1).
// A thread makes QUERIES rows of y; every number of k and v serves all of them. Workgroup memory: none.
// Features: none. Without it: plain::attention.

struct Sizes {
    heads: u32, queries: u32, keys: u32, heads_of_item: u32,
    bias_item: u32, bias_head: u32, bias_query: u32, bias_key: u32,
    scale: f32, unused0: u32, unused1: u32, unused2: u32,
}

@group(0) @binding(0) var<storage, read_write> q: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> k: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> v: array<vec4f>;
//% if BIAS
@group(0) @binding(3) var<storage, read_write> bias: array<f32>;
//% end
@group(0) @binding(<3 + BIAS>) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(<4 + BIAS>) var<uniform> sizes: Sizes;

// The lowest number: a query whose keys are all masked out with it hears them equally.
const LOWEST = -3.4028234e38;

@compute @workgroup_size(<WIDTH>)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let query = id.x * <QUERIES>u;
    let head = id.y;
    if query >= sizes.queries {
        return;
    }
//% for t in QUERIES
    // The last query stands for those behind it, which are not written.
    let query<t> = min(query + <t>u, sizes.queries - 1u);
    let row<t> = (head * sizes.queries + query<t>) * <QUADS>u;
    var highest<t> = LOWEST;
    var total<t> = 0.0;
//% for d in QUADS
    let q<t>_<d> = q[row<t> + <d>u] * sizes.scale;
    var sum<t>_<d> = vec4f();
//% end
//% if BIAS
    var bias<t> = head / sizes.heads_of_item * sizes.bias_item
        + head % sizes.heads_of_item * sizes.bias_head + query<t> * sizes.bias_query;
//% end
//% end
    var at = head * sizes.keys * <QUADS>u;
    for (var s = 0u; s < sizes.keys; s++) {
//% for t in QUERIES
        var score<t> = 0.0;
//% end
//% for d in QUADS
        let k<d> = k[at + <d>u];
//% for t in QUERIES
        score<t> += dot(q<t>_<d>, k<d>);
//% end
//% end
//% for t in QUERIES
//% if BIAS
        score<t> += bias[bias<t>];
        bias<t> += sizes.bias_key;
//% end
        if score<t> > highest<t> {
            // What is there was measured against a lower maximum.
            let less<t> = exp(highest<t> - score<t>);
            highest<t> = score<t>;
            total<t> *= less<t>;
//% for d in QUADS
            sum<t>_<d> *= less<t>;
//% end
        }
        let share<t> = exp(score<t> - highest<t>);
        total<t> += share<t>;
//% end
//% for d in QUADS
        let v<d> = v[at + <d>u];
//% for t in QUERIES
        sum<t>_<d> += share<t> * v<d>;
//% end
//% end
        at += <QUADS>u;
    }
//% for t in QUERIES
    if query + <t>u < sizes.queries {
//% for d in QUADS
        y[row<t> + <d>u] = sum<t>_<d> / total<t>;
//% end
    }
//% end
}
