//! The layers that networks share, with PyTorch's names and shapes for their parameters.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};

use super::params::Params;
use crate::{
    Error, Result,
    ops::{
        Activation, Conv1dGeometry, Conv2dGeometry, Epilogue, Kernels, Weight, WeightRef,
        merge_heads, split_heads,
    },
    tensors::Init,
};

/// `x W^T + b`, with `weight [out, in]` and `bias [out]`.
#[derive(Module, Debug)]
pub struct Linear<B: Backend> {
    weight: Weight<B, 2>,
    bias: Option<Param<Tensor<B, 1>>>,
}

impl<B: Kernels> Linear<B> {
    /// Reads `weight` and `bias`.
    pub fn load(p: &Params<B>, inputs: usize, outputs: usize) -> Result<Self> {
        Ok(Self {
            bias: Some(p.get("bias", [outputs], Init::fan_in(inputs))?),
            ..Self::load_no_bias(p, inputs, outputs)?
        })
    }

    /// Reads `weight`.
    pub fn load_no_bias(p: &Params<B>, inputs: usize, outputs: usize) -> Result<Self> {
        Ok(Self {
            weight: p.linear_weight(
                "weight",
                [outputs, inputs],
                &[outputs, inputs],
                Init::fan_in(inputs),
            )?,
            bias: None,
        })
    }

    /// Reads a layer of `[in, out]` whose `[weight, bias]` have other names.
    pub fn load_named(
        p: &Params<B>,
        [inputs, outputs]: [usize; 2],
        [weight, bias]: [&str; 2],
        init: Init,
    ) -> Result<Self> {
        let shape = [outputs, inputs];
        Ok(Self {
            weight: p.linear_weight(weight, shape, &shape, init)?,
            bias: Some(p.get(bias, [outputs], init)?),
        })
    }

    /// Reads a layer whose outputs are several parts, as one layer for each part: rows of `weight`
    /// and elements of `bias`.
    pub fn load_parts<const N: usize>(
        p: &Params<B>,
        inputs: usize,
        outputs: usize,
        weight: &str,
        bias: &str,
    ) -> Result<[Self; N]> {
        let init = Init::fan_in(inputs);
        let stored = [N * outputs, inputs];
        let weights: [_; N] = p.linear_weights(weight, [outputs, inputs], &stored, init)?;
        let biases = p.values(bias, &[N * outputs], init)?;
        let part = |(i, weight)| -> Result<Self> {
            // A plan has no elements.
            let range = i * outputs..(i + 1) * outputs;
            let offsets = biases.get(range).unwrap_or_default().to_vec();
            let bias = Some(p.make(bias, i, offsets, [outputs])?);
            Ok(Self { weight, bias })
        };
        let parts = weights.into_iter().enumerate().map(part);
        let parts = parts.collect::<Result<Vec<_>>>()?;
        parts
            .try_into()
            .map_err(|_| Error::internal("a layer has another number of parts"))
    }

    /// Reads a 1x1 convolution `[out, in, 1, 1]`, or a linear layer `[out, in]`, as a linear layer.
    pub fn load_pointwise(p: &Params<B>, inputs: usize, outputs: usize) -> Result<Self> {
        let init = Init::fan_in(inputs);
        let stored = [outputs, inputs, 1, 1];
        Ok(Self {
            weight: p.linear_weight("weight", [outputs, inputs], &stored, init)?,
            bias: Some(p.get("bias", [outputs], init)?),
        })
    }

