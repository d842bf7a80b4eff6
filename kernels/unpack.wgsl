// Loads four elements of a layer's weight as f32; `index` counts vec4s of `w`, which the including kernel binds. Int8
// elements come as n / 127. Template: at most one of F16, Q8, Q4 (0 or 1).
//% if F16
fn unpack_weights(index: u32) -> vec4f {
    let n = w[index];
    return vec4f(unpack2x16float(n.x), unpack2x16float(n.y));
}
//% else
//% if Q8
fn unpack_weights(index: u32) -> vec4f { return unpack4x8snorm(w[index]); }
//% else
//% if Q4
fn unpack_weights(index: u32) -> vec4f {
    let n = w[index / 2u] >> (16u * (index % 2u));
    // Shifts are slow on a software adapter.
    let parts = vec4f(vec4i(vec4u(n) & vec4u(15u, 240u, 3840u, 61440u)));
    return parts * vec4f(1.0, 0.0625, 0.00390625, 0.000244140625) - 8.0;
}
//% else
fn unpack_weights(index: u32) -> vec4f { return w[index]; }
//% end
//% end
//% end
