// The scale of a block of a linear layer's weight, for int8 that of its 127th parts; included in kernels that bind
// `scales`, f16 and two in a word. Template: BLOCKS, Q8 (0 or 1).
//% if BLOCKS
fn scale_of(block: u32) -> f32 {
    let pair = unpack2x16float(scales[block / 2u]);
//% if Q8
    return 127.0 * select(pair.x, pair.y, block % 2u == 1u);
//% else
    return select(pair.x, pair.y, block % 2u == 1u);
//% end
}
//% end
