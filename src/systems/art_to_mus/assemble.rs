//! Puts networks into a bundle.

use std::path::Path;

use super::{
    super::assemble::{self, network_entry, suitable, write_network},
    Defaults, NAME,
    names::{kind, stage},
    networks::{Networks, needed_tensors},
};
use crate::{
    Result,
    model::aligner::AlignerConfig,
    quant::Encoding,
    tensors::TensorSource,
    weights::{Bundle, BundleWriter, Manifest, ModelInfo, NetworkEntry},
};

/// Writes the stage `name`: all tensors in the order in which its networks read them.
pub fn write_stage(
    writer: &mut BundleWriter,
    name: &str,
    networks: Vec<(NetworkEntry, &dyn TensorSource)>,
    encoding: Encoding,
) -> Result<()> {
    let stage = (name, stage::label(name));
    assemble::write_stage(writer, stage, networks, encoding, needed_tensors)
}

/// Copies the bundle `source` to `target` with another aligner, packed as `encoding`. Of the other tensors those that are
/// packed already keep their bytes; 32-bit floats are packed as `encoding` too, but for constants.
pub fn replace_aligner(
    source: &Bundle,
    aligner: (&AlignerConfig, &dyn TensorSource),
    target: &Path,
    encoding: Encoding,
    name: Option<String>,
) -> Result<Manifest> {
    let manifest = source.manifest();
    let mut writer = BundleWriter::create(target)?;
    let own = format!("{}.", kind::ALIGNER);
    let constants = format!("{}.", kind::CONSTANTS);
    for entry in &manifest.stages {
        let weights = pollster::block_on(source.load(&entry.name, &mut |_| ()))?;
        let mut networks = entry.networks.clone();
        let place = networks
            .iter()
            .position(|network| network.kind == kind::ALIGNER);
        if let Some(place) = place {
            networks[place] = network_entry(kind::ALIGNER, aligner.0)?;
        }
        let mut replaced = place.map(|place| networks[place].clone());
        writer.begin_stage(&entry.name, entry.label.as_deref(), networks)?;
        for tensor in &entry.tensors {
            if tensor.name.starts_with(&own) {
                if let Some(network) = replaced.take() {
                    write_network(
                        &mut writer,
                        &entry.name,
                        network,
                        aligner.1,
                        encoding,
                        needed_tensors,
                    )?;
                }
                continue;
            }
            let stored = tensor.name.split_once('.').map_or("", |(_, name)| name);
            let wanted = suitable(encoding, stored, &tensor.shape);
            let constant = tensor.name.starts_with(&constants);
            if tensor.encoding != Encoding::F32 || wanted == Encoding::F32 || constant {
                writer.packed(tensor.clone(), &weights.packed(&tensor.name)?)?;
            } else {
                let (shape, values) = weights.tensor(&tensor.name)?;
                writer.tensor(&tensor.name, &shape, &values, wanted)?;
            }
        }
        if let Some(constants) = &entry.constants {
            writer.constants(constants.clone())?;
        }
    }
    for asset in &manifest.assets {
        let bytes = pollster::block_on(source.asset(&asset.role))?;
        writer.asset(&asset.role, &asset.file.file, &bytes)?;
    }
    let mut provenance = manifest.provenance.clone();
    provenance.sources.push("art2mus train".into());
    let model = ModelInfo {
        name: name.unwrap_or_else(|| manifest.model.name.clone()),
        trained: true,
        ..manifest.model.clone()
    };
    let fits = |manifest: &Manifest| Networks::from_manifest(manifest).map(drop);
    let defaults = Defaults::from_manifest(manifest)?;
    writer.finish(NAME, model, &defaults, provenance, fits)
}
