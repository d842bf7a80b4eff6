//! The training loop.

use burn::tensor::DType;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Instant;

use super::{
    Learners, Losses, RunFolder, Start, Task, TrainingBackend,
    begin::Earlier,
    checkpoint::{Best, Saving, write_final},
    config::RunConfig,
    log::Log,
    scalar,
};
use crate::{Error, Result, dataset::Loader};

/// Trains `task` to its end and writes `final.safetensors` into `folder`; continues from the newest
/// checkpoint there. Batches are made ahead on `threads` threads.
pub fn run<B: TrainingBackend, T: Task<B>>(
    name: &str,
    task: &T,
    config: &RunConfig,
    folder: &RunFolder,
    threads: usize,
    device: &B::Device,
) -> Result<()> {
    config.check(name)?;
    check_precision::<B>(config, device)?;
    let checkpoint = folder.checkpoint();
    let weights = match (&config.start_from, checkpoint) {
        (Some(file), None) => Some(Earlier::open(file)?),
        _ => None,
    };
    let start = Start {
        weights: weights.as_ref(),
        device,
        seed: config.seed,
        precision: config.precision,
        checkpoint: checkpoint.map(|(place, _)| place),
    };
    let mut learners = task.learners(&start)?;
    let start = checkpoint.map_or(0, |(_, step)| step);
    let mut log = Log::open(folder.path(), start)?;
    let mut best = match config.keep_best {
        true => Some(Best::open(folder.path(), folder.description())?),
        false => None,
    };
    let progress = ProgressBar::new(config.steps as u64).with_position(start as u64);
    progress.set_prefix(name.to_string());
    if let Ok(style) = ProgressStyle::with_template("{prefix} {pos}/{len} {wide_bar} {msg} {eta}") {
        progress.set_style(style);
    }
    let started = Instant::now();
    let accumulation = config.accumulation;
    let work = |number: usize| task.batch(number);
    std::thread::scope(|scope| -> Result<()> {
        let wanted = start * accumulation..config.steps * accumulation;
        let mut batches = Loader::start(scope, threads, wanted, &work);
        for step in start..config.steps {
            let batches = batches.by_ref().take(accumulation);
            let batches = batches.map(Result::flatten).collect::<Result<Vec<_>>>()?;
            let noted = step % config.log_every == 0 || step + 1 == config.steps;
            let taken = step + 1;
            let last = taken == config.steps;
            // Nothing is saved that has not been looked at.
            let saved = taken % config.checkpoint_every == 0 || last;
            let looked = noted || saved;
            let found = take_step(task, &mut learners, &batches, config, step, looked)?;
            check_finite(name, step, &found)?;
            let mut figures = if noted { found } else { Vec::new() };
            if taken % config.validate_every == 0 || last {
                let validated = task.validate(&learners)?.into_iter();
                let validated =
                    validated.map(|(name, value)| (format!("validation: {name}"), value));
                let validated: Vec<_> = validated.collect();
                check_finite(name, step, &validated)?;
                if let (Some(best), Some((_, figure))) = (&mut best, validated.first()) {
                    best.offer::<B>(*figure, folder.description(), &learners.all())?;
                }
                figures.extend(validated);
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
            if saved {
                Saving::<B> {
                    folder: folder.path(),
                    run: folder.description(),
                    step: taken,
                    learners: &learners.all(),
                }
                .write()?;
                log.plot(name)?;
            }
        }
        Ok(())
    })?;
    progress.finish_and_clear();
    if let Some(best) = best {
        return best.finish(folder.path());
    }
    write_final::<B>(folder.path(), folder.description(), &learners.all())
}

fn check_precision<B: TrainingBackend>(config: &RunConfig, device: &B::Device) -> Result<()> {
    if B::supports_dtype(device, DType::from(config.precision.dtype())) {
        return Ok(());
    }
    Err(Error::unsupported(
        format!("{} cannot compute in bf16", B::name(device)),
        "leave precision out of the configuration, or train on CUDA",
    ))
}

/// How fast a run is, measured on its first steps.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Pace {
    /// Parameters that are trained.
    pub parameters: usize,
    /// Seconds of a step: the mean of all that were taken but the first, which also prepares the device.
    pub step_seconds: f64,
    /// Seconds of a validation.
    pub validation_seconds: f64,
}

/// Takes the first step of a fresh run and `steps` more, and validates once; nothing is written.
pub fn measure<B: TrainingBackend, T: Task<B>>(
    name: &str,
    task: &T,
    config: &RunConfig,
    threads: usize,
    device: &B::Device,
    steps: usize,
) -> Result<Pace> {
    config.check(name)?;
    check_precision::<B>(config, device)?;
    let mut learners = task.learners(&Start {
        weights: None,
        device,
        seed: config.seed,
        precision: config.precision,
        checkpoint: None,
    })?;
    let accumulation = config.accumulation;
    let work = |number: usize| task.batch(number);
    let step_seconds = std::thread::scope(|scope| -> Result<f64> {
        let wanted = 0..(steps + 1) * accumulation;
        let mut batches = Loader::start(scope, threads, wanted, &work);
        let mut started = Instant::now();
        for step in 0..=steps {
            let batches = batches.by_ref().take(accumulation);
            let batches = batches.map(Result::flatten).collect::<Result<Vec<_>>>()?;
            // Figures are read back, so that a device has done all that it was given.
            take_step(task, &mut learners, &batches, config, step, true)?;
            if step == 0 {
                started = Instant::now();
            }
        }
        Ok(started.elapsed().as_secs_f64() / steps.max(1) as f64)
    })?;
    let started = Instant::now();
    task.validate(&learners)?;
    let sizes = learners
        .all()
        .into_iter()
        .flat_map(|learner| learner.plan());
    Ok(Pace {
        parameters: sizes
            .map(|tensor| tensor.shape.iter().product::<usize>())
            .sum(),
        step_seconds,
        validation_seconds: started.elapsed().as_secs_f64(),
    })
}

/// Refuses figures that are no numbers: what follows them could not be mended.
fn check_finite(name: &str, step: usize, figures: &[(String, f64)]) -> Result<()> {
    match figures.iter().find(|(_, figure)| !figure.is_finite()) {
        None => Ok(()),
        Some((figure, value)) => Err(Error::new(
            crate::ErrorKind::Internal,
            format!("the {figure} of {name} became {value} at step {step}"),
            "lower the learning rate and train in another folder: a run keeps its configuration",
        )),
    }
}

/// One step of every learner in turn; when it is `noted`, with its figures.
fn take_step<B: TrainingBackend, T: Task<B>>(
    task: &T,
    learners: &mut T::Learners,
    batches: &[T::Batch],
    config: &RunConfig,
    step: usize,
    noted: bool,
) -> Result<Vec<(String, f64)>> {
    let mut figures = Vec::new();
    for learner in 0..learners.all().len() {
        let label = match learners.all()[learner].name() {
            "" => String::new(),
            name => format!("{name}: "),
        };
        for (number, batch) in batches.iter().enumerate() {
            let Losses { total, parts } = task.losses(learners, learner, batch)?;
            if noted && number == 0 {
                let all = [("loss", total.clone())].into_iter().chain(parts);
                for (name, value) in all {
                    figures.push((format!("{label}{name}"), scalar(value.inner())?));
                }
            }
            let total = total / batches.len() as f64;
            let mut gradients = total.backward();
            learners.all_mut()[learner].accumulate(&mut gradients);
        }
        let norm = learners.all_mut()[learner].update(step, config.steps);
        if noted {
            figures.push((format!("{label}gradient norm"), scalar(norm)?));
        }
    }
    Ok(figures)
}
