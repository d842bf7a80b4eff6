// Element types of tiles in workgroup memory. Template: F16_TILES (0 or 1), which needs shader-f16. Values outside of the
// range of f16 are clamped to it: converting them is undefined.
//% if F16_TILES
alias TileScalar = f16;
alias TileVec4 = vec4<f16>;
const MAX_F16 = 65504.0;
fn to_tile_scalar(x: f32) -> TileScalar { return TileScalar(clamp(x, -MAX_F16, MAX_F16)); }
fn to_tile_vec4(x: vec4f) -> TileVec4 { return TileVec4(clamp(x, vec4f(-MAX_F16), vec4f(MAX_F16))); }
//% else
alias TileScalar = f32;
alias TileVec4 = vec4f;
fn to_tile_scalar(x: f32) -> TileScalar { return x; }
fn to_tile_vec4(x: vec4f) -> TileVec4 { return x; }
//% end
