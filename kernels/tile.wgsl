// What tiles in workgroup memory hold; included in kernels. Template: HALF (0 or 1), which needs shader-f16. What
// is beyond the range of f16 becomes its largest number: as f16 it could be anything.
//% if HALF
alias One = f16;
alias Four = vec4<f16>;
const MOST = 65504.0;
fn one(x: f32) -> One { return One(clamp(x, -MOST, MOST)); }
fn four(x: vec4f) -> Four { return Four(clamp(x, vec4f(-MOST), vec4f(MOST))); }
//% else
alias One = f32;
alias Four = vec4f;
fn one(x: f32) -> One { return x; }
fn four(x: vec4f) -> Four { return x; }
//% end
