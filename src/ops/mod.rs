//! The operations that networks are made of.
//!
//! [`Kernels`] is the one backend trait that model code is generic over: burn's `Backend` plus our
//! operations. The default body of every operation is its plain-tensor form in [`plain`]: it runs on
//! any device, can be differentiated, and is the oracle that a WGSL kernel is tested against.

mod cpu;
#[cfg(feature = "wgpu")]
mod gpu;
#[cfg(feature = "train")]
mod lstm;
pub mod plain;
#[cfg(feature = "libtorch")]
mod torch;
mod weight;

#[cfg(feature = "train")]
use burn::backend::{Autodiff, autodiff::checkpoint::strategy::CheckpointStrategy};
use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};

pub use cpu::Cpu;
#[cfg(feature = "wgpu")]
pub use gpu::{KernelSelection, select_kernels, selected_kernels};
pub use plain::{Activation, activate, gelu_tanh, merge_heads, split_heads, upsample_nearest};
pub use weight::{Packed, Weight, WeightRef};

/// Stride and padding of a two-dimensional convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2dGeometry {
    /// Step between outputs, `[rows, columns]`.
    pub stride: [usize; 2],
    /// Zeros added on both sides, `[rows, columns]`.
    pub padding: [usize; 2],
}

impl Conv2dGeometry {
    /// Whether a `weight` of this shape gives an output for every input and the eight around it.
    fn is_three_by_three(self, weight: [usize; 4]) -> bool {
        weight[2..] == [3; 2] && self.stride == [1; 2] && self.padding == [1; 2]
    }
}

/// Stride, padding and dilation of a one-dimensional convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv1dGeometry {
    /// Step between outputs (between inputs, for a transposed convolution).
    pub stride: usize,
    /// Zeros added on both sides.
    pub padding: usize,
    /// Distance between taps.
    pub dilation: usize,
}

/// What follows the products of a layer: bias, shift, activation, residual.
#[derive(Debug)]
pub struct Epilogue<B: Backend, const D: usize> {
    /// Added to every output, `[out]`.
    pub bias: Option<Tensor<B, 1>>,
    /// Added to every output of an item, `[batch, out]`; convolutions only.
    pub shift: Option<Tensor<B, 2>>,
    /// Applied to the sum; linear layers only.
    pub activation: Activation,
    /// Added to that; of the shape of the result.
    pub residual: Option<Tensor<B, D>>,
}

impl<B: Backend, const D: usize> Epilogue<B, D> {
    /// A bias and nothing else.
    pub fn bias(bias: Option<Tensor<B, 1>>) -> Self {
        Self {
            bias,
            shift: None,
            activation: Activation::None,
            residual: None,
        }
    }
}

/// A burn backend with the operations of this crate.
pub trait Kernels: Backend {
    /// Whether layers keep their weights packed, in the order of the kernels. Such weights cannot be trained.
    const PACKS: bool = false;

    /// The kernels that `device` uses. Equal seeds give equal samples only with equal kernels.
    fn kernels(device: &Self::Device) -> String {
        format!("burn {}", Self::name(device))
    }

    /// Drops a network and releases its memory.
    fn release<M: Module<Self>>(network: M, device: &Self::Device) {
        drop(network);
        Self::memory_cleanup(device);
    }

    /// `activation(x weight^T + bias) + residual`: `x [.., in]`, `weight [out, in]`.
    fn linear<const D: usize>(
        x: Tensor<Self, D>,
        weight: WeightRef<'_, Self, 2>,
        epilogue: Epilogue<Self, D>,
    ) -> Tensor<Self, D> {
        plain::linear(x, weight.unpack(), epilogue)
    }

    /// GEGLU: `value gelu(gate)`, where the layer's outputs are all of `value`, then as many of `gate`: `x [.., in]`, `weight [2 out, in]`, `bias [2 out]`.
    ///
    /// Shazeer, "GLU Variants Improve Transformer", 2020.
    fn linear_geglu<const D: usize>(
        x: Tensor<Self, D>,
        weight: WeightRef<'_, Self, 2>,
        bias: Option<Tensor<Self, 1>>,
    ) -> Tensor<Self, D> {
        plain::geglu(x, weight.unpack(), bias)
    }

