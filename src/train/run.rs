//! The training loop.

use burn::{
    grad_clipping::GradientClippingConfig,
    module::AutodiffModule,
    optim::{AdamWConfig, GradientsAccumulator, GradientsParams, Optimizer},
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{path::Path, sync::mpsc, time::Instant};

use super::{
    Losses, Task, TrainingBackend,
    checkpoint::{Saving, newest, restore_average, restore_optimiser, write_weights},
    config::RunConfig,
    log::Log,
    scalar,
    weights::{Flat, Rescaled, flat, plan},
};
use crate::{
    Error, Result,
    checkpoint::Checkpoint,
    model::params::{FreshInit, Params},
};

/// Batches that are made ahead.
const AHEAD: usize = 2;

/// Trains `task` to its end and writes `final.safetensors` into `folder`; continues from the newest
/// checkpoint there.
pub fn run<B: TrainingBackend, T: Task<B>>(
    name: &str,
    task: &T,
    config: &RunConfig,
    folder: &Path,
    device: &B::Device,
) -> Result<()> {
    config.check()?;
    std::fs::create_dir_all(folder).map_err(|e| Error::file("create", folder, e))?;
    let plan = plan(device, |p| task.load(p))?;
    let description = serde_json::to_value(config)
        .map_err(|e| Error::internal(format!("a configuration cannot be written ({e})")))?;
    let [beta_1, beta_2] = config.betas;
    let mut optimiser = AdamWConfig::new()
        .with_beta_1(beta_1)
        .with_beta_2(beta_2)
        .with_epsilon(config.epsilon)
        .with_weight_decay(config.weight_decay)
        .with_grad_clipping(config.clip.map(GradientClippingConfig::Norm))
        .init::<B, T::Model>();
    let fresh = FreshInit::new(config.seed);
    let (mut model, mut average, start) = match newest(folder, &description)? {
        Some((place, step)) => {
            let file = Checkpoint::open(&place.join("weights.safetensors"))?;
            let model = task.load(&Params::new(&file, device))?;
            optimiser = restore_optimiser::<B, T, _>(&place, optimiser, device)?;
            let average = match config.average {
                Some(_) => Some(restore_average::<B>(
                    &place,
                    &plan,
                    &flat(&model.valid()),
                    device,
                )?),
                None => None,
            };
            (model, average, step)
        }
        None => {
            let source = Rescaled {
                source: &fresh,
                scales: task.initial_scales(),
            };
            let model = task.load(&Params::new(&source, device))?;
            let average = config.average.map(|_| flat(&model.valid()));
            (model, average, 0)
        }
    };
    let mut log = Log::open(folder, start)?;
    let progress = ProgressBar::new(config.steps as u64).with_position(start as u64);
    progress.set_prefix(name.to_string());
    if let Ok(style) = ProgressStyle::with_template("{prefix} {pos}/{len} {wide_bar} {msg} {eta}") {
        progress.set_style(style);
    }
    let started = Instant::now();
    let model = std::thread::scope(|scope| -> Result<T::Model> {
        let (sender, batches) = mpsc::sync_channel(AHEAD);
        let accumulation = config.accumulation;
        let wanted = start * accumulation..config.steps * accumulation;
        scope.spawn(move || {
            // The receiver is gone when the loop below has failed.
            wanted
                .into_iter()
                .try_for_each(|i| sender.send(task.batch(i)).ok())
        });
        for step in start..config.steps {
            let mut gradients = GradientsAccumulator::new();
            let noted = step % config.log_every == 0 || step + 1 == config.steps;
            let mut figures = Vec::new();
            for _ in 0..accumulation {
                let batch = batches
                    .recv()
                    .map_err(|_| Error::internal("the thread that makes batches has ended"))?;
                let Losses { total, parts } = task.loss(&model, batch?)?;
                if noted && figures.is_empty() {
                    let all = [("loss", total.clone())].into_iter().chain(parts);
                    for (name, value) in all {
                        figures.push((name.to_string(), scalar(value.inner())?));
                    }
                }
                let total = total / accumulation as f64;
                let each = GradientsParams::from_grads(total.backward(), &model);
                gradients.accumulate(&model, each);
            }
            if let Some((_, loss)) = figures.first().filter(|(_, loss)| !loss.is_finite()) {
                return Err(Error::new(
                    crate::ErrorKind::Internal,
                    format!("the loss of {name} became {loss} at step {step}"),
                    "lower the learning rate and start from the last checkpoint",
                ));
            }
            let rate = config.learning_rate_at(step);
            model = optimiser.step(rate, model, gradients.grads());
            if let (Some(decay), Some(average)) = (config.average, &mut average) {
                blend(average, flat(&model.valid()), decay_at(decay, step));
            }
            let taken = step + 1;
            let last = taken == config.steps;
            if taken % config.validate_every == 0 || last {
                let validated = task.validate(&model)?.into_iter();
                figures.extend(validated.map(|(name, value)| (format!("held out: {name}"), value)));
            }
            if !figures.is_empty() {
                log.add(taken, &figures)?;
                let text = figures
                    .iter()
                    .map(|(name, value)| format!("{name} {value:.4}"));
                let text = text.collect::<Vec<_>>().join(", ");
                progress.set_message(text.clone());
                if progress.is_hidden() {
                    let seconds = started.elapsed().as_secs_f64();
                    eprintln!(
                        "{name} {taken}/{} after {seconds:.0} s: {text}",
                        config.steps
                    );
                }
            }
            progress.set_position(taken as u64);
            if taken % config.checkpoint_every == 0 || last {
                Saving::<B, T, _> {
                    folder,
                    plan: &plan,
                    run: &description,
                    step: taken,
                    model: &model,
                    optimiser: &optimiser,
                    average: average.as_ref(),
                }
                .write()?;
                log.plot(name)?;
            }
        }
        Ok(model)
    })?;
    progress.finish_and_clear();
    let weights = average.unwrap_or_else(|| flat(&model.valid()));
    write_weights(&folder.join("final.safetensors"), &plan, &weights)
}

/// An average over many steps would keep the start for long: it is shorter at first.
fn decay_at(decay: f64, step: usize) -> f64 {
    decay.min((1.0 + step as f64) / (10.0 + step as f64))
}

/// `average = decay average + (1 - decay) new`.
fn blend<B: burn::tensor::backend::Backend>(average: &mut Flat<B>, new: Flat<B>, decay: f64) {
    for (id, new) in new {
        if let Some(old) = average.remove(&id) {
            average.insert(id, old * decay + new * (1.0 - decay));
        }
    }
}
