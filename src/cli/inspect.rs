//! `art2mus inspect`: what is in a bundle.

use serde_json::json;

use super::{human_bytes, print_json, print_line};
use crate::{
    Result,
    ops::Cpu,
    systems::{Settings, System},
    weights::{Bundle, Location, StageEntry},
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The bundle, a folder or an address.
    bundle: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Also list every tensor.
    #[arg(long)]
    tensors: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let bundle = pollster::block_on(Bundle::open(Location::parse(&arguments.bundle)?))?;
    let manifest = bundle.manifest();
    let system = System::<Cpu>::new(bundle.clone(), Default::default())?;
    let suggested = system.complete(&Settings::default(), 0)?;
    let work = system.stages()?;
    let flops = |stage: &str| {
        let found = work.iter().find(|work| work.stage == stage);
        found.map_or(0, |work| work.flops)
    };
    let constants = manifest.stages.iter().find_map(|s| s.constants.as_ref());
    if arguments.json {
        let stages: Vec<_> = manifest
            .stages
            .iter()
            .map(|stage| {
                json!({
                    "name": stage.name,
                    "label": stage.label,
                    "networks": stage.networks,
                    "tensors": stage.tensors.len(),
                    "parameters": manifest.stage_parameters(stage),
                    "bytes": manifest.stage_bytes(stage),
                    "flops": flops(&stage.name),
                    "worstError": worst_error(stage),
                })
            })
            .collect();
        return print_json(&json!({
            "model": manifest.model,
            "stages": stages,
            "system": manifest.system,
            "defaults": manifest.defaults,
            "constants": constants,
            "provenance": manifest.provenance,
        }));
    }
    let model = &manifest.model;
    let trained = if model.trained { "" } else { ", untrained" };
    print_line(&format!("{} ({}{trained})", model.name, model.licence))?;
    if let Some(constants) = constants {
        print_line(&format!("prompt: {}", constants.prompt))?;
    }
    print_line(&format!(
        "from {}, by {}",
        manifest.provenance.sources.join(", "),
        manifest.provenance.converter
    ))?;
    print_line(&format!("suggests {}\n", suggestion(&suggested)))?;
    print_line(&format!(
        "{:<10} {:>7} {:>13} {:>12} {:>12} {:>9}  networks",
        "stage", "tensors", "parameters", "size", "work", "error"
    ))?;
    for stage in &manifest.stages {
        let kinds: Vec<_> = stage.networks.iter().map(|n| n.kind.as_str()).collect();
        print_line(&format!(
            "{:<10} {:>7} {:>13} {:>12} {:>7.2} GFLOP {:>9.1e}  {}",
            stage.name,
            stage.tensors.len(),
            manifest.stage_parameters(stage),
            human_bytes(manifest.stage_bytes(stage)),
            flops(&stage.name) as f64 / 1e9,
            worst_error(stage),
            kinds.join(", ")
        ))?;
        if arguments.tensors {
            for tensor in &stage.tensors {
                print_line(&format!(
                    "    {:<70} {:?} {:?}",
                    tensor.name, tensor.encoding, tensor.shape
                ))?;
            }
        }
    }
    Ok(())
}

/// The settings of a generation as a person reads them.
fn suggestion(settings: &Settings) -> String {
    let steps = match (settings.steps, settings.scheduler) {
        (Some(steps), Some(scheduler)) => Some(format!("{steps} steps of {}", scheduler.name())),
        _ => None,
    };
    let parts = [
        settings.seconds.map(|seconds| format!("{seconds} s")),
        steps,
        settings.guidance.map(|scale| format!("guidance {scale}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn worst_error(stage: &StageEntry) -> f64 {
    let errors = stage.tensors.iter().map(|tensor| tensor.error);
    errors.fold(0.0, f64::max)
}
