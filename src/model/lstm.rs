//! Long short-term memory, with PyTorch's names and shapes for its parameters.
//!
//! Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997; in both directions: Graves and Schmidhuber, "Framewise
//! Phoneme Classification with Bidirectional LSTM", 2005.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};

use super::{layers::Linear, params::Params};
use crate::{Result, ops::Kernels, tensors::Init};

/// Gates of a unit, in the order input, forget, cell, output.
const GATES: usize = 4;

/// Layers that each see the whole sequence from both ends.
#[derive(Module, Debug)]
pub struct BidirectionalLstm<B: Backend> {
    layers: Vec<[Direction<B>; 2]>,
}

impl<B: Kernels> BidirectionalLstm<B> {
    /// Reads `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, the same with `_reverse`, and so on for
    /// each layer.
    pub fn load(p: &Params<B>, inputs: usize, hidden: usize, layers: usize) -> Result<Self> {
        let load = |layer: usize| {
            let inputs = if layer == 0 { inputs } else { 2 * hidden };
            let direction = |end: &str| Direction::load(p, layer, end, inputs, hidden);
            Ok([direction("")?, direction("_reverse")?])
        };
        Ok(Self {
            layers: (0..layers).map(load).collect::<Result<_>>()?,
        })
    }

    /// `[batch, steps, inputs]`, of at least one step, to `[batch, steps, 2 hidden]`: the states on the way forward,
    /// then those on the way back.
    pub fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        self.layers.iter().fold(x, |x, [ahead, back]| {
            let states = vec![ahead.forward(x.clone(), false), back.forward(x, true)];
            Tensor::cat(states, 2)
        })
    }
}

/// One direction of a layer.
#[derive(Module, Debug)]
struct Direction<B: Backend> {
    inputs: Linear<B>,
    recurrent: Param<Tensor<B, 2>>,
    bias: Param<Tensor<B, 1>>,
}

impl<B: Kernels> Direction<B> {
    fn load(p: &Params<B>, layer: usize, end: &str, inputs: usize, hidden: usize) -> Result<Self> {
        let name = |part: &str| format!("{part}_l{layer}{end}");
        let (init, gates) = (Init::fan_in(hidden), GATES * hidden);
        let (weight, bias) = (name("weight_ih"), name("bias_ih"));
        Ok(Self {
            inputs: Linear::load_named(p, [inputs, gates], [&weight, &bias], init)?,
            recurrent: p.get(&name("weight_hh"), [gates, hidden], init)?,
            bias: p.get(&name("bias_hh"), [gates], init)?,
        })
    }

    fn forward(&self, x: Tensor<B, 3>, reverse: bool) -> Tensor<B, 3> {
        let gates = self.inputs.forward(x) + self.bias.val().unsqueeze();
        B::lstm(gates, self.recurrent.val(), reverse)
    }
}
