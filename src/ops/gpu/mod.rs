//! The operations of the GPU device: WGSL kernels where there is one, burn's own operations elsewhere.
//!
//! Kernels are in `kernels/`. Shapes are passed as numbers in a uniform buffer, never as text, so that a kernel is
//! compiled once for each of its template values, which are few.

mod attention;
mod conv1d;
mod conv2d;
mod launch;
mod linear;
mod lstm;
mod norm;
#[cfg(target_family = "wasm")]
mod release;
mod select;
mod self_test;
mod sources;
mod template;
mod winograd;

use burn::tensor::Tensor;

pub use select::{KernelSelection, select_kernels, selected_kernels};

use super::{Activation, Conv1dGeometry, Conv2dGeometry, Epilogue, Gpu, Kernels, WeightRef, plain};
use select::{Operation, variant};

impl Kernels for Gpu {
    const PACKS: bool = true;

    fn kernels(device: &Self::Device) -> String {
        selected_kernels(device).to_string()
    }

    #[cfg(target_family = "wasm")]
    fn release<M: burn::module::Module<Self>>(network: M, device: &Self::Device) {
        release::release(network, device);
    }

    fn linear<const D: usize>(
        x: Tensor<Self, D>,
        weight: WeightRef<'_, Self, 2>,
        epilogue: Epilogue<Self, D>,
    ) -> Tensor<Self, D> {
        match variant(&x.device(), Operation::Linear) {
            Some(variant) => linear::linear(variant, x, weight, epilogue),
            None => plain::linear(x, weight.unpack(), epilogue),
        }
    }

    fn linear_geglu<const D: usize>(
        x: Tensor<Self, D>,
        weight: WeightRef<'_, Self, 2>,
        bias: Option<Tensor<Self, 1>>,
    ) -> Tensor<Self, D> {
        match variant(&x.device(), Operation::Linear) {
            Some(variant) => linear::gated(variant, x, weight, bias),
            None => plain::geglu(x, weight.unpack(), bias),
        }
    }

    fn linear_to_channels(
        x: Tensor<Self, 3>,
        weight: WeightRef<'_, Self, 2>,
        bias: Option<Tensor<Self, 1>>,
        residual: Tensor<Self, 4>,
    ) -> Tensor<Self, 4> {
        match variant(&x.device(), Operation::Linear) {
            Some(variant) => linear::onto_channels(variant, x, weight, bias, residual),
            None => plain::onto_channels(x, weight.unpack(), bias, residual),
        }
    }

    fn attention(
        q: Tensor<Self, 4>,
        k: Tensor<Self, 4>,
        v: Tensor<Self, 4>,
        bias: Option<Tensor<Self, 4>>,
        scale: f64,
    ) -> Tensor<Self, 4> {
        match variant(&q.device(), Operation::Attention) {
            Some(variant) => attention::attention(variant, q, k, v, bias, scale),
            None => plain::attention(q, k, v, bias, scale),
        }
    }

    fn self_attention(qkv: Tensor<Self, 3>, heads: usize, scale: f64) -> Tensor<Self, 3> {
        match variant(&qkv.device(), Operation::Attention) {
            Some(variant) => attention::self_attention(variant, qkv, heads, scale),
            None => plain::self_attention(qkv, heads, scale),
        }
    }

    fn conv2d(
        x: Tensor<Self, 4>,
        weight: WeightRef<'_, Self, 4>,
        epilogue: Epilogue<Self, 4>,
        geometry: Conv2dGeometry,
    ) -> Tensor<Self, 4> {
        match variant(&x.device(), Operation::Convolution) {
            Some(variant) => conv2d::conv2d(variant, x, weight, epilogue, geometry),
            None => plain::conv2d(x, weight.unpack(), epilogue, geometry),
        }
    }

    fn conv1d(
        x: Tensor<Self, 3>,
        weight: WeightRef<'_, Self, 3>,
        epilogue: Epilogue<Self, 3>,
        geometry: Conv1dGeometry,
    ) -> Tensor<Self, 3> {
        match variant(&x.device(), Operation::Convolution) {
            Some(variant) => conv2d::conv1d(variant, x, weight, epilogue, geometry),
            None => plain::conv1d(x, weight.unpack(), epilogue, geometry),
        }
    }

    fn depthwise_conv1d(
        x: Tensor<Self, 3>,
        weight: Tensor<Self, 3>,
        bias: Option<Tensor<Self, 1>>,
        geometry: Conv1dGeometry,
    ) -> Tensor<Self, 3> {
        match variant(&x.device(), Operation::Depthwise) {
            Some(_) => conv1d::depthwise(x, weight, bias, geometry),
            None => plain::depthwise_conv1d(x, weight, bias, geometry),
        }
    }

    fn conv_transpose1d(
        x: Tensor<Self, 3>,
        weight: WeightRef<'_, Self, 3>,
        bias: Option<Tensor<Self, 1>>,
        geometry: Conv1dGeometry,
    ) -> Tensor<Self, 3> {
        match variant(&x.device(), Operation::Transposed) {
            Some(_) => conv1d::transposed(x, weight, bias, geometry),
            None => plain::conv_transpose1d(x, weight.unpack(), bias, geometry),
        }
    }

    fn group_norm(
        x: Tensor<Self, 4>,
        groups: usize,
        scale: Tensor<Self, 1>,
        shift: Tensor<Self, 1>,
        eps: f64,
        activation: Activation,
    ) -> Tensor<Self, 4> {
        match variant(&x.device(), Operation::GroupNorm) {
            Some(variant) => norm::groups(variant, x, groups, scale, shift, eps, activation),
            None => plain::group_norm(x, groups, scale, shift, eps, activation),
        }
    }

    fn group_norm_to_tokens(
        x: Tensor<Self, 4>,
        groups: usize,
        scale: Tensor<Self, 1>,
        shift: Tensor<Self, 1>,
        eps: f64,
    ) -> Tensor<Self, 3> {
        match variant(&x.device(), Operation::GroupNorm) {
            Some(variant) => norm::groups_to_tokens(variant, x, groups, scale, shift, eps),
            None => plain::group_norm_to_tokens(x, groups, scale, shift, eps),
        }
    }

    fn layer_norm<const D: usize>(
        x: Tensor<Self, D>,
        scale: Tensor<Self, 1>,
        shift: Tensor<Self, 1>,
        eps: f64,
    ) -> Tensor<Self, D> {
        match variant(&x.device(), Operation::LayerNorm) {
            Some(variant) => norm::rows(variant, x, scale, shift, eps),
            None => plain::layer_norm(x, scale, shift, eps),
        }
    }

    fn lstm(gates: Tensor<Self, 3>, weight: Tensor<Self, 2>, reverse: bool) -> Tensor<Self, 3> {
        match variant(&gates.device(), Operation::Lstm) {
            Some(variant) => lstm::lstm(variant, gates, weight, reverse),
            None => plain::lstm(gates, weight, reverse),
        }
    }
}

// In a browser, tests/wasm_networks.rs compares the devices.
#[cfg(all(test, not(target_family = "wasm")))]
mod tests;
