//! Every operation in plain burn tensors: for any device, differentiable, the oracle of the kernels.
//!
//! A layer computes in the numbers of its weight: its input is converted to them, so that a network whose
//! weights are bf16 computes in bf16 whatever constants and inputs it is given.

use burn::tensor::{
    FloatDType, Tensor, activation,
    backend::Backend,
    module,
    ops::{ConvOptions, ConvTransposeOptions},
};
use serde::{Deserialize, Serialize};

use super::{Conv1dGeometry, Conv2dGeometry, Epilogue};

/// The pointwise functions that the networks use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// `x`.
    #[serde(rename = "none")]
    None,
    /// `x sigmoid(x)`.
    #[serde(rename = "silu", alias = "swish")]
    Silu,
    /// `x Phi(x)` with the exact error function.
    #[serde(rename = "gelu")]
    Gelu,
    /// The tanh approximation of GELU.
    #[serde(rename = "gelu_new", alias = "gelu_pytorch_tanh")]
    GeluTanh,
    /// `x sigmoid(1.702 x)`, as OpenAI's CLIP was trained.
    #[serde(rename = "quick_gelu")]
    QuickGelu,
    /// `max(x, 0)`.
    #[serde(rename = "relu")]
    Relu,
    /// `tanh(x)`.
    #[serde(rename = "tanh")]
    Tanh,
}

/// Applies `function` to every element.
pub fn activate<B: Backend, const D: usize>(x: Tensor<B, D>, function: Activation) -> Tensor<B, D> {
    match function {
        Activation::None => x,
        Activation::Silu => activation::silu(x),
        Activation::Gelu => activation::gelu(x),
        Activation::GeluTanh => gelu_tanh(x),
        Activation::QuickGelu => x.clone() * activation::sigmoid(x * 1.702),
        Activation::Relu => activation::relu(x),
        Activation::Tanh => x.tanh(),
    }
}

/// `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`.
pub fn gelu_tanh<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    let cubic = x.clone() * x.clone() * x.clone() * 0.044715;
    let inner = (x.clone() + cubic) * std::f64::consts::FRAC_2_PI.sqrt();
    x * (inner.tanh() + 1.0) * 0.5
}

/// `x` in the numbers of `weight`; the same tensor when it has them already.
pub(super) fn like<B: Backend, const D: usize, const E: usize>(
    x: Tensor<B, D>,
    weight: &Tensor<B, E>,
) -> Tensor<B, D> {
    x.cast(FloatDType::from(weight.dtype()))
}

/// See [`super::Kernels::linear`].
pub fn linear<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    weight: Tensor<B, 2>,
    epilogue: Epilogue<B, D>,
) -> Tensor<B, D> {
    // One large product instead of one for each item; and some backends copy the transposed weight
    // when it has to be broadcast over a batch.
    let mut dims = x.dims();
    let rows = dims[..D - 1].iter().product::<usize>();
    let flat: Tensor<B, 2> = like(x, &weight).reshape([rows, dims[D - 1]]);
    let out = module::linear(flat, weight.transpose(), epilogue.bias);
    dims[D - 1] = out.dims()[1];
    let out = activate(out.reshape(dims), epilogue.activation);
    onto(out, epilogue.residual)
}

/// See [`super::Kernels::linear_geglu`].
pub fn geglu<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    weight: Tensor<B, 2>,
    bias: Option<Tensor<B, 1>>,
) -> Tensor<B, D> {
    let both = linear(x, weight, Epilogue::bias(bias));
    let width = both.dims()[D - 1] / 2;
    let value = both.clone().narrow(D - 1, 0, width);
    value * activation::gelu(both.narrow(D - 1, width, width))
}

/// See [`super::Kernels::linear_to_channels`].
pub fn onto_channels<B: Backend>(
    x: Tensor<B, 3>,
    weight: Tensor<B, 2>,
    bias: Option<Tensor<B, 1>>,
    residual: Tensor<B, 4>,
) -> Tensor<B, 4> {
    let out = linear(x, weight, Epilogue::bias(bias)).swap_dims(1, 2);
    let shape = residual.dims();
    residual + out.reshape(shape)
}

/// `x`, added to what there may be.
pub(super) fn onto<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    residual: Option<Tensor<B, D>>,
) -> Tensor<B, D> {
    match residual {
        Some(residual) => residual + x,
        None => x,
    }
}

