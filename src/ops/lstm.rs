//! The gradient of an LSTM: all steps of a direction are one node of burn's graph.
//!
//! Taken apart, every step would be twenty nodes, and the gradient of each step's part of the inputs a tensor as long as
//! all of them. Here the way forward keeps gates, cells and states, and the way back is backpropagation through time:
//! Werbos, "Backpropagation Through Time: What It Does and How to Do It", 1990.

use burn::{
    backend::{
        Autodiff,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
    },
    tensor::{Tensor, TensorPrimitive, activation::sigmoid, backend::Backend, ops::FloatTensor},
};

use super::{Kernels, plain};

/// What the way back needs.
#[derive(Debug, Clone)]
struct Kept<B: Backend> {
    /// Input, forget, cell and output gate behind their functions, `[batch, steps, 4 hidden]`.
    gates: Tensor<B, 3>,
    /// `[batch, steps, hidden]`.
    cells: Tensor<B, 3>,
    /// `[batch, steps, hidden]`.
    states: Tensor<B, 3>,
    /// `[4 hidden, hidden]`.
    weight: Tensor<B, 2>,
    reverse: bool,
}

/// The order in which steps are taken.
fn order(steps: usize, reverse: bool) -> impl DoubleEndedIterator<Item = usize> {
    (0..steps).map(move |at| if reverse { steps - 1 - at } else { at })
}

/// One step of `[batch, steps, width]`.
fn step_of<B: Backend>(x: &Tensor<B, 3>, step: usize) -> Tensor<B, 2> {
    x.clone().narrow(1, step, 1).squeeze_dim(1)
}

/// Steps in the order in which they were taken, as `[batch, steps, width]`.
fn stacked<B: Backend>(mut taken: Vec<Tensor<B, 2>>, reverse: bool) -> Tensor<B, 3> {
    if reverse {
        taken.reverse();
    }
    Tensor::stack(taken, 1)
}

impl<B: Backend> Kept<B> {
    /// The way forward: see [`Kernels::lstm`].
    fn walk(inputs: Tensor<B, 3>, weight: Tensor<B, 2>, reverse: bool) -> Self {
        let [_, steps, width] = inputs.dims();
        let hidden = width / 4;
        let turned = weight.clone().transpose();
        let mut before: Option<(Tensor<B, 2>, Tensor<B, 2>)> = None;
        let [mut gates, mut cells, mut states] = [const { Vec::new() }; 3];
        for step in order(steps, reverse) {
            let own = step_of(&inputs, step);
            let sums = match &before {
                Some((state, _)) => own + state.clone().matmul(turned.clone()),
                None => own,
            };
            let both = sigmoid(sums.clone().narrow(1, 0, 2 * hidden));
            let new = sums.clone().narrow(1, 2 * hidden, hidden).tanh();
            let output = sigmoid(sums.narrow(1, 3 * hidden, hidden));
            let kept = both.clone().narrow(1, 0, hidden) * new.clone();
            let cell = match before {
                Some((_, cell)) => both.clone().narrow(1, hidden, hidden) * cell + kept,
                None => kept,
            };
            let state = output.clone() * cell.clone().tanh();
            gates.push(Tensor::cat(vec![both, new, output], 1));
            cells.push(cell.clone());
            states.push(state.clone());
            before = Some((state, cell));
        }
        Self {
            gates: stacked(gates, reverse),
            cells: stacked(cells, reverse),
            states: stacked(states, reverse),
            weight,
            reverse,
        }
    }

    /// What stood in `x` before each step; zeros before the first.
    fn before(&self, x: &Tensor<B, 3>) -> Tensor<B, 3> {
        let [_, steps, _] = x.dims();
        let first = x.clone().narrow(1, 0, 1).zeros_like();
        if steps == 1 {
            return first;
        }
        let from = usize::from(self.reverse);
        let others = x.clone().narrow(1, from, steps - 1);
        Tensor::cat(
            match self.reverse {
                true => vec![others, first],
                false => vec![first, others],
            },
            1,
        )
    }

    /// The way back: the gradients of the inputs and of the weight from that of the states.
    fn back(&self, gradient: &Tensor<B, 3>) -> (Tensor<B, 3>, Tensor<B, 2>) {
        let [batch, steps, hidden] = self.states.dims();
        let part = |index: usize| self.gates.clone().narrow(2, index * hidden, hidden);
        let [input, forget, new, output] = [0, 1, 2, 3].map(part);
        // The slope of a sigmoid, and of a hyperbolic tangent, by its value.
        let slope = |value: &Tensor<B, 3>| value.clone() - value.clone().powi_scalar(2);
        let flat = |value: &Tensor<B, 3>| value.clone().powi_scalar(2).neg() + 1.0;
        let tanh = self.cells.clone().tanh();
        let through = output.clone() * flat(&tanh);
        // By what the gradients of a cell (three times) and of a state are multiplied on their way to the sums.
        let factors = Tensor::cat(
            vec![
                new.clone() * slope(&input),
                self.before(&self.cells) * slope(&forget),
                input * flat(&new),
                tanh * slope(&output),
            ],
            2,
        );
        let mut sums = Vec::with_capacity(steps);
        let mut later: Option<(Tensor<B, 2>, Tensor<B, 2>)> = None;
        for step in order(steps, self.reverse).rev() {
            let own = step_of(gradient, step);
            let (state, cell) = match later {
                Some((state, cell)) => {
                    let state = own + state;
                    (state.clone(), state * step_of(&through, step) + cell)
                }
                None => (own.clone(), own * step_of(&through, step)),
            };
            let all = vec![cell.clone(), cell.clone(), cell.clone(), state];
            let sum = Tensor::cat(all, 1) * step_of(&factors, step);
            later = Some((
                sum.clone().matmul(self.weight.clone()),
                cell * step_of(&forget, step),
            ));
            sums.push(sum);
        }
        // They were taken from the last step to the first.
        let sums = stacked(sums, !self.reverse);
        let rows = batch * steps;
        let before = self.before(&self.states).reshape([rows, hidden]);
        let weight = sums.clone().reshape([rows, 4 * hidden]);
        (sums, weight.transpose().matmul(before))
    }
}

