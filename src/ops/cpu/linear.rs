//! Linear layers: products where they are our own, GELU and GEGLU behind them four numbers at once.

use burn::tensor::{Tensor, TensorData};

use super::{
    Cpu, each_chunk, owned,
    product::{self, add_linear},
    vector::{each, gelu},
    with_values,
};
use crate::ops::{Activation, Epilogue, WeightRef, activate, plain};

/// Numbers that are worth another thread.
const PART: usize = 1 << 14;

/// See [`crate::ops::Kernels::linear`].
pub(super) fn linear<const D: usize>(
    x: Tensor<Cpu, D>,
    weight: WeightRef<'_, Cpu, 2>,
    epilogue: Epilogue<Cpu, D>,
) -> Tensor<Cpu, D> {
    let y = sums(x, weight.unpack(), epilogue.bias);
    let y = match epilogue.activation {
        Activation::Gelu => {
            let (shape, device) = (y.dims(), y.device());
            let mut y = owned(y);
            each_chunk(&mut y, PART, |_, y| each(y, gelu));
            Tensor::from_data(TensorData::new(y, shape), &device)
        }
        other => activate(y, other),
    };
    plain::onto(y, epilogue.residual)
}

/// `x weight^T + bias`.
fn sums<const D: usize>(
    x: Tensor<Cpu, D>,
    weight: Tensor<Cpu, 2>,
    bias: Option<Tensor<Cpu, 1>>,
) -> Tensor<Cpu, D> {
    if !product::OWN {
        return plain::linear(x, weight, Epilogue::bias(bias));
    }
    own_sums(x, weight, bias)
}

fn own_sums<const D: usize>(
    x: Tensor<Cpu, D>,
    weight: Tensor<Cpu, 2>,
    bias: Option<Tensor<Cpu, 1>>,
) -> Tensor<Cpu, D> {
    let ([outputs, inputs], mut shape, device) = (weight.dims(), x.dims(), x.device());
    shape[D - 1] = outputs;
    let rows = shape[..D - 1].iter().product::<usize>();
    let mut y = match bias {
        Some(bias) => owned(bias).repeat(rows),
        None => vec![0.0; rows * outputs],
    };
    with_values(x, |x| {
        with_values(weight, |weight| add_linear(x, weight, inputs, &mut y));
    });
    Tensor::from_data(TensorData::new(y, shape), &device)
}

/// See [`crate::ops::Kernels::linear_geglu`].
pub(super) fn gated<const D: usize>(
    x: Tensor<Cpu, D>,
    weight: WeightRef<'_, Cpu, 2>,
    bias: Option<Tensor<Cpu, 1>>,
) -> Tensor<Cpu, D> {
    let both = sums(x, weight.unpack(), bias);
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
            for bias in [None, Some(bias.clone())] {
                let found = own_sums(x.clone(), weight.clone(), bias.clone());
                let expected = plain::linear(x.clone(), weight.clone(), Epilogue::bias(bias));
                assert!((found - expected).abs().max().into_scalar() < 1e-4);
            }

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
