//! How much noise there is at each of the training timesteps.

use burn::tensor::{Tensor, backend::Backend};
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
    /// All variances, where they follow no curve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trained_betas: Option<Vec<f64>>,
    /// Whether the last timestep is nothing but noise: Lin et al., "Common Diffusion Noise Schedules and Sample Steps Are
    /// Flawed", 2024, algorithm 1.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rescale_betas_zero_snr: bool,
    /// What the UNet predicts: `epsilon`, or `v_prediction` for the small model.
    pub prediction_type: String,
    /// How sampling timesteps are spread: `leading`.
    pub timestep_spacing: String,
    /// What is added to every sampling timestep.
    pub steps_offset: usize,
    /// Whether the step behind the last one is free of noise.
    pub set_alpha_to_one: bool,
    /// Whether predictions of the clean latent are clipped to `clip_sample_range`.
    pub clip_sample: bool,
    /// See `clip_sample`.
    pub clip_sample_range: f64,
}

impl Default for ScheduleConfig {
    /// AudioLDM 2's.
    fn default() -> Self {
        Self {
            num_train_timesteps: 1000,
            beta_start: 0.0015,
            beta_end: 0.0195,
            beta_schedule: "scaled_linear".into(),
            trained_betas: None,
            rescale_betas_zero_snr: false,
            prediction_type: "epsilon".into(),
            timestep_spacing: "leading".into(),
            steps_offset: 1,
            set_alpha_to_one: false,
            clip_sample: false,
            clip_sample_range: 1.0,
        }
    }
}

/// `abar_t = prod_{i <= t} (1 - beta_i)` for every training timestep.
///
/// Ho et al., "Denoising Diffusion Probabilistic Models", 2020.
#[derive(Debug, Clone)]
pub struct NoiseSchedule {
    alphas_cumprod: Vec<f64>,
    prediction: Prediction,
    clip: Option<f64>,
    config: ScheduleConfig,
}

/// What the UNet predicts of `z = a x + s n`, with `a^2 = abar_t` and `s^2 = 1 - abar_t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prediction {
    /// The noise `n`.
    Epsilon,
    /// The velocity `a n - s x` of Salimans and Ho, "Progressive Distillation for Fast Sampling of
    /// Diffusion Models", 2022.
    Velocity,
}

