//! Records tensors by name while a network runs, so that two implementations can be compared.

use burn::tensor::{Tensor, backend::Backend};

/// One recorded tensor, still on its device.
#[derive(Debug, Clone)]
pub struct Traced<B: Backend> {
    /// The name, for example `unet.mid_block`.
    pub name: String,
    /// The shape.
    pub shape: Vec<usize>,
    /// The elements, flat.
    pub values: Tensor<B, 1>,
}

/// Collects tensors, or ignores them when it is off.
#[derive(Debug)]
pub struct Trace<B: Backend> {
    on: bool,
    tensors: Vec<Traced<B>>,
}

impl<B: Backend> Trace<B> {
    /// Collects when `on`.
    pub fn new(on: bool) -> Self {
        Self {
            on,
            tensors: Vec::new(),
        }
    }

    /// Ignores everything.
    pub fn off() -> Self {
        Self::new(false)
    }

    /// Whether anything is collected.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Stops collecting, and says whether it was on.
    pub fn pause(&mut self) -> bool {
        std::mem::replace(&mut self.on, false)
    }

    /// Goes on as `pause` found it.
    pub fn resume(&mut self, on: bool) {
        self.on = on;
    }

    /// Records `tensor` under `name`.
    pub fn record<const D: usize>(&mut self, name: impl std::fmt::Display, tensor: &Tensor<B, D>) {
        if self.on {
            let count = tensor.dims().iter().product::<usize>();
            self.tensors.push(Traced {
                name: name.to_string(),
                shape: tensor.dims().to_vec(),
                values: tensor.clone().reshape([count]),
            });
        }
    }

    /// Everything recorded so far, in order; the trace is empty afterwards.
    pub fn take(&mut self) -> Vec<Traced<B>> {
        std::mem::take(&mut self.tensors)
    }
}
