//! Operations that libtorch differentiates itself.
//!
//! burn's automatic differentiation takes an operation apart: a group norm becomes a dozen passes over its input, and
//! the gradient of a convolution's weight another convolution, whose kernel is as large as the picture. libtorch has
//! one kernel for each of these gradients. So some operations run with libtorch's own graph, which waits as the state of one
//! node of burn's graph.

use burn::{
    backend::{
        Autodiff, LibTorch,
        autodiff::{
            checkpoint::{
                base::Checkpointer,
                strategy::{CheckpointStrategy, NoCheckpointing},
            },
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        libtorch::TchTensor,
    },
    tensor::{Tensor, TensorPrimitive},
};
use std::any::TypeId;

use super::{Activation, Conv2dGeometry, Epilogue, Kernels, activate, plain};

impl Kernels for LibTorch {
    fn attention(
        q: Tensor<Self, 4>,
        k: Tensor<Self, 4>,
        v: Tensor<Self, 4>,
        bias: Option<Tensor<Self, 4>>,
        scale: f64,
    ) -> Tensor<Self, 4> {
        if bias.is_some() {
            return plain::attention(q, k, v, bias, scale);
        }
        let [q, k, v] = [q, k, v].map(|x| x.into_primitive().tensor());
        let out = tch::no_grad(|| fused_attention([&q.tensor, &k.tensor, &v.tensor], scale));
        Tensor::from_primitive(TensorPrimitive::Float(TchTensor::new(out)))
    }

    fn differentiable_attention<C: CheckpointStrategy>(
        q: Tensor<Autodiff<Self, C>, 4>,
        k: Tensor<Autodiff<Self, C>, 4>,
        v: Tensor<Autodiff<Self, C>, 4>,
        bias: Option<Tensor<Autodiff<Self, C>, 4>>,
        scale: f64,
    ) -> Tensor<Autodiff<Self, C>, 4> {
        if recomputes::<C>() || bias.is_some() {
            return plain::attention(q, k, v, bias, scale);
        }
        native([q, k, v].map(Tensor::into_primitive), |inputs| {
            fused_attention(inputs, scale)
        })
    }

    fn differentiable_conv2d<C: CheckpointStrategy>(
        x: Tensor<Autodiff<Self, C>, 4>,
        weight: Tensor<Autodiff<Self, C>, 4>,
        mut epilogue: Epilogue<Autodiff<Self, C>, 4>,
        geometry: Conv2dGeometry,
    ) -> Tensor<Autodiff<Self, C>, 4> {
        if recomputes::<C>() {
            return plain::conv2d(x, weight, epilogue, geometry);
        }
        let x = plain::like(x, &weight).into_primitive();
        let weight = weight.into_primitive();
        let [stride, padding] =
            [geometry.stride, geometry.padding].map(|pair| pair.map(|n| n as i64));
        let conv2d = |x: &tch::Tensor, weight: &tch::Tensor, bias: Option<&tch::Tensor>| {
            tch::Tensor::conv2d(x, weight, bias, stride, padding, [1, 1], 1)
        };
        let out = match epilogue.bias.take() {
            Some(bias) => native([x, weight, bias.into_primitive()], |[x, weight, bias]| {
                conv2d(x, weight, Some(bias))
            }),
            None => native([x, weight], |[x, weight]| conv2d(x, weight, None)),
        };
        plain::behind_conv2d(out, epilogue)
    }

    fn differentiable_group_norm<C: CheckpointStrategy>(
        x: Tensor<Autodiff<Self, C>, 4>,
        groups: usize,
        scale: Tensor<Autodiff<Self, C>, 1>,
        shift: Tensor<Autodiff<Self, C>, 1>,
        eps: f64,
        activation: Activation,
    ) -> Tensor<Autodiff<Self, C>, 4> {
        if recomputes::<C>() {
            return plain::group_norm(x, groups, scale, shift, eps, activation);
        }
        let x = plain::like(x, &scale);
        let inputs = [
            x.into_primitive(),
            scale.into_primitive(),
            shift.into_primitive(),
        ];
        let silu = activation == Activation::Silu;
        let out = native(inputs, |[x, scale, shift]| {
            let out = x.group_norm(groups as i64, Some(scale), Some(shift), eps, false);
            if silu { out.silu() } else { out }
        });
        match activation {
            Activation::Silu => out,
            other => activate(out, other),
        }
    }
}

/// Attention that keeps no scores: Dao et al., "FlashAttention: Fast and Memory-Efficient Exact Attention with
/// IO-Awareness", 2022.
fn fused_attention([q, k, v]: [&tch::Tensor; 3], scale: f64) -> tch::Tensor {
    tch::Tensor::scaled_dot_product_attention::<tch::Tensor>(
        q, k, v, None, 0.0, false, scale, false,
    )
}

/// Whether `C` computes activations again on the way back; libtorch's graph would keep them.
fn recomputes<C: CheckpointStrategy>() -> bool {
    TypeId::of::<C>() != TypeId::of::<NoCheckpointing>()
}

/// What libtorch needs on the way back.
#[derive(Debug, Clone)]
struct Graph<const N: usize> {
    inputs: [TchTensor; N],
    output: TchTensor,
}

/// The way back through an operation of `N` inputs.
#[derive(Debug)]
struct NativeBackward<const N: usize>;

impl<const N: usize> Backward<LibTorch, N> for NativeBackward<N> {
    type State = Graph<N>;

    fn backward(self, ops: Ops<Graph<N>, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<LibTorch>(&ops.node);
        let Graph { inputs, output } = ops.state;
        let parents = ops.parents.into_iter().zip(inputs);
        let (nodes, inputs): (Vec<_>, Vec<_>) = parents
            .filter_map(|(parent, input)| Some((parent?.id, input.tensor)))
            .unzip();
        // The gradient of this sum is `gradient`, weighed by what libtorch knows of the operation.
        let sum = (&output.tensor * &gradient.tensor).sum(output.tensor.kind());
        let found = tch::Tensor::run_backward(&[sum], &inputs, false, false);
        for (node, found) in nodes.into_iter().zip(found) {
            grads.register::<LibTorch>(node, TchTensor::new(found));
        }
    }
}

/// `operation` on `inputs`, as one node of burn's graph.
fn native<C: CheckpointStrategy, const N: usize, const D: usize>(
    inputs: [TensorPrimitive<Autodiff<LibTorch, C>>; N],
    operation: impl FnOnce([&tch::Tensor; N]) -> tch::Tensor,
) -> Tensor<Autodiff<LibTorch, C>, D> {
    let inputs = inputs.map(TensorPrimitive::tensor);
    let nodes = inputs.each_ref().map(|input| input.node.clone());
    let prepared = NativeBackward::<N>
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful();
    let primitives = inputs.map(|input| input.primitive);
    let result = match prepared {
        OpsKind::UnTracked(prepared) => {
            let tensors = primitives.each_ref().map(|input| &input.tensor);
            let output = tch::no_grad(|| operation(tensors));
            prepared.finish(TchTensor::new(output))
        }
        OpsKind::Tracked(prepared) => {
            // Their storages stay shared with burn's tensors, which are not written to meanwhile.
            let inputs = primitives.map(|input| TchTensor {
                tensor: input.tensor.detach().set_requires_grad(true),
                storage: input.storage,
            });
            let tensors = inputs.each_ref().map(|input| &input.tensor);
            let output = TchTensor::new(tch::with_grad(|| operation(tensors)));
            let plain = TchTensor {
                tensor: output.tensor.detach(),
                storage: output.storage.clone(),
            };
            prepared.finish(Graph { inputs, output }, plain)
        }
    };
    Tensor::from_primitive(TensorPrimitive::Float(result))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ops::{Cpu, WeightRef},
        random::standard_normal,
    };
    use burn::tensor::{TensorData, Tolerance, backend::AutodiffBackend};

    /// The output of a group norm behind a convolution, and the gradients of everything that goes in.
    fn learn<B: Kernels>() -> Vec<TensorData>
    where
        Autodiff<B>: AutodiffBackend<InnerBackend = B>,
    {
        type Grad<B> = Autodiff<B>;
        let device = Default::default();
        let data = |seed: u64, shape: &[usize]| {
            let count = shape.iter().product();
            TensorData::new(standard_normal(seed, 0, count), shape.to_vec())
        };
        let leaf = |seed, shape: [usize; 4]| {
            Tensor::<Grad<B>, 4>::from_data(data(seed, &shape), &device).require_grad()
        };
        let row = |seed, count| {
            Tensor::<Grad<B>, 1>::from_data(data(seed, &[count]), &device).require_grad()
        };
        let (x, weight) = (leaf(1, [2, 6, 7, 5]), leaf(2, [8, 6, 3, 3]));
        let (offsets, scale, offset) = (row(3, 8), row(4, 8), row(5, 8));
        let shift = Tensor::<Grad<B>, 2>::from_data(data(6, &[2, 8]), &device).require_grad();
        let geometry = Conv2dGeometry {
            stride: [2, 1],
            padding: [1, 1],
        };
        let epilogue = Epilogue {
            shift: Some(shift.clone()),
            ..Epilogue::bias(Some(offsets.clone()))
        };
        let y = Grad::<B>::conv2d(
            x.clone(),
            WeightRef::Dense(weight.clone()),
            epilogue,
            geometry,
        );
        let silu = Activation::Silu;
        let z = Grad::<B>::group_norm(y.clone(), 4, scale.clone(), offset.clone(), 1e-5, silu);
        let without = Grad::<B>::conv2d(
            z.clone(),
            WeightRef::Dense(weight.clone().narrow(1, 0, 6).reshape([6, 8, 3, 3])),
            Epilogue::bias(None),
            geometry,
        );
        let [q, k, v] = [([2, 3, 9, 8], 7), ([2, 3, 11, 8], 8), ([2, 3, 11, 8], 9)]
            .map(|(shape, seed)| leaf(seed, shape));
        let heard = Grad::<B>::attention(q.clone(), k.clone(), v.clone(), None, 0.3);
        let bias = leaf(10, [1, 3, 9, 11]);
        let told = Grad::<B>::attention(q.clone(), k.clone(), v.clone(), Some(bias.clone()), 0.3);
        let plainly = B::attention(
            q.clone().inner(),
            k.clone().inner(),
            v.clone().inner(),
            None,
            0.3,
        );
        let loss = (z.clone() * z.clone() * y).sum()
            + without.powi_scalar(2).sum()
            + heard.powi_scalar(2).sum()
            + told.powi_scalar(3).sum();
        let grads = loss.backward();
        vec![
            plainly.into_data(),
            q.grad(&grads).unwrap().into_data(),
            k.grad(&grads).unwrap().into_data(),
            v.grad(&grads).unwrap().into_data(),
            bias.grad(&grads).unwrap().into_data(),
            z.into_data(),
            x.grad(&grads).unwrap().into_data(),
            weight.grad(&grads).unwrap().into_data(),
            offsets.grad(&grads).unwrap().into_data(),
            shift.grad(&grads).unwrap().into_data(),
            scale.grad(&grads).unwrap().into_data(),
            offset.grad(&grads).unwrap().into_data(),
        ]
    }

    #[test]
    fn libtorch_s_gradients_are_those_of_plain_tensors() {
        let tolerance = Tolerance::<f32>::relative(1e-3).set_absolute(1e-3);
        for (found, expected) in learn::<LibTorch>().iter().zip(learn::<Cpu>()) {
            found.assert_approx_eq::<f32>(&expected, tolerance);
        }
    }
}
