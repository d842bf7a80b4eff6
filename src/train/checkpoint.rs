//! Checkpoints: folders that appear whole or not at all.
//!
//! `step-00000500/` holds `weights.safetensors` (real checkpoint names), `average.safetensors`,
//! `optimiser.bin` and `run.json`; when a run is done, `final.safetensors` beside them holds the
//! weights that the next part is trained with. Where several learners train each other, the names of
//! their tensors begin with the learner's name, and each has an `optimiser-NAME.bin`.

use burn::{
    record::RecorderError,
    tensor::{Tensor, TensorData, backend::Backend},
};
use safetensors::{Dtype, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use super::{
    Optimised, TrainingBackend,
    weights::{Flat, named},
};
use crate::{
    Error, Result,
    checkpoint::Checkpoint,
    model::params::{Planned, param_id},
    tensors::TensorSource,
};

/// The file of a finished run's weights.
const FINAL: &str = "final.safetensors";

/// Where the finished weights of a part are.
#[derive(Debug, Clone)]
pub struct Weights(PathBuf);

impl Weights {
    /// The part `name` of the runs in `folder`, whether it is there or not.
    pub fn of(folder: &Path, name: &str) -> Self {
        Self(folder.join(name).join(FINAL))
    }

    /// Opens them.
    pub fn open(&self) -> Result<Checkpoint> {
        if self.0.is_file() {
            return Checkpoint::open(&self.0);
        }
        let part = self.0.parent().and_then(Path::file_name);
        let part = part.unwrap_or_default().to_string_lossy();
        Err(Error::input(
            format!("{} is not there", self.0.display()),
            format!("train the part {part} first (art2mus pretrain --part {part})"),
        ))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// Whether the part in `folder` has finished.
pub fn finished(folder: &Path) -> bool {
    folder.join(FINAL).is_file()
}

/// What a checkpoint says of its run.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    /// Steps that have been taken.
    step: usize,
    /// What the run was configured to.
    run: serde_json::Value,
}

/// Finds the newest checkpoint in `folder`: the folder and the steps taken. A run that was
/// configured differently is not continued.
pub(super) fn newest(folder: &Path, run: &serde_json::Value) -> Result<Option<(PathBuf, usize)>> {
    let Some(path) = checkpoints(folder).pop() else {
        return Ok(None);
    };
    let file = path.join("run.json");
    let text = fs::read(&file).map_err(|e| Error::file("read", &file, e))?;
    let state: State = serde_json::from_slice(&text).map_err(|e| {
        Error::format(
            format!("{} is damaged ({e})", file.display()),
            "remove the folder it lies in; training goes on from the checkpoint before",
        )
    })?;
    if &state.run == run {
        return Ok(Some((path, state.step)));
    }
    Err(Error::input(
        format!(
            "{} belongs to a run with another configuration",
            path.display()
        ),
        "give the same configuration, or another folder with -o",
    ))
}

/// The checkpoints in `folder`, oldest first.
fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut steps: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("step-")
        })
        .collect();
    steps.sort();
    steps
}

/// The files of a checkpoint.
pub(super) const WEIGHTS: &str = "weights.safetensors";
pub(super) const AVERAGE: &str = "average.safetensors";

/// Writes a checkpoint, then removes those before it but one.
pub(super) struct Saving<'a, B: TrainingBackend> {
    pub folder: &'a Path,
    pub run: &'a serde_json::Value,
    pub step: usize,
    pub learners: &'a [&'a dyn Optimised<B>],
}

impl<B: TrainingBackend> Saving<'_, B> {
    pub fn write(&self) -> Result<()> {
        let unfinished = tempfile::Builder::new()
            .prefix(".art2mus-unfinished-")
            .tempdir_in(self.folder)
            .map_err(|e| Error::file("create a folder in", self.folder, e))?;
        let place = unfinished.path();
        let weights = self.learners.iter();
        let weights = weights.map(|learner| (learner.plan(), learner.weights()));
        write_weights(&place.join(WEIGHTS), &weights.collect::<Vec<_>>())?;
        let averages = self.learners.iter();
        let averages = averages
            .filter_map(|learner| Some((learner.plan(), learner.average()?.clone())))
            .collect::<Vec<_>>();
        if !averages.is_empty() {
            write_weights(&place.join(AVERAGE), &averages)?;
        }
        for learner in self.learners {
            learner.write_optimiser(place)?;
        }
        let state = State {
            step: self.step,
            run: self.run.clone(),
        };
        let text = serde_json::to_vec_pretty(&state)
            .map_err(|e| Error::internal(format!("a checkpoint cannot be written ({e})")))?;
        let file = place.join("run.json");
        fs::write(&file, text).map_err(|e| Error::file("write", &file, e))?;
        let target = self.folder.join(format!("step-{:08}", self.step));
        if target.exists() {
            fs::remove_dir_all(&target).map_err(|e| Error::file("replace", &target, e))?;
        }
        fs::rename(place, &target).map_err(|e| Error::file("create", &target, e))?;
        let _moved_away = unfinished.keep();
        self.remove_old()
    }

    fn remove_old(&self) -> Result<()> {
        for old in checkpoints(self.folder).iter().rev().skip(2) {
            fs::remove_dir_all(old).map_err(|e| Error::file("remove", old, e))?;
        }
        Ok(())
    }
}

/// The weights that training ends with: averages where they are kept.
pub(super) fn write_final<B: TrainingBackend>(
    folder: &Path,
    learners: &[&dyn Optimised<B>],
) -> Result<()> {
    let weights = learners.iter().map(|learner| {
        let average = learner.average().cloned();
        (learner.plan(), average.unwrap_or_else(|| learner.weights()))
    });
    write_weights(&folder.join(FINAL), &weights.collect::<Vec<_>>())
}

pub(super) fn recording(what: &str, error: RecorderError) -> Error {
    Error::format(
        format!("the state of the optimiser cannot be {what} ({error})"),
        "check the disk; training goes on from the checkpoint before if this one is removed",
    )
}

/// Reads an average of weights back.
pub(super) fn restore_average<B: TrainingBackend>(
    file: &Checkpoint,
    plan: &[Planned],
    flat: &Flat<B::InnerBackend>,
    device: &B::Device,
) -> Result<Flat<B::InnerBackend>> {
    let mut average = HashMap::new();
    for planned in plan {
        let values = file.read(&planned.name, &planned.shape, planned.init)?;
        let mut start = 0;
        for part in 0.. {
            let id = param_id(&planned.name, part);
            let Some(current) = flat.get(&id) else { break };
            let count = current.dims()[0];
            let values = values[start..start + count].to_vec();
            let data = TensorData::new(values, [count]);
            average.insert(id, Tensor::from_data(data, device));
            start += count;
        }
    }
    Ok(average)
}

/// Writes all tensors of some plans as safetensors; the file is there whole or not at all.
fn write_weights<B: Backend>(path: &Path, models: &[(&[Planned], Flat<B>)]) -> Result<()> {
    let mut tensors = Vec::new();
    for (plan, flat) in models {
        tensors.extend(plan.iter().zip(named(plan, flat)?));
    }
    let views = tensors.iter().map(|(planned, values)| {
        let bytes = bytemuck::cast_slice(values);
        let view = TensorView::new(Dtype::F32, planned.shape.clone(), bytes)
            .map_err(|e| Error::internal(format!("weights cannot be written ({e})")))?;
        Ok((planned.name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    let bytes = safetensors::serialize(views, None)
        .map_err(|e| Error::internal(format!("weights cannot be written ({e})")))?;
    crate::files::write_file(path, &bytes)
}
