//! Checkpoints: folders that appear whole or not at all.
//!
//! `step-00000500/` holds `weights.safetensors` (real checkpoint names), `average.safetensors`,
//! `optimiser.bin` and `run.json`; when a run is done, `final.safetensors` beside them holds the
//! weights that the next part is trained with, and in its metadata what the run depended on. Where several
//! learners train each other, the names of their tensors begin with the learner's name, and each has an
//! `optimiser-NAME.bin`. A run that keeps the best weights has them in `best.safetensors`, of which `final.safetensors`
//! is a copy then.

use burn::{
    record::RecorderError,
    tensor::{Tensor, TensorData, backend::Backend},
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use super::{
    Optimised, TrainingBackend,
    description::Description,
    weights::{Flat, named},
};
use crate::{
    Error, Result,
    checkpoint::Checkpoint,
    files::{finish_folder, hex, unfinished_folder, write_file},
    model::params::{Planned, param_id},
    tensors::TensorSource,
};

/// The file of a finished run's weights.
pub(super) const FINAL: &str = "final.safetensors";
/// Where its metadata says what the run depended on.
const RUN: &str = "run";
/// The file of the weights that validated best so far, and where its metadata says how well.
const BEST: &str = "best.safetensors";
const FIGURE: &str = "figure";

/// Where the finished weights of a part are.
#[derive(Debug, Clone)]
pub struct Weights(PathBuf);

impl Weights {
    /// The part `name` of the runs in `folder`, whether it is there or not.
    pub fn of(folder: &Path, name: &str) -> Self {
        Self(folder.join(name).join(FINAL))
    }

    /// The file `path`.
    pub(super) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Opens them.
    pub fn open(&self) -> Result<Checkpoint> {
        self.check()?;
        Checkpoint::open(&self.0).map_err(|e| damaged_final(&self.0, e.message()))
    }

    /// Refuses weights of a network that is not the one of `configuration`: the part's table with nothing but the
    /// network, and what is said of all parts.
    pub fn check_network(&self, configuration: &serde_json::Value) -> Result<()> {
        self.check()?;
        match read_final(&self.0)? {
            Some(earlier) => earlier.with_network(configuration).check(&earlier, &self.0),
            None => Ok(()),
        }
    }

    /// Their SHA-256.
    pub fn digest(&self) -> Result<String> {
        self.check()?;
        let bytes = fs::read(&self.0).map_err(|e| Error::file("read", &self.0, e))?;
        Ok(hex(&Sha256::digest(bytes)))
    }

    fn check(&self) -> Result<()> {
        if self.0.is_file() {
            return Ok(());
        }
        let part = self.0.parent().and_then(Path::file_name);
        let part = part.unwrap_or_default().to_string_lossy();
        Err(Error::input(
            format!("{} is not there", self.0.display()),
            format!("train the part {part} first (--part {part})"),
        ))
    }
}

/// What the finished run whose weights are at `path` depended on; none if it has not finished.
pub(super) fn read_final(path: &Path) -> Result<Option<Description>> {
    match read_metadata(path)? {
        Some(metadata) => parse_run(&metadata, path).map(Some),
        None => Ok(None),
    }
}

/// The metadata of the weights at `path`; none if they are not there.
fn read_metadata(path: &Path) -> Result<Option<HashMap<String, String>>> {
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = fs::read(path).map_err(|e| Error::file("read", path, e))?;
    let damaged = |why: String| damaged_final(path, &why);
    // The length of the file as well.
    SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
    Ok(Some(header.metadata().clone().unwrap_or_default()))
}

/// What the run depended on whose weights at `path` have this metadata.
fn parse_run(metadata: &HashMap<String, String>, path: &Path) -> Result<Description> {
    let run = metadata.get(RUN).map_or("null", String::as_str);
    let run = serde_json::from_str(run).map_err(|e| damaged_final(path, &format!("{e}")))?;
    Description::parse(run, path)
}

fn damaged_final(path: &Path, why: &str) -> Error {
    Error::format(
        format!("{} is damaged ({why})", path.display()),
        "remove it and train again: it is made of the run's newest checkpoint",
    )
}

/// What a checkpoint says of its run.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    /// Steps that have been taken.
    step: usize,
    /// What the run depends on.
    run: serde_json::Value,
}

/// Finds the newest checkpoint in `folder`: the folder and the steps taken. A run that
/// depends on something else is not continued.
pub(super) fn newest(folder: &Path, run: &Description) -> Result<Option<(PathBuf, usize)>> {
    let Some(path) = checkpoints(folder).pop() else {
        return Ok(None);
    };
    let file = path.join("run.json");
    let text =
        fs::read(&file).map_err(|e| damaged(&path, Error::file("read", &file, e).message()))?;
    let state: State = serde_json::from_slice(&text)
        .map_err(|e| damaged(&path, &format!("{}: {e}", file.display())))?;
    run.check(&Description::parse(state.run, &path)?, &path)?;
    Ok(Some((path, state.step)))
}

