//! How long and how fast a part is trained.

use burn::tensor::FloatDType;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The most steps of a run, items of a batch, and batches of a step.
const MAX_STEPS: usize = 1_000_000_000;
const MAX_BATCH: usize = 1 << 16;

/// Refuses a count that is not from 1 to `most`; `key` is where the configuration gives it.
pub(in crate::train) fn check_count(key: &str, count: usize, most: usize) -> Result<()> {
    if (1..=most).contains(&count) {
        return Ok(());
    }
    Err(Error::input(
        format!("{key} cannot be {count}"),
        format!("give it a number from 1 to {most}"),
    ))
}

/// What a model computes in; its weights are kept in 32 bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit brain floats: 8 bits of precision, the range of f32.
    Bf16,
}

impl Precision {
    /// The type of numbers.
    pub fn dtype(self) -> FloatDType {
        match self {
            Self::F32 => FloatDType::F32,
            Self::Bf16 => FloatDType::BF16,
        }
    }
}

/// A learning rate that falls in stairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decay {
    /// What the learning rate is multiplied by,
    pub factor: f64,
    /// each time so many steps have been taken behind the rise.
    pub every: usize,
}

/// How fast a model is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptimiserConfig {
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Steps over which the learning rate rises from zero.
    pub warmup: usize,
    /// What is left of the learning rate at the end, behind half a cosine; 1 keeps it constant.
    pub minimum_learning_rate_ratio: f64,
    /// How it falls in stairs beside that.
    pub decay: Option<Decay>,
    /// AdamW's decay of the two moments.
    pub betas: [f32; 2],
    /// AdamW's constant.
    pub epsilon: f32,
    /// AdamW's weight decay.
    pub weight_decay: f32,
    /// The largest global norm of a gradient.
    pub clip: Option<f32>,
    /// Decay of the average of the weights, which is what is kept at the end.
    pub average: Option<f64>,
}

impl OptimiserConfig {
    /// The learning rate of step `step` of `steps`: a linear rise, then half a cosine and stairs.
    pub fn learning_rate_at(&self, step: usize, steps: usize) -> f64 {
        if step < self.warmup {
            return self.learning_rate * (step + 1) as f64 / self.warmup as f64;
        }
        let rest = steps.saturating_sub(self.warmup).max(1);
        let share = (step - self.warmup) as f64 / rest as f64;
        let cosine = 0.5 + 0.5 * (std::f64::consts::PI * share.min(1.0)).cos();
        let least = self.minimum_learning_rate_ratio;
        let stairs = self.decay.map_or(1.0, |decay| {
            let taken = (step - self.warmup) / decay.every.max(1);
            decay.factor.powi(i32::try_from(taken).unwrap_or(i32::MAX))
        });
        self.learning_rate * (least + (1.0 - least) * cosine) * stairs
    }
}

/// How long and how fast a part is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Steps of the optimiser.
    pub steps: usize,
    /// Items of a batch.
    pub batch: usize,
    /// Batches whose gradients make one step.
    #[serde(default = "one")]
    pub accumulation: usize,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Steps over which the learning rate rises from zero.
    #[serde(default)]
    pub warmup: usize,
    /// What is left of the learning rate at the end, behind half a cosine; 1 keeps it constant.
    #[serde(default = "full")]
    pub minimum_learning_rate_ratio: f64,
    /// How the learning rate falls in stairs beside that; when left out, it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decay: Option<Decay>,
    /// AdamW's decay of the two moments.
    #[serde(default = "betas")]
    pub betas: [f32; 2],
    /// AdamW's constant.
    #[serde(default = "epsilon")]
    pub epsilon: f32,
    /// AdamW's weight decay.
    #[serde(default)]
    pub weight_decay: f32,
    /// The largest global norm of a gradient: over all tensors of a model.
    #[serde(default)]
    pub clip: Option<f32>,
    /// Decay of the average of the weights, which is what is kept at the end.
    #[serde(default)]
    pub average: Option<f64>,
    /// Whether the weights are kept at the end whose first figure of validation was the lowest, in place of the last ones.
    #[serde(default, skip_serializing_if = "is_off")]
    pub keep_best: bool,
    /// What the networks compute in. Refused where the device lacks it.
    #[serde(default)]
    pub precision: Precision,
    /// Whether activations are computed again on the way back where that is cheap, instead of being kept:
    /// less memory, more time. Refused where the device lacks it.
    #[serde(default)]
    pub activation_checkpointing: bool,
    /// The weights to begin with: `final.safetensors` of another run, or a bundle's folder. What is missing there begins
    /// fresh, and is told; a tensor of another shape is refused. Relative to the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_from: Option<PathBuf>,
    /// The seed of the first weights, and of the order of items.
    #[serde(default)]
    pub seed: u64,
    /// Steps from a line of the log to the next.
    #[serde(default = "ten")]
    pub log_every: usize,
    /// Steps from a validation to the next.
    #[serde(default = "hundred")]
    pub validate_every: usize,
    /// Steps from a checkpoint to the next.
    #[serde(default = "hundred")]
    pub checkpoint_every: usize,
}

