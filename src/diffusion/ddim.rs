//! DDIM with eta 0.
//!
//! Song et al., "Denoising Diffusion Implicit Models", 2021, with "leading" timesteps and an offset.

use burn::tensor::{Tensor, backend::Backend};

use super::NoiseSchedule;

/// The sampler: from timestep `t` to `t - q`, `q = floor(timesteps / steps)`.
#[derive(Debug, Clone)]
pub struct Ddim {
    timesteps: Vec<usize>,
    /// For each step `abar` before and behind it.
    alphas: Vec<(f64, f64)>,
}

impl Ddim {
    /// Timesteps `q (steps - 1) + offset, .., q + offset, offset`.
    pub fn new(schedule: &NoiseSchedule, steps: usize) -> Self {
        let stride = schedule.len() / steps;
        let timesteps: Vec<usize> = (0..steps)
            .rev()
            .map(|i| i * stride + schedule.steps_offset())
            .collect();
        let behind = |t: usize| match t.checked_sub(stride) {
            Some(t) => schedule.alpha_cumprod(t),
            None => schedule.final_alpha_cumprod(),
        };
        let alphas = timesteps
            .iter()
            .map(|&t| (schedule.alpha_cumprod(t), behind(t)))
            .collect();
        Self { timesteps, alphas }
    }

    /// The timesteps, from the noisiest to the cleanest.
    pub fn timesteps(&self) -> &[usize] {
        &self.timesteps
    }

    /// `x0 = (z - sqrt(1 - a) eps) / sqrt(a)`, then `sqrt(a') x0 + sqrt(1 - a') eps`.
    ///
    /// The last step lands at the noise of timestep 0, not at `x0`, unless the schedule says so.
    pub fn step<B: Backend, const D: usize>(
        &self,
        index: usize,
        latents: Tensor<B, D>,
        noise: Tensor<B, D>,
    ) -> Tensor<B, D> {
        let (before, behind) = self.alphas[index];
        // Both terms collected: z' = (z - n eps) s, with two factors instead of four.
        let scale = (behind / before).sqrt();
        let noise_scale = (1.0 - behind).sqrt() - scale * (1.0 - before).sqrt();
        latents * scale + noise * noise_scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::ScheduleConfig;

    #[test]
    fn has_the_published_timesteps() {
        let schedule = NoiseSchedule::new(&ScheduleConfig::default()).unwrap();
        let ddim = Ddim::new(&schedule, 200);
        assert_eq!(ddim.timesteps()[..3], [996, 991, 986]);
        assert_eq!(ddim.timesteps()[198..], [6, 1]);
        // The last step goes to timestep -4, which stands for timestep 0.
        assert_eq!(ddim.alphas[199].1, schedule.alpha_cumprod(0));
    }

    /// With the true noise, a step gives exactly the latent with less of the same noise.
    #[test]
    fn follows_a_known_trajectory() {
        use burn::backend::Flex;
        let schedule = NoiseSchedule::new(&ScheduleConfig::default()).unwrap();
        let ddim = Ddim::new(&schedule, 10);
        let device = Default::default();
        let clean = Tensor::<Flex, 1>::from_floats([0.5, -1.0, 2.0], &device);
        let noise = Tensor::<Flex, 1>::from_floats([1.0, 0.3, -0.7], &device);
        let at = |alpha: f64| clean.clone() * alpha.sqrt() + noise.clone() * (1.0 - alpha).sqrt();
        for (index, &(before, behind)) in ddim.alphas.iter().enumerate() {
            let moved = ddim.step(index, at(before), noise.clone());
            let error = (moved - at(behind)).abs().max().into_scalar();
            assert!(error < 1e-4, "step {index}: {error}");
        }
    }
}
