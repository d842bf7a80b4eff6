//! What a run will take, before it begins.

use std::{sync::Arc, time::Instant};

use super::Arguments;
use crate::{
    Error, Result,
    cli::{human_bytes, peak_memory, pretrain::OnDevice, print_line},
    dataset::{BundleNetworks, SkipLog, Source, Subset, count_items},
    train::{
        TrainingBackend,
        aligner::{AlignerTask, VALIDATION_ITEMS},
        config::AlignerTraining,
        data::Sources,
        measure,
    },
};

/// Items that are encoded at least, and steps that are measured.
const ITEMS: usize = 16;
const STEPS: usize = 4;

/// Measures the beginning of a run.
pub(super) struct Planning<'a> {
    pub arguments: &'a Arguments,
    pub config: &'a AlignerTraining,
    pub networks: &'a BundleNetworks<'a>,
    pub sources: Sources,
}

impl OnDevice for Planning<'_> {
    fn run<B: TrainingBackend>(self, device: B::Device) -> Result<()> {
        let part = &self.config.aligner;
        let run = &part.run;
        let all = count_items(part.loss.items, self.sources.training.as_ref())?;
        let few = ITEMS.max(run.batch).min(all);
        let place = tempfile::tempdir()
            .map_err(|e| Error::file("create a folder in", &std::env::temp_dir(), e))?;
        let first = |source: Arc<dyn Source>, count: usize| -> Arc<dyn Source> {
            let count = source.count().map_or(count, |there| there.min(count));
            Arc::new(Subset::new(source, (0..count).collect()))
        };
        let sources = || Sources {
            training: first(self.sources.training.clone(), few),
            validation: first(self.sources.validation.clone(), VALIDATION_ITEMS),
        };
        // The first time encodes, the second one finds everything encoded.
        let begin = || -> Result<(f64, AlignerTask<B>, usize)> {
            let data = self
                .arguments
                .data
                .open_at(sources(), SkipLog::default(), place.path());
            let started = Instant::now();
            let task = AlignerTask::<B>::new(part, self.networks, &data, device.clone())?;
            Ok((started.elapsed().as_secs_f64(), task, data.threads))
        };
        eprintln!("Encoding {few} of {all} items");
        let (encoding, task, _) = begin()?;
        drop(task);
        let (loading, task, threads) = begin()?;
        let item_seconds = (encoding - loading).max(0.0) / (few + VALIDATION_ITEMS) as f64;
        eprintln!("Taking {} of {} steps", STEPS + 1, run.steps);
        let pace = measure("aligner", &task, run, threads, &device, STEPS)?;
        let encode = item_seconds * all as f64;
        let steps = pace.step_seconds * run.steps as f64;
        let validations = run.steps.div_ceil(run.validate_every);
        let validate = pace.validation_seconds * validations as f64;
        let epochs = (run.steps * run.batch * run.accumulation) as f64 / all as f64;
        let lines = [
            format!(
                "{} parameters are trained, on {all} items for {epochs:.1} epochs",
                pace.parameters
            ),
            format!(
                "encode  {all} items at {}: {}",
                duration(item_seconds),
                duration(encode)
            ),
            format!(
                "train   {} steps at {}: {}",
                run.steps,
                duration(pace.step_seconds),
                duration(steps)
            ),
            format!(
                "validate {validations} times at {}: {}",
                duration(pace.validation_seconds),
                duration(validate)
            ),
            format!("in all  {}", duration(loading + encode + steps + validate)),
            match peak_memory() {
                Some(bytes) => format!(
                    "memory  {} of this program; a GPU's own is not seen from here",
                    human_bytes(bytes)
                ),
                None => "memory  not told by this system".into(),
            },
        ];
        lines.iter().try_for_each(|line| print_line(line))
    }
}

/// A time as a person reads it.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{:.0} ms", 1e3 * s),
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
