//! Puts networks into a bundle.

use serde::Serialize;
use std::path::Path;

use super::{
    Defaults, NAME,
    names::{kind, stage},
    networks::{Networks, needed_tensors},
};
use crate::{
    Error, Result,
    model::aligner::AlignerConfig,
    quant::Encoding,
    tensors::TensorSource,
    weights::{Bundle, BundleWriter, Manifest, ModelInfo, NetworkEntry, StageEntry},
};

/// What a manifest says of a network.
pub fn network_entry(kind: &str, config: &impl Serialize) -> Result<NetworkEntry> {
    let config = serde_json::to_value(config)
        .map_err(|e| Error::internal(format!("a configuration cannot be written ({e})")))?;
    Ok(NetworkEntry {
        kind: kind.into(),
        config,
    })
}

/// Writes the stage `name`: all tensors in the order in which its networks read them.
pub fn write_stage(
    writer: &mut BundleWriter,
    name: &str,
    networks: Vec<(NetworkEntry, &dyn TensorSource)>,
    encoding: Encoding,
) -> Result<()> {
    let entries = networks.iter().map(|(entry, _)| entry.clone()).collect();
    writer.begin_stage(name, stage::label(name), entries)?;
    for (entry, source) in networks {
        write_network(writer, name, entry, source, encoding)?;
    }
    Ok(())
}

/// Writes the tensors of one network.
fn write_network(
    writer: &mut BundleWriter,
    stage: &str,
    entry: NetworkEntry,
    source: &dyn TensorSource,
    encoding: Encoding,
) -> Result<()> {
    let kind = format!("{}.", entry.kind);
    let alone = StageEntry {
        name: stage.into(),
        label: None,
        constants: None,
        networks: vec![entry],
        tensors: Vec::new(),
    };
    for needed in needed_tensors(&alone)? {
        let stored = needed.name.strip_prefix(&kind).unwrap_or(&needed.name);
        let values = source.read(stored, &needed.shape, needed.init)?;
        let encoding = suitable(encoding, stored, &needed.shape);
        writer.tensor(&needed.name, &needed.shape, &values, encoding)?;
    }
    Ok(())
}

/// Parts of names of tables that blocks of 8 or 4 bits would spoil: every position or step has its
/// own small vector, and there are few of them.
const EXACT: [&str; 5] = ["pos_embed", "wpe", "time_emb", "cls_token", "bias_"];

/// Norms, biases and scalars are small, and what they do must stay exact: f32. Tables, and weights
/// whose rows are no whole blocks, are not quantised.
fn suitable(wanted: Encoding, name: &str, shape: &[usize]) -> Encoding {
    let blocks = matches!(wanted, Encoding::Q8 | Encoding::Q4);
    if shape.len() < 2 {
        Encoding::F32
    } else if blocks
        && (wanted.bytes(shape).is_none() || EXACT.iter().any(|part| name.contains(part)))
    {
        Encoding::F16
    } else {
        wanted
    }
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
                    write_network(&mut writer, &entry.name, network, aligner.1, encoding)?;
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
