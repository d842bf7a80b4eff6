//! UniPC of second order on data predictions, with `B(h) = e^h - 1`.
//!
//! Zhao et al., "UniPC: A Unified Predictor-Corrector Framework for Fast Sampling of Diffusion Models", 2023, with "leading"
//! timesteps and a final sigma of zero. Each prediction first corrects the step that led to it, then the next one is taken.

use burn::tensor::{Tensor, TensorPrimitive, backend::Backend, ops::FloatTensor};

use super::{
    NoiseSchedule,
    dpm::{leading, level},
};

/// The sampler. It remembers what came before, so steps must be taken in order.
#[derive(Debug, Clone)]
pub struct UniPc<B: Backend> {
    timesteps: Vec<usize>,
    /// One for each timestep, and zero behind the last.
    sigmas: Vec<f64>,
    /// The latents that the last step started from.
    start: Option<FloatTensor<B>>,
    /// The data predictions before, the last one first; at most two.
    clean: Vec<FloatTensor<B>>,
}

/// A step from one noise level to the next, in the paper's terms.
struct Step {
    /// What remains of the latents.
    kept: f64,
    /// What comes of the data prediction at the start: `-alpha (e^-h - 1)`.
    gain: f64,
    /// `ln` of the signal-to-noise ratio's square root: from start to end.
    h: f64,
}

impl Step {
    fn new(from: f64, to: f64) -> Self {
        let from = level(from);
        // At a sigma of zero `h` is infinite, and the data prediction is all that remains.
        let (kept, alpha, h) = match to {
            0.0 => (0.0, 1.0, f64::INFINITY),
            to => {
                let to = level(to);
                (to.s / from.s, to.alpha, to.lambda - from.lambda)
            }
        };
        Self {
            kept,
            gain: -alpha * (-h).exp_m1(),
            h,
        }
    }

    /// The weights of the differences with the prediction before (`ratio` steps away) and with the one at the end, which make
    /// the correction exact for data predictions that are quadratic in `ln` of the signal-to-noise ratio.
    fn weights(&self, ratio: f64) -> [f64; 2] {
        let (h, first) = (-self.h, (-self.h).exp_m1());
        let second = first / h - 1.0;
        let third = second / h - 0.5;
        let (b1, b2) = (second / first, 2.0 * third / first);
        let before = (b2 - b1) / (ratio - 1.0);
        [before, b1 - before]
    }
}

impl<B: Backend> UniPc<B> {
    /// A sampler of `steps` steps.
    pub fn new(schedule: &NoiseSchedule, steps: usize) -> Self {
        let (timesteps, sigmas) = leading(schedule, steps);
        Self {
            timesteps,
            sigmas,
            start: None,
            clean: Vec::new(),
        }
    }

    /// The timesteps, from the noisiest to the cleanest.
    pub fn timesteps(&self) -> &[usize] {
        &self.timesteps
    }

    /// How far the prediction before that of step `index` lies, in lengths `h` of the step.
    fn ratio(&self, index: usize, h: f64) -> f64 {
        (level(self.sigmas[index - 1]).lambda - level(self.sigmas[index]).lambda) / h
    }

    /// The first step and the last one are of first order, the others of second.
    pub fn step<const D: usize>(
        &mut self,
        index: usize,
        latents: Tensor<B, D>,
        noise: Tensor<B, D>,
    ) -> Tensor<B, D> {
        let now = level(self.sigmas[index]);
        let clean = (latents.clone() - noise * now.s) / now.alpha;
        let past: Vec<Tensor<B, D>> = self.clean.iter().cloned().map(tensor).collect();
        let latents = match (self.start.take(), past.as_slice()) {
            (Some(start), [last, before @ ..]) => {
                let step = Step::new(self.sigmas[index - 1], self.sigmas[index]);
                let moved = tensor(start) * step.kept + last.clone() * step.gain;
                let end = clean.clone() - last.clone();
                match before {
                    [] => moved + end * (0.5 * step.gain),
                    [before, ..] => {
                        let ratio = self.ratio(index - 1, step.h);
                        let [weight, own] = step.weights(ratio);
                        let slope = (before.clone() - last.clone()) / ratio;
                        moved + (slope * weight + end * own) * step.gain
                    }
                }
            }
            _ => latents,
        };
        let step = Step::new(self.sigmas[index], self.sigmas[index + 1]);
        let moved = latents.clone() * step.kept + clean.clone() * step.gain;
        let next = match past.first() {
            Some(last) if index + 1 < self.timesteps.len() => {
                let slope = (last.clone() - clean.clone()) / self.ratio(index, step.h);
                moved + slope * (0.5 * step.gain)
            }
            _ => moved,
        };
        self.start = Some(latents.into_primitive().tensor());
        self.clean.insert(0, clean.into_primitive().tensor());
        self.clean.truncate(2);
        next
    }
}

fn tensor<B: Backend, const D: usize>(x: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::ScheduleConfig;
    use burn::backend::Flex;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Case {
        timesteps: Vec<usize>,
        noise: Vec<[f32; 6]>,
        latents: Vec<[f32; 6]>,
    }

    #[derive(Deserialize)]
    struct Cases {
        unipc: Vec<Case>,
    }

    #[test]
    fn agrees_with_diffusers() {
        let text = include_str!("../../tests/fixtures/samplers.json");
        let cases: Cases = serde_json::from_str(text).unwrap();
        let schedule = NoiseSchedule::new(&ScheduleConfig::default()).unwrap();
        let device = Default::default();
        for case in cases.unipc {
            let mut sampler = UniPc::<Flex>::new(&schedule, case.timesteps.len());
            assert_eq!(sampler.timesteps(), case.timesteps);
            let mut latents = Tensor::<Flex, 1>::from_floats(case.latents[0], &device);
            for (index, (noise, expected)) in case.noise.iter().zip(&case.latents[1..]).enumerate()
            {
                let noise = Tensor::from_floats(*noise, &device);
                latents = sampler.step(index, latents, noise);
                let expected = Tensor::<Flex, 1>::from_floats(*expected, &device);
                let largest = expected.clone().abs().max().into_scalar();
                let error = (latents.clone() - expected).abs().max().into_scalar();
                assert!(
                    error < 1e-5 * largest.max(1.0),
                    "step {index} of {}: {error}",
                    case.timesteps.len()
                );
            }
        }
    }
}
