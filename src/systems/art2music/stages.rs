//! The stages of one generation.

use burn::tensor::Tensor;

use super::{
    super::sound::{self, Level},
    Art2Music, Composer,
    names::{kind, stage},
};
use crate::{
    Result,
    image::{self, Picture},
    model::clip::{ClipText, ClipVision},
    ops::Kernels,
    pipeline::{Finished, Part, Run},
    tensors::HostTensor,
    text::ClipTokenizer,
};

/// One generation under way.
pub(super) struct Stages<'a, B: Kernels> {
    pub system: &'a Art2Music<B>,
    pub run: Run<'a, B>,
}

impl<B: Kernels> Stages<'_, B> {
    /// Picture to embedding `[1, width]`.
    pub async fn encode(&mut self, picture: &Picture) -> Result<HostTensor> {
        let config = &self.system.networks.vision;
        let size = config.image_size;
        let pixels = HostTensor {
            shape: vec![1, 3, size, size],
            values: image::preprocess(picture, size),
        };
        self.run
            .stage(
                stage::ENCODE,
                |params, _| ClipVision::load(&params.at(kind::CLIP_VISION), config),
                async |run: &mut Run<'_, B>, tower: &ClipVision<B>| {
                    let pixels: Tensor<B, 4> = pixels.upload(run.device())?;
                    run.trace.record("image.pixels", &pixels);
                    let embedding = tower.forward(pixels, &mut run.trace);
                    run.trace.record("image.embedding", &embedding);
                    HostTensor::read(embedding).await
                },
            )
            .await
    }

    /// Comment to embedding `[1, width]`.
    pub async fn read(&mut self, comment: &str) -> Result<HostTensor> {
        let config = &self.system.networks.text;
        let (context, vocabulary) = (config.max_position_embeddings, config.vocab_size);
        let bundle = self.system.model.bundle();
        let tokenizer = ClipTokenizer::of_bundle(bundle, context, vocabulary).await?;
        let ids = tokenizer.encode(comment);
        self.run
            .stage(
                stage::TEXT,
                |params, _| ClipText::load(&params.at(kind::CLIP_TEXT), config),
                async |run: &mut Run<'_, B>, tower: &ClipText<B>| {
                    let embedding = tower.forward(&ids, &mut run.trace)?;
                    run.trace.record("text.embedding", &embedding);
                    HostTensor::read(embedding).await
                },
            )
            .await
    }

    /// The embeddings of a comment and of a picture to log-mel `[1, 1, frames, bands]`.
    pub async fn compose(
        &mut self,
        text: &HostTensor,
        picture: &HostTensor,
        frames: usize,
    ) -> Result<HostTensor> {
        let networks = &self.system.networks;
        self.run
            .stage(
                stage::DECODE,
                |params, _| Composer::load(params, &networks.fusion, &networks.decoder),
                async |run: &mut Run<'_, B>, composer: &Composer<B>| {
                    let (text, picture) =
                        (text.upload(run.device())?, picture.upload(run.device())?);
                    let mel = composer.forward(text, picture, frames, &mut run.trace)?;
                    HostTensor::read(mel.unsqueeze_dim::<4>(1)).await
                },
            )
            .await
    }

    /// Spectrograms to sounds of at most `length` samples, brought to a loudness in dBFS where one is given.
    pub async fn vocode(
        &mut self,
        mels: &[HostTensor],
        length: usize,
        loudness: Option<f64>,
    ) -> Result<Vec<Vec<f32>>> {
        let level = loudness.map_or(Level::Gain(0.0), Level::Rms);
        let vocoder = &self.system.networks.vocoder;
        sound::vocode(&mut self.run, stage::VOCODE, vocoder, mels, length, level).await
    }

    /// The sound of a part that another engine's [`Self::vocode`] gives away.
    pub async fn vocode_part(&mut self, part: &Part) -> Result<HostTensor> {
        let vocoder = &self.system.networks.vocoder;
        sound::vocode_part(&mut self.run, stage::VOCODE, vocoder, part).await
    }

    /// Ends the run.
    pub async fn finish(self) -> Result<Finished> {
        self.run.finish().await
    }
}
