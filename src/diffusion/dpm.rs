//! DPM-Solver++(2M), the multistep solver of second order on data predictions.
//!
//! Lu et al., "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models",
//! 2022, in the midpoint form, with "leading" timesteps and a final sigma of zero.

use burn::tensor::{Tensor, TensorPrimitive, backend::Backend, ops::FloatTensor};

use super::NoiseSchedule;

/// The sampler. It remembers the last data prediction, so steps must be taken in order.
#[derive(Debug, Clone)]
pub struct DpmSolver<B: Backend> {
    timesteps: Vec<usize>,
    /// One for each timestep, and zero behind the last.
    sigmas: Vec<f64>,
    last: Option<FloatTensor<B>>,
}

/// `alpha`, `s = sigma alpha` and `lambda = ln alpha - ln s` of a noise level.
pub(super) struct Level {
    pub alpha: f64,
    pub s: f64,
    pub lambda: f64,
}

pub(super) fn level(sigma: f64) -> Level {
    let alpha = 1.0 / (sigma * sigma + 1.0).sqrt();
    let s = sigma * alpha;
    Level {
        alpha,
        s,
        lambda: alpha.ln() - s.ln(),
    }
}

/// Timesteps `q steps + offset, .., q + offset`, `q = floor(timesteps / (steps + 1))`, and their sigmas with a zero
/// behind the last.
pub(super) fn leading(schedule: &NoiseSchedule, steps: usize) -> (Vec<usize>, Vec<f64>) {
    let stride = schedule.len() / (steps + 1);
    let steps = (1..=steps).rev();
    let timesteps: Vec<usize> = steps
        .map(|i| i * stride + schedule.steps_offset())
        .collect();
    let sigmas = timesteps.iter().map(|&t| schedule.sigma(t));
    let sigmas = sigmas.chain(std::iter::once(0.0)).collect();
    (timesteps, sigmas)
}

impl<B: Backend> DpmSolver<B> {
    /// A solver of `steps` steps.
    pub fn new(schedule: &NoiseSchedule, steps: usize) -> Self {
        let (timesteps, sigmas) = leading(schedule, steps);
        Self {
            timesteps,
            sigmas,
            last: None,
        }
    }

    /// The timesteps, from the noisiest to the cleanest.
    pub fn timesteps(&self) -> &[usize] {
        &self.timesteps
    }

    /// The first step is of first order, the last one gives the data prediction itself, the others
    /// use the prediction before.
    pub fn step<const D: usize>(
        &mut self,
        index: usize,
        latents: Tensor<B, D>,
        noise: Tensor<B, D>,
    ) -> Tensor<B, D> {
        let now = level(self.sigmas[index]);
        let clean = (latents.clone() - noise * now.s) / now.alpha;
        let last = self
            .last
            .replace(clean.clone().into_primitive().tensor())
            .map(|last| Tensor::<B, D>::from_primitive(TensorPrimitive::Float(last)));
        let sigma = self.sigmas[index + 1];
        if sigma == 0.0 {
            return clean;
        }
        let next = level(sigma);
        let step = next.lambda - now.lambda;
        let gain = -next.alpha * (-step).exp_m1();
        let moved = latents * (next.s / now.s) + clean.clone() * gain;
        match last {
            Some(last) => {
                let ratio = (now.lambda - level(self.sigmas[index - 1]).lambda) / step;
                moved + (clean - last) * (0.5 * gain / ratio)
            }
            None => moved,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::ScheduleConfig;
    use burn::backend::Flex;

    #[test]
    fn has_the_published_timesteps() {
        let schedule = NoiseSchedule::new(&ScheduleConfig::default()).unwrap();
        let solver = DpmSolver::<Flex>::new(&schedule, 20);
        assert_eq!(solver.timesteps()[0], 941);
        assert_eq!(solver.timesteps()[19], 48);
    }

    /// With the true noise, the clean latent comes out however few the steps are.
    #[test]
    fn recovers_the_clean_latent() {
        let schedule = NoiseSchedule::new(&ScheduleConfig::default()).unwrap();
        let device = Default::default();
        let clean = Tensor::<Flex, 1>::from_floats([0.5, -1.0, 2.0], &device);
        let noise = Tensor::<Flex, 1>::from_floats([1.0, 0.3, -0.7], &device);
        let mut solver = DpmSolver::new(&schedule, 4);
        let first = level(solver.sigmas[0]);
        let mut z = clean.clone() * first.alpha + noise.clone() * first.s;
        for index in 0..4 {
            z = solver.step(index, z, noise.clone());
        }
        let error = (z - clean).abs().max().into_scalar();
        assert!(error < 1e-4, "{error}");
    }
}
