// Attention for GPUs: the same function, layouts, bindings and sizes as attention.wgsl, whose header describes
// them, with keys and values in workgroup memory.
//
// Template: QUADS (1 to 32); PARTS (threads per query, 1 to 4), SPLIT (1 where there are several) and SHARE (vec4s per
//   thread, 1 to 8; PARTS SHARE is at least QUADS); KEYS (of a tile, a multiple of CHUNK) and CHUNK (keys per iteration,
//   1 to 8); WORKGROUP_SIZE (must be 64 PARTS); F16_TILES (0 or 1); BIAS, SEPARATE_KV and AT_Y as there.
// Shared-memory-tiled: a workgroup computes 64 rows of y; the threads of a query hold SHARE vec4s of its row each and
// exchange their partial scores. With F16_TILES keys and values are stored as f16, clamped to 65,504; products and sums
// are f32 in any case. Workgroup memory: 32 KEYS PARTS SHARE bytes, with F16_TILES half of that, and with SPLIT
// 4 CHUNK WORKGROUP_SIZE bytes more; at most 16,384 as the launcher chooses them. Features: shader-f16 with F16_TILES,
// else none; without it: F16_TILES 0. Where workgroup memory is slow: attention.wgsl.

//% include attention_bindings.wgsl
//% include tile.wgsl

// Stride between the rows of a tile, in vec4s; those past QUADS are zeros.
const PITCH = <PARTS>u * <SHARE>u;

var<workgroup> k_tile: array<TileVec4, <KEYS>u * PITCH>;
var<workgroup> v_tile: array<TileVec4, <KEYS>u * PITCH>;
//% if SPLIT
// Partial scores: [part, key, query].
var<workgroup> parts: array<f32, <CHUNK>u * <WORKGROUP_SIZE>u>;
//% end

@compute @workgroup_size(<WORKGROUP_SIZE>)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
    let item = id.y / sizes.heads;
    let head = id.y % sizes.heads;
    let query_lane = lane % 64u;
    let part = lane / 64u;
    // The first vec4 of this thread.
    let mine = part * <SHARE>u;
    // Queries past the end repeat the last one and are not stored.
    let query = min(id.x * 64u + query_lane, sizes.queries - 1u);
    let row = item * sizes.q_item + head * sizes.q_head + query * sizes.q_row + mine;
//% for d in SHARE
    var q<d> = vec4f();
    if mine + <d>u < <QUADS>u {
        q<d> = q[row + <d>u] * sizes.scale;
    }
    var sum<d> = vec4f();
//% end
    var running_max = MIN_SCORE;
    var total = 0.0;
//% if BIAS
    let bias_row = item * sizes.bias_item + head * sizes.bias_head + query * sizes.bias_query;
//% end
    let k_start = sizes.k_first + item * sizes.k_item + head * sizes.k_head;
    let v_start = sizes.v_first + item * sizes.v_item + head * sizes.v_head;
    for (var start = 0u; start < sizes.keys; start += <KEYS>u) {
        for (var i = lane; i < <KEYS>u * PITCH; i += <WORKGROUP_SIZE>u) {
            let key = start + i / PITCH;
            let quad = i % PITCH;
            var k_vec4 = vec4f();
            var v_vec4 = vec4f();
            if key < sizes.keys && quad < <QUADS>u {
                k_vec4 = load_key(k_start + key * sizes.k_row + quad);
                v_vec4 = load_value(v_start + key * sizes.v_row + quad);
            }
            k_tile[i] = to_tile_vec4(k_vec4);
            v_tile[i] = to_tile_vec4(v_vec4);
        }
        workgroupBarrier();
        let count = min(<KEYS>u, sizes.keys - start);
        for (var first = 0u; first < count; first += <CHUNK>u) {
//% for s in CHUNK
            let at<s> = (first + <s>u) * PITCH + mine;
            var score<s> = 0.0;
//% for d in SHARE
            score<s> += dot(q<d>, vec4f(k_tile[at<s> + <d>u]));
//% end
//% end
//% if SPLIT
//% for s in CHUNK
            parts[(part * <CHUNK>u + <s>u) * 64u + query_lane] = score<s>;
//% end
            workgroupBarrier();
//% for s in CHUNK
            score<s> = 0.0;
//% for p in PARTS
            score<s> += parts[(<p>u * <CHUNK>u + <s>u) * 64u + query_lane];
//% end
//% end
            workgroupBarrier();
//% end
            var new_max = running_max;
//% for s in CHUNK
            // Keys past the end get a weight of 0.
            let in_range<s> = first + <s>u < count;
//% if BIAS
            let key<s> = min(start + first + <s>u, sizes.keys - 1u);
            score<s> += bias[bias_row + key<s> * sizes.bias_key];
//% end
            new_max = max(new_max, select(MIN_SCORE, score<s>, in_range<s>));
//% end
            // The accumulators are relative to the previous maximum.
            let rescale = exp(running_max - new_max);
            running_max = new_max;
            total *= rescale;
//% for d in SHARE
            sum<d> *= rescale;
//% end
//% for s in CHUNK
            let weight<s> = select(0.0, exp(score<s> - running_max), in_range<s>);
            total += weight<s>;
//% for d in SHARE
            sum<d> += weight<s> * vec4f(v_tile[at<s> + <d>u]);
//% end
//% end
        }
        workgroupBarrier();
    }
    if id.x * 64u + query_lane >= sizes.queries {
        return;
    }
    let out = ((item * sizes.queries + query) * sizes.heads + head) * <QUADS>u + mine;
//% for d in SHARE
    if mine + <d>u < <QUADS>u {
        y[out + <d>u] = sum<d> / total;
    }
//% end
}
