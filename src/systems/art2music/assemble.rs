//! Puts networks into a bundle.

use super::{super::assemble, names::stage, networks::needed_tensors};
use crate::{
    Result,
    quant::Encoding,
    tensors::TensorSource,
    weights::{BundleWriter, NetworkEntry},
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