/// See [`super::Kernels::attention`].
pub fn attention<B: Backend>(
    q: Tensor<B, 4>,
    k: Tensor<B, 4>,
    v: Tensor<B, 4>,
    bias: Option<Tensor<B, 4>>,
    scale: f64,
) -> Tensor<B, 4> {
    let mut scores = (q * scale).matmul(k.swap_dims(2, 3));
    if let Some(bias) = bias {
        let bias = like(bias, &scores);
        scores = scores + bias;
    }
    activation::softmax(scores, 3).matmul(v)
}

/// See [`super::Kernels::self_attention`].
pub fn self_attention<B: Backend>(qkv: Tensor<B, 3>, heads: usize, scale: f64) -> Tensor<B, 3> {
    let width = qkv.dims()[2] / 3;
    let part = |i: usize| split_heads(qkv.clone().narrow(2, i * width, width), heads);
    merge_heads(attention(part(0), part(1), part(2), None, scale))
}

/// See [`super::Kernels::conv2d`].
pub fn conv2d<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    mut epilogue: Epilogue<B, 4>,
    geometry: Conv2dGeometry,
) -> Tensor<B, 4> {
    let options = ConvOptions::new(geometry.stride, geometry.padding, [1, 1], 1);
    let x = like(x, &weight);
    let out = module::conv2d(x, weight, epilogue.bias.take(), options);
    behind_conv2d(out, epilogue)
}

/// What follows the bias of a two-dimensional convolution.
pub(super) fn behind_conv2d<B: Backend>(
    mut out: Tensor<B, 4>,
    epilogue: Epilogue<B, 4>,
) -> Tensor<B, 4> {
    if let Some(shift) = epilogue.shift {
        let [batch, channels] = shift.dims();
        out = out + shift.reshape([batch, channels, 1, 1]);
    }
    onto(activate(out, epilogue.activation), epilogue.residual)
}

/// See [`super::Kernels::conv1d`].
pub fn conv1d<B: Backend>(
    x: Tensor<B, 3>,
    weight: Tensor<B, 3>,
    epilogue: Epilogue<B, 3>,
    geometry: Conv1dGeometry,
) -> Tensor<B, 3> {
    let x = like(x, &weight);
    let mut out = module::conv1d(x, weight, epilogue.bias, conv1d_options(geometry, 1));
    if let Some(shift) = epilogue.shift {
        out = out + shift.unsqueeze_dim(2);
    }
    onto(activate(out, epilogue.activation), epilogue.residual)
}

/// See [`super::Kernels::depthwise_conv1d`].
pub fn depthwise_conv1d<B: Backend>(
    x: Tensor<B, 3>,
    weight: Tensor<B, 3>,
    bias: Option<Tensor<B, 1>>,
    geometry: Conv1dGeometry,
) -> Tensor<B, 3> {
    let [channels, ..] = weight.dims();
    module::conv1d(x, weight, bias, conv1d_options(geometry, channels))
}

fn conv1d_options(geometry: Conv1dGeometry, groups: usize) -> ConvOptions<1> {
    ConvOptions::new(
        [geometry.stride],
        [geometry.padding],
        [geometry.dilation],
        groups,
    )
}

/// See [`super::Kernels::conv_transpose1d`].
pub fn conv_transpose1d<B: Backend>(
    x: Tensor<B, 3>,
    weight: Tensor<B, 3>,
    bias: Option<Tensor<B, 1>>,
    geometry: Conv1dGeometry,
) -> Tensor<B, 3> {
    let options = ConvTransposeOptions::new(
        [geometry.stride],
        [geometry.padding],
        [0],
        [geometry.dilation],
        1,
    );
    module::conv_transpose1d(x, weight.swap_dims(0, 1), bias, options)
}

/// See [`super::Kernels::group_norm`].
pub fn group_norm<B: Backend>(
    x: Tensor<B, 4>,
    groups: usize,
    scale: Tensor<B, 1>,
    shift: Tensor<B, 1>,
    eps: f64,
    function: Activation,
) -> Tensor<B, 4> {
    let [batch, channels, rows, columns] = x.dims();
    let grouped = x.reshape([batch, groups, channels / groups * rows * columns]);
    // One scale for each row of `[batch * channels, rows * columns]`: the form that every backend
    // broadcasts quickly.
    let by_channel = normalise(grouped, eps).reshape([batch * channels, rows * columns]);
    let column = |values: Tensor<B, 1>| {
        let values: Tensor<B, 2> = values.unsqueeze();
        values.repeat_dim(0, batch).reshape([batch * channels, 1])
    };
    let scaled = by_channel * column(scale) + column(shift);
    activate(scaled.reshape([batch, channels, rows, columns]), function)
}

