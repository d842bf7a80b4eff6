//! Training: one loop for all parts, and what each part learns from.
//!
//! A [`Task`] owns its models and optimisers (as [`Learners`]: one, or a tuple where several train each
//! other, as in a GAN), its batches, its losses and its validation. [`run`] owns the rest: batches made
//! ahead on every core, accumulation, warm-up and cosine decay, clipping by the global norm, averages of
//! weights, precision, a log with a plot, checkpoints that appear whole or not at all. A batch is a function
//! of the configuration and its number alone, so a run that is interrupted and resumed takes the same steps
//! as one that is not.

pub mod adversarial;
mod begin;
mod checkpoint;
mod clip;
pub mod config;
mod contrastive;
mod denoising;
mod description;
mod discriminator;
mod folder;
mod learner;
mod log;
mod precision;
mod run;
mod weights;

pub mod aligner;
pub mod art2music;
pub mod data;
pub mod export;
pub mod imagebind;
pub mod latents;
pub mod prior;
pub mod refinement;
pub mod spectral;
pub mod vae;
pub mod vocoder;
pub mod waveform;

use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};

pub use checkpoint::Weights;
pub use description::Description;
pub use folder::RunFolder;
pub use learner::{Learner, Learners, Optimised, Start};
pub use run::{Pace, measure, run};
pub use weights::Rescaled;

use crate::{Result, ops::Kernels, tensors::tensor};

/// A backend that a part can be trained on.
pub trait TrainingBackend: AutodiffBackend<InnerBackend: Kernels> + Kernels {}

impl<B: AutodiffBackend<InnerBackend: Kernels> + Kernels> TrainingBackend for B {}

/// Something that can be trained.
pub trait Task<B: TrainingBackend>: Sync {
    /// The models, each with its optimiser: a [`Learner`], or a tuple of them.
    type Learners: Learners<B>;
    /// What is learnt from at once, in the program's own memory.
    type Batch: Send;

    /// Builds the models: [`Start::learner`] gives a fresh one, or one as it was saved.
    fn learners(&self, start: &Start<B>) -> Result<Self::Learners>;

    /// Batch `number`. Runs on other threads, several at a time; always the same for the same number. A
    /// step takes as many batches as gradients are accumulated.
    fn batch(&self, number: usize) -> Result<Self::Batch>;

    /// The losses of a batch for learner `learner` of [`Self::Learners`].
    ///
    /// The learners take turns: every step calls this for the first one on all of the step's batches and
    /// updates it, then for the second one, which already meets the updated first.
    fn losses(
        &self,
        learners: &Self::Learners,
        learner: usize,
        batch: &Self::Batch,
    ) -> Result<Losses<B>>;

    /// Figures on items that are never trained on, by name.
    fn validate(&self, learners: &Self::Learners) -> Result<Vec<(&'static str, f64)>>;
}

/// What a learner minimises, and what else the log should show.
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

#[cfg(test)]
mod tests;
