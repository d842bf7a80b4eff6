//! The launcher of `kernels/linear.wgsl` and `kernels/linear_tiled.wgsl`.

use burn::tensor::Tensor;

use super::{
    Activation, After, Extras, Family, Gpu, Kernel, Packing, TILE, TILE_WIDTH, WIDTH, WeightRef,
    contiguous, places, plain, words,
};
use crate::ops::activate;

/// The tile of a thread.
const ROWS: usize = 8;
const COLUMNS: usize = 8;

pub(super) fn kernel(
    family: Family,
    packing: Packing,
    [bias, residual]: [bool; 2],
    activation: Activation,
) -> Kernel {
    let optional = [
        ("BIAS", "AT_BIAS", bias),
        ("RESIDUAL", "AT_RESIDUAL", residual),
    ];
    let mut values = places(packing, &optional);
    values.extend([
        ("SILU", usize::from(activation == Activation::Silu)),
        ("GELU", usize::from(activation == Activation::Gelu)),
    ]);
    match family {
        Family::Registers => {
            values.extend([("ROWS", ROWS), ("COLUMNS", COLUMNS), ("WIDTH", WIDTH)]);
            Kernel {
                name: "linear",
                text: concat!(
                    include_str!("../../../kernels/linear.wgsl"),
                    include_str!("../../../kernels/activation.wgsl")
                ),
                values,
                width: WIDTH,
            }
        }
        Family::Tiles(Extras { half, .. }) => {
            // Halves leave room for deeper tiles, between which there are fewer barriers.
            let depth = if half { 8 } else { 4 };
            values.extend([("FOUR", 4), ("WIDTH", TILE_WIDTH), ("HALF", half.into())]);
            values.extend([("DEPTH", depth), ("LOADS", depth / 4)]);
            Kernel {
                name: "linear_tiled",
                text: concat!(
                    include_str!("../../../kernels/linear_tiled.wgsl"),
                    include_str!("../../../kernels/activation.wgsl"),
                    include_str!("../../../kernels/unpack.wgsl"),
                    include_str!("../../../kernels/tile.wgsl")
                ),
                values,
                width: TILE_WIDTH,
            }
        }
    }
}

/// See [`super::super::Kernels::project`].
pub(super) fn linear<const D: usize>(
    family: Family,
    x: Tensor<Gpu, D>,
    weight: WeightRef<'_, Gpu, 2>,
    after: After<Gpu, D>,
) -> Tensor<Gpu, D> {
    let mut dims = x.dims();
    let inputs = dims[D - 1];
    let count = dims[..D - 1].iter().product::<usize>();
    // So many numbers are read at once.
    let width = match family {
        Family::Registers => 2,
        Family::Tiles(_) => 4,
    };
    if !inputs.is_multiple_of(width) || count == 0 {
        return plain::linear(x, weight.unpack(), after);
    }
    let mut tensors = vec![contiguous(x)];
    let (outputs, packing) = match weight {
        WeightRef::Plain(weight) => {
            let [outputs, _] = weight.dims();
            tensors.push(contiguous(weight));
            (outputs, Packing::F32)
        }
        WeightRef::Packed(weight) => {
            tensors.extend(words(weight));
            tensors.extend(weight.halves().map(|scales| scales.into_primitive()));
            (weight.shape()[0], weight.packing())
        }
    };
    dims[D - 1] = outputs;
    // Another function stands behind the kernel, and so does what is added to it.
    let fused = matches!(
        after.activation,
        Activation::None | Activation::Silu | Activation::Gelu
    );
    let (inside, outside) = if fused {
        (after.residual, None)
    } else {
        (None, after.residual)
    };
    let present = [after.bias.is_some(), inside.is_some()];
    let kernel = kernel(family, packing, present, after.activation);
    tensors.extend(after.bias.map(contiguous));
    tensors.extend(inside.map(contiguous));
    let sizes = [count, outputs, inputs / width, 0].map(|size| size as u32);
    let groups = match family {
        Family::Registers => [
            outputs.div_ceil(COLUMNS).div_ceil(WIDTH),
            count.div_ceil(ROWS),
            1,
        ],
        Family::Tiles(_) => [outputs.div_ceil(TILE), count.div_ceil(TILE), 1],
    };
    let y = kernel.run(tensors, dims, &sizes, groups);
    if fused {
        return y;
    }
    let y = activate(y, after.activation);
    match outside {
        Some(residual) => residual + y,
        None => y,
    }
}
