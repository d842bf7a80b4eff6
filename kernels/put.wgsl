// Writes one number of a linear layer's result; included in the kernels of linear layers, which bind `bias`,
// `residual`, `y` and `sizes`.
//
//   y = activation(sum) + residual, or with GATED sum activation(gate), where sums have their bias
//
// Layouts: y and residual [rows, outputs], or with CHANNELS [rows / area, outputs, area]; bias [outputs], with GATED
//   [2 outputs].
// Template: BIAS, RESIDUAL, CHANNELS, GATED (0 or 1). Needs activation.wgsl.

// What a sum begins with.
fn bias_of(column: u32) -> f32 {
//% if BIAS
    return bias[column];
//% else
    return 0.0;
//% end
}

// Where the first number of a row lies, and how far the next ones are behind it.
fn row_start(row: u32) -> u32 {
//% if CHANNELS
    return row / sizes.area * sizes.outputs * sizes.area + row % sizes.area;
//% else
    return row * sizes.outputs;
//% end
}
fn column_step() -> u32 {
//% if CHANNELS
    return sizes.area;
//% else
    return 1u;
//% end
}

// Only GATED reads `gate`.
fn put(out: u32, sum: f32, gate: f32) {
//% if GATED
    var value = sum * activation(gate);
//% else
    var value = activation(sum);
//% end
//% if RESIDUAL
    value += residual[out];
//% end
    y[out] = value;
}
