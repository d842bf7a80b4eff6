//! The launchers of `kernels/depthwise_conv1d.wgsl` and `kernels/conv_transpose1d.wgsl`. Other
//! one-dimensional convolutions are launched as two-dimensional ones.

use burn::tensor::Tensor;

use super::launch::{Kernel, WORKGROUP_SIZE, contiguous, layer_values};
use crate::{
    ops::{Conv1dGeometry, Gpu, WeightRef, plain},
    quant::Encoding,
};

/// Outputs per thread of a transposed convolution.
const STEPS: usize = 4;

pub(super) fn depthwise_kernel(bias: bool) -> Kernel {
    let mut values = layer_values(Encoding::F32, &[("BIAS", "AT_BIAS", bias)]);
    values.push(("WORKGROUP_SIZE", WORKGROUP_SIZE));
    Kernel {
        name: "depthwise_conv1d",
        values,
        workgroup_size: WORKGROUP_SIZE,
    }
}

pub(super) fn transposed_kernel(bias: bool) -> Kernel {
    let mut values = layer_values(Encoding::F32, &[("BIAS", "AT_BIAS", bias)]);
    values.extend([("STEPS", STEPS), ("WORKGROUP_SIZE", WORKGROUP_SIZE)]);
    Kernel {
        name: "conv_transpose1d",
        values,
        workgroup_size: WORKGROUP_SIZE,
    }
}

/// See [`crate::ops::Kernels::depthwise_conv1d`].
pub(super) fn depthwise(
    x: Tensor<Gpu, 3>,
    weight: Tensor<Gpu, 3>,
    bias: Option<Tensor<Gpu, 1>>,
    geometry: Conv1dGeometry,
) -> Tensor<Gpu, 3> {
    let Conv1dGeometry {
        stride,
        padding,
        dilation,
    } = geometry;
    let [batch, channels, samples] = x.dims();
    let [_, _, kernel] = weight.dims();
    let made = (samples + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
    let sizes = [
        channels, samples, made, kernel, stride, padding, dilation, 0,
    ];
    let program = depthwise_kernel(bias.is_some());
    let mut tensors = vec![contiguous(x), contiguous(weight)];
    tensors.extend(bias.map(contiguous));
    let groups = [made.div_ceil(WORKGROUP_SIZE), channels, batch];
    let shape = [batch, channels, made];
    program.run(tensors, shape, &sizes.map(|size| size as u32), groups)
}

/// See [`crate::ops::Kernels::conv_transpose1d`].
pub(super) fn transposed(
    x: Tensor<Gpu, 3>,
    weight: WeightRef<'_, Gpu, 3>,
    bias: Option<Tensor<Gpu, 1>>,
    geometry: Conv1dGeometry,
) -> Tensor<Gpu, 3> {
    let Conv1dGeometry {
        stride, padding, ..
    } = geometry;
    let packed = match &weight {
        WeightRef::Packed(weight) if weight.encoding() == Encoding::F32 => weight.floats(),
        _ => None,
    };
    let (WeightRef::Packed(weight), Some(values), 1) = (&weight, packed, geometry.dilation) else {
        return plain::conv_transpose1d(x, weight.unpack(), bias, geometry);
    };
    let [outputs, inputs, _, kernel] = weight.shape();
    let [batch, _, samples] = x.dims();
    let made = (samples - 1) * stride + kernel - 2 * padding;
    let sizes = [inputs, samples, outputs, made, kernel, stride, padding, 0];
    let program = transposed_kernel(bias.is_some());
    let mut tensors = vec![contiguous(x), contiguous(values)];
    tensors.extend(bias.map(contiguous));
    let threads = made.div_ceil(STEPS * stride) * stride;
    let groups = [threads.div_ceil(WORKGROUP_SIZE), outputs / 4, batch];
    let shape = [batch, outputs, made];
    program.run(tensors, shape, &sizes.map(|size| size as u32), groups)
}