    /// A linear layer on the tokens `x [batch, rows * columns, in]` of an image, whose outputs become channels and
    /// are added to `residual [batch, out, rows, columns]`.
    fn linear_to_channels(
        x: Tensor<Self, 3>,
        weight: WeightRef<'_, Self, 2>,
        bias: Option<Tensor<Self, 1>>,
        residual: Tensor<Self, 4>,
    ) -> Tensor<Self, 4> {
        plain::onto_channels(x, weight.unpack(), bias, residual)
    }

    /// `softmax(scale q k^T + bias) v`: `q [batch, heads, queries, dim]`, `k` and `v`
    /// `[batch, heads, keys, dim]`, `bias` broadcastable to `[batch, heads, queries, keys]`.
    fn attention(
        q: Tensor<Self, 4>,
        k: Tensor<Self, 4>,
        v: Tensor<Self, 4>,
        bias: Option<Tensor<Self, 4>>,
        scale: f64,
    ) -> Tensor<Self, 4> {
        plain::attention(q, k, v, bias, scale)
    }

    /// Self-attention: `qkv [batch, tokens, 3 heads * dim]` holds queries, then keys, then
    /// values; gives `[batch, tokens, heads * dim]`.
    fn self_attention(qkv: Tensor<Self, 3>, heads: usize, scale: f64) -> Tensor<Self, 3> {
        plain::self_attention(qkv, heads, scale)
    }

    /// `x [batch, in, rows, columns]`, `weight [out, in, kernel rows, kernel columns]`.
    fn conv2d(
        x: Tensor<Self, 4>,
        weight: WeightRef<'_, Self, 4>,
        epilogue: Epilogue<Self, 4>,
        geometry: Conv2dGeometry,
    ) -> Tensor<Self, 4> {
        plain::conv2d(x, weight.unpack(), epilogue, geometry)
    }

    /// `x [batch, in, samples]`, `weight [out, in, kernel]`.
    fn conv1d(
        x: Tensor<Self, 3>,
        weight: WeightRef<'_, Self, 3>,
        epilogue: Epilogue<Self, 3>,
        geometry: Conv1dGeometry,
    ) -> Tensor<Self, 3> {
        plain::conv1d(x, weight.unpack(), epilogue, geometry)
    }

    /// A convolution of each channel with its own kernel: `x [batch, channels, samples]`, `weight [channels, 1, kernel]`.
    fn depthwise_conv1d(
        x: Tensor<Self, 3>,
        weight: Tensor<Self, 3>,
        bias: Option<Tensor<Self, 1>>,
        geometry: Conv1dGeometry,
    ) -> Tensor<Self, 3> {
        plain::depthwise_conv1d(x, weight, bias, geometry)
    }

    /// `x [batch, in, samples]`, `weight [out, in, kernel]` (PyTorch stores it as `[in, out, kernel]`);
    /// gives `(samples - 1) stride - 2 padding + kernel` samples.
    fn conv_transpose1d(
        x: Tensor<Self, 3>,
        weight: WeightRef<'_, Self, 3>,
        bias: Option<Tensor<Self, 1>>,
        geometry: Conv1dGeometry,
    ) -> Tensor<Self, 3> {
        plain::conv_transpose1d(x, weight.unpack(), bias, geometry)
    }

    /// Normalises each of `groups` groups of channels of `x [batch, channels, rows, columns]`, then
    /// scales and shifts by channel, then applies `activation`.
    fn group_norm(
        x: Tensor<Self, 4>,
        groups: usize,
        scale: Tensor<Self, 1>,
        shift: Tensor<Self, 1>,
        eps: f64,
        activation: Activation,
    ) -> Tensor<Self, 4> {
        plain::group_norm(x, groups, scale, shift, eps, activation)
    }

    /// The same without an activation, as tokens `[batch, rows * columns, channels]`.
    fn group_norm_to_tokens(
        x: Tensor<Self, 4>,
        groups: usize,
        scale: Tensor<Self, 1>,
        shift: Tensor<Self, 1>,
        eps: f64,
    ) -> Tensor<Self, 3> {
        let none = Activation::None;
        plain::to_tokens(Self::group_norm(x, groups, scale, shift, eps, none))
    }

    /// Normalises the last dimension of `x`, then scales and shifts.
    fn layer_norm<const D: usize>(
        x: Tensor<Self, D>,
        scale: Tensor<Self, 1>,
        shift: Tensor<Self, 1>,
        eps: f64,
    ) -> Tensor<Self, D> {
        plain::layer_norm(x, scale, shift, eps)
    }

