// One direction of a layer of an LSTM: states from what inputs and biases give to the gates. At every step, with s the
// state before it,
//
//   (i, f, g, o)[j] = gates[n, t, (0, 1, 2, 3) hidden + j] + sum over k of w[k, j] s[k]
//   c[j] = sigmoid(f) c[j] + sigmoid(i) tanh(g)
//   y[n, t, j] = sigmoid(o) tanh(c[j])
//
// State and cell are 0 before the first step, which is the last one in time when reverse is 1.
//
// Layouts, contiguous: gates [batch, steps, 4 hidden], w [hidden, hidden, 4] (for each number of the state and each unit
//   the weights of its four gates), y [batch, steps, hidden].
// Bindings: 0 gates, 1 w, 2 y, 3 the sizes.
// Template: WORKGROUP_SIZE (1 to 256), UNITS (the most units; hidden is no larger).
// One workgroup per item, which takes one step after the other. Workgroup memory: 8 UNITS bytes. Features: none.
// Fallback: plain::lstm.

struct Sizes { steps: u32, hidden: u32, reverse: u32, unused: u32 }

@group(0) @binding(0) var<storage, read_write> gates: array<f32>;
@group(0) @binding(1) var<storage, read_write> w: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> sizes: Sizes;

var<workgroup> states: array<f32, <UNITS>>;
var<workgroup> cells: array<f32, <UNITS>>;

fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exp(-x));
}

// The built-in function overflows on some devices.
fn tanh_of(x: f32) -> f32 {
    return 1.0 - 2.0 / (1.0 + exp(2.0 * x));
}

@compute @workgroup_size(<WORKGROUP_SIZE>)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
    let hidden = sizes.hidden;
    for (var j = lane; j < hidden; j += <WORKGROUP_SIZE>u) {
        states[j] = 0.0;
        cells[j] = 0.0;
    }
    workgroupBarrier();
    for (var i = 0u; i < sizes.steps; i++) {
        let step = id.x * sizes.steps + select(i, sizes.steps - 1u - i, sizes.reverse == 1u);
        for (var j = lane; j < hidden; j += <WORKGROUP_SIZE>u) {
            let start = 4u * step * hidden + j;
            var sum = vec4f(gates[start], gates[start + hidden], gates[start + 2u * hidden], gates[start + 3u * hidden]);
            for (var k = 0u; k < hidden; k++) {
                sum += w[k * hidden + j] * states[k];
            }
            let cell = sigmoid(sum.y) * cells[j] + sigmoid(sum.x) * tanh_of(sum.z);
            cells[j] = cell;
            y[step * hidden + j] = sigmoid(sum.w) * tanh_of(cell);
        }
        // Nobody reads the states of the step before any more.
        workgroupBarrier();
        for (var j = lane; j < hidden; j += <WORKGROUP_SIZE>u) {
            states[j] = y[step * hidden + j];
        }
        workgroupBarrier();
    }
}
