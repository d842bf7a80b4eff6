//! Puts networks into a bundle.

use serde::Serialize;

use crate::{
    Error, Result,
    model::params::Planned,
    quant::Encoding,
    tensors::TensorSource,
    weights::{BundleWriter, NetworkEntry, StageEntry},
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

/// Which tensors the networks of a stage need.
pub(super) type Needed = fn(&StageEntry) -> Result<Vec<Planned>>;

/// Writes the stage `name`: all tensors in the order in which its networks read them.
pub(super) fn write_stage(
    writer: &mut BundleWriter,
    (name, label): (&str, Option<&str>),
    networks: Vec<(NetworkEntry, &dyn TensorSource)>,
    encoding: Encoding,
    needed: Needed,
) -> Result<()> {
    let entries = networks.iter().map(|(entry, _)| entry.clone()).collect();
    writer.begin_stage(name, label, entries)?;
    for (entry, source) in networks {
        write_network(writer, name, entry, source, encoding, needed)?;
    }
    Ok(())
}

/// Writes the tensors of one network.
pub(super) fn write_network(
    writer: &mut BundleWriter,
    stage: &str,
    entry: NetworkEntry,
    source: &dyn TensorSource,
    encoding: Encoding,
    needed: Needed,
) -> Result<()> {
    let kind = format!("{}.", entry.kind);
    let alone = StageEntry {
        name: stage.into(),
        label: None,
        constants: None,
        networks: vec![entry],
        tensors: Vec::new(),
    };
    for needed in needed(&alone)? {
        let stored = needed.name.strip_prefix(&kind).unwrap_or(&needed.name);
        let values = source.read(stored, &needed.shape, needed.init)?;
        let encoding = suitable(encoding, stored, &needed.shape);
        writer.tensor(&needed.name, &needed.shape, &values, encoding)?;
    }
    Ok(())
}

/// Parts of names of tables that blocks of 8 or 4 bits would spoil: every position or step has its
/// own small vector, and there are few of them.
const EXACT: [&str; 5] = ["pos_emb", "wpe", "time_emb", "cls_token", "bias_"];

/// Norms, biases and scalars are small, and what they do must stay exact: f32. Tables, and weights
/// whose rows are no whole blocks, are not quantised.
pub(super) fn suitable(wanted: Encoding, name: &str, shape: &[usize]) -> Encoding {
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
