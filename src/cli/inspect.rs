//! `art2mus inspect`: what is in a bundle.

use serde_json::json;

use super::{human_bytes, print_json, print_line};
use crate::{
    Result,
    pipeline::{Networks, Settings, stage},
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
    let bundle = pollster::block_on(Bundle::open(Location::parse(&arguments.bundle)))?;
    let manifest = bundle.manifest();
    let networks = Networks::from_manifest(manifest)?;
    let mut settings = Settings::from_defaults(&manifest.defaults, 0)?;
    let one = networks.flops(&settings.work())?;
    // Ranking happens only among several pieces: two show what one costs.
    settings.candidates = 2;
    let ranked = networks.flops(&settings.work())?;
    let ranking = ranked.iter().filter(|(name, _)| *name == stage::RANK);
    let ranking = ranking.map(|(name, flops)| (*name, flops / 2));
    let work: Vec<_> = one.into_iter().chain(ranking).collect();
    let flops = |stage: &str| {
        let found = work.iter().find(|(name, _)| *name == stage);
        found.map_or(0, |(_, flops)| *flops)
    };
    if arguments.json {
        let stages: Vec<_> = manifest
            .stages
            .iter()
            .map(|stage| {
                json!({
                    "name": stage.name,
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
            "defaults": manifest.defaults,
            "constants": manifest.constants,
            "provenance": manifest.provenance,
        }));
    }
    let model = &manifest.model;
    let trained = if model.trained { "" } else { ", untrained" };
    print_line(&format!("{} ({}{trained})", model.name, model.licence))?;
    print_line(&format!("prompt: {}", manifest.constants.prompt))?;
    print_line(&format!(
        "from {}, by {}",
        manifest.provenance.sources.join(", "),
        manifest.provenance.converter
    ))?;
    let suggested = &manifest.defaults;
    print_line(&format!(
        "suggests {} s, {} steps of {}, guidance {}\n",
        suggested.seconds, suggested.steps, suggested.scheduler, suggested.guidance
    ))?;
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

fn worst_error(stage: &StageEntry) -> f64 {
    let errors = stage.tensors.iter().map(|tensor| tensor.error);
    errors.fold(0.0, f64::max)
}
