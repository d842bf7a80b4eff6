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
    return vec4f(f32(n & 15u), f32((n >> 4u) & 15u), f32((n >> 8u) & 15u), f32((n >> 12u) & 15u)) - 8.0;
}
//% else
fn weights(place: u32) -> vec4f { return w[place]; }
//% end
//% end
//% end
