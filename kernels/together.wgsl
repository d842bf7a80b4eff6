// The sum of what a workgroup's threads have; included in kernels. Template: WIDTH (invocations of the workgroup, a
// power of two with TREE), at most one of SUBGROUPS and TREE (0 or 1). Workgroup memory: 4 WIDTH bytes.
var<workgroup> parts: array<f32, <WIDTH>>;

//% if SUBGROUPS
// Nothing is assumed of subgroups: they may be of any size and of several, and have any threads. The first thread of
// each leaves its sum where no other thread does, and every subgroup adds all of them.
fn together(part: f32, lane: u32) -> f32 {
    let count = subgroupAdd(1u);
    let rank = subgroupExclusiveAdd(1u);
    let sum = subgroupAdd(part);
    parts[lane] = select(0.0, sum, rank == 0u);
    workgroupBarrier();
    var rest = 0.0;
    for (var i = 0u; i < <WIDTH>u; i += count) {
        if i + rank < <WIDTH>u {
            rest += parts[i + rank];
        }
    }
    workgroupBarrier();
    return subgroupAdd(rest);
}
//% else
fn together(part: f32, lane: u32) -> f32 {
    parts[lane] = part;
    workgroupBarrier();
//% if TREE
    for (var reach = <WIDTH>u / 2u; reach > 0u; reach /= 2u) {
        if lane < reach {
            parts[lane] += parts[lane + reach];
        }
        workgroupBarrier();
    }
    let sum = parts[0];
//% else
    var sum = 0.0;
    for (var i = 0u; i < <WIDTH>u; i++) {
        sum += parts[i];
    }
//% end
    workgroupBarrier();
    return sum;
}
//% end
