//! Telling a caller how far a run is, and hearing that it should stop.

use serde::Serialize;
use web_time::Instant;

use super::Timing;
use crate::{Error, Result, task};

/// What happens while music is made.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(
    tag = "type",
    rename_all = "lowercase",
    rename_all_fields = "camelCase"
)]
pub enum Event {
    /// Weights are arriving.
    Load {
        /// The stage that they belong to.
        stage: &'static str,
        /// Bytes that have arrived, of all stages.
        #[cfg_attr(test, ts(type = "number"))]
        loaded: u64,
        /// Bytes of all stages that are not resident; constant during a run.
        #[cfg_attr(test, ts(type = "number"))]
        total: u64,
    },
    /// A stage begins.
    Stage {
        /// The stage.
        stage: &'static str,
        /// Its number, from 0.
        index: usize,
        /// How many stages there are.
        count: usize,
        /// Estimated time left in milliseconds, once anything has been measured.
        eta_ms: Option<f64>,
    },
    /// A part of a stage's work is done, such as a denoising step.
    Step {
        /// The stage.
        stage: &'static str,
        /// Parts done.
        step: usize,
        /// Parts in all.
        steps: usize,
        /// Estimated time left in milliseconds.
        eta_ms: Option<f64>,
    },
    /// The music is ready.
    Done {
        /// Milliseconds that the generation took.
        elapsed_ms: f64,
    },
}

/// Hears events and can ask to stop.
pub trait Observer {
    /// Something happened.
    fn event(&mut self, event: Event);

    /// Whether to stop. Asked between steps.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Hears nothing and never stops.
impl Observer for () {
    fn event(&mut self, _event: Event) {}
}

/// Keeps account of bytes, work and time during one generation.
pub(super) struct Progress<'a> {
    observer: &'a mut dyn Observer,
    /// Stages in order: bytes to load and floating-point operations to do.
    stages: Vec<(&'static str, u64, u64)>,
    current: usize,
    /// Work done inside the current stage.
    partial: u64,
    /// Time spent computing in finished stages, and since when the current one computes.
    computed_ms: f64,
    computing: Option<Instant>,
    started: Instant,
    load_started: Instant,
    timings: Vec<Timing>,
}

impl<'a> Progress<'a> {
    pub fn new(observer: &'a mut dyn Observer, stages: Vec<(&'static str, u64, u64)>) -> Self {
        let now = Instant::now();
        Self {
            observer,
            stages,
            current: 0,
            partial: 0,
            computed_ms: 0.0,
            computing: None,
            started: now,
            load_started: now,
            timings: Vec::new(),
        }
    }

    /// The current stage has `bytes` of its weights.
    pub fn loaded(&mut self, bytes: u64) {
        let before: u64 = self.stages[..self.current].iter().map(|s| s.1).sum();
        self.observer.event(Event::Load {
            stage: self.stages[self.current].0,
            loaded: before + bytes,
            total: self.stages.iter().map(|s| s.1).sum(),
        });
    }

    /// The stage behind the current one.
    pub fn next_stage(&self) -> Option<&'static str> {
        self.stages.get(self.current + 1).map(|stage| stage.0)
    }

    /// The weights of the current stage are there; it begins to compute.
    pub async fn begin(&mut self) -> Result<()> {
        self.computing = Some(Instant::now());
        self.observer.event(Event::Stage {
            stage: self.stages[self.current].0,
            index: self.current,
            count: self.stages.len(),
            eta_ms: self.eta_ms(),
        });
        self.pause().await
    }

    /// `step` of `steps` parts of the current stage's work are done.
    pub async fn step(&mut self, step: usize, steps: usize) -> Result<()> {
        let (stage, _, flops) = self.stages[self.current];
        self.partial = (flops as f64 * step as f64 / steps as f64) as u64;
        self.observer.event(Event::Step {
            stage,
            step,
            steps,
            eta_ms: self.eta_ms(),
        });
        self.pause().await
    }

    /// The current stage is over.
    pub fn end(&mut self) {
        let now = Instant::now();
        let computing = self.computing.take().unwrap_or(now);
        let run_ms = (now - computing).as_secs_f64() * 1e3;
        self.timings.push(Timing {
            stage: self.stages[self.current].0,
            load_ms: (computing - self.load_started).as_secs_f64() * 1e3,
            run_ms,
        });
        self.computed_ms += run_ms;
        self.current += 1;
        self.partial = 0;
        self.load_started = now;
    }

    /// All stages are over.
    pub fn finish(self) -> Vec<Timing> {
        let elapsed_ms = self.started.elapsed().as_secs_f64() * 1e3;
        self.observer.event(Event::Done { elapsed_ms });
        self.timings
    }

    /// Lets a browser handle its events, and stops if the caller wants to.
    pub async fn pause(&self) -> Result<()> {
        task::yield_now().await;
        if self.observer.cancelled() {
            return Err(Error::cancelled());
        }
        Ok(())
    }

    /// Work left divided by the rate so far.
    fn eta_ms(&self) -> Option<f64> {
        let total: u64 = self.stages.iter().map(|s| s.2).sum();
        let finished: u64 = self.stages[..self.current].iter().map(|s| s.2).sum();
        let done = finished + self.partial;
        let current = self
            .computing
            .map_or(0.0, |since| since.elapsed().as_secs_f64() * 1e3);
        if done == 0 {
            return None;
        }
        let elapsed = self.computed_ms + if self.partial > 0 { current } else { 0.0 };
        Some(elapsed * (total.saturating_sub(done)) as f64 / done as f64)
    }
}
