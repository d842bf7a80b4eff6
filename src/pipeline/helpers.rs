//! Engines beside this one that compute parts of its work at the same time.

use std::fmt::Debug;

use crate::{
    Result,
    tensors::HostTensor,
    weights::{LocalFuture, Shareable},
};

/// A part of a stage's work, in the terms of the system whose stage it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The stage.
    pub stage: String,
    /// What it is made of.
    pub tensors: Vec<HostTensor>,
    /// Where in the stage's work it stands, such as a timestep.
    pub place: f64,
}

/// Engines that have the same bundle open on the same kind of device: they give the same numbers to the bit.
pub trait Helpers: Shareable + Debug {
    /// How many will be there for work of so many parts.
    fn expected(&self, parts: usize) -> usize;

    /// How many are ready now.
    fn count(&self) -> usize;

    /// Gives a part to the engine `helper`, which begins at once, or when the parts before it are done.
    fn start<'a>(&'a self, helper: usize, part: Part) -> LocalFuture<'a, Result<HostTensor>>;
}
