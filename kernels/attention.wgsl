// Attention with a running maximum: no score is ever stored.
//
//   y[h, t] = sum over s of softmax over s of (scale q[h, t] . k[h, s] + bias[h, t, s]) v[h, s]
//
// After Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018, and Dao et al.,
// "FlashAttention", 2022.
//
// Layouts: q [batch, heads, queries, dim], k and v [batch, heads, keys, dim] with the strides that the sizes
//   give, which count fours, and dim, which is 4 QUADS, without gaps; y [batch, queries, heads, dim],
//   contiguous; bias with strides that count ones (0 where it is broadcast).
//   k and v begin k_first and v_first fours behind the beginning of what they are bound to.
// Bindings: 0 q, 1 k, 2 v (with OTHERS; else q, k and v lie in one buffer), 3 bias (with BIAS), then y, then the sizes.
// Template: QUADS (1 to 32), QUERIES (of a thread, 1 to 8), CHUNK (keys that it hears at once, 1 to 8), WIDTH
//   (invocations of a workgroup, 1 to 256), BIAS and OTHERS (0 or 1; BIAS only with OTHERS), AT_Y (binding).
// A thread makes QUERIES rows of y; every number of k and v serves all of them. What is carried from key to key is dear
// on a software adapter, and so are branches: maximum and sums change once for a chunk. Workgroup memory: none.
// Features: none. Needs heads.wgsl. Without it: plain::attention.

@compute @workgroup_size(<WIDTH>)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let query = id.x * <QUERIES>u;
    let item = id.y / sizes.heads;
    let head = id.y % sizes.heads;
    if query >= sizes.queries {
        return;
    }
//% for t in QUERIES
    // The last query stands for those behind it, which are not written.
    let query<t> = min(query + <t>u, sizes.queries - 1u);
    let row<t> = item * sizes.q_item + head * sizes.q_head + query<t> * sizes.q_row;
    var highest<t> = LOWEST;
    var total<t> = 0.0;
//% for d in QUADS
    let q<t>_<d> = q[row<t> + <d>u] * sizes.scale;
    var sum<t>_<d> = vec4f();
//% end
//% if BIAS
    let bias<t> = item * sizes.bias_item + head * sizes.bias_head + query<t> * sizes.bias_query;
//% end
//% end
    let k_start = sizes.k_first + item * sizes.k_item + head * sizes.k_head;
    let v_start = sizes.v_first + item * sizes.v_item + head * sizes.v_head;
    for (var first = 0u; first < sizes.keys; first += <CHUNK>u) {
//% for s in CHUNK
        // The last key stands for those behind it, which are not heard.
        let key<s> = min(first + <s>u, sizes.keys - 1u);
//% for d in QUADS
        let k<s>_<d> = key_four(k_start + key<s> * sizes.k_row + <d>u);
//% end
//% for t in QUERIES
//% if BIAS
        var score<t>_<s> = bias[bias<t> + key<s> * sizes.bias_key];
//% else
        var score<t>_<s> = 0.0;
//% end
//% for d in QUADS
        score<t>_<s> += dot(q<t>_<d>, k<s>_<d>);
//% end
//% end
//% end
//% for t in QUERIES
        var newest<t> = highest<t>;
//% for s in CHUNK
        newest<t> = max(newest<t>, score<t>_<s>);
//% end
        // What is there was measured against a lower maximum.
        let less<t> = exp(highest<t> - newest<t>);
        highest<t> = newest<t>;
        total<t> *= less<t>;
//% for s in CHUNK
        let share<t>_<s> = select(0.0, exp(score<t>_<s> - highest<t>), first + <s>u < sizes.keys);
        total<t> += share<t>_<s>;
//% end
//% end
//% for d in QUADS
//% for s in CHUNK
        let v<s>_<d> = value_four(v_start + key<s> * sizes.v_row + <d>u);
//% end
//% for t in QUERIES
        sum<t>_<d> *= less<t>;
//% for s in CHUNK
        sum<t>_<d> += share<t>_<s> * v<s>_<d>;
//% end
//% end
//% end
    }
//% for t in QUERIES
    if query + <t>u < sizes.queries {
        let out<t> = ((item * sizes.queries + query<t>) * sizes.heads + head) * <QUADS>u;
//% for d in QUADS
        y[out<t> + <d>u] = sum<t>_<d> / total<t>;
//% end
    }
//% end
}
