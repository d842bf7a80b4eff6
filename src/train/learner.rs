//! A model with its optimiser.

use burn::{
    module::AutodiffModule,
    optim::{
        AdamW, AdamWConfig, GradientsAccumulator, GradientsParams, Optimizer,
        adaptor::OptimizerAdaptor,
    },
    record::{BinFileRecorder, FullPrecisionSettings, Recorder},
    tensor::{Tensor, backend::AutodiffBackend},
};
use std::{fmt, path::Path};

use super::{
    TrainingBackend,
    begin::{Begun, Earlier},
    checkpoint::{AVERAGE, WEIGHTS, damaged, recording, restore_average},
    clip::{clip_by_global_norm, global_norm, widen},
    config::{OptimiserConfig, Precision},
    precision::convert,
    weights::{Flat, Rescaled, flat, plan},
};
use crate::{
    Error, Result,
    checkpoint::Checkpoint,
    model::params::{FreshInit, Params, Planned},
    tensors::TensorSource,
};

/// A model, its optimiser (AdamW), the average of its weights, and the gradients of the step under way.
///
/// In mixed precision (Micikevicius et al., "Mixed Precision Training", 2018) the model computes in bf16
/// and the optimiser moves a copy of its weights in 32 bits. Nothing is scaled: bf16 has the range of f32.
pub struct Learner<B: TrainingBackend, M: AutodiffModule<B>> {
    name: &'static str,
    /// What computes.
    model: M,
    /// The weights in 32 bits, where the model computes in fewer: steps are too small for those.
    master: Option<M>,
    precision: Precision,
    optimiser: OptimizerAdaptor<AdamW, M, B>,
    gradients: GradientsAccumulator<M>,
    average: Option<Flat<B::InnerBackend>>,
    config: OptimiserConfig,
    plan: Vec<Planned>,
    device: B::Device,
}

impl<B: TrainingBackend, M: AutodiffModule<B>> fmt::Debug for Learner<B, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Learner({:?}, {} tensors)", self.name, self.plan.len())
    }
}

impl<B: TrainingBackend, M: AutodiffModule<B>> Learner<B, M> {
    /// The model as it computes now.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The model in full precision and without differentiation.
    pub fn valid(&self) -> M::InnerModule {
        self.weights_module().valid()
    }

    /// The model whose weights the optimiser moves.
    fn weights_module(&self) -> &M {
        self.master.as_ref().unwrap_or(&self.model)
    }
}

/// Where a run starts: anew, or at a checkpoint.
#[derive(Debug)]
pub struct Start<'a, B: TrainingBackend> {
    /// The device.
    pub device: &'a B::Device,
    /// Decides fresh weights.
    pub seed: u64,
    /// What models compute in.
    pub precision: Precision,
    /// The weights that fresh learners begin with, as far as it has them.
    pub(super) weights: Option<&'a Earlier>,
    /// The folder of the checkpoint to go on from.
    pub(super) checkpoint: Option<&'a Path>,
}

impl<B: TrainingBackend> Start<'_, B> {
    /// A learner with fresh weights, or those that the run starts from.
    ///
    /// `name` leads the names of its tensors in files; it is empty where there is only one learner. A
    /// fresh model's tensors whose names contain a part that is named in `scales` are multiplied by the
    /// factor that stands there.
    pub fn learner<M: AutodiffModule<B>>(
        &self,
        name: &'static str,
        config: OptimiserConfig,
        scales: &[(&str, f32)],
        load: impl Fn(&Params<B>) -> Result<M>,
    ) -> Result<Learner<B, M>> {
        // Two learners must not begin with the same numbers.
        let own = name.bytes().fold(0u64, |hash, byte| {
            hash.wrapping_mul(31).wrapping_add(u64::from(byte))
        });
        let fresh = FreshInit::new(self.seed ^ own);
        let source = Rescaled {
            source: &fresh,
            scales,
        };
        match self.weights {
            Some(earlier) => {
                let source = Begun::new(earlier, &source);
                let learner = self.learner_from(name, &source, config, load)?;
                source.report();
                Ok(learner)
            }
            None => self.learner_from(name, &source, config, load),
        }
    }

    /// A learner that begins with the weights of `source`, in whose names `name` leads too.
    pub fn learner_from<M: AutodiffModule<B>>(
        &self,
        name: &'static str,
        source: &dyn TensorSource,
        config: OptimiserConfig,
        load: impl Fn(&Params<B>) -> Result<M>,
    ) -> Result<Learner<B, M>> {
        let device = self.device;
        let load = |root: &Params<B>| match name {
            "" => load(root),
            name => load(&root.at(name)),
        };
        let plan = plan(device, load)?;
        let [beta_1, beta_2] = config.betas;
        let mut optimiser = AdamWConfig::new()
            .with_beta_1(beta_1)
            .with_beta_2(beta_2)
            .with_epsilon(config.epsilon)
            .with_weight_decay(config.weight_decay)
            .init::<B, M>();
        let mut average = None;
        let model = match self.checkpoint {
            Some(place) => {
                let mut restore = || {
                    let file = Checkpoint::open(&place.join(WEIGHTS))?;
                    let model = load(&Params::new(&file, device))?;
                    let record = recorder()
                        .load(place.join(optimiser_file(name)), device)
                        .map_err(|e| recording("read", e))?;
                    if config.average.is_some() {
                        let file = Checkpoint::open(&place.join(AVERAGE))?;
                        let like = flat(&model.valid());
                        average = Some(restore_average::<B>(&file, &plan, &like, device)?);
                    }
                    Ok((model, record))
                };
                let restored = restore();
                let (model, record) = restored.map_err(|e: Error| damaged(place, e.message()))?;
                optimiser = optimiser.load_record(record);
                model
            }
            None => {
                let model = load(&Params::new(source, device))?;
                average = config.average.map(|_| flat(&model.valid()));
                model
            }
        };
        let (model, master) = match self.precision {
            Precision::F32 => (model, None),
            Precision::Bf16 => (
                convert::<B, M>(model.clone(), self.precision.dtype()),
                Some(model),
            ),
        };
        Ok(Learner {
            name,
            model,
            master,
            precision: self.precision,
            optimiser,
            gradients: GradientsAccumulator::new(),
            average,
            config,
            plan,
            device: device.clone(),
        })
    }
}

