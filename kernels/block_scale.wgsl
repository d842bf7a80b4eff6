// The scale of a block of a packed linear weight, times 127 for int8 (unpack4x8snorm divides by it). The including
// kernel binds `scales`: f16, two in a word. Template: BLOCKS, Q8 (0 or 1).
//% if BLOCKS
fn block_scale(block: u32) -> f32 {
    let pair = unpack2x16float(scales[block / 2u]);
//% if Q8
    return 127.0 * select(pair.x, pair.y, block % 2u == 1u);
//% else
    return select(pair.x, pair.y, block % 2u == 1u);
//% end
}
//% end
