//! The stages that make sound of latents: the VAE's decoder and the vocoder.

use burn::tensor::Tensor;

use super::{
    super::sound::{self, Level},
    names::{kind, stage},
    stages::Stages,
    tempo::stretch,
    transpose::transpose,
    windows::Windows,
};
use crate::{
    Error, Result,
    model::{trace::Trace, vae::VaeDecoder},
    ops::Kernels,
    pipeline::{Part, Run},
    tensors::HostTensor,
};

impl<B: Kernels> Stages<'_, B> {
    /// Latents, as the UNet makes them, to spectrograms `[1, 1, frames, bands]`, transposed by so many semitones and
    /// played `pace` times as fast.
    pub async fn decode(
        &mut self,
        latents: &[HostTensor],
        semitones: i32,
        pace: f64,
    ) -> Result<Vec<HostTensor>> {
        let system = self.system;
        let config = &self.system.networks.vae;
        let spectrogram = self.system.networks.spectrogram();
        self.run
            .stage(
                stage::DECODE,
                |params, _| VaeDecoder::load(&params.at(kind::VAE_DECODER), config),
                async |run: &mut Run<'_, B>, decoder: &VaeDecoder<B>| {
                    let mut mels = Vec::new();
                    for latents in latents {
                        let windows = system.windows(latents);
                        let latents: Tensor<B, 4> = latents.upload(run.device())?;
                        let latents = latents / config.scaling_factor;
                        let parts = decode_windows(run, decoder, &windows, &latents).await?;
                        let mel = windows.blend(parts, config.factor());
                        run.trace.record("vae.decoded_mel", &mel);
                        run.trace.resume(false);
                        let mut mel = HostTensor::read(mel).await?;
                        transpose(&mut mel, &spectrogram, semitones)?;
                        stretch(&mut mel, pace);
                        mels.push(mel);
                        run.pause().await?;
                    }
                    run.trace.resume(run.is_tracing());
                    Ok(mels)
                },
            )
            .await
    }

    /// The spectrogram of a part that another engine's [`Self::decode`] gives away.
    pub async fn decode_part(&mut self, part: &Part) -> Result<HostTensor> {
        let config = &self.system.networks.vae;
        let [latents] = part.tensors.as_slice() else {
            return Err(Error::internal("a part of decoding has one tensor"));
        };
        self.run
            .stage(
                stage::DECODE,
                |params, _| VaeDecoder::load(&params.at(kind::VAE_DECODER), config),
                async |run: &mut Run<'_, B>, decoder: &VaeDecoder<B>| {
                    let latents = latents.upload(run.device())?;
                    HostTensor::read(decoder.decode(latents, &mut Trace::off())).await
                },
            )
            .await
    }

    /// Spectrograms to sounds of at most `length` samples, brought to a loudness in dBFS where one is given, or else
    /// raised by the bundle's gain.
    pub async fn vocode(
        &mut self,
        mels: Vec<HostTensor>,
        length: usize,
        loudness: Option<f64>,
    ) -> Result<Vec<Vec<f32>>> {
        let level = match loudness {
            Some(wanted) => Level::Rms(wanted),
            None => Level::Gain(self.system.defaults.gain),
        };
        let vocoder = &self.system.networks.vocoder;
        sound::vocode(&mut self.run, stage::VOCODE, vocoder, &mels, length, level).await
    }

    /// The sound of a part that another engine's [`Self::vocode`] gives away.
    pub async fn vocode_part(&mut self, part: &Part) -> Result<HostTensor> {
        let vocoder = &self.system.networks.vocoder;
        sound::vocode_part(&mut self.run, stage::VOCODE, vocoder, part).await
    }
}

/// What the VAE makes of each window of `latents`; helpers may decode some of them.
async fn decode_windows<B: Kernels>(
    run: &mut Run<'_, B>,
    decoder: &VaeDecoder<B>,
    windows: &Windows,
    latents: &Tensor<B, 4>,
) -> Result<Vec<Tensor<B, 4>>> {
    let device = run.device();
    if windows.count() == 1 {
        return Ok(vec![decoder.decode(latents.clone(), &mut run.trace)]);
    }
    let mut parts = Vec::with_capacity(windows.count());
    for window in 0..windows.count() {
        parts.push(HostTensor::read(windows.part(latents, window)).await?);
    }
    run.share(
        parts.len(),
        |i| {
            Ok(Part {
                stage: stage::DECODE.into(),
                tensors: vec![parts[i].clone()],
                place: i as f64,
            })
        },
        async |run: &mut Run<'_, B>, i| {
            Ok(decoder.decode(parts[i].upload(device)?, &mut run.trace))
        },
        |tensor| tensor.upload(device),
    )
    .await
}
