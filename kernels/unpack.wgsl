// What a layer's weight holds at `place`, which counts fours; included in kernels that bind `w`. Int8 comes as
// parts of 127. Template: at most one of F16, Q8, Q4 (0 or 1).
//% if F16
fn weights(place: u32) -> vec4f {
    let n = w[place];
    return vec4f(unpack2x16float(n.x), unpack2x16float(n.y));
}
//% else
//% if Q8
fn weights(place: u32) -> vec4f { return unpack4x8snorm(w[place]); }
//% else
//% if Q4
fn weights(place: u32) -> vec4f {
    let n = w[place / 2u] >> (16u * (place % 2u));
    // Shifts are slow on a software adapter.
    let parts = vec4f(vec4i(vec4u(n) & vec4u(15u, 240u, 3840u, 61440u)));
    return parts * vec4f(1.0, 0.0625, 0.00390625, 0.000244140625) - 8.0;
}
//% else
fn weights(place: u32) -> vec4f { return w[place]; }
//% end
//% end
//% end
