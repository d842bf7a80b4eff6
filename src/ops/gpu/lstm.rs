//! The launcher of `kernels/lstm.wgsl`.

use burn::tensor::Tensor;

use super::{
    launch::{Kernel, TILED_WORKGROUP_SIZE, WORKGROUP_SIZE, contiguous},
    select::Variant,
};
use crate::ops::{Gpu, plain};

/// The most units: the states and cells of so many fill the workgroup memory that every device has.
pub(super) const UNITS: usize = 2048;

pub(super) fn kernel(variant: Variant) -> Kernel {
    let workgroup_size = match variant {
        Variant::RegisterTiled => WORKGROUP_SIZE,
        Variant::SharedMemoryTiled(_) => TILED_WORKGROUP_SIZE,
    };
    Kernel {
        name: "lstm",
        values: vec![("WORKGROUP_SIZE", workgroup_size), ("UNITS", UNITS)],
        workgroup_size,
    }
}

/// See [`crate::ops::Kernels::lstm`].
pub(super) fn lstm(
    variant: Variant,
    gates: Tensor<Gpu, 3>,
    weight: Tensor<Gpu, 2>,
    reverse: bool,
) -> Tensor<Gpu, 3> {
    let [batch, steps, width] = gates.dims();
    let hidden = width / 4;
    if hidden > UNITS {
        return plain::lstm(gates, weight, reverse);
    }
    // Neighbouring threads read neighbouring weights.
    let turned = weight
        .reshape([4, hidden, hidden])
        .permute([2, 1, 0])
        .reshape([hidden * hidden * 4]);
    let sizes = [steps as u32, hidden as u32, u32::from(reverse), 0];
    let tensors = vec![contiguous(gates), contiguous::<1>(turned)];
    kernel(variant).run(tensors, [batch, steps, hidden], &sizes, [batch, 1, 1])
}
