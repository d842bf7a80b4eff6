//! Puts networks into a bundle.

use super::{
    super::{
        assemble::{self, network_entry},
        entries::vocoder_entry,
    },
    names::{kind, stage},
    networks::{Networks, needed_tensors},
};
use crate::{
    Result,
    quant::Encoding,
    tensors::TensorSource,
    text::CLIP_MERGES,
    weights::{BundleWriter, NetworkEntry},
};

/// All that a bundle of this system is made of. Names of tensors are those of the networks, without their kinds.
pub struct Parts<'a> {
    /// The sizes of the networks.
    pub networks: &'a Networks,
    /// Picture to embedding.
    pub vision: &'a dyn TensorSource,
    /// Comment to embedding.
    pub text: &'a dyn TensorSource,
    /// The vocabulary of comments: CLIP's merges.
    pub merges: &'a str,
    /// Both embeddings to one vector.
    pub fusion: &'a dyn TensorSource,
    /// That vector to log-mel.
    pub decoder: &'a dyn TensorSource,
    /// Log-mel to sound.
    pub vocoder: &'a dyn TensorSource,
}

impl Parts<'_> {
    /// Writes all stages, of which `note` hears the names, and the vocabulary.
    pub fn write(
        &self,
        writer: &mut BundleWriter,
        encoding: Encoding,
        note: &dyn Fn(&str),
    ) -> Result<()> {
        let networks = self.networks;
        let mut write = |name: &str, parts: Vec<(NetworkEntry, &dyn TensorSource)>| {
            note(name);
            let stage = (name, stage::label(name));
            assemble::write_stage(writer, stage, parts, encoding, needed_tensors)
        };
        let vision = network_entry(kind::CLIP_VISION, &networks.vision)?;
        write(stage::ENCODE, vec![(vision, self.vision)])?;
        let text = network_entry(kind::CLIP_TEXT, &networks.text)?;
        write(stage::TEXT, vec![(text, self.text)])?;
        let fusion = network_entry(kind::FUSION, &networks.fusion)?;
        let decoder = network_entry(kind::MEL_DECODER, &networks.decoder)?;
        write(
            stage::DECODE,
            vec![(fusion, self.fusion), (decoder, self.decoder)],
        )?;
        let vocoder = vocoder_entry(&networks.vocoder)?;
        write(stage::VOCODE, vec![(vocoder, self.vocoder)])?;
        writer.asset(CLIP_MERGES, "merges.txt", self.merges.as_bytes())
    }
}
