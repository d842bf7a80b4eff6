//! The stage that makes latents of noise.

use burn::tensor::Tensor;

use super::{
    ArtToMus,
    names::{kind, stage},
    request::{Settings, booleans},
    stages::{Conditions, Stages},
    windows::Windows,
};
use crate::{
    Error, Result,
    diffusion::{Sampler, guide},
    model::{
        trace::Trace,
        unet::{Context, CrossAttentionCache, Unet},
    },
    ops::Kernels,
    pipeline::{Part, Run},
    tensors::{HostTensor, read},
};

impl<B: Kernels> Stages<'_, B> {
    /// Noise to latents, one for each candidate.
    pub async fn denoise(
        &mut self,
        initial: Vec<HostTensor>,
        conditions: &Conditions,
        settings: &Settings,
    ) -> Result<Vec<HostTensor>> {
        let system = self.system;
        self.run
            .stage(
                stage::DENOISE,
                |params, _| Unet::load(&params.at(kind::UNET), &system.networks.unet),
                async |run: &mut Run<'_, B>, unet: &Unet<B>| {
                    let prepared = conditions.prepare(unet, run.device())?;
                    let rows = match run.may_share() {
                        false => Vec::new(),
                        true => conditions.rows(),
                    };
                    let halves = rows.into_iter();
                    let halves = halves.map(|row| Ok((row.prepare(unet, run.device())?, row)));
                    let halves = halves.collect::<Result<Vec<_>>>()?;
                    let mut finished = Vec::new();
                    let candidates = initial.len();
                    for (candidate, latents) in initial.iter().enumerate() {
                        // Only the first candidate is traced.
                        run.trace.resume(run.is_tracing() && candidate == 0);
                        let done = candidate * settings.steps;
                        let progress = (done, candidates * settings.steps);
                        let denoising = Denoising {
                            system,
                            unet,
                            conditions: &prepared,
                            halves: &halves,
                            settings,
                            windows: system.windows(latents),
                        };
                        finished.push(denoising.sample(run, latents, progress).await?);
                    }
                    run.trace.resume(run.is_tracing());
                    Ok(finished)
                },
            )
            .await
    }

    /// What the UNet predicts for a part that another engine's [`Self::denoise`] gives away.
    pub async fn denoise_part(&mut self, part: &Part) -> Result<HostTensor> {
        let config = &self.system.networks.unet;
        let (latents, conditions) = Conditions::of_part(part)?;
        self.run
            .stage(
                stage::DENOISE,
                |params, _| Unet::load(&params.at(kind::UNET), config),
                async |run: &mut Run<'_, B>, unet: &Unet<B>| {
                    let device = run.device();
                    let conditions = conditions.prepare(unet, device)?;
                    let t = part.place as usize;
                    HostTensor::read(predict_half(unet, &conditions, &latents, t, device)?).await
                },
            )
            .await
    }
}

impl Conditions {
    /// Keys and values of the UNet's attention.
    fn prepare<B: Kernels>(
        &self,
        unet: &Unet<B>,
        device: &B::Device,
    ) -> Result<CrossAttentionCache<B>> {
        Ok(unet.cache(&Context::new(
            self.audio.upload(device)?,
            self.text.upload(device)?,
            &self.mask,
        )))
    }

    /// Each row by itself.
    fn rows(&self) -> Vec<Self> {
        let row = |of: &HostTensor, row: usize| {
            let each = of.values.len() / of.shape[0];
            HostTensor {
                shape: [&[1], &of.shape[1..]].concat(),
                values: of.values[row * each..][..each].to_vec(),
            }
        };
        let rows = self.mask.iter().enumerate();
        let rows = rows.map(|(i, mask)| Self {
            audio: row(&self.audio, i),
            text: row(&self.text, i),
            mask: vec![mask.clone()],
        });
        rows.collect()
    }

    /// What a helper needs to predict with these conditions of one row.
    fn part(&self, latents: &HostTensor, t: usize) -> Part {
        let mask = self.mask.concat();
        let mask = HostTensor {
            shape: vec![1, mask.len()],
            values: mask
                .into_iter()
                .map(|seen| f32::from(u8::from(seen)))
                .collect(),
        };
        let tensors = vec![latents.clone(), self.audio.clone(), self.text.clone(), mask];
        Part {
            stage: stage::DENOISE.into(),
            tensors,
            place: t as f64,
        }
    }

    /// The latents and conditions of such a part.
    fn of_part(part: &Part) -> Result<(HostTensor, Self)> {
        let [latents, audio, text, mask] = part.tensors.as_slice() else {
            return Err(Error::internal("a part of denoising has four tensors"));
        };
        let conditions = Self {
            audio: audio.clone(),
            text: text.clone(),
            mask: vec![booleans(mask)],
        };
        Ok((latents.clone(), conditions))
    }
}

/// What the UNet predicts with conditions of one row.
fn predict_half<B: Kernels>(
    unet: &Unet<B>,
    conditions: &CrossAttentionCache<B>,
    latents: &HostTensor,
    t: usize,
    device: &B::Device,
) -> Result<Tensor<B, 4>> {
    let latents = latents.upload(device)?;
    Ok(unet.forward(latents, &[t as f64], conditions, &mut Trace::off()))
}

