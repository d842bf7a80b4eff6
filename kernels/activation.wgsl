// The activation of a layer's epilogue. Template: at most one of SILU, GELU (0 or 1).
//% if SILU
fn activation(x: f32) -> f32 { return x / (1.0 + exp(-x)); }
//% else
//% if GELU
// x Phi(x), with the error function after Abramowitz and Stegun, 7.1.26: absolute error below 1.5e-7.
fn activation(x: f32) -> f32 {
    let z = abs(x) * 0.7071067811865476;
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    let tail = 0.5 * p * exp(-z * z);
    return x * select(tail, 1.0 - tail, x >= 0.0);
}
//% else
fn activation(x: f32) -> f32 { return x; }
//% end
//% end
