//! One run through the stages of a model.

use burn::module::Module;

use super::{Model, Observer, Part, StageWork, progress::Progress};
use crate::{
    ErrorKind, Result,
    model::{
        params::Params,
        trace::{Trace, Traced},
    },
    ops::Kernels,
    tensors::{HostTensor, read},
    weights::StageWeights,
};

/// One run: where it is, what it records, and whether it should stop.
pub struct Run<'a, B: Kernels> {
    model: &'a Model<B>,
    progress: Progress<'a>,
    tracing: bool,
    /// What the run records.
    pub trace: Trace<B>,
}

impl<'a, B: Kernels> Run<'a, B> {
    /// A run through `stages`, in this order. With `tracing` the tensors of every stage are recorded.
    pub fn new(
        model: &'a Model<B>,
        stages: Vec<StageWork>,
        observer: &'a mut dyn Observer,
        tracing: bool,
    ) -> Result<Self> {
        let manifest = model.bundle().manifest();
        let mut plan = Vec::with_capacity(stages.len());
        for StageWork { stage, flops, .. } in stages {
            let bytes = match model.is_resident(stage) {
                true => 0,
                false => manifest.stage_bytes(manifest.stage(stage)?),
            };
            plan.push((stage, bytes, flops));
        }
        Ok(Self {
            model,
            progress: Progress::new(observer, plan),
            tracing,
            trace: Trace::new(tracing),
        })
    }

    /// The device.
    pub fn device(&self) -> &'a B::Device {
        self.model.device()
    }

    /// Whether tensors are recorded.
    pub fn is_tracing(&self) -> bool {
        self.tracing
    }

    /// Runs the stage `name`, which must be the next one: `load` builds its networks where they are not resident,
    /// `work` uses them. They are kept or released afterwards, as the model's residency says.
    pub async fn stage<N, T>(
        &mut self,
        name: &'static str,
        load: impl FnOnce(&Params<'_, B>, &StageWeights) -> Result<N>,
        work: impl AsyncFnOnce(&mut Self, &N) -> Result<T>,
    ) -> Result<T>
    where
        N: Module<B> + 'static,
    {
        self.progress.pause().await?;
        let networks = match self.model.residents().take(name) {
            Some(networks) => networks,
            None => self.load(name, load).await?,
        };
        self.prefetch_next();
        let result = match self.progress.begin().await {
            Ok(()) => work(self, &networks).await,
            Err(error) => Err(error),
        };
        if let Some(networks) = self.model.residents().put(name, networks) {
            B::release(networks, self.device());
        }
        match &result {
            Ok(_) => self.progress.end(),
            Err(error) if error.kind() == ErrorKind::Cancelled => {}
            // After a fault of the device nothing on it can be trusted.
            Err(_) => self.model.residents().clear(),
        }
        result
    }

    /// Whether there may be such engines, now or later in this run.
    pub fn may_share(&self) -> bool {
        self.model.helpers.is_some() && !self.tracing
    }

    /// How many engines there are that compute parts of the work; none where tensors are recorded.
    pub fn helpers(&self) -> usize {
        let helpers = self.model.helpers.as_ref().filter(|_| !self.tracing);
        helpers.map_or(0, |helpers| helpers.count())
    }

    /// What `count` parts of the current stage's work give, in order. This engine computes its share with `own` while
    /// helpers compute what `part` describes for them; what a helper fails at is computed here.
    pub async fn share<T>(
        &mut self,
        count: usize,
        part: impl Fn(usize) -> Result<Part>,
        mut own: impl AsyncFnMut(&mut Self, usize) -> Result<T>,
        from: impl Fn(HostTensor) -> Result<T>,
    ) -> Result<Vec<T>> {
        let helpers = self.model.helpers.as_ref();
        let engines = self.helpers() + 1;
        let mut given = Vec::new();
        for i in (0..count).filter(|i| i % engines > 0) {
            let part = part(i)?;
            given.extend(helpers.map(|helpers| (i, helpers.start(i % engines - 1, part))));
        }
        let mut results: Vec<Option<T>> = (0..count).map(|_| None).collect();
        for i in (0..count).step_by(engines) {
            results[i] = Some(own(self, i).await?);
            self.pause().await?;
        }
        for (i, answer) in given {
            results[i] = Some(match answer.await {
                Ok(tensor) => from(tensor)?,
                Err(_) => own(self, i).await?,
            });
            self.pause().await?;
        }
        Ok(results.into_iter().flatten().collect())
    }

    async fn load<N>(
        &mut self,
        name: &str,
        load: impl FnOnce(&Params<'_, B>, &StageWeights) -> Result<N>,
    ) -> Result<N> {
        // What the stage before has left beside its networks is freed first.
        B::memory_cleanup(self.model.device());
        let progress = &mut self.progress;
        let mut report = |bytes| progress.loaded(bytes);
        let weights = self.model.bundle().load(name, &mut report).await?;
        load(&Params::new(&weights, self.model.device()), &weights)
    }

    /// The next stage's shards arrive while this one computes.
    fn prefetch_next(&self) {
        if let Some(next) = self.progress.next_stage()
            && !self.model.is_resident(next)
        {
            self.model.bundle().prefetch(next);
        }
    }

    /// `step` of `steps` parts of the current stage's work are done.
    pub async fn step(&mut self, step: usize, steps: usize) -> Result<()> {
        self.progress.step(step, steps).await
    }

    /// Lets other tasks run, and stops if the caller wants to.
    pub async fn pause(&self) -> Result<()> {
        self.progress.pause().await
    }

    /// Ends the run: time by stage, and the recorded tensors by name.
    pub async fn finish(self) -> Result<Finished> {
        let mut trace = Vec::new();
        for Traced {
            name,
            shape,
            values,
        } in { self.trace }.take()
        {
            let values = read(values).await?;
            trace.push((name, HostTensor { shape, values }));
        }
        Ok(Finished {
            timings: self.progress.finish(),
            trace,
        })
    }
}

/// What a run leaves besides its result.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Time by stage.
    pub timings: Vec<Timing>,
    /// The recorded tensors, by name.
    pub trace: Vec<(String, HostTensor)>,
}

/// Time that one stage took.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Timing {
    /// The stage.
    pub stage: &'static str,
    /// Milliseconds for loading its weights; next to nothing for resident networks.
    pub load_ms: f64,
    /// Milliseconds for running it.
    pub run_ms: f64,
}