/// The sampling of one candidate.
struct Denoising<'a, B: Kernels> {
    system: &'a ArtToMus<B>,
    unet: &'a Unet<B>,
    conditions: &'a CrossAttentionCache<B>,
    /// Each row of the conditions, where there may be helpers.
    halves: &'a [(CrossAttentionCache<B>, Conditions)],
    settings: &'a Settings,
    windows: Windows,
}

impl<B: Kernels> Denoising<'_, B> {
    /// Noise to latents. `(done, all)` are the steps before this candidate and those of all candidates.
    async fn sample(
        &self,
        run: &mut Run<'_, B>,
        initial: &HostTensor,
        (done, all): (usize, usize),
    ) -> Result<HostTensor> {
        let settings = self.settings;
        let schedule = &self.system.networks.schedule;
        let mut sampler = Sampler::new(settings.scheduler, schedule, settings.steps)?;
        let mut latents: Tensor<B, 4> = initial.upload(run.device())?;
        let tracing = run.trace.is_on();
        run.trace.record("latents.initial", &latents);
        for (index, t) in sampler.timesteps().to_vec().into_iter().enumerate() {
            let parts = match run.helpers() {
                0 => {
                    self.predict_all(run, &latents, t, tracing && index == 0)
                        .await?
                }
                _ => self.share_all(run, &latents, t).await?,
            };
            let noise = self.windows.blend(parts, 1);
            latents = sampler.step(index, latents, noise);
            run.trace.resume(tracing);
            let name = settings.scheduler.trace_name();
            run.trace
                .record(format_args!("{name}.latents.{index}"), &latents);
            // One number read back keeps the step's time and the reaction to cancel honest.
            read(latents.clone().slice([0..1, 0..1, 0..1, 0..1])).await?;
            run.step(done + index + 1, all).await?;
        }
        HostTensor::read(latents).await
    }

    /// The noise in every window of `latents` at timestep `t`. Of the UNet's calls at most the first is traced.
    async fn predict_all(
        &self,
        run: &mut Run<'_, B>,
        latents: &Tensor<B, 4>,
        t: usize,
        traced: bool,
    ) -> Result<Vec<Tensor<B, 4>>> {
        let mut parts = Vec::with_capacity(self.windows.count());
        for window in 0..self.windows.count() {
            run.trace.resume(traced && window == 0);
            let part = self.windows.part(latents, window);
            parts.push(self.predict(&mut run.trace, &part, t));
            if window > 0 {
                run.pause().await?;
            }
        }
        Ok(parts)
    }

    /// The same, where every window and each half of guidance is a part that a helper may compute.
    async fn share_all(
        &self,
        run: &mut Run<'_, B>,
        latents: &Tensor<B, 4>,
        t: usize,
    ) -> Result<Vec<Tensor<B, 4>>> {
        let (rows, device) = (self.halves.len(), run.device());
        let mut windows = Vec::with_capacity(self.windows.count());
        for window in 0..self.windows.count() {
            windows.push(HostTensor::read(self.windows.part(latents, window)).await?);
        }
        let predicted = run
            .share(
                windows.len() * rows,
                |i| Ok(self.halves[i % rows].1.part(&windows[i / rows], t)),
                async |_: &mut Run<'_, B>, i| {
                    let (conditions, latents) = (&self.halves[i % rows].0, &windows[i / rows]);
                    predict_half(self.unet, conditions, latents, t, device)
                },
                |tensor| tensor.upload(device),
            )
            .await?;
        let schedule = &self.system.networks.schedule;
        let mut predicted = predicted.into_iter();
        let noise = windows.iter().map(|window| {
            let window = window.upload(device)?;
            let halves: Vec<Tensor<B, 4>> = predicted.by_ref().take(rows).collect();
            let predicted = match <[_; 2]>::try_from(halves) {
                Ok([negative, positive]) => guide(negative, positive, self.settings.guidance),
                Err(mut one) => one.remove(0),
            };
            Ok(schedule.noise(predicted, &window, t))
        });
        noise.collect()
    }

    /// The noise in `latents` at timestep `t`, guided when the conditions are a batch of two.
    fn predict(&self, trace: &mut Trace<B>, latents: &Tensor<B, 4>, t: usize) -> Tensor<B, 4> {
        let schedule = &self.system.networks.schedule;
        let (unet, conditions) = (self.unet, self.conditions);
        if !self.settings.guided() {
            let predicted = unet.forward(latents.clone(), &[t as f64], conditions, trace);
            let noise = schedule.noise(predicted, latents, t);
            trace.record("noise.first.cond", &noise);
            return noise;
        }
        let both = Tensor::cat(vec![latents.clone(), latents.clone()], 0);
        let noise = unet.forward(both, &[t as f64; 2], conditions, trace);
        let negative = noise.clone().narrow(0, 0, 1);
        let positive = noise.narrow(0, 1, 1);
        trace.record("noise.first.uncond", &negative);
        trace.record("noise.first.cond", &positive);
        let predicted = guide(negative, positive, self.settings.guidance);
        let noise = schedule.noise(predicted, latents, t);
        trace.record("noise.first.guided", &noise);
        noise
    }
}
