//! The launchers of `kernels/group_norm.wgsl` and `kernels/layer_norm.wgsl`.

use burn::tensor::Tensor;

use super::{
    launch::{Kernel, TILED_WORKGROUP_SIZE, WORKGROUP_SIZE, contiguous},
    select::{Features, Variant},
};
use crate::ops::{Activation, Gpu, activate, plain};

/// The workgroup size of layer norms with one workgroup per row: rows are short.
const ROW_WORKGROUP_SIZE: usize = 64;
/// The most workgroups in one dimension of a launch, on every device.
const MAX_WORKGROUPS: usize = 65_535;

pub(super) fn group_kernel(variant: Variant, silu: bool, tokens: bool) -> Kernel {
    let workgroup_size = match variant {
        Variant::RegisterTiled => WORKGROUP_SIZE,
        Variant::SharedMemoryTiled(_) => TILED_WORKGROUP_SIZE,
    };
    let mut values = vec![
        ("WORKGROUP_SIZE", workgroup_size),
        ("SILU", usize::from(silu)),
    ];
    values.push(("TOKENS", usize::from(tokens)));
    values.extend(reduction(variant));
    Kernel {
        name: "group_norm",
        values,
        workgroup_size,
    }
}

pub(super) fn layer_kernel(variant: Variant) -> Kernel {
    let (workgroup_size, shared) = match variant {
        Variant::RegisterTiled => (WORKGROUP_SIZE, 0),
        Variant::SharedMemoryTiled(_) => (ROW_WORKGROUP_SIZE, 1),
    };
    let mut values = vec![("WORKGROUP_SIZE", workgroup_size), ("SHARED", shared)];
    values.extend(reduction(variant));
    Kernel {
        name: "layer_norm",
        values,
        workgroup_size,
    }
}

/// The kind of reduction over a workgroup.
fn reduction(variant: Variant) -> [(&'static str, usize); 2] {
    let (tree, subgroups) = match variant {
        Variant::RegisterTiled => (false, false),
        Variant::SharedMemoryTiled(Features { subgroups, .. }) => (!subgroups, subgroups),
    };
    [
        ("TREE", usize::from(tree)),
        ("SUBGROUPS", usize::from(subgroups)),
    ]
}

/// See [`crate::ops::Kernels::group_norm`].
pub(super) fn groups(
    variant: Variant,
    x: Tensor<Gpu, 4>,
    groups: usize,
    scale: Tensor<Gpu, 1>,
    shift: Tensor<Gpu, 1>,
    eps: f64,
    activation: Activation,
) -> Tensor<Gpu, 4> {
    let silu = activation == Activation::Silu;
    let (kernel, shape) = (group_kernel(variant, silu, false), x.dims());
    let y = by_groups(kernel, x, groups, [scale, shift], eps, shape);
    if silu { y } else { activate(y, activation) }
}

/// See [`crate::ops::Kernels::group_norm_to_tokens`].
pub(super) fn groups_to_tokens(
    variant: Variant,
    x: Tensor<Gpu, 4>,
    groups: usize,
    scale: Tensor<Gpu, 1>,
    shift: Tensor<Gpu, 1>,
    eps: f64,
) -> Tensor<Gpu, 3> {
    let [batch, channels, rows, columns] = x.dims();
    let (kernel, shape) = (
        group_kernel(variant, false, true),
        [batch, rows * columns, channels],
    );
    by_groups(kernel, x, groups, [scale, shift], eps, shape)
}

fn by_groups<const D: usize>(
    kernel: Kernel,
    x: Tensor<Gpu, 4>,
    groups: usize,
    affine: [Tensor<Gpu, 1>; 2],
    eps: f64,
    shape: [usize; D],
) -> Tensor<Gpu, D> {
    let [batch, channels, rows, columns] = x.dims();
    let mut sizes = [groups, channels, rows * columns]
        .map(|size| size as u32)
        .to_vec();
    sizes.push((eps as f32).to_bits());
    let mut tensors = vec![contiguous(x)];
    tensors.extend(affine.map(contiguous));
    kernel.run(tensors, shape, &sizes, [batch * groups, 1, 1])
}

/// See [`crate::ops::Kernels::layer_norm`].
pub(super) fn rows<const D: usize>(
    variant: Variant,
    x: Tensor<Gpu, D>,
    scale: Tensor<Gpu, 1>,
    shift: Tensor<Gpu, 1>,
    eps: f64,
) -> Tensor<Gpu, D> {
    let shape = x.dims();
    let width = shape[D - 1];
    if !width.is_multiple_of(4) {
        return plain::layer_norm(x, scale, shift, eps);
    }
    let rows = shape[..D - 1].iter().product::<usize>();
    let sizes = [rows as u32, (width / 4) as u32, (eps as f32).to_bits(), 0];
    let tensors = vec![contiguous(x), contiguous(scale), contiguous(shift)];
    let (variant, groups) = match variant {
        Variant::SharedMemoryTiled(_) if rows <= MAX_WORKGROUPS => (variant, rows),
        _ => (Variant::RegisterTiled, rows.div_ceil(WORKGROUP_SIZE)),
    };
    layer_kernel(variant).run(tensors, shape, &sizes, [groups, 1, 1])
}
