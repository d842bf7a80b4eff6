//! GELU and GEGLU behind linear layers, four numbers at once.

use burn::tensor::{Tensor, TensorData};

use super::{
    Cpu, each_chunk, owned,
    vector::{each, gelu},
};
use crate::ops::{Activation, Epilogue, WeightRef, plain};

/// Numbers that are worth another thread.
const PART: usize = 1 << 14;

/// See [`crate::ops::Kernels::linear`].
pub(super) fn linear<const D: usize>(
    x: Tensor<Cpu, D>,
    weight: WeightRef<'_, Cpu, 2>,
    epilogue: Epilogue<Cpu, D>,
) -> Tensor<Cpu, D> {
    if epilogue.activation != Activation::Gelu {
        return plain::linear(x, weight.unpack(), epilogue);
    }
    let y = plain::linear(x, weight.unpack(), Epilogue::bias(epilogue.bias));
    let (shape, device) = (y.dims(), y.device());
    let mut y = owned(y);
    each_chunk(&mut y, PART, |_, y| each(y, gelu));
    let y = Tensor::from_data(TensorData::new(y, shape), &device);
    plain::onto(y, epilogue.residual)
}

/// See [`crate::ops::Kernels::linear_geglu`].
pub(super) fn gated<const D: usize>(
    x: Tensor<Cpu, D>,
    weight: WeightRef<'_, Cpu, 2>,
    bias: Option<Tensor<Cpu, 1>>,
) -> Tensor<Cpu, D> {
    let both = plain::linear(x, weight.unpack(), Epilogue::bias(bias));
    let (mut shape, device) = (both.dims(), both.device());
    let width = shape[D - 1] / 2;
    shape[D - 1] = width;
    let both = owned(both);
    let rows = (PART / width.max(1)).max(1);
    let mut y = vec![0.0; both.len() / 2];
    each_chunk(&mut y, rows * width.max(1), |part, y| {
        let first = part * rows;
        for (row, y) in (first..).zip(y.chunks_exact_mut(width.max(1))) {
            let (value, gate) = both[2 * row * width..][..2 * width].split_at(width);
            y.copy_from_slice(gate);
            each(y, gelu);
            y.iter_mut().zip(value).for_each(|(y, value)| *y *= value);
        }
    });
    Tensor::from_data(TensorData::new(y, shape), &device)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::numbers, *};

    #[test]
    fn layers_with_gelu_equal_the_plain_form() {
        for (rows, inputs, outputs) in [(1, 1, 1), (5, 7, 9), (300, 16, 130)] {
            let x: Tensor<Cpu, 3> = numbers([2, rows, inputs], 1) * 3.0;
            let weight: Tensor<Cpu, 2> = numbers([2 * outputs, inputs], 2);
            let bias: Tensor<Cpu, 1> = numbers([2 * outputs], 3);
            let epilogue = || Epilogue {
                activation: Activation::Gelu,
                residual: Some(numbers([2, rows, 2 * outputs], 4)),
                ..Epilogue::bias(Some(bias.clone()))
            };
            let found = linear(x.clone(), WeightRef::Dense(weight.clone()), epilogue());
            let error = found - plain::linear(x.clone(), weight.clone(), epilogue());
            assert!(error.abs().max().into_scalar() < 1e-5);

            let found = gated(
                x.clone(),
                WeightRef::Dense(weight.clone()),
                Some(bias.clone()),
            );
            let expected = plain::geglu(x, weight, Some(bias));
            let most = expected.clone().abs().max().into_scalar();
            let error = (found - expected).abs().max().into_scalar();
            assert!(error < 1e-6 * most.max(10.0), "{error} of {most}");
        }
    }
}