/// See [`super::Kernels::group_norm_to_tokens`].
pub fn group_norm_to_tokens<B: Backend>(
    x: Tensor<B, 4>,
    groups: usize,
    scale: Tensor<B, 1>,
    shift: Tensor<B, 1>,
    eps: f64,
) -> Tensor<B, 3> {
    to_tokens(group_norm(x, groups, scale, shift, eps, Activation::None))
}

/// `[batch, channels, rows, columns]` to `[batch, rows * columns, channels]`.
pub fn to_tokens<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 3> {
    x.flatten::<3>(2, 3).swap_dims(1, 2)
}

/// See [`super::Kernels::layer_norm`].
pub fn layer_norm<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    scale: Tensor<B, 1>,
    shift: Tensor<B, 1>,
    eps: f64,
) -> Tensor<B, D> {
    normalise(x, eps) * scale.unsqueeze() + shift.unsqueeze()
}

/// Brings the last dimension to mean 0 and (biased) variance 1.
fn normalise<B: Backend, const D: usize>(x: Tensor<B, D>, eps: f64) -> Tensor<B, D> {
    let centred = x.clone() - x.mean_dim(D - 1);
    let variance = (centred.clone() * centred.clone()).mean_dim(D - 1);
    centred / (variance + eps).sqrt()
}

/// See [`super::Kernels::lstm`].
pub fn lstm<B: Backend>(gates: Tensor<B, 3>, weight: Tensor<B, 2>, reverse: bool) -> Tensor<B, 3> {
    let [batch, steps, width] = gates.dims();
    let hidden = width / 4;
    let gates = like(gates, &weight);
    let turned = weight.transpose();
    let mut state: Tensor<B, 2> = Tensor::zeros([batch, hidden], &turned.device());
    state = like(state, &turned);
    let mut cell = state.clone();
    let mut states = Vec::with_capacity(steps);
    for at in 0..steps {
        let step = if reverse { steps - 1 - at } else { at };
        let own: Tensor<B, 2> = gates.clone().narrow(1, step, 1).squeeze_dim(1);
        let sums = own + state.matmul(turned.clone());
        let part = |index: usize| sums.clone().narrow(1, index * hidden, hidden);
        let [input, forget, output] = [0, 1, 3].map(|index| activation::sigmoid(part(index)));
        cell = forget * cell + input * part(2).tanh();
        state = output * cell.clone().tanh();
        states.push(state.clone());
    }
    if reverse {
        states.reverse();
    }
    Tensor::stack(states, 1)
}

/// `[batch, tokens, heads * dim]` to `[batch, heads, tokens, dim]`.
pub fn split_heads<B: Backend>(x: Tensor<B, 3>, heads: usize) -> Tensor<B, 4> {
    let [batch, tokens, width] = x.dims();
    x.reshape([batch, tokens, heads, width / heads])
        .swap_dims(1, 2)
}

/// `[batch, heads, tokens, dim]` to `[batch, tokens, heads * dim]`.
pub fn merge_heads<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 3> {
    let [batch, heads, tokens, dim] = x.dims();
    x.swap_dims(1, 2).reshape([batch, tokens, heads * dim])
}

/// Doubles rows and columns by repetition, then cuts to `size` (at most the double).
///
/// For sizes of `2n` and `2n - 1` this equals nearest sampling `floor(dst * in / out)`.
pub fn upsample_nearest<B: Backend>(x: Tensor<B, 4>, size: [usize; 2]) -> Tensor<B, 4> {
    let [batch, channels, rows, columns] = x.dims();
    let doubled = x
        .reshape([batch, channels, rows, 1, columns, 1])
        .expand([batch, channels, rows, 2, columns, 2])
        .reshape([batch, channels, 2 * rows, 2 * columns]);
    if size == [2 * rows, 2 * columns] {
        return doubled;
    }
    doubled.slice([0..batch, 0..channels, 0..size[0], 0..size[1]])
}
