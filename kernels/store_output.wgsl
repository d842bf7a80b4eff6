// The epilogue of a linear layer: stores one element of its result. The including kernel binds `bias`, `residual`,
// `y` and `sizes`.
//
//   y = activation(sum) + residual, or with GATED sum activation(gate), where sums include their bias
//
// Layouts: y and residual [rows, outputs], or with CHANNELS [rows / area, outputs, area]; bias [outputs], with GATED
//   [2 outputs].
// Template: BIAS, RESIDUAL, CHANNELS, GATED (0 or 1), and those of activation.wgsl.

//% include activation.wgsl

// The initial value of an accumulator.
fn bias_of(column: u32) -> f32 {
//% if BIAS
    return bias[column];
//% else
    return 0.0;
//% end
}

// The offset of a row's first element in y, and the stride between its elements.
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

// `gate` is only read with GATED.
fn store_output(out: u32, sum: f32, gate: f32) {
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
