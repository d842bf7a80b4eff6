//! Denoising diffusion: the noise schedule, samplers, guidance.
//!
//! Nothing here knows of networks: a sampler is told the predicted noise and moves the latent.

mod ddim;
mod dpm;
mod schedule;
mod unipc;

use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

pub use ddim::Ddim;
pub use dpm::DpmSolver;
pub use schedule::{NoiseSchedule, Prediction, ScheduleConfig};
pub use unipc::UniPc;

use crate::{Fault, Result};

/// Which sampler to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum SchedulerKind {
    /// DDIM: the paper's choice, with 200 steps.
    Ddim,
    /// DPM-Solver++(2M): usable from about 20 steps.
    Dpmpp,
    /// UniPC of second order: each step corrects the one before.
    Unipc,
}

impl SchedulerKind {
    /// The name in manifests and options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ddim => "ddim",
            Self::Dpmpp => "dpmpp",
            Self::Unipc => "unipc",
        }
    }

    /// The name in traces: `ddim.latents.0`, `dpm.latents.0`, `unipc.latents.0`.
    pub fn trace_name(self) -> &'static str {
        match self {
            Self::Ddim => "ddim",
            Self::Dpmpp => "dpm",
            Self::Unipc => "unipc",
        }
    }
}

/// A sampler under way.
#[derive(Debug, Clone)]
pub enum Sampler<B: Backend> {
    /// DDIM.
    Ddim(Ddim),
    /// DPM-Solver++(2M), which remembers its last step.
    Dpm(DpmSolver<B>),
    /// UniPC, which remembers its last two steps.
    UniPc(UniPc<B>),
}

impl<B: Backend> Sampler<B> {
    /// A sampler of `steps` steps, at least 1 and fewer than the schedule has.
    pub fn new(kind: SchedulerKind, schedule: &NoiseSchedule, steps: usize) -> Result<Self> {
        let most = schedule.len() - 1;
        if steps == 0 || steps > most {
            return Err(Fault::Steps { value: steps, most }.into());
        }
        Ok(match kind {
            SchedulerKind::Ddim => Self::Ddim(Ddim::new(schedule, steps)),
            SchedulerKind::Dpmpp => Self::Dpm(DpmSolver::new(schedule, steps)),
            SchedulerKind::Unipc => Self::UniPc(UniPc::new(schedule, steps)),
        })
    }

    /// The timesteps, from the noisiest to the cleanest.
    pub fn timesteps(&self) -> &[usize] {
        match self {
            Self::Ddim(sampler) => sampler.timesteps(),
            Self::Dpm(sampler) => sampler.timesteps(),
            Self::UniPc(sampler) => sampler.timesteps(),
        }
    }

    /// Moves `latents` over step `index`, given the noise predicted there.
    pub fn step<const D: usize>(
        &mut self,
        index: usize,
        latents: Tensor<B, D>,
        noise: Tensor<B, D>,
    ) -> Tensor<B, D> {
        match self {
            Self::Ddim(sampler) => sampler.step(index, latents, noise),
            Self::Dpm(sampler) => sampler.step(index, latents, noise),
            Self::UniPc(sampler) => sampler.step(index, latents, noise),
        }
    }
}

/// Classifier-free guidance: `unconditional + scale (conditional - unconditional)`.
pub fn guide<B: Backend, const D: usize>(
    unconditional: Tensor<B, D>,
    conditional: Tensor<B, D>,
    scale: f64,
) -> Tensor<B, D> {
    let direction = conditional - unconditional.clone();
    unconditional + direction * scale
}
