// Sum over the threads of a workgroup. Template: WORKGROUP_SIZE (a power of two with TREE), at most one of SUBGROUPS
// and TREE (0 or 1). Workgroup memory: 4 WORKGROUP_SIZE bytes.
var<workgroup> parts: array<f32, <WORKGROUP_SIZE>>;

//% if SUBGROUPS
// No assumption about subgroups: sizes may differ and any thread may be in any of them. The first thread of each
// subgroup stores its sum at its own index, and every subgroup adds up all of them.
fn workgroup_sum(part: f32, lane: u32) -> f32 {
    let count = subgroupAdd(1u);
    let rank = subgroupExclusiveAdd(1u);
    let sum = subgroupAdd(part);
    parts[lane] = select(0.0, sum, rank == 0u);
    workgroupBarrier();
    var rest = 0.0;
    for (var i = 0u; i < <WORKGROUP_SIZE>u; i += count) {
        if i + rank < <WORKGROUP_SIZE>u {
            rest += parts[i + rank];
        }
    }
    workgroupBarrier();
    return subgroupAdd(rest);
}
//% else
fn workgroup_sum(part: f32, lane: u32) -> f32 {
    parts[lane] = part;
    workgroupBarrier();
//% if TREE
    for (var reach = <WORKGROUP_SIZE>u / 2u; reach > 0u; reach /= 2u) {
        if lane < reach {
            parts[lane] += parts[lane + reach];
        }
        workgroupBarrier();
    }
    let sum = parts[0];
//% else
    var sum = 0.0;
    for (var i = 0u; i < <WORKGROUP_SIZE>u; i++) {
        sum += parts[i];
    }
//% end
    workgroupBarrier();
    return sum;
}
//% end
