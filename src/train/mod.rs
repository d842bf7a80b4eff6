//! Training: one loop for all parts, and what each part learns from.
//!
//! A [`Task`] says how its network is built, what a batch is and what the loss is; [`run`] does the
//! rest: batches made ahead on another thread, AdamW with warm-up and cosine decay, accumulation,
//! clipping, an average of the weights, a log with a plot, checkpoints that appear whole or not at
//! all. A batch is a function of the configuration and the step alone, so a run that is interrupted
//! and resumed takes the same steps as one that is not.

mod checkpoint;
pub mod config;
mod denoising;
mod log;
mod run;
mod weights;

pub mod aligner;
pub mod data;
pub mod export;
pub mod imagebind;
pub mod pool;
pub mod prior;
pub mod spectral;
pub mod vae;
pub mod vocoder;

use burn::{
    module::AutodiffModule,
    tensor::{
        Tensor,
        backend::{AutodiffBackend, Backend},
    },
};

pub use checkpoint::{Weights, finished};
pub use run::run;
pub use weights::Rescaled;

use crate::{Result, model::params::Params, ops::Kernels, tensors::tensor};

/// A backend that a part can be trained on.
pub trait TrainingBackend: AutodiffBackend<InnerBackend: Kernels> + Kernels {}

impl<B: AutodiffBackend<InnerBackend: Kernels> + Kernels> TrainingBackend for B {}

/// One part that can be trained.
pub trait Task<B: TrainingBackend>: Sync {
    /// The network.
    type Model: AutodiffModule<B>;
    /// What one step learns from, in the program's own memory.
    type Batch: Send;

    /// Builds the network.
    fn load(&self, p: &Params<B>) -> Result<Self::Model>;

    /// How weights start that should not start as PyTorch's layers do: a part of the name, and what
    /// the elements are multiplied with.
    fn initial_scales(&self) -> &[(&str, f32)] {
        &[]
    }

    /// What step `step` learns from. Runs on another thread; always the same for the same step.
    fn batch(&self, step: usize) -> Result<Self::Batch>;

    /// The losses of a batch.
    fn loss(&self, model: &Self::Model, batch: Self::Batch) -> Result<Losses<B>>;

    /// Figures on items that are never trained on, by name.
    fn validate(&self, model: &Self::Model) -> Result<Vec<(&'static str, f64)>>;
}

/// What a step minimises, and what else the log should show.
#[derive(Debug)]
pub struct Losses<B: Backend> {
    /// What is minimised.
    pub total: Tensor<B, 1>,
    /// Parts of it, by name.
    pub parts: Vec<(&'static str, Tensor<B, 1>)>,
}

/// The one element of a tensor.
fn scalar<B: Backend>(tensor: Tensor<B, 1>) -> Result<f64> {
    let values = pollster::block_on(crate::tensors::read(tensor))?;
    Ok(f64::from(values.first().copied().unwrap_or(f32::NAN)))
}
