// Writes one number of a linear layer's result, where it belongs to it; included in the kernels of linear layers,
// which bind `bias`, `residual`, `y` and `sizes`.
//
//   y = activation(sum + bias) + residual, or with GATED (sum + bias) activation(gate + bias of the gate)
//
// Layouts: y and residual [rows, outputs], or with CHANNELS [rows / area, outputs, area]; bias [outputs], with GATED
//   [2 outputs].
// Template: BIAS, RESIDUAL, CHANNELS, GATED (0 or 1). Needs activation.wgsl.
fn put(row: u32, column: u32, sum: f32, gate: f32) {
    if row >= sizes.rows || column >= sizes.outputs {
        return;
    }
//% if CHANNELS
    let out = (row / sizes.area * sizes.outputs + column) * sizes.area + row % sizes.area;
//% else
    let out = row * sizes.outputs + column;
//% end
    var value = sum;
    var other = gate;
//% if BIAS
    value += bias[column];
//% if GATED
    other += bias[sizes.outputs + column];
//% end
//% end
//% if GATED
    value *= activation(other);
//% else
    value = activation(value);
//% end
//% if RESIDUAL
    value += residual[out];
//% end
    y[out] = value;
}
