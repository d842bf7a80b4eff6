//! The loss of latent diffusion, for the prior and for the aligner.

use burn::tensor::{FloatDType, Tensor, backend::Backend};

use super::tensor;
use crate::{
    Result,
    diffusion::{NoiseSchedule, Prediction, guide},
    model::{
        trace::Trace,
        unet::{Context, Unet},
    },
    ops::Kernels,
    systems::art_to_mus::TextConditions,
    tensors::HostTensor,
};

/// Latents, the noise that is added to them, and how much of it.
#[derive(Debug, Clone)]
pub struct DiffusionBatch {
    /// Clean latents, `[items, channels, rows, columns]`.
    pub latents: Vec<f32>,
    /// The noise that is added.
    pub noise: Vec<f32>,
    /// Timesteps.
    pub timesteps: Vec<usize>,
}

/// Timesteps of `items` items, spread evenly over a schedule of `steps`.
pub(super) fn spread_timesteps(items: usize, steps: usize) -> Vec<usize> {
    let places = (0..items).map(|i| (2 * i + 1) * steps / (2 * items.max(1)));
    places.collect()
}

/// What is trained to denoise, and how errors count.
pub(super) struct Denoising<'a, B: Backend> {
    pub unet: &'a Unet<B>,
    pub schedule: &'a NoiseSchedule,
    /// Min-SNR's gamma.
    pub gamma: f64,
    /// What is added to the weight of every timestep.
    pub floor: f64,
    /// Channels, rows and columns of a latent.
    pub shape: [usize; 3],
    /// The fixed prompts, for a UNet with a text stream or for guidance.
    pub text: Option<&'a TextConditions>,
    /// 1, or the scale of the guided objective of the authors' public code: the prediction that is
    /// compared is `negative + guidance (conditional - negative)`, and only the conditional half is
    /// differentiated.
    pub guidance: f64,
}

impl<B: Kernels> Denoising<'_, B> {
    /// The squared error of the prediction under the conditions `audio [items, tokens, width]`.
    ///
    /// Weighted by Min-SNR: Hang et al., "Efficient Diffusion Training via Min-SNR Weighting
    /// Strategy", 2023, with a floor under it: the squared error of the clean latent counts
    /// `min(snr, gamma) + floor` times, whatever is predicted. Min-SNR itself has no floor, and gives
    /// half of the schedule, where a piece gets its form, almost no weight.
    pub fn loss(&self, batch: &DiffusionBatch, audio: Tensor<B, 3>) -> Result<Tensor<B, 1>> {
        let device = audio.device();
        let count = batch.timesteps.len();
        let [channels, rows, columns] = self.shape;
        let shape = [count, channels, rows, columns];
        let clean = tensor::<B, 4>(batch.latents.clone(), shape, &device);
        let noise = tensor::<B, 4>(batch.noise.clone(), shape, &device);
        let column = |of: &dyn Fn(f64, f64) -> f64| {
            let values = batch.timesteps.iter().map(|&t| {
                let (a, s) = self.schedule.levels(t);
                of(a, s) as f32
            });
            tensor::<B, 4>(values.collect(), [count, 1, 1, 1], &device)
        };
        let (a, s) = (column(&|a, _| a), column(&|_, s| s));
        let latents = clean.clone() * a.clone() + noise.clone() * s.clone();
        let snr = |a: f64, s: f64| (a / s).powi(2);
        let clean_weight = |snr: f64| snr.min(self.gamma) + self.floor;
        // An error of the clean latent is one of the noise times `s / a`, of the velocity times `s`.
        let (target, weight) = match self.schedule.prediction() {
            Prediction::Epsilon => (noise, column(&|a, s| clean_weight(snr(a, s)) / snr(a, s))),
            Prediction::Velocity => (
                noise * a - clean * s,
                column(&|a, s| clean_weight(snr(a, s)) / (snr(a, s) + 1.0)),
            ),
        };
        let timesteps: Vec<f64> = batch.timesteps.iter().map(|&t| t as f64).collect();
        let predict = |audio: Tensor<B, 3>, states: Option<(&HostTensor, &HostTensor)>| {
            let conditions = self.unet.cache(&self.context(audio, states, count)?);
            let latents = latents.clone();
            let predicted = self
                .unet
                .forward(latents, &timesteps, &conditions, &mut Trace::off());
            // Errors are compared in 32 bits, whatever the network computes in.
            Ok(predicted.cast(FloatDType::F32))
        };
        let positive = self
            .text
            .map(|text| (&text.prompt_states, &text.prompt_mask));
        let mut predicted: Tensor<B, 4> = predict(audio, positive)?;
        if let (Some(text), true) = (self.text, self.guidance != 1.0) {
            let tokens: Tensor<B, 3> = text.negative_tokens.upload(&device)?;
            let [_, length, width] = tokens.dims();
            let states = (&text.negative_states, &text.negative_mask);
            let negative: Result<Tensor<B, 4>> =
                predict(tokens.expand([count, length, width]), Some(states));
            predicted = guide(negative?.detach(), predicted, self.guidance);
        }
        Ok(((predicted - target).powi_scalar(2) * weight).mean())
    }

    /// The same prompt for every item. A network without a text stream does not read it.
    fn context(
        &self,
        audio: Tensor<B, 3>,
        states: Option<(&HostTensor, &HostTensor)>,
        count: usize,
    ) -> Result<Context<B>> {
        let device = audio.device();
        let Some((states, mask)) = states else {
            let text = Tensor::zeros([count, 1, 1], &device);
            return Ok(Context::new(audio, text, &vec![vec![true]; count]));
        };
        let text: Tensor<B, 3> = states.upload(&device)?;
        let [_, length, width] = text.dims();
        let mask: Vec<bool> = mask.values.iter().map(|&value| value > 0.5).collect();
        let text = text.expand([count, length, width]);
        Ok(Context::new(audio, text, &vec![mask; count]))
    }
}
