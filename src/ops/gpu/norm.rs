//! The launchers of `kernels/group_norm.wgsl` and `kernels/layer_norm.wgsl`.

use burn::tensor::Tensor;

use super::{Gpu, Kernel, WIDTH, contiguous, plain};
use crate::ops::{Activation, activate};

pub(super) fn group_kernel(silu: bool) -> Kernel {
    Kernel {
        name: "group_norm",
        text: include_str!("../../../kernels/group_norm.wgsl"),
        values: vec![("WIDTH", WIDTH), ("SILU", usize::from(silu))],
        width: WIDTH,
    }
}

pub(super) fn layer_kernel() -> Kernel {
    Kernel {
        name: "layer_norm",
        text: include_str!("../../../kernels/layer_norm.wgsl"),
        values: vec![("WIDTH", WIDTH)],
        width: WIDTH,
    }
}

/// See [`crate::ops::Kernels::normalise_groups`].
pub(super) fn groups(
    x: Tensor<Gpu, 4>,
    groups: usize,
    scale: Tensor<Gpu, 1>,
    shift: Tensor<Gpu, 1>,
    eps: f64,
    activation: Activation,
) -> Tensor<Gpu, 4> {
    let shape @ [batch, channels, rows, columns] = x.dims();
    let silu = activation == Activation::Silu;
    let sizes = [
        groups as u32,
        channels as u32,
        (rows * columns) as u32,
        (eps as f32).to_bits(),
    ];
    let tensors = vec![contiguous(x), contiguous(scale), contiguous(shift)];
    let y = group_kernel(silu).run(tensors, shape, &sizes, [batch * groups, 1, 1]);
    if silu { y } else { activate(y, activation) }
}

/// See [`crate::ops::Kernels::normalise_rows`].
pub(super) fn rows<const D: usize>(
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
    layer_kernel().run(tensors, shape, &sizes, [rows.div_ceil(WIDTH), 1, 1])
}