    /// One direction of a layer of an LSTM: `gates [batch, steps, 4 hidden]`, of at least one step, is what the inputs
    /// and the biases give to the gates, and `weight [4 hidden, hidden]` what the state before a step adds to them. Gives
    /// the states `[batch, steps, hidden]`; with `reverse`, steps are taken from the last to the first.
    ///
    /// The gates are input, forget, cell and output, in this order:
    /// `c = sigmoid(f) c + sigmoid(i) tanh(g)`, `h = sigmoid(o) tanh(c)`, both 0 before the first step.
    ///
    /// Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997; Gers et al., "Learning to Forget", 2000.
    fn lstm(gates: Tensor<Self, 3>, weight: Tensor<Self, 2>, reverse: bool) -> Tensor<Self, 3> {
        plain::lstm(gates, weight, reverse)
    }

    /// [`Kernels::conv2d`] where this backend computes gradients.
    #[cfg(feature = "train")]
    fn differentiable_conv2d<C: CheckpointStrategy>(
        x: Tensor<Autodiff<Self, C>, 4>,
        weight: Tensor<Autodiff<Self, C>, 4>,
        epilogue: Epilogue<Autodiff<Self, C>, 4>,
        geometry: Conv2dGeometry,
    ) -> Tensor<Autodiff<Self, C>, 4> {
        plain::conv2d(x, weight, epilogue, geometry)
    }

    /// [`Kernels::attention`] where this backend computes gradients.
    #[cfg(feature = "train")]
    fn differentiable_attention<C: CheckpointStrategy>(
        q: Tensor<Autodiff<Self, C>, 4>,
        k: Tensor<Autodiff<Self, C>, 4>,
        v: Tensor<Autodiff<Self, C>, 4>,
        bias: Option<Tensor<Autodiff<Self, C>, 4>>,
        scale: f64,
    ) -> Tensor<Autodiff<Self, C>, 4> {
        plain::attention(q, k, v, bias, scale)
    }

    /// [`Kernels::group_norm`] where this backend computes gradients.
    #[cfg(feature = "train")]
    fn differentiable_group_norm<C: CheckpointStrategy>(
        x: Tensor<Autodiff<Self, C>, 4>,
        groups: usize,
        scale: Tensor<Autodiff<Self, C>, 1>,
        shift: Tensor<Autodiff<Self, C>, 1>,
        eps: f64,
        activation: Activation,
    ) -> Tensor<Autodiff<Self, C>, 4> {
        plain::group_norm(x, groups, scale, shift, eps, activation)
    }
}

/// The GPU device: WebGPU in a browser, Vulkan, Metal or DirectX natively.
#[cfg(feature = "wgpu")]
pub type Gpu = burn::backend::Wgpu;

#[cfg(feature = "cuda")]
impl Kernels for burn::backend::Cuda {}

#[cfg(feature = "train")]
impl<B: Kernels, C: CheckpointStrategy> Kernels for Autodiff<B, C> {
    fn attention(
        q: Tensor<Self, 4>,
        k: Tensor<Self, 4>,
        v: Tensor<Self, 4>,
        bias: Option<Tensor<Self, 4>>,
        scale: f64,
    ) -> Tensor<Self, 4> {
        B::differentiable_attention(q, k, v, bias, scale)
    }

    fn conv2d(
        x: Tensor<Self, 4>,
        weight: WeightRef<'_, Self, 4>,
        epilogue: Epilogue<Self, 4>,
        geometry: Conv2dGeometry,
    ) -> Tensor<Self, 4> {
        B::differentiable_conv2d(x, weight.unpack(), epilogue, geometry)
    }

    fn group_norm(
        x: Tensor<Self, 4>,
        groups: usize,
        scale: Tensor<Self, 1>,
        shift: Tensor<Self, 1>,
        eps: f64,
        activation: Activation,
    ) -> Tensor<Self, 4> {
        B::differentiable_group_norm(x, groups, scale, shift, eps, activation)
    }

    fn lstm(gates: Tensor<Self, 3>, weight: Tensor<Self, 2>, reverse: bool) -> Tensor<Self, 3> {
        lstm::lstm(gates, weight, reverse)
    }
}
