//! The launchers of `kernels/group_norm.wgsl` and `kernels/layer_norm.wgsl`.

use burn::tensor::Tensor;

use super::{Extras, Family, Gpu, Kernel, TILE_WIDTH, WIDTH, contiguous, plain};
use crate::ops::{Activation, activate};

/// The invocations of a workgroup that makes a row: rows are short.
const ROW_WIDTH: usize = 64;
/// So many workgroups may be launched beside each other on every device.
const MOST_GROUPS: usize = 65_535;

pub(super) fn group_kernel(family: Family, silu: bool, tokens: bool) -> Kernel {
    let width = match family {
        Family::Registers => WIDTH,
        Family::Tiles(_) => TILE_WIDTH,
    };
    let mut values = vec![("WIDTH", width), ("SILU", usize::from(silu))];
    values.push(("TOKENS", usize::from(tokens)));
    values.extend(together(family));
    Kernel {
        name: "group_norm",
        text: concat!(
            include_str!("../../../kernels/group_norm.wgsl"),
            include_str!("../../../kernels/together.wgsl")
        ),
        values,
        width,
    }
}

pub(super) fn layer_kernel(family: Family) -> Kernel {
    let (width, shared, text) = match family {
        Family::Registers => (WIDTH, 0, include_str!("../../../kernels/layer_norm.wgsl")),
        Family::Tiles(_) => {
            let text = concat!(
                include_str!("../../../kernels/layer_norm.wgsl"),
                include_str!("../../../kernels/together.wgsl")
            );
            (ROW_WIDTH, 1, text)
        }
    };
    let mut values = vec![("WIDTH", width), ("SHARED", shared)];
    values.extend(together(family));
    Kernel {
        name: "layer_norm",
        text,
        values,
        width,
    }
}

/// How a workgroup's threads add up what they have.
fn together(family: Family) -> [(&'static str, usize); 2] {
    let (tree, subgroups) = match family {
        Family::Registers => (false, false),
        Family::Tiles(Extras { subgroups, .. }) => (!subgroups, subgroups),
    };
    [
        ("TREE", usize::from(tree)),
        ("SUBGROUPS", usize::from(subgroups)),
    ]
}

/// See [`crate::ops::Kernels::group_norm`].
pub(super) fn groups(
    family: Family,
    x: Tensor<Gpu, 4>,
    groups: usize,
    scale: Tensor<Gpu, 1>,
    shift: Tensor<Gpu, 1>,
    eps: f64,
    activation: Activation,
) -> Tensor<Gpu, 4> {
    let silu = activation == Activation::Silu;
    let (kernel, shape) = (group_kernel(family, silu, false), x.dims());
    let y = by_groups(kernel, x, groups, [scale, shift], eps, shape);
    if silu { y } else { activate(y, activation) }
}

/// See [`crate::ops::Kernels::group_norm_to_tokens`].
pub(super) fn groups_to_tokens(
    family: Family,
    x: Tensor<Gpu, 4>,
    groups: usize,
    scale: Tensor<Gpu, 1>,
    shift: Tensor<Gpu, 1>,
    eps: f64,
) -> Tensor<Gpu, 3> {
    let [batch, channels, rows, columns] = x.dims();
    let (kernel, shape) = (
        group_kernel(family, false, true),
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
    family: Family,
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
    let (family, groups) = match family {
        Family::Tiles(_) if rows <= MOST_GROUPS => (family, rows),
        _ => (Family::Registers, rows.div_ceil(WIDTH)),
    };
    layer_kernel(family).run(tensors, shape, &sizes, [groups, 1, 1])
}