    /// `[.., in]` to `[.., out]`.
    pub fn forward<const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        self.forward_with(x, Activation::None)
    }

    /// `activation(x W^T + b)`.
    pub fn forward_with<const D: usize>(
        &self,
        x: Tensor<B, D>,
        activation: Activation,
    ) -> Tensor<B, D> {
        let epilogue = Epilogue {
            activation,
            ..self.epilogue()
        };
        <B as Kernels>::linear(x, self.weight.get(), epilogue)
    }

    /// `residual + x W^T + b`.
    pub fn forward_onto<const D: usize>(
        &self,
        x: Tensor<B, D>,
        residual: Tensor<B, D>,
    ) -> Tensor<B, D> {
        let epilogue = Epilogue {
            residual: Some(residual),
            ..self.epilogue()
        };
        <B as Kernels>::linear(x, self.weight.get(), epilogue)
    }

    /// GEGLU: the first half of the outputs times GELU of the second.
    pub fn forward_gated<const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        B::linear_geglu(x, self.weight.get(), self.bias.as_ref().map(Param::val))
    }

    /// Tokens `[batch, rows * columns, in]` to channels, added to `residual [batch, out, rows, columns]`.
    pub fn forward_onto_channels(&self, x: Tensor<B, 3>, residual: Tensor<B, 4>) -> Tensor<B, 4> {
        let bias = self.bias.as_ref().map(Param::val);
        B::linear_to_channels(x, self.weight.get(), bias, residual)
    }

    fn epilogue<const D: usize>(&self) -> Epilogue<B, D> {
        Epilogue::bias(self.bias.as_ref().map(Param::val))
    }
}

/// Queries, keys and values of one input, from layers without bias.
// The tensors behind it are far larger, and modules cannot be boxed.
#[allow(clippy::large_enum_variant)]
#[derive(Module, Debug)]
pub enum SelfProjection<B: Backend> {
    /// One layer makes all three, where weights are packed.
    Joined(Linear<B>),
    /// A layer for each, which can be trained.
    Apart(Vec<Linear<B>>),
}

impl<B: Kernels> SelfProjection<B> {
    /// Reads the weights `[width, width]` under `to_q`, `to_k` and `to_v`.
    pub fn load(p: &Params<B>, width: usize) -> Result<Self> {
        let names = ["to_q.weight", "to_k.weight", "to_v.weight"];
        let weights = p.linear_weights_together(&names, [width; 2], Init::fan_in(width))?;
        let mut layers: Vec<_> = weights
            .into_iter()
            .map(|weight| Linear { weight, bias: None })
            .collect();
        Ok(match layers.len() {
            1 => Self::Joined(layers.remove(0)),
            _ => Self::Apart(layers),
        })
    }

    /// Self-attention of `heads` heads on `x [batch, tokens, width]`; same shape.
    pub fn attend(&self, x: Tensor<B, 3>, heads: usize) -> Tensor<B, 3> {
        let scale = ((x.dims()[2] / heads) as f64).powf(-0.5);
        match self {
            Self::Joined(layer) => B::self_attention(layer.forward(x), heads, scale),
            Self::Apart(layers) => {
                let part = |i: usize| split_heads(layers[i].forward(x.clone()), heads);
                merge_heads(<B as Kernels>::attention(
                    part(0),
                    part(1),
                    part(2),
                    None,
                    scale,
                ))
            }
        }
    }
}

/// Normalises the last dimension; `weight` and `bias` of its width.
#[derive(Module, Debug)]
pub struct LayerNorm<B: Backend> {
    weight: Param<Tensor<B, 1>>,
    bias: Param<Tensor<B, 1>>,
    eps: f64,
}

impl<B: Kernels> LayerNorm<B> {
    /// Reads `weight` and `bias`.
    pub fn load(p: &Params<B>, width: usize, eps: f64) -> Result<Self> {
        Ok(Self {
            weight: p.get("weight", [width], Init::Constant(1.0))?,
            bias: p.get("bias", [width], Init::Constant(0.0))?,
            eps,
        })
    }

    /// Any shape whose last dimension is the width, to the same shape.
    pub fn forward<const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        <B as Kernels>::layer_norm(x, self.weight.val(), self.bias.val(), self.eps)
    }
}

/// Normalises groups of channels of `[batch, channels, rows, columns]`.
#[derive(Module, Debug)]
pub struct GroupNorm<B: Backend> {
    weight: Param<Tensor<B, 1>>,
    bias: Param<Tensor<B, 1>>,
    groups: usize,
    eps: f64,
}