fn is_off(switch: &bool) -> bool {
    !switch
}
fn one() -> usize {
    1
}
fn ten() -> usize {
    10
}
fn hundred() -> usize {
    100
}
fn full() -> f64 {
    1.0
}
fn betas() -> [f32; 2] {
    [0.9, 0.99]
}
fn epsilon() -> f32 {
    1e-8
}

impl RunConfig {
    /// The same with a path that begins in `folder`, where it is relative.
    pub fn beneath(mut self, folder: &Path) -> Self {
        self.start_from = self.start_from.map(|file| folder.join(file));
        self
    }

    /// Refuses numbers with which the part `part` cannot be trained.
    pub fn check(&self, part: &str) -> Result<()> {
        for (key, count, most) in [
            ("steps", self.steps, MAX_STEPS),
            ("batch", self.batch, MAX_BATCH),
            ("accumulation", self.accumulation, MAX_BATCH),
            ("log_every", self.log_every, MAX_STEPS),
            ("validate_every", self.validate_every, MAX_STEPS),
            ("checkpoint_every", self.checkpoint_every, MAX_STEPS),
        ] {
            check_count(&format!("{part}.run.{key}"), count, most)?;
        }
        let share = |value: f64| (0.0..1.0).contains(&value);
        let [beta_1, beta_2] = self.betas.map(f64::from);
        let rate = self.learning_rate;
        let numbers = [
            (
                "learning_rate",
                rate.is_finite() && rate > 0.0,
                "a number above 0",
            ),
            (
                "minimum_learning_rate_ratio",
                (0.0..=1.0).contains(&self.minimum_learning_rate_ratio),
                "a number from 0 to 1",
            ),
            (
                "decay",
                self.decay.is_none_or(|decay| {
                    decay.every > 0 && decay.factor > 0.0 && decay.factor <= 1.0
                }),
                "a factor above 0 and up to 1, and a number of steps, or leave it out",
            ),
            (
                "keep_best",
                !(self.keep_best && self.average.is_some()),
                "no average beside it: what is validated are the weights",
            ),
            (
                "betas",
                share(beta_1) && share(beta_2),
                "two numbers from 0 to below 1",
            ),
            (
                "epsilon",
                self.epsilon.is_finite() && self.epsilon > 0.0,
                "a number above 0",
            ),
            (
                "weight_decay",
                self.weight_decay.is_finite() && self.weight_decay >= 0.0,
                "a number from 0",
            ),
            (
                "clip",
                self.clip.is_none_or(|clip| clip.is_finite() && clip > 0.0),
                "a number above 0, or leave it out",
            ),
            (
                "average",
                self.average.is_none_or(share),
                "a number from 0 to below 1, or leave it out",
            ),
            (
                "warmup",
                self.warmup <= self.steps,
                "a number up to that of steps",
            ),
        ];
        match numbers.into_iter().find(|(_, fits, _)| !fits) {
            None => Ok(()),
            Some((key, _, wanted)) => Err(Error::input(
                format!("{part}.run.{key} cannot be used"),
                format!("give it {wanted}"),
            )),
        }
    }

