//! How much noise there is at each of the training timesteps.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The schedule as `scheduler_config.json` gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScheduleConfig {
    /// Timesteps in training.
    pub num_train_timesteps: usize,
    /// First variance.
    pub beta_start: f64,
    /// Last variance.
    pub beta_end: f64,
    /// How variances run between the two: `scaled_linear` or `linear`.
    pub beta_schedule: String,
    /// What the UNet predicts: `epsilon`.
    pub prediction_type: String,
    /// How sampling timesteps are spread: `leading`.
    pub timestep_spacing: String,
    /// What is added to every sampling timestep.
    pub steps_offset: usize,
    /// Whether the step behind the last one is free of noise.
    pub set_alpha_to_one: bool,
    /// Whether predictions of the clean latent are clipped.
    pub clip_sample: bool,
}

impl Default for ScheduleConfig {
    /// AudioLDM 2's.
    fn default() -> Self {
        Self {
            num_train_timesteps: 1000,
            beta_start: 0.0015,
            beta_end: 0.0195,
            beta_schedule: "scaled_linear".into(),
            prediction_type: "epsilon".into(),
            timestep_spacing: "leading".into(),
            steps_offset: 1,
            set_alpha_to_one: false,
            clip_sample: false,
        }
    }
}

/// `abar_t = prod_{i <= t} (1 - beta_i)` for every training timestep.
///
/// Ho et al., "Denoising Diffusion Probabilistic Models", 2020.
#[derive(Debug, Clone)]
pub struct NoiseSchedule {
    alphas_cumprod: Vec<f64>,
    config: ScheduleConfig,
}

impl NoiseSchedule {
    /// The schedule that `config` describes.
    pub fn new(config: &ScheduleConfig) -> Result<Self> {
        let refuse = |what: String| {
            Err(Error::unsupported(
                format!("a noise schedule with {what}"),
                "use the scheduler_config.json of AudioLDM 2",
            ))
        };
        let count = config.num_train_timesteps;
        if !(2..=100_000).contains(&count) {
            return refuse(format!("{count} timesteps"));
        }
        if config.prediction_type != "epsilon" {
            return refuse(format!("prediction_type {}", config.prediction_type));
        }
        if config.timestep_spacing != "leading" {
            return refuse(format!("timestep_spacing {}", config.timestep_spacing));
        }
        if config.clip_sample || config.steps_offset > 1 {
            return refuse("clip_sample or a steps_offset above 1".into());
        }
        let (start, end) = (config.beta_start, config.beta_end);
        let ramp = |i: usize| i as f64 / (count - 1) as f64;
        let beta = |i: usize| match config.beta_schedule.as_str() {
            "scaled_linear" => Some((start.sqrt() + ramp(i) * (end.sqrt() - start.sqrt())).powi(2)),
            "linear" => Some(start + ramp(i) * (end - start)),
            _ => None,
        };
        let mut product = 1.0;
        let mut alphas_cumprod = Vec::with_capacity(count);
        for i in 0..count {
            let Some(beta) = beta(i).filter(|beta| (0.0..1.0).contains(beta)) else {
                return refuse(format!("beta_schedule {}", config.beta_schedule));
            };
            product *= 1.0 - beta;
            alphas_cumprod.push(product);
        }
        Ok(Self {
            alphas_cumprod,
            config: config.clone(),
        })
    }

    /// Training timesteps.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.alphas_cumprod.len()
    }

    /// `abar_t`: the share of the clean latent's variance at timestep `t`.
    pub fn alpha_cumprod(&self, t: usize) -> f64 {
        self.alphas_cumprod[t.min(self.len() - 1)]
    }

    /// `abar` behind the last step.
    pub fn final_alpha_cumprod(&self) -> f64 {
        if self.config.set_alpha_to_one {
            1.0
        } else {
            self.alphas_cumprod[0]
        }
    }

    /// What is added to every sampling timestep.
    pub fn steps_offset(&self) -> usize {
        self.config.steps_offset
    }

    /// `sqrt((1 - abar_t) / abar_t)`.
    pub fn sigma(&self, t: usize) -> f64 {
        let alpha = self.alpha_cumprod(t);
        ((1.0 - alpha) / alpha).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_published_values() {
        let schedule = NoiseSchedule::new(&ScheduleConfig::default()).unwrap();
        for (t, expected) in [(0, 0.9985), (99, 0.82508), (500, 0.11492), (999, 1.4230e-4)] {
            let ratio = schedule.alpha_cumprod(t) / expected;
            assert!((ratio - 1.0).abs() < 1e-4, "abar_{t} is off by {ratio}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_compute() {
        let config = ScheduleConfig {
            prediction_type: "sample".into(),
            ..Default::default()
        };
        assert!(NoiseSchedule::new(&config).is_err());
    }
}
