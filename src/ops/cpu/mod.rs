//! The operations of the CPU device: burn's own, but for those where there is a faster way.

mod attention;
mod convolution;
mod linear;
mod lstm;
mod norm;
mod product;
mod vector;
mod winograd;

use burn::tensor::{Tensor, TensorData, TensorPrimitive};

use super::{Activation, Conv1dGeometry, Conv2dGeometry, Epilogue, Kernels, WeightRef, plain};

/// The CPU device: tests, native generation, and browsers without a GPU.
pub type Cpu = burn::backend::Flex;

impl Kernels for Cpu {
    fn kernels(_: &Self::Device) -> String {
        format!("cpu {}", std::env::consts::ARCH)
    }

    fn linear<const D: usize>(
        x: Tensor<Self, D>,
        weight: WeightRef<'_, Self, 2>,
        epilogue: Epilogue<Self, D>,
    ) -> Tensor<Self, D> {
        linear::linear(x, weight, epilogue)
    }

    fn linear_geglu<const D: usize>(
        x: Tensor<Self, D>,
        weight: WeightRef<'_, Self, 2>,
        bias: Option<Tensor<Self, 1>>,
    ) -> Tensor<Self, D> {
        linear::gated(x, weight, bias)
    }

    fn attention(
        q: Tensor<Self, 4>,
        k: Tensor<Self, 4>,
        v: Tensor<Self, 4>,
        bias: Option<Tensor<Self, 4>>,
        scale: f64,
    ) -> Tensor<Self, 4> {
        attention::attention(q, k, v, bias, scale)
    }

    fn conv2d(
        x: Tensor<Self, 4>,
        weight: WeightRef<'_, Self, 4>,
        epilogue: Epilogue<Self, 4>,
        geometry: Conv2dGeometry,
    ) -> Tensor<Self, 4> {
        let weight = weight.unpack();
        let linear = epilogue.activation == Activation::None;
        if linear && winograd::pays(x.dims(), weight.dims(), geometry) {
            return winograd::conv2d(x, weight, epilogue);
        }
        if product::OWN {
            return convolution::conv2d(x, weight, epilogue, geometry);
        }
        plain::conv2d(x, weight, epilogue, geometry)
    }

    fn linear_to_channels(
        x: Tensor<Self, 3>,
        weight: WeightRef<'_, Self, 2>,
        bias: Option<Tensor<Self, 1>>,
        residual: Tensor<Self, 4>,
    ) -> Tensor<Self, 4> {
        let y = Self::linear(x, weight, Epilogue::bias(bias));
        let ([_, tokens, outputs], shape) = (y.dims(), residual.dims());
        let channels = vector::turned(&owned(y), tokens, outputs);
        let device = residual.device();
        residual + Tensor::from_data(TensorData::new(channels, shape), &device)
    }

    fn conv1d(
        x: Tensor<Self, 3>,
        weight: WeightRef<'_, Self, 3>,
        epilogue: Epilogue<Self, 3>,
        geometry: Conv1dGeometry,
    ) -> Tensor<Self, 3> {
        if product::OWN {
            return convolution::conv1d(x, weight.unpack(), epilogue, geometry);
        }
        plain::conv1d(x, weight.unpack(), epilogue, geometry)
    }

    fn group_norm(
        x: Tensor<Self, 4>,
        groups: usize,
        scale: Tensor<Self, 1>,
        shift: Tensor<Self, 1>,
        eps: f64,
        activation: Activation,
    ) -> Tensor<Self, 4> {
        norm::groups(x, groups, scale, shift, eps, activation)
    }

    fn group_norm_to_tokens(
        x: Tensor<Self, 4>,
        groups: usize,
        scale: Tensor<Self, 1>,
        shift: Tensor<Self, 1>,
        eps: f64,
    ) -> Tensor<Self, 3> {
        let ([batch, channels, rows, columns], device) = (x.dims(), x.device());
        let x = norm::groups(x, groups, scale, shift, eps, Activation::None);
        let tokens = vector::turned(&owned(x), channels, rows * columns);
        let shape = [batch, rows * columns, channels];
        Tensor::from_data(TensorData::new(tokens, shape), &device)
    }

    fn layer_norm<const D: usize>(
        x: Tensor<Self, D>,
        scale: Tensor<Self, 1>,
        shift: Tensor<Self, 1>,
        eps: f64,
    ) -> Tensor<Self, D> {
        norm::rows(x, scale, shift, eps)
    }

    fn lstm(gates: Tensor<Self, 3>, weight: Tensor<Self, 2>, reverse: bool) -> Tensor<Self, 3> {
        lstm::lstm(gates, weight, reverse)
    }
}

/// Calls `read` with the elements of `x` in order.
fn with_values<T, const D: usize>(x: Tensor<Cpu, D>, read: impl FnOnce(&[f32]) -> T) -> T {
    let TensorPrimitive::Float(x) = x.into_primitive() else {
        unreachable!("the CPU device's tensors are not quantised")
    };
    read(x.to_contiguous().storage())
}

/// The elements of `x` in order; without a copy where nobody else holds them.
fn owned<const D: usize>(x: Tensor<Cpu, D>) -> Vec<f32> {
    // The device's floats are 32 bits wide.
    x.into_data().into_vec().unwrap_or_default()
}

/// What `make` makes of each item: on all threads where there are several.
fn map<T: Sync, R: Send>(items: &[T], make: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    #[cfg(feature = "native")]
    {
        use rayon::prelude::*;
        items.par_iter().map(make).collect()
    }
    #[cfg(not(feature = "native"))]
    items.iter().map(make).collect()
}

/// Calls `change` with the number of each part of `length` elements, and the part: on all threads where
/// there are several.
fn each_chunk(all: &mut [f32], length: usize, change: impl Fn(usize, &mut [f32]) + Sync + Send) {
    #[cfg(feature = "native")]
    {
        use rayon::prelude::*;
        let parts = all.par_chunks_mut(length).enumerate();
        parts.for_each(|(number, part)| change(number, part));
    }
    #[cfg(not(feature = "native"))]
    {
        let parts = all.chunks_mut(length).enumerate();
        parts.for_each(|(number, part)| change(number, part));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_channels_equal_the_plain_forms() {
        let x: Tensor<Cpu, 4> = numbers([2, 6, 5, 3], 1);
        let (scale, shift) = (numbers([6], 2), numbers([6], 3));
        let norm = |of: fn(_, _, _, _, _) -> Tensor<Cpu, 3>| {
            of(x.clone(), 2, scale.clone(), shift.clone(), 1e-5)
        };
        let tokens = norm(Cpu::group_norm_to_tokens);
        let error = tokens.clone() - norm(plain::group_norm_to_tokens);
        assert!(error.abs().max().into_scalar() < 1e-5);
        let (weight, bias): (Tensor<Cpu, 2>, _) = (numbers([7, 6], 4), numbers([7], 5));
        let residual: Tensor<Cpu, 4> = numbers([2, 7, 5, 3], 6);
        let found = Cpu::linear_to_channels(
            tokens.clone(),
            WeightRef::Dense(weight.clone()),
            Some(bias),
            residual.clone(),
        );
        let expected = plain::onto_channels(tokens, weight, Some(numbers([7], 5)), residual);
        assert!((found - expected).abs().max().into_scalar() < 1e-5);
    }

    /// Normally distributed.
    pub(super) fn numbers<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<Cpu, D> {
        let values = crate::random::standard_normal(seed, 6, shape.iter().product());
        Tensor::from_data(TensorData::new(values, shape), &Default::default())
    }
}