    /// How fast its model is trained.
    pub fn optimiser(&self) -> OptimiserConfig {
        OptimiserConfig {
            learning_rate: self.learning_rate,
            warmup: self.warmup,
            minimum_learning_rate_ratio: self.minimum_learning_rate_ratio,
            decay: self.decay,
            betas: self.betas,
            epsilon: self.epsilon,
            weight_decay: self.weight_decay,
            clip: self.clip,
            average: self.average,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> RunConfig {
        toml::from_str(
            "steps = 110\nbatch = 8\nlearning_rate = 1.0\nwarmup = 10\nminimum_learning_rate_ratio = 0.1",
        )
        .unwrap()
    }

    #[test]
    fn the_learning_rate_rises_and_falls() {
        let run = run();
        let rate = |step| run.optimiser().learning_rate_at(step, run.steps);
        assert_eq!(rate(0), 0.1);
        assert_eq!(rate(9), 1.0);
        assert!((rate(60) - 0.55).abs() < 1e-9);
        assert!((rate(110) - 0.1).abs() < 1e-9);
    }

    #[test]
    fn the_learning_rate_falls_in_stairs() {
        let text = "steps = 100\nbatch = 8\nlearning_rate = 2.0\nwarmup = 4\ndecay = { factor = 0.5, every = 3 }";
        let run: RunConfig = toml::from_str(text).unwrap();
        run.check("vocoder").unwrap();
        let rate = |step| run.optimiser().learning_rate_at(step, run.steps);
        assert_eq!(
            [3, 4, 6, 7, 9, 10].map(rate),
            [2.0, 2.0, 2.0, 1.0, 1.0, 0.5]
        );
        // What is left out is not written: runs that were begun before it was there go on.
        let written = serde_json::to_string(&self::run()).unwrap();
        assert!(
            !written.contains("decay\":{") && !written.contains("keep_best"),
            "{written}"
        );
    }

    #[test]
    fn numbers_that_cannot_train_are_refused_by_their_keys() {
        assert!(run().check("vae").is_ok());
        for line in [
            "minimum_learning_rate_ratio = 2.0",
            "minimum_learning_rate_ratio = nan",
            "betas = [1.0, 0.9]",
            "betas = [0.9, nan]",
            "epsilon = 0.0",
            "weight_decay = -1.0",
            "clip = 0.0",
            "clip = -1.0",
            "average = 1.0",
            "warmup = 111",
            "decay = { factor = 0.0, every = 3 }",
            "decay = { factor = 0.5, every = 0 }",
            "keep_best = true\naverage = 0.9",
            "accumulation = 0",
            "accumulation = 100000",
            "log_every = 0",
            "validate_every = 9000000000000000000",
        ] {
            let text = format!("steps = 110\nbatch = 8\nlearning_rate = 1.0\n{line}");
            let run: RunConfig = toml::from_str(&text).unwrap();
            let (key, _) = line.split_once(' ').unwrap();
            let error = run.check("vae").unwrap_err().to_string();
            assert!(error.contains(&format!("vae.run.{key} ")), "{error}");
        }
        for (steps, batch, rate) in [
            (usize::MAX, 8, 1.0),
            (0, 8, 1.0),
            (110, 9_999_999_999, 1.0),
            (110, 0, 1.0),
            (110, 8, 0.0),
            (110, 8, f64::INFINITY),
        ] {
            let run = RunConfig {
                steps,
                batch,
                learning_rate: rate,
                ..run()
            };
            assert!(run.check("vae").is_err(), "{steps} {batch} {rate}");
        }
    }

    #[test]
    fn a_wrong_key_is_named() {
        let error = toml::from_str::<RunConfig>("stepps = 1").unwrap_err();
        assert!(error.to_string().contains("stepps"));
    }
}
