// Attention for GPUs: the same function, layouts, bindings and sizes as attention.wgsl, whose head describes
// them, with keys and values in workgroup memory.
//
// Template: QUADS (1 to 32); PARTS (threads of a query, 1 to 4), SPLIT (1 where they are several) and SHARE (fours of
//   a thread, 1 to 8; PARTS SHARE is QUADS at least); KEYS (of a tile, a multiple of CHUNK) and CHUNK (keys that a
//   thread hears at once, 1 to 8); WIDTH (must be 64 PARTS); HALF (0 or 1); BIAS, OTHERS and AT_Y as there.
// A workgroup makes 64 rows of y, the threads of a query SHARE fours of its row each: they exchange their parts of
// the scores. With HALF keys and values lie in workgroup memory as f16, at most 65,504 in size; products and sums
// are f32 in any case. Workgroup memory: 32 KEYS PARTS SHARE bytes, with HALF half of that, and with SPLIT 4
// CHUNK WIDTH bytes; at most 16,384 as the launcher chooses them. Features: shader-f16 with HALF, else none;
// without it: HALF 0. Needs heads.wgsl and tile.wgsl. Where workgroup memory is slow: attention.wgsl.

// Fours from one row of a tile to the next; those behind QUADS are zeros.
const PITCH = <PARTS>u * <SHARE>u;

var<workgroup> k_tile: array<Four, <KEYS>u * PITCH>;
var<workgroup> v_tile: array<Four, <KEYS>u * PITCH>;
//% if SPLIT
// Parts of scores: [part, key, query].
var<workgroup> parts: array<f32, <CHUNK>u * <WIDTH>u>;
//% end

@compute @workgroup_size(<WIDTH>)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
    let item = id.y / sizes.heads;
    let head = id.y % sizes.heads;
    let seat = lane % 64u;
    let part = lane / 64u;
    // The first four of this thread.
    let mine = part * <SHARE>u;
    // The last query stands for those behind it, which are not written.
    let query = min(id.x * 64u + seat, sizes.queries - 1u);
    let row = item * sizes.q_item + head * sizes.q_head + query * sizes.q_row + mine;
//% for d in SHARE
    var q<d> = vec4f();
    if mine + <d>u < <QUADS>u {
        q<d> = q[row + <d>u] * sizes.scale;
    }
    var sum<d> = vec4f();
//% end
    var highest = LOWEST;
    var total = 0.0;
//% if BIAS
    let bias_row = item * sizes.bias_item + head * sizes.bias_head + query * sizes.bias_query;
//% end
    let k_start = sizes.k_first + item * sizes.k_item + head * sizes.k_head;
    let v_start = sizes.v_first + item * sizes.v_item + head * sizes.v_head;
    for (var start = 0u; start < sizes.keys; start += <KEYS>u) {
        for (var i = lane; i < <KEYS>u * PITCH; i += <WIDTH>u) {
            let key = start + i / PITCH;
            let quad = i % PITCH;
            var k_four = vec4f();
            var v_four = vec4f();
            if key < sizes.keys && quad < <QUADS>u {
                k_four = key_four(k_start + key * sizes.k_row + quad);
                v_four = value_four(v_start + key * sizes.v_row + quad);
            }
            k_tile[i] = four(k_four);
            v_tile[i] = four(v_four);
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
            parts[(part * <CHUNK>u + <s>u) * 64u + seat] = score<s>;
//% end
            workgroupBarrier();
//% for s in CHUNK
            score<s> = 0.0;
//% for p in PARTS
            score<s> += parts[(<p>u * <CHUNK>u + <s>u) * 64u + seat];
//% end
//% end
            workgroupBarrier();
//% end
            var newest = highest;
//% for s in CHUNK
            // Behind the last key nothing is heard.
            let heard<s> = first + <s>u < count;
//% if BIAS
            let key<s> = min(start + first + <s>u, sizes.keys - 1u);
            score<s> += bias[bias_row + key<s> * sizes.bias_key];
//% end
            newest = max(newest, select(LOWEST, score<s>, heard<s>));
//% end
            // What is there was measured against a lower maximum.
            let less = exp(highest - newest);
            highest = newest;
            total *= less;
//% for d in SHARE
            sum<d> *= less;
//% end
//% for s in CHUNK
            let share<s> = select(0.0, exp(score<s> - highest), heard<s>);
            total += share<s>;
//% for d in SHARE
            sum<d> += share<s> * vec4f(v_tile[at<s> + <d>u]);
//% end
//% end
        }
        workgroupBarrier();
    }
    if id.x * 64u + seat >= sizes.queries {
        return;
    }
    let out = ((item * sizes.queries + query) * sizes.heads + head) * <QUADS>u + mine;
//% for d in SHARE
    if mine + <d>u < <QUADS>u {
        y[out + <d>u] = sum<d> / total;
    }
//% end
}