impl<B: Kernels> GroupNorm<B> {
    /// Reads `weight` and `bias`.
    pub fn load(p: &Params<B>, channels: usize, groups: usize, eps: f64) -> Result<Self> {
        Ok(Self {
            weight: p.get("weight", [channels], Init::Constant(1.0))?,
            bias: p.get("bias", [channels], Init::Constant(0.0))?,
            groups,
            eps,
        })
    }

    /// Same shape out.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.forward_with(x, Activation::None)
    }

    /// Same shape out, with SiLU behind the normalisation.
    pub fn forward_silu(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.forward_with(x, Activation::Silu)
    }

    /// `[batch, channels, rows, columns]` to tokens `[batch, rows * columns, channels]`.
    pub fn forward_to_tokens(&self, x: Tensor<B, 4>) -> Tensor<B, 3> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        B::group_norm_to_tokens(x, self.groups, weight, bias, self.eps)
    }

    fn forward_with(&self, x: Tensor<B, 4>, activation: Activation) -> Tensor<B, 4> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        B::group_norm(x, self.groups, weight, bias, self.eps, activation)
    }
}

/// A two-dimensional convolution, `weight [out, in, k, k]`.
#[derive(Module, Debug)]
pub struct Conv2d<B: Backend> {
    weight: Weight<B, 4>,
    bias: Option<Param<Tensor<B, 1>>>,
    #[module(skip)]
    geometry: Conv2dGeometry,
}

impl<B: Kernels> Conv2d<B> {
    /// Square kernel, stride 1, the same size out.
    pub fn load_same(p: &Params<B>, inputs: usize, outputs: usize, kernel: usize) -> Result<Self> {
        Self::load(p, [inputs, outputs], kernel, 1, kernel / 2, true)
    }

    /// `channels` is `[in, out]`; reads `weight` and, with `bias`, `bias`.
    pub fn load(
        p: &Params<B>,
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
        padding: usize,
        bias: bool,
    ) -> Result<Self> {
        let [inputs, outputs] = channels;
        let init = Init::fan_in(inputs * kernel * kernel);
        let weight = p.convolution_weight("weight", [outputs, inputs, kernel, kernel], init)?;
        let bias = if bias {
            Some(p.get("bias", [outputs], init)?)
        } else {
            None
        };
        Ok(Self::from_parts(weight, bias, stride, padding))
    }

    /// A convolution with these parameters.
    pub fn from_parts(
        weight: Weight<B, 4>,
        bias: Option<Param<Tensor<B, 1>>>,
        stride: usize,
        padding: usize,
    ) -> Self {
        Self {
            weight,
            bias,
            geometry: Conv2dGeometry {
                stride: [stride; 2],
                padding: [padding; 2],
            },
        }
    }

    /// `[batch, in, rows, columns]` to `[batch, out, rows', columns']`.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        <B as Kernels>::conv2d(x, self.weight.get(), self.epilogue(), self.geometry)
    }

    /// The same, with `shift [batch, out]` added.
    pub fn forward_shifted(&self, x: Tensor<B, 4>, shift: Option<Tensor<B, 2>>) -> Tensor<B, 4> {
        let epilogue = Epilogue {
            shift,
            ..self.epilogue()
        };
        <B as Kernels>::conv2d(x, self.weight.get(), epilogue, self.geometry)
    }

    /// The same, with `residual` of the shape of the result added.
    pub fn forward_onto(&self, x: Tensor<B, 4>, residual: Tensor<B, 4>) -> Tensor<B, 4> {
        let epilogue = Epilogue {
            residual: Some(residual),
            ..self.epilogue()
        };
        <B as Kernels>::conv2d(x, self.weight.get(), epilogue, self.geometry)
    }

    fn epilogue(&self) -> Epilogue<B, 4> {
        Epilogue::bias(self.bias.as_ref().map(Param::val))
    }
}