/// A learner, whatever its model is.
pub trait Optimised<B: TrainingBackend> {
    /// Its name; empty where there is only one.
    fn name(&self) -> &'static str;

    /// Adds the gradients of this learner's parameters, taken out of `gradients`.
    fn accumulate(&mut self, gradients: &mut B::Gradients);

    /// Takes step `step` of `steps` with the gradients that were accumulated, and forgets them. Gives their
    /// global norm before clipping.
    fn update(&mut self, step: usize, steps: usize) -> Tensor<B::InnerBackend, 1>;

    /// The tensors of the model, in the order in which it asks for them.
    fn plan(&self) -> &[Planned];

    /// The weights.
    fn weights(&self) -> Flat<B::InnerBackend>;

    /// The average of the weights over the last steps, if one is kept.
    fn average(&self) -> Option<&Flat<B::InnerBackend>>;

    /// Writes the optimiser's state into the folder of a checkpoint.
    fn write_optimiser(&self, folder: &Path) -> Result<()>;
}

impl<B: TrainingBackend, M: AutodiffModule<B>> Optimised<B> for Learner<B, M> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn accumulate(&mut self, gradients: &mut <B as AutodiffBackend>::Gradients) {
        let mut own = GradientsParams::from_module(gradients, &self.model);
        if self.master.is_some() {
            widen::<B>(&mut own, &self.model);
        }
        self.gradients.accumulate(&self.model, own);
    }

    fn update(&mut self, step: usize, steps: usize) -> Tensor<B::InnerBackend, 1> {
        let mut gradients = self.gradients.grads();
        let model = self.weights_module().clone();
        let norm = global_norm::<B>(&mut gradients, &model, &self.device);
        if let Some(limit) = self.config.clip {
            clip_by_global_norm::<B>(&mut gradients, &model, norm.clone(), limit);
        }
        let rate = self.config.learning_rate_at(step, steps);
        let moved = self.optimiser.step(rate, model, gradients);
        if let (Some(decay), Some(average)) = (self.config.average, &mut self.average) {
            blend(average, flat(&moved.valid()), decay_at(decay, step));
        }
        if self.master.is_some() {
            self.model = convert::<B, M>(moved.clone(), self.precision.dtype());
            self.master = Some(moved);
        } else {
            self.model = moved;
        }
        norm
    }

    fn plan(&self) -> &[Planned] {
        &self.plan
    }

    fn weights(&self) -> Flat<B::InnerBackend> {
        flat(&self.weights_module().valid())
    }

    fn average(&self) -> Option<&Flat<B::InnerBackend>> {
        self.average.as_ref()
    }

    fn write_optimiser(&self, folder: &Path) -> Result<()> {
        recorder()
            .record(
                self.optimiser.to_record(),
                folder.join(optimiser_file(self.name)),
            )
            .map_err(|e| recording("written", e))
    }
}

/// The learners of a task, in the order in which they take turns.
pub trait Learners<B: TrainingBackend> {
    /// All of them.
    fn all(&self) -> Vec<&dyn Optimised<B>>;

    /// All of them, to be changed.
    fn all_mut(&mut self) -> Vec<&mut dyn Optimised<B>>;
}

impl<B: TrainingBackend, M: AutodiffModule<B>> Learners<B> for Learner<B, M> {
    fn all(&self) -> Vec<&dyn Optimised<B>> {
        vec![self]
    }

    fn all_mut(&mut self) -> Vec<&mut dyn Optimised<B>> {
        vec![self]
    }
}

impl<B: TrainingBackend, M: AutodiffModule<B>, N: AutodiffModule<B>> Learners<B>
    for (Learner<B, M>, Learner<B, N>)
{
    fn all(&self) -> Vec<&dyn Optimised<B>> {
        vec![&self.0, &self.1]
    }

    fn all_mut(&mut self) -> Vec<&mut dyn Optimised<B>> {
        vec![&mut self.0, &mut self.1]
    }
}

/// The file of an optimiser's state, without its extension.
fn optimiser_file(name: &str) -> String {
    match name {
        "" => "optimiser".into(),
        name => format!("optimiser-{name}"),
    }
}

fn recorder() -> BinFileRecorder<FullPrecisionSettings> {
    BinFileRecorder::new()
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
