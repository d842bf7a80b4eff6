//! Puts networks into a bundle.

use serde::Serialize;
use std::path::Path;

use super::networks::{Networks, kind, needed_tensors};
use crate::{
    Error, Result,
    model::aligner::AlignerConfig,
    quant::Encoding,
    tensors::{Init, TensorSource},
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
    writer.begin_stage(name, entries)?;
    for (entry, source) in networks {
        let kind = format!("{}.", entry.kind);
        let alone = StageEntry {
            name: name.into(),
            networks: vec![entry],
            tensors: Vec::new(),
        };
        for needed in needed_tensors(&alone)? {
            let stored = needed.name.strip_prefix(&kind).unwrap_or(&needed.name);
            let values = source.read(stored, &needed.shape, needed.init)?;
            let encoding = suitable(encoding, stored, &needed.shape);
            writer.tensor(&needed.name, &needed.shape, &values, encoding)?;
        }
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

/// Copies the bundle `source` to `target` with another aligner, packed as `encoding`.
pub fn replace_aligner(
    source: &Bundle,
    aligner: (&AlignerConfig, &dyn TensorSource),
    target: &Path,
    encoding: Encoding,
    name: Option<String>,
) -> Result<Manifest> {
    let manifest = source.manifest();
    let mut writer = BundleWriter::create(target)?;
    for entry in &manifest.stages {
        let weights = pollster::block_on(source.load(&entry.name, &mut |_| ()))?;
        let sources: Vec<Prefixed> = (entry.networks.iter())
            .map(|network| Prefixed {
                source: &weights,
                prefix: &network.kind,
            })
            .collect();
        let mut networks: Vec<(NetworkEntry, &dyn TensorSource)> = Vec::new();
        for (network, source) in entry.networks.iter().zip(&sources) {
            networks.push(if network.kind == kind::ALIGNER {
                (network_entry(kind::ALIGNER, aligner.0)?, aligner.1)
            } else {
                (network.clone(), source)
            });
        }
        write_stage(&mut writer, &entry.name, networks, encoding)?;
        let prefix = format!("{}.", kind::CONSTANTS);
        for constant in entry.tensors.iter().filter(|t| t.name.starts_with(&prefix)) {
            let (shape, values) = weights.tensor(&constant.name)?;
            writer.tensor(&constant.name, &shape, &values, Encoding::F32)?;
        }
    }
    let mut provenance = manifest.provenance.clone();
    provenance.sources.push("art2mus train".into());
    let model = ModelInfo {
        name: name.unwrap_or_else(|| manifest.model.name.clone()),
        trained: true,
        ..manifest.model.clone()
    };
    let fits = |manifest: &Manifest| Networks::from_manifest(manifest).map(drop);
    writer.finish(
        model,
        manifest.constants.clone(),
        manifest.defaults.clone(),
        provenance,
        fits,
    )
}