/// The way back, as burn calls it.
#[derive(Debug)]
struct LstmBackward;

fn wrapped<B: Backend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

fn primitive<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<B> {
    tensor.into_primitive().tensor()
}

impl<B: Backend> Backward<B, 2> for LstmBackward {
    type State = Kept<B>;

    fn backward(self, ops: Ops<Kept<B>, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let (inputs, weight) = ops.state.back(&wrapped(gradient));
        let [to_inputs, to_weight] = ops.parents;
        if let Some(node) = to_inputs {
            grads.register::<B>(node.id, primitive(inputs));
        }
        if let Some(node) = to_weight {
            grads.register::<B>(node.id, primitive(weight));
        }
    }
}

/// [`Kernels::lstm`] where gradients are computed.
pub(super) fn lstm<B: Kernels, C: CheckpointStrategy>(
    gates: Tensor<Autodiff<B, C>, 3>,
    weight: Tensor<Autodiff<B, C>, 2>,
    reverse: bool,
) -> Tensor<Autodiff<B, C>, 3> {
    let gates = primitive(plain::like(gates, &weight));
    let weight = primitive(weight);
    let nodes = [gates.node.clone(), weight.node.clone()];
    let prepared = LstmBackward.prepare::<C>(nodes).compute_bound().stateful();
    let (gates, weight) = (wrapped(gates.primitive), wrapped(weight.primitive));
    let result = match prepared {
        OpsKind::UnTracked(prepared) => prepared.finish(primitive(B::lstm(gates, weight, reverse))),
        OpsKind::Tracked(prepared) => {
            let kept = Kept::<B>::walk(gates, weight, reverse);
            let states = primitive(kept.states.clone());
            prepared.finish(kept, states)
        }
    };
    wrapped(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ops::Cpu, random::standard_normal, tensors::tensor};
    use burn::tensor::Tolerance;

    type Learning = Autodiff<Cpu>;
    type Lstm = fn(Tensor<Learning, 3>, Tensor<Learning, 2>, bool) -> Tensor<Learning, 3>;

    #[test]
    fn gradients_are_those_of_the_plain_form() {
        let learn = |lstm: Lstm, steps: usize, reverse: bool| {
            let device = Default::default();
            let values = |seed, count| standard_normal(seed, 0, count);
            let gates = tensor::<Learning, 3>(values(1, 2 * steps * 12), [2, steps, 12], &device);
            let weight = tensor::<Learning, 2>(values(2, 36), [12, 3], &device);
            let wanted = tensor::<Learning, 3>(values(3, 2 * steps * 3), [2, steps, 3], &device);
            let (gates, weight) = (gates.require_grad(), weight.require_grad());
            let states = lstm(gates.clone(), weight.clone(), reverse);
            let gradients = (states.clone() * wanted).sum().backward();
            [
                states.into_data(),
                gates.grad(&gradients).unwrap().into_data(),
                weight.grad(&gradients).unwrap().into_data(),
            ]
        };
        for steps in [1, 2, 9] {
            for reverse in [false, true] {
                let ours = learn(<Learning as Kernels>::lstm, steps, reverse);
                let plain = learn(plain::lstm, steps, reverse);
                for (ours, plain) in ours.iter().zip(&plain) {
                    let tolerance = Tolerance::<f32>::absolute(1e-5);
                    ours.assert_approx_eq::<f32>(plain, tolerance);
                }
            }
        }
    }

    /// A frozen network's gradient is not computed, and inputs that want none get none.
    #[test]
    fn what_wants_no_gradient_gets_none() {
        let device = Default::default();
        let gates = tensor::<Learning, 3>(standard_normal(1, 0, 60), [1, 5, 12], &device);
        let weight = tensor::<Learning, 2>(standard_normal(2, 0, 36), [12, 3], &device);
        let weight = weight.require_grad();
        let gradients = Learning::lstm(gates.clone(), weight.clone(), false)
            .sum()
            .backward();
        assert!(gates.grad(&gradients).is_none() && weight.grad(&gradients).is_some());
    }
}
