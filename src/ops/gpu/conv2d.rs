//! The launcher of `kernels/conv2d.wgsl`, for convolutions of one and two dimensions.

use burn::tensor::Tensor;

use super::{Conv1dGeometry, Conv2dGeometry, Gpu, Kernel, WIDTH, contiguous, plain};

/// Successive outputs of a thread, and fours of channels.
const PIXELS: usize = 8;
const QUADS: usize = 2;

pub(super) fn kernel(bias: bool) -> Kernel {
    Kernel {
        name: "conv2d",
        text: include_str!("../../../kernels/conv2d.wgsl"),
        values: vec![
            ("PIXELS", PIXELS),
            ("QUADS", QUADS),
            ("WIDTH", WIDTH),
            ("BIAS", usize::from(bias)),
        ],
    }
}

/// See [`super::super::Kernels::convolve_2d`].
pub(super) fn conv2d(
    x: Tensor<Gpu, 4>,
    weight: Tensor<Gpu, 4>,
    bias: Option<Tensor<Gpu, 1>>,
    geometry: Conv2dGeometry,
) -> Tensor<Gpu, 4> {
    if !weight.dims()[0].is_multiple_of(4) {
        return plain::conv2d(x, weight, bias, geometry);
    }
    let Conv2dGeometry { stride, padding } = geometry;
    launch(x, weight, bias, stride, padding, [1, 1])
}

/// See [`super::super::Kernels::convolve_1d`].
pub(super) fn conv1d(
    x: Tensor<Gpu, 3>,
    weight: Tensor<Gpu, 3>,
    bias: Option<Tensor<Gpu, 1>>,
    geometry: Conv1dGeometry,
) -> Tensor<Gpu, 3> {
    if !weight.dims()[0].is_multiple_of(4) {
        return plain::conv1d(x, weight, bias, geometry);
    }
    let Conv1dGeometry {
        stride,
        padding,
        dilation,
    } = geometry;
    let (x, weight) = (x.unsqueeze_dim(2), weight.unsqueeze_dim(2));
    launch(x, weight, bias, [1, stride], [0, padding], [1, dilation]).squeeze_dim(2)
}

fn launch(
    x: Tensor<Gpu, 4>,
    weight: Tensor<Gpu, 4>,
    bias: Option<Tensor<Gpu, 1>>,
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
) -> Tensor<Gpu, 4> {
    let [batch, inputs, rows, columns] = x.dims();
    let [outputs, _, kernel_rows, kernel_columns] = weight.dims();
    let reach = [
        dilation[0] * (kernel_rows - 1) + 1,
        dilation[1] * (kernel_columns - 1) + 1,
    ];
    let out_rows = (rows + 2 * padding[0] - reach[0]) / stride[0] + 1;
    let out_columns = (columns + 2 * padding[1] - reach[1]) / stride[1] + 1;
    let sizes = [
        batch,
        inputs,
        rows,
        columns,
        outputs,
        out_rows,
        out_columns,
        kernel_rows,
        kernel_columns,
        stride[0],
        stride[1],
        padding[0],
        padding[1],
        dilation[0],
        dilation[1],
        0,
    ];
    let kernel = kernel(bias.is_some());
    let mut tensors = vec![contiguous(x), contiguous(weight.permute([2, 3, 1, 0]))];
    tensors.extend(bias.map(contiguous));
    let groups = [
        (out_rows * out_columns).div_ceil(PIXELS).div_ceil(WIDTH),
        (outputs / 4).div_ceil(QUADS),
        batch,
    ];
    let shape = [batch, outputs, out_rows, out_columns];
    kernel.run(tensors, shape, &sizes.map(|size| size as u32), groups)
}