/// The error for a checkpoint that cannot be read.
pub(super) fn damaged(place: &Path, why: &str) -> Error {
    Error::format(
        format!("the checkpoint {} is damaged ({why})", place.display()),
        "remove that folder: training goes on from the one before it, or begins again",
    )
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
    pub run: &'a Description,
    pub step: usize,
    pub learners: &'a [&'a dyn Optimised<B>],
}

impl<B: TrainingBackend> Saving<'_, B> {
    pub fn write(&self) -> Result<()> {
        let target = self.folder.join(format!("step-{:08}", self.step));
        let unfinished = unfinished_folder(&target)?;
        let place = unfinished.path();
        let weights = self.learners.iter();
        let weights = weights.map(|learner| (learner.plan(), learner.weights()));
        write_weights(&place.join(WEIGHTS), &weights.collect::<Vec<_>>(), None)?;
        let averages = self.learners.iter();
        let averages = averages
            .filter_map(|learner| Some((learner.plan(), learner.average()?.clone())))
            .collect::<Vec<_>>();
        if !averages.is_empty() {
            write_weights(&place.join(AVERAGE), &averages, None)?;
        }
        for learner in self.learners {
            learner.write_optimiser(place)?;
        }
        let state = State {
            step: self.step,
            run: to_json(self.run)?,
        };
        let text = format!("{:#}", to_json(&state)?);
        write_file(&place.join("run.json"), text.as_bytes())?;
        finish_folder(unfinished, &target, "run.json")?;
        self.remove_old()
    }

    fn remove_old(&self) -> Result<()> {
        for old in checkpoints(self.folder).iter().rev().skip(2) {
            fs::remove_dir_all(old).map_err(|e| Error::file("remove", old, e))?;
        }
        Ok(())
    }
}

fn to_json(value: &impl Serialize) -> Result<serde_json::Value> {
    serde_json::to_value(value)
        .map_err(|e| Error::internal(format!("a checkpoint cannot be written ({e})")))
}

/// The weights that training ends with: averages where they are kept.
pub(super) fn write_final<B: TrainingBackend>(
    folder: &Path,
    run: &Description,
    learners: &[&dyn Optimised<B>],
) -> Result<()> {
    let weights = learners.iter().map(|learner| {
        let average = learner.average().cloned();
        (learner.plan(), average.unwrap_or_else(|| learner.weights()))
    });
    let run = HashMap::from([(RUN.to_string(), to_json(run)?.to_string())]);
    write_weights(&folder.join(FINAL), &weights.collect::<Vec<_>>(), Some(run))
}

/// The weights of a run that validated best, of those that were seen so far.
///
/// Steps are taken again alike after an interruption, so what an earlier start saw is as good as seen.
pub(super) struct Best {
    file: PathBuf,
    /// The lowest figure.
    figure: Option<f64>,
}

impl Best {
    /// What the run in `folder` has seen so far.
    pub fn open(folder: &Path, run: &Description) -> Result<Self> {
        let file = folder.join(BEST);
        let figure = match read_metadata(&file)? {
            Some(metadata) => {
                run.check(&parse_run(&metadata, &file)?, &file)?;
                metadata.get(FIGURE).and_then(|figure| figure.parse().ok())
            }
            None => None,
        };
        Ok(Self { file, figure })
    }

    /// Keeps the weights of `learners` if `figure` is lower than all before.
    pub fn offer<B: TrainingBackend>(
        &mut self,
        figure: f64,
        run: &Description,
        learners: &[&dyn Optimised<B>],
    ) -> Result<()> {
        if self.figure.is_some_and(|best| best <= figure) {
            return Ok(());
        }
        let weights = learners.iter();
        let weights = weights.map(|learner| (learner.plan(), learner.weights()));
        let metadata = HashMap::from([
            (RUN.to_string(), to_json(run)?.to_string()),
            (FIGURE.to_string(), figure.to_string()),
        ]);
        write_weights(&self.file, &weights.collect::<Vec<_>>(), Some(metadata))?;
        self.figure = Some(figure);
        Ok(())
    }

    /// Makes them the weights that the run ends with.
    pub fn finish(&self, folder: &Path) -> Result<()> {
        let bytes = fs::read(&self.file).map_err(|e| Error::file("read", &self.file, e))?;
        write_file(&folder.join(FINAL), &bytes)
    }
}

pub(super) fn recording(what: &str, error: RecorderError) -> Error {
    Error::format(
        format!("the state of the optimiser cannot be {what} ({error})"),
        "check the disk and run the command again",
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
fn write_weights<B: Backend>(
    path: &Path,
    models: &[(&[Planned], Flat<B>)],
    metadata: Option<HashMap<String, String>>,
) -> Result<()> {
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
    let bytes = safetensors::serialize(views, metadata)
        .map_err(|e| Error::internal(format!("weights cannot be written ({e})")))?;
    write_file(path, &bytes)
}
