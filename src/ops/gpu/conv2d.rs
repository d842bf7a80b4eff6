//! The launcher of `kernels/conv2d.wgsl` and `kernels/conv2d_tiled.wgsl`, for convolutions of one and two dimensions.

use burn::tensor::Tensor;

use super::{
    launch::{
        Kernel, TILE_SIDE, TILED_WORKGROUP_SIZE, WORKGROUP_SIZE, contiguous, layer_values, words,
    },
    select::{Features, Operation, Variant, variant as selected},
    winograd,
};
use crate::{
    ops::{Activation, Conv1dGeometry, Conv2dGeometry, Epilogue, Gpu, Packed, WeightRef, plain},
    quant::Encoding,
};

/// Successive outputs per thread, and vec4s of channels.
const PIXELS: usize = 8;
const QUADS: usize = 2;

/// The kernel with or without bias, shift and residual.
pub(super) fn kernel(
    variant: Variant,
    encoding: Encoding,
    [bias, shift, residual]: [bool; 3],
) -> Kernel {
    let optional = [
        ("BIAS", "AT_BIAS", bias),
        ("SHIFT", "AT_SHIFT", shift),
        ("RESIDUAL", "AT_RESIDUAL", residual),
    ];
    let mut values = layer_values(encoding, &optional);
    match variant {
        Variant::RegisterTiled => {
            values.extend([
                ("PIXELS", PIXELS),
                ("QUADS", QUADS),
                ("WORKGROUP_SIZE", WORKGROUP_SIZE),
            ]);
            Kernel {
                name: "conv2d",
                values,
                workgroup_size: WORKGROUP_SIZE,
            }
        }
        Variant::SharedMemoryTiled(Features { f16, .. }) => {
            // f16 leaves room for deeper tiles, which need fewer barriers.
            let depth = if f16 { 32 } else { 16 };
            values.extend([
                ("FOUR", 4),
                ("WORKGROUP_SIZE", TILED_WORKGROUP_SIZE),
                ("F16_TILES", f16.into()),
            ]);
            values.extend([
                ("DEPTH", depth),
                ("X_LOADS", depth / 4),
                ("W_LOADS", depth / 16),
            ]);
            Kernel {
                name: "conv2d_tiled",
                values,
                workgroup_size: TILED_WORKGROUP_SIZE,
            }
        }
    }
}

/// Parameters of a convolution, `[rows, columns]`; one-dimensional ones have one row.
#[derive(Debug, Clone, Copy)]
struct ConvParams {
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
}

/// See [`crate::ops::Kernels::conv2d`].
pub(super) fn conv2d(
    variant: Variant,
    x: Tensor<Gpu, 4>,
    weight: WeightRef<'_, Gpu, 4>,
    epilogue: Epilogue<Gpu, 4>,
    geometry: Conv2dGeometry,
) -> Tensor<Gpu, 4> {
    let (WeightRef::Packed(weight), Activation::None) = (&weight, epilogue.activation) else {
        return plain::conv2d(x, weight.unpack(), epilogue, geometry);
    };
    if variant == Variant::RegisterTiled
        && winograd::pays(x.dims(), weight.shape(), geometry)
        && selected(&x.device(), Operation::Winograd).is_some()
    {
        return winograd::conv2d(x, weight, epilogue);
    }
    direct(variant, x, weight, epilogue, geometry)
}

/// One launch of the direct kernel; no activation.
pub(super) fn direct(
    variant: Variant,
    x: Tensor<Gpu, 4>,
    weight: &Packed<Gpu>,
    epilogue: Epilogue<Gpu, 4>,
    geometry: Conv2dGeometry,
) -> Tensor<Gpu, 4> {
    let [_, _, rows, columns] = weight.shape();
    let Conv2dGeometry { stride, padding } = geometry;
    let params = ConvParams {
        kernel: [rows, columns],
        stride,
        padding,
        dilation: [1, 1],
    };
    launch(variant, x, weight, epilogue, params)
}

/// See [`crate::ops::Kernels::conv1d`].
pub(super) fn conv1d(
    variant: Variant,
    x: Tensor<Gpu, 3>,
    weight: WeightRef<'_, Gpu, 3>,
    epilogue: Epilogue<Gpu, 3>,
    geometry: Conv1dGeometry,
) -> Tensor<Gpu, 3> {
    let (WeightRef::Packed(weight), Activation::None) = (&weight, epilogue.activation) else {
        return plain::conv1d(x, weight.unpack(), epilogue, geometry);
    };
    let params = ConvParams {
        kernel: [1, weight.shape()[3]],
        stride: [1, geometry.stride],
        padding: [0, geometry.padding],
        dilation: [1, geometry.dilation],
    };
    let epilogue = Epilogue {
        bias: epilogue.bias,
        shift: epilogue.shift,
        activation: Activation::None,
        residual: epilogue.residual.map(|residual| residual.unsqueeze_dim(2)),
    };
    launch(variant, x.unsqueeze_dim(2), weight, epilogue, params).squeeze_dim(2)
}

/// Weights of the packed spec have outputs in fours.
fn launch(
    variant: Variant,
    x: Tensor<Gpu, 4>,
    weight: &Packed<Gpu>,
    epilogue: Epilogue<Gpu, 4>,
    params: ConvParams,
) -> Tensor<Gpu, 4> {
    let [batch, inputs, rows, columns] = x.dims();
    let [outputs, ..] = weight.shape();
    let ConvParams {
        kernel: taps,
        stride,
        padding,
        dilation,
    } = params;
    let size = |axis: usize, length: usize| {
        let reach = dilation[axis] * (taps[axis] - 1) + 1;
        (length + 2 * padding[axis] - reach) / stride[axis] + 1
    };
    let (out_rows, out_columns) = (size(0, rows), size(1, columns));
    let sizes = [
        inputs,
        rows,
        columns,
        outputs,
        out_rows,
        out_columns,
        taps[0],
        taps[1],
        stride[0],
        stride[1],
        padding[0],
        padding[1],
        dilation[0],
        dilation[1],
    ];
    let mut tensors = vec![contiguous(x)];
    tensors.extend(words(weight));
    tensors.extend(weight.floats().map(contiguous));
    let present = [
        epilogue.bias.is_some(),
        epilogue.shift.is_some(),
        epilogue.residual.is_some(),
    ];
    let kernel = kernel(variant, weight.encoding(), present);
    tensors.extend(epilogue.bias.map(contiguous));
    tensors.extend(epilogue.shift.map(contiguous));
    tensors.extend(epilogue.residual.map(contiguous));
    let pixels = out_rows * out_columns;
    let groups = match variant {
        Variant::RegisterTiled => [
            pixels.div_ceil(PIXELS).div_ceil(WORKGROUP_SIZE),
            (outputs / 4).div_ceil(QUADS),
            batch,
        ],
        Variant::SharedMemoryTiled(_) => [
            pixels.div_ceil(TILE_SIDE),
            outputs.div_ceil(TILE_SIDE),
            batch,
        ],
    };
    let shape = [batch, outputs, out_rows, out_columns];
    kernel.run(tensors, shape, &sizes.map(|size| size as u32), groups)
}
