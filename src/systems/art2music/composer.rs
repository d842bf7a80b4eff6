//! What makes a spectrogram of both embeddings: the fusion, and the decoder behind it.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};

use super::names::kind;
use crate::{
    Result,
    model::{
        fusion::{Fusion, FusionConfig},
        mel_decoder::{MelDecoder, MelDecoderConfig},
        params::Params,
        trace::Trace,
    },
    ops::Kernels,
};

/// Both networks.
#[derive(Module, Debug)]
pub struct Composer<B: Backend> {
    fusion: Fusion<B>,
    decoder: MelDecoder<B>,
}

impl<B: Kernels> Composer<B> {
    /// Reads all parameters, which lie beneath the kinds of the networks.
    pub fn load(p: &Params<B>, fusion: &FusionConfig, decoder: &MelDecoderConfig) -> Result<Self> {
        Ok(Self {
            fusion: Fusion::load(&p.at(kind::FUSION), fusion)?,
            decoder: MelDecoder::load(&p.at(kind::MEL_DECODER), decoder)?,
        })
    }

    /// `text` and `picture`, each `[batch, embedding]`, to log-mel values `[batch, frames, bands]`.
    pub fn forward(
        &self,
        text: Tensor<B, 2>,
        picture: Tensor<B, 2>,
        frames: usize,
        trace: &mut Trace<B>,
    ) -> Result<Tensor<B, 3>> {
        let features = self.fusion.forward(text, picture, trace);
        self.decoder.forward(features, frames, trace)
    }
}