impl NoiseSchedule {
    /// The schedule that `config` describes.
    pub fn new(config: &ScheduleConfig) -> Result<Self> {
        let refuse = |what: String| Err(unknown(&what));
        let count = config.num_train_timesteps;
        if !(2..=100_000).contains(&count) {
            return refuse(format!("{count} timesteps"));
        }
        let prediction = match config.prediction_type.as_str() {
            "epsilon" => Prediction::Epsilon,
            "v_prediction" => Prediction::Velocity,
            other => return refuse(format!("prediction_type {other}")),
        };
        let clip = config.clip_sample.then_some(config.clip_sample_range);
        if clip.is_some_and(|range| !range.is_finite() || range <= 0.0) {
            return refuse(format!("clip_sample_range {}", config.clip_sample_range));
        }
        if config.timestep_spacing != "leading" {
            return refuse(format!("timestep_spacing {}", config.timestep_spacing));
        }
        if config.steps_offset > 1 {
            return refuse("a steps_offset above 1".into());
        }
        if config.rescale_betas_zero_snr && prediction == Prediction::Epsilon {
            return refuse("rescale_betas_zero_snr and prediction_type epsilon, of which nothing can be made where there is only noise".into());
        }
        let mut product = 1.0;
        let mut alphas_cumprod = Vec::with_capacity(count);
        for beta in betas(config)? {
            product *= 1.0 - beta;
            alphas_cumprod.push(product);
        }
        if config.rescale_betas_zero_snr {
            let (first, last) = (alphas_cumprod[0].sqrt(), alphas_cumprod[count - 1].sqrt());
            for alpha in &mut alphas_cumprod {
                let rescaled = ((alpha.sqrt() - last) * first / (first - last)).powi(2);
                // No step divides by zero; diffusers' Euler sampler ends at the same number.
                *alpha = rescaled.max(2_f64.powi(-24));
            }
        }
        Ok(Self {
            alphas_cumprod,
            prediction,
            clip,
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

    /// What the UNet predicts.
    pub fn prediction(&self) -> Prediction {
        self.prediction
    }

    /// The noise in `latents` at timestep `t`, from what the UNet predicted there.
    ///
    /// Where the clean latent is clipped, the noise is the one that belongs to the clipped latent.
    pub fn noise<B: Backend, const D: usize>(
        &self,
        predicted: Tensor<B, D>,
        latents: &Tensor<B, D>,
        t: usize,
    ) -> Tensor<B, D> {
        let (a, s) = self.levels(t);
        let noise = match self.prediction {
            Prediction::Epsilon => predicted,
            Prediction::Velocity => predicted * a + latents.clone() * s,
        };
        match self.clip {
            None => noise,
            Some(range) => {
                let clean = (latents.clone() - noise * s) / a;
                (latents.clone() - clean.clamp(-range, range) * a) / s
            }
        }
    }

    /// `sqrt(abar_t)` and `sqrt(1 - abar_t)`.
    pub fn levels(&self, t: usize) -> (f64, f64) {
        let alpha = self.alpha_cumprod(t);
        (alpha.sqrt(), (1.0 - alpha).sqrt())
    }

    /// `sqrt((1 - abar_t) / abar_t)`.
    pub fn sigma(&self, t: usize) -> f64 {
        let alpha = self.alpha_cumprod(t);
        ((1.0 - alpha) / alpha).sqrt()
    }
}

/// The variance that every training timestep adds.
fn betas(config: &ScheduleConfig) -> Result<Vec<f64>> {
    let count = config.num_train_timesteps;
    let (start, end) = (config.beta_start, config.beta_end);
    let ramp = |i: usize| i as f64 / (count - 1) as f64;
    let betas: Vec<f64> = match (&config.trained_betas, config.beta_schedule.as_str()) {
        (Some(betas), _) if betas.len() == count => betas.clone(),
        (Some(betas), _) => {
            return Err(unknown(&format!(
                "{} trained_betas for {count} timesteps",
                betas.len()
            )));
        }
        (None, "scaled_linear") => {
            let root = |i| start.sqrt() + ramp(i) * (end.sqrt() - start.sqrt());
            (0..count).map(|i| root(i).powi(2)).collect()
        }
        (None, "linear") => (0..count)
            .map(|i| start + ramp(i) * (end - start))
            .collect(),
        (None, other) => return Err(unknown(&format!("beta_schedule {other}"))),
    };
    match betas.iter().find(|beta| !(0.0..1.0).contains(*beta)) {
        Some(beta) => Err(unknown(&format!("a variance of {beta}"))),
        None => Ok(betas),
    }
}

fn unknown(what: &str) -> Error {
    Error::unsupported(
        format!("a noise schedule with {what}"),
        "use the scheduler_config.json of AudioLDM 2",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO_SNR: [(usize, f64); 3] =
        [(0, 9.985000e-01), (500, 1.095770e-01), (900, 3.176345e-04)];

    #[test]
    fn has_the_published_values() {
        let schedule = NoiseSchedule::new(&ScheduleConfig::default()).unwrap();
        for (t, expected) in [(0, 0.9985), (99, 0.82508), (500, 0.11492), (999, 1.4230e-4)] {
            let ratio = schedule.alpha_cumprod(t) / expected;
            assert!((ratio - 1.0).abs() < 1e-4, "abar_{t} is off by {ratio}");
        }
    }

    /// Algorithm 1 of the paper on AudioLDM 2's variances, computed with PyTorch.
    #[test]
    fn the_last_timestep_can_be_nothing_but_noise() {
        let config = ScheduleConfig {
            prediction_type: "v_prediction".into(),
            rescale_betas_zero_snr: true,
            ..Default::default()
        };
        let schedule = NoiseSchedule::new(&config).unwrap();
        for (t, expected) in ZERO_SNR {
            let ratio = schedule.alpha_cumprod(t) / expected;
            assert!((ratio - 1.0).abs() < 1e-4, "abar_{t} is off by {ratio}");
        }
        assert!(schedule.alpha_cumprod(999) < 1e-7);
        let epsilon = ScheduleConfig {
            prediction_type: "epsilon".into(),
            ..config
        };
        assert!(NoiseSchedule::new(&epsilon).is_err());
    }

    #[test]
    fn given_variances_are_used() {
        let plain = NoiseSchedule::new(&ScheduleConfig::default()).unwrap();
        let config = ScheduleConfig {
            trained_betas: Some(betas(&ScheduleConfig::default()).unwrap()),
            beta_schedule: "unknown".into(),
            ..Default::default()
        };
        let given = NoiseSchedule::new(&config).unwrap();
        assert_eq!(given.alphas_cumprod, plain.alphas_cumprod);
        let too_few = ScheduleConfig {
            trained_betas: Some(vec![0.1; 3]),
            ..Default::default()
        };
        assert!(NoiseSchedule::new(&too_few).is_err());
    }

    #[test]
    fn velocity_and_clipping_give_the_noise() {
        use burn::backend::Flex;
        let schedule = NoiseSchedule::new(&ScheduleConfig {
            prediction_type: "v_prediction".into(),
            clip_sample: true,
            clip_sample_range: 1.5,
            ..Default::default()
        })
        .unwrap();
        let device = Default::default();
        let clean = Tensor::<Flex, 1>::from_floats([0.5, -1.0, 1.4], &device);
        let noise = Tensor::<Flex, 1>::from_floats([1.0, 0.3, -0.7], &device);
        let (a, s) = schedule.levels(600);
        let at = |clean: &Tensor<Flex, 1>| clean.clone() * a + noise.clone() * s;
        let velocity = |clean: &Tensor<Flex, 1>| noise.clone() * a - clean.clone() * s;
        let got = schedule.noise(velocity(&clean), &at(&clean), 600);
        assert!((got - noise.clone()).abs().max().into_scalar() < 1e-5);
        // A clean latent beyond the range is taken as the end of the range.
        let far = clean.clone() * 4.0;
        let got = schedule.noise(velocity(&far), &at(&far), 600);
        let back = (at(&far) - got * s) / a;
        let error = (back - far.clamp(-1.5, 1.5)).abs().max().into_scalar();
        assert!(error < 1e-4, "{error}");
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
