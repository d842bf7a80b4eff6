//! The launcher of `kernels/conv2d.wgsl` and `kernels/conv2d_tiled.wgsl`, for convolutions of one and two dimensions.

use burn::tensor::Tensor;

use super::{
    Activation, Conv1dGeometry, Conv2dGeometry, Encoding, Epilogue, Extras, Family, Gpu, Kernel,
    Packed, TILE, TILE_WIDTH, WIDTH, WeightRef, contiguous, places, plain, winograd, words,
};

/// Successive outputs of a thread, and fours of channels.
const PIXELS: usize = 8;
const QUADS: usize = 2;

/// With a bias, a shift, a residual.
pub(super) fn kernel(
    family: Family,
    encoding: Encoding,
    [bias, shift, residual]: [bool; 3],
) -> Kernel {
    let optional = [
        ("BIAS", "AT_BIAS", bias),
        ("SHIFT", "AT_SHIFT", shift),
        ("RESIDUAL", "AT_RESIDUAL", residual),
    ];
    let mut values = places(encoding, &optional);
    match family {
        Family::Registers => {
            values.extend([("PIXELS", PIXELS), ("QUADS", QUADS), ("WIDTH", WIDTH)]);
            Kernel {
                name: "conv2d",
                text: concat!(
                    include_str!("../../../kernels/conv2d.wgsl"),
                    include_str!("../../../kernels/unpack.wgsl")
                ),
                values,
                width: WIDTH,
            }
        }
        Family::Tiles(Extras { half, .. }) => {
            // Halves leave room for deeper tiles, between which there are fewer barriers.
            let depth = if half { 32 } else { 16 };
            values.extend([("FOUR", 4), ("WIDTH", TILE_WIDTH), ("HALF", half.into())]);
            values.extend([
                ("DEPTH", depth),
                ("X_LOADS", depth / 4),
                ("W_LOADS", depth / 16),
            ]);
            Kernel {
                name: "conv2d_tiled",
                text: concat!(
                    include_str!("../../../kernels/conv2d_tiled.wgsl"),
                    include_str!("../../../kernels/unpack.wgsl"),
                    include_str!("../../../kernels/tile.wgsl")
                ),
                values,
                width: TILE_WIDTH,
            }
        }
    }
}

/// A convolution of one or two dimensions.
#[derive(Debug, Clone, Copy)]
struct Walk {
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
}

/// See [`super::super::Kernels::conv2d`].
pub(super) fn conv2d(
    family: Family,
    x: Tensor<Gpu, 4>,
    weight: WeightRef<'_, Gpu, 4>,
    epilogue: Epilogue<Gpu, 4>,
    geometry: Conv2dGeometry,
) -> Tensor<Gpu, 4> {
    let (WeightRef::Packed(weight), Activation::None) = (&weight, epilogue.activation) else {
        return plain::conv2d(x, weight.unpack(), epilogue, geometry);
    };
    if family == Family::Registers && winograd::pays(x.dims(), weight.shape(), geometry) {
        return winograd::conv2d(x, weight, epilogue);
    }
    direct(family, x, weight, epilogue, geometry)
}

/// The same in one kernel, without an activation.
pub(super) fn direct(
    family: Family,
    x: Tensor<Gpu, 4>,
    weight: &Packed<Gpu>,
    epilogue: Epilogue<Gpu, 4>,
    geometry: Conv2dGeometry,
) -> Tensor<Gpu, 4> {
    let [_, _, rows, columns] = weight.shape();
    let Conv2dGeometry { stride, padding } = geometry;
    let walk = Walk {
        kernel: [rows, columns],
        stride,
        padding,
        dilation: [1, 1],
    };
    launch(family, x, weight, epilogue, walk)
}

/// See [`super::super::Kernels::conv1d`].
pub(super) fn conv1d(
    family: Family,
    x: Tensor<Gpu, 3>,
    weight: WeightRef<'_, Gpu, 3>,
    epilogue: Epilogue<Gpu, 3>,
    geometry: Conv1dGeometry,
) -> Tensor<Gpu, 3> {
    let (WeightRef::Packed(weight), Activation::None) = (&weight, epilogue.activation) else {
        return plain::conv1d(x, weight.unpack(), epilogue, geometry);
    };
    let walk = Walk {
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
    launch(family, x.unsqueeze_dim(2), weight, epilogue, walk).squeeze_dim(2)
}

/// Weights of the packed form have outputs in fours.
fn launch(
    family: Family,
    x: Tensor<Gpu, 4>,
    weight: &Packed<Gpu>,
    epilogue: Epilogue<Gpu, 4>,
    walk: Walk,
) -> Tensor<Gpu, 4> {
    let [batch, inputs, rows, columns] = x.dims();
    let [outputs, ..] = weight.shape();
    let Walk {
        kernel: taps,
        stride,
        padding,
        dilation,
    } = walk;
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
    let kernel = kernel(family, weight.encoding(), present);
    tensors.extend(epilogue.bias.map(contiguous));
    tensors.extend(epilogue.shift.map(contiguous));
    tensors.extend(epilogue.residual.map(contiguous));
    let pixels = out_rows * out_columns;
    let groups = match family {
        Family::Registers => [
            pixels.div_ceil(PIXELS).div_ceil(WIDTH),
            (outputs / 4).div_ceil(QUADS),
            batch,
        ],
        Family::Tiles(_) => [pixels.div_ceil(TILE), outputs.div_ceil(TILE), batch],
    };
    let shape = [batch, outputs, out_rows, out_columns];
    kernel.run(tensors, shape, &sizes.map(|size| size as u32), groups)
}