/// A one-dimensional convolution that keeps the length, `weight [out, in, k]`.
#[derive(Module, Debug)]
pub struct Conv1d<B: Backend> {
    weight: Weight<B, 3>,
    bias: Param<Tensor<B, 1>>,
    #[module(skip)]
    geometry: Conv1dGeometry,
}

impl<B: Kernels> Conv1d<B> {
    /// Reads `weight` and `bias`; padding is `dilation (kernel - 1) / 2`.
    pub fn load(
        p: &Params<B>,
        inputs: usize,
        outputs: usize,
        kernel: usize,
        dilation: usize,
    ) -> Result<Self> {
        let init = Init::fan_in(inputs * kernel);
        Ok(Self {
            weight: p.convolution_weight("weight", [outputs, inputs, kernel], init)?,
            bias: p.get("bias", [outputs], init)?,
            geometry: Conv1dGeometry {
                stride: 1,
                padding: dilation * (kernel - 1) / 2,
                dilation,
            },
        })
    }

    /// `[batch, in, samples]` to `[batch, out, samples]`.
    pub fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let epilogue = Epilogue::bias(Some(self.bias.val()));
        <B as Kernels>::conv1d(x, self.weight.get(), epilogue, self.geometry)
    }

    /// The same, with `residual` of the shape of the result added.
    pub fn forward_onto(&self, x: Tensor<B, 3>, residual: Tensor<B, 3>) -> Tensor<B, 3> {
        let epilogue = Epilogue {
            residual: Some(residual),
            ..Epilogue::bias(Some(self.bias.val()))
        };
        <B as Kernels>::conv1d(x, self.weight.get(), epilogue, self.geometry)
    }
}

/// A transposed one-dimensional convolution, `weight [in, out, k]`.
#[derive(Module, Debug)]
pub struct ConvTranspose1d<B: Backend> {
    weight: Weight<B, 3>,
    bias: Param<Tensor<B, 1>>,
    #[module(skip)]
    geometry: Conv1dGeometry,
}

impl<B: Kernels> ConvTranspose1d<B> {
    /// Reads `weight` and `bias`; padding is `(kernel - stride) / 2`, floored.
    pub fn load(
        p: &Params<B>,
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
    ) -> Result<Self> {
        let init = Init::fan_in(outputs * kernel);
        Ok(Self {
            weight: p.transposed_weight("weight", [inputs, outputs, kernel], init)?,
            bias: p.get("bias", [outputs], init)?,
            geometry: Conv1dGeometry {
                stride,
                padding: (kernel - stride) / 2,
                dilation: 1,
            },
        })
    }

    /// `[batch, in, samples]` to `[batch, out, about samples * stride]`.
    pub fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let weight = match self.weight.get() {
            WeightRef::Dense(weight) => WeightRef::Dense(weight.swap_dims(0, 1)),
            packed @ WeightRef::Packed(_) => packed,
        };
        <B as Kernels>::conv_transpose1d(x, weight, Some(self.bias.val()), self.geometry)
    }
}

/// A table of vectors, `weight [entries, width]`.
#[derive(Module, Debug)]
pub struct Embedding<B: Backend> {
    weight: Param<Tensor<B, 2>>,
}

impl<B: Kernels> Embedding<B> {
    /// Reads `weight`.
    pub fn load(p: &Params<B>, entries: usize, width: usize) -> Result<Self> {
        Ok(Self {
            weight: p.get("weight", [entries, width], Init::Uniform(0.02))?,
        })
    }

    /// The rows `ids`, as `[1, ids, width]`.
    pub fn forward(&self, ids: &[u32]) -> Tensor<B, 3> {
        let weight = self.weight.val();
        let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
        let index = burn::tensor::Tensor::<B, 1, burn::tensor::Int>::from_ints(
            ids.as_slice(),
            &weight.device(),
        );
        weight.select(0, index).unsqueeze()
    }
}

/// Divides by the length of the vector in the last dimension (at least `1e-12`).
pub fn l2_normalise<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    let length = (x.clone() * x.clone())
        .sum_dim(D - 1)
        .sqrt()
        .clamp_min(1e-12);
    x / length
}
