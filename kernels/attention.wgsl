// Attention with an online softmax: scores are never stored.
//
//   y[h, t] = sum over s of softmax over s of (scale q[h, t] . k[h, s] + bias[h, t, s]) v[h, s]
//
// After Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018, and Dao et al.,
// "FlashAttention", 2022.
//
// Layouts: q [batch, heads, queries, dim], k and v [batch, heads, keys, dim] with the strides that the sizes
//   give in units of vec4, rows of dim = 4 QUADS contiguous; y [batch, queries, heads, dim], contiguous; bias with
//   strides in units of one element (0 where it is broadcast). k_first and v_first are the offsets of k and v in their
//   buffers, in units of vec4.
// Bindings: 0 q, 1 k, 2 v (with SEPARATE_KV; else q, k and v share one buffer), 3 bias (with BIAS), then y, then the sizes.
// Template: QUADS (1 to 32), QUERIES (per thread, 1 to 8), CHUNK (keys per iteration, 1 to 8), WORKGROUP_SIZE (1 to 256),
//   BIAS and SEPARATE_KV (0 or 1; BIAS only with SEPARATE_KV), AT_Y (binding).
// Register-tiled: each thread computes QUERIES rows of y, which share every load of k and v. Loop-carried values and
// branches are expensive on a software adapter, so maximum and sums are updated once per chunk of keys.
// Workgroup memory: none. Features: none. Fallback: plain::attention.

//% include attention_bindings.wgsl

@compute @workgroup_size(<WORKGROUP_SIZE>)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let query = id.x * <QUERIES>u;
    let item = id.y / sizes.heads;
    let head = id.y % sizes.heads;
    if query >= sizes.queries {
        return;
    }
//% for t in QUERIES
    // Queries past the end repeat the last one and are not stored.
    let query<t> = min(query + <t>u, sizes.queries - 1u);
    let row<t> = item * sizes.q_item + head * sizes.q_head + query<t> * sizes.q_row;
    var running_max<t> = MIN_SCORE;
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
        // Keys past the end repeat the last one with a weight of 0.
        let key<s> = min(first + <s>u, sizes.keys - 1u);
//% for d in QUADS
        let k<s>_<d> = load_key(k_start + key<s> * sizes.k_row + <d>u);
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
        var new_max<t> = running_max<t>;
//% for s in CHUNK
        new_max<t> = max(new_max<t>, score<t>_<s>);
//% end
        // The accumulators are relative to the previous maximum.
        let rescale<t> = exp(running_max<t> - new_max<t>);
        running_max<t> = new_max<t>;
        total<t> *= rescale<t>;
//% for s in CHUNK
        let weight<t>_<s> = select(0.0, exp(score<t>_<s> - running_max<t>), first + <s>u < sizes.keys);
        total<t> += weight<t>_<s>;
//% end
//% end
//% for d in QUADS
//% for s in CHUNK
        let v<s>_<d> = load_value(v_start + key<s> * sizes.v_row + <d>u);
//% end
//% for t in QUERIES
        sum<t>_<d> *= rescale<t>;
//% for s in CHUNK
        sum<t>_<d> += weight<t>_<s> * v<s>_<d>;
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
