//! The launcher of `kernels/linear.wgsl`.

use burn::tensor::Tensor;

use super::{Gpu, Kernel, WIDTH, contiguous, plain};

/// The tile of a thread, rows and columns.
const TILE: [usize; 2] = [4, 4];

pub(super) fn kernel(bias: bool) -> Kernel {
    Kernel {
        name: "linear",
        text: include_str!("../../../kernels/linear.wgsl"),
        values: vec![
            ("ROWS", TILE[0]),
            ("COLUMNS", TILE[1]),
            ("WIDTH", WIDTH),
            ("BIAS", usize::from(bias)),
        ],
    }
}

/// See [`super::super::Kernels::project`].
pub(super) fn linear<const D: usize>(
    x: Tensor<Gpu, D>,
    weight: Tensor<Gpu, 2>,
    bias: Option<Tensor<Gpu, 1>>,
) -> Tensor<Gpu, D> {
    let mut dims = x.dims();
    let [outputs, inputs] = weight.dims();
    let rows = dims[..D - 1].iter().product::<usize>();
    if !inputs.is_multiple_of(4) || rows == 0 {
        return plain::linear(x, weight, bias);
    }
    dims[D - 1] = outputs;
    let kernel = kernel(bias.is_some());
    let mut tensors = vec![contiguous(x), contiguous(weight)];
    tensors.extend(bias.map(contiguous));
    let sizes = [rows, outputs, inputs / 4, 0].map(|size| size as u32);
    let groups = [
        outputs.div_ceil(TILE[1]).div_ceil(WIDTH),
        rows.div_ceil(TILE[0]),
        1,
    ];
    kernel.run(tensors, dims, &sizes, groups)
}
