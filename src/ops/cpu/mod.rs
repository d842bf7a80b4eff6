//! The operations of the CPU device: burn's own, but for those where there is a faster way.

mod attention;
mod gelu;
mod lstm;
mod norm;
mod vector;
mod winograd;

use burn::tensor::{Tensor, TensorPrimitive};

use super::{Activation, Conv2dGeometry, Epilogue, Kernels, WeightRef, plain};

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
        gelu::linear(x, weight, epilogue)
    }

    fn linear_geglu<const D: usize>(
        x: Tensor<Self, D>,
        weight: WeightRef<'_, Self, 2>,
        bias: Option<Tensor<Self, 1>>,
    ) -> Tensor<Self, D> {
        gelu::gated(x, weight, bias)
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
        plain::conv2d(x, weight, epilogue, geometry)
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
    use burn::tensor::TensorData;

    /// Normally distributed.
    pub(super) fn numbers<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<Cpu, D> {
        let values = crate::random::standard_normal(seed, 6, shape.iter().product());
        Tensor::from_data(TensorData::new(values, shape), &Default::default())
    }
}
