//! `art2mus verify`: every byte of a bundle, and every tensor that its networks need.

use std::collections::HashSet;

use super::{human_bytes, print_line};
use crate::{
    Error, Result,
    systems::{check, check_assets, needed_tensors},
    weights::{Bundle, Location},
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The bundle, a folder or an address.
    bundle: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let bundle = pollster::block_on(Bundle::open(Location::parse(&arguments.bundle)?))?;
    check_bundle(&bundle, &mut print_line)
}

/// Checks every part of a bundle; `tell` hears of each that is sound.
pub(super) fn check_bundle(
    bundle: &Bundle,
    tell: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<()> {
    let manifest = bundle.manifest();
    // What generating builds.
    check(manifest)?;
    pollster::block_on(check_assets(bundle))?;
    for stage in &manifest.stages {
        let again = "convert the checkpoint again";
        let needed = needed_tensors(manifest, stage)?;
        for tensor in &needed {
            let found = stage.tensors.iter().find(|t| t.name == tensor.name);
            let Some(found) = found else {
                let message = format!("tensor {} of stage {} is missing", tensor.name, stage.name);
                return Err(Error::format(message, again));
            };
            if found.shape != tensor.shape {
                let message = format!(
                    "tensor {} has shape {:?} where {:?} is needed",
                    tensor.name, found.shape, tensor.shape
                );
                return Err(Error::format(message, again));
            }
        }
        let weights = pollster::block_on(bundle.load(&stage.name, &mut |_| {}))?;
        for tensor in &stage.tensors {
            let (_, values) = weights.tensor(&tensor.name)?;
            if values.iter().any(|value| !value.is_finite()) {
                let message = format!("tensor {} holds infinite numbers", tensor.name);
                return Err(Error::integrity(message, again));
            }
        }
        let names: HashSet<_> = needed.iter().map(|tensor| &tensor.name).collect();
        let others = stage.tensors.len() - names.len();
        tell(&format!(
            "{:<10} {} tensors ({others} of them constants), {}: sound",
            stage.name,
            stage.tensors.len(),
            human_bytes(manifest.stage_bytes(stage))
        ))?;
    }
    for asset in &manifest.assets {
        pollster::block_on(bundle.asset(&asset.role))?;
        tell(&format!("{:<10} {}: sound", asset.role, asset.file.file))?;
    }
    Ok(())
}
