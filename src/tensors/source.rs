//! Named tensors, wherever they come from: a bundle, a checkpoint, a fresh initialisation.

use crate::{Result, quant::PackedValues};

/// How a tensor starts when no checkpoint gives it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Every element the same.
    Constant(f32),
    /// Uniform in `-bound..bound`.
    Uniform(f32),
}

impl Init {
    /// PyTorch's default for linear and convolution layers: uniform within `1 / sqrt(fan_in)`.
    pub fn fan_in(fan_in: usize) -> Self {
        Self::Uniform(1.0 / (fan_in.max(1) as f32).sqrt())
    }
}

/// Gives tensors by name.
pub trait TensorSource {
    /// The elements of tensor `name`, which must have `shape`.
    fn read(&self, name: &str, shape: &[usize], init: Init) -> Result<Vec<f32>>;

    /// The elements of tensor `name`, which must have `shape`, as they are packed; nothing where they are
    /// plain 32-bit floats.
    fn read_packed(&self, _name: &str, _shape: &[usize]) -> Result<Option<PackedValues>> {
        Ok(None)
    }

    /// Whether this source only wants to know what is asked for. Parameters then stay without a
    /// value (and without memory), and the network must not be run.
    fn is_plan(&self) -> bool {
        false
    }

    /// Tells a plan what is asked for.
    fn note(&self, _name: &str, _shape: &[usize], _init: Init) {}
}

/// The tensors of another source whose names begin with a prefix, without that prefix.
pub struct Prefixed<'a> {
    /// The other source.
    pub source: &'a dyn TensorSource,
    /// The prefix, without the dot behind it.
    pub prefix: &'a str,
}

impl TensorSource for Prefixed<'_> {
    fn read(&self, name: &str, shape: &[usize], init: Init) -> Result<Vec<f32>> {
        let name = format!("{}.{name}", self.prefix);
        self.source.read(&name, shape, init)
    }
}
