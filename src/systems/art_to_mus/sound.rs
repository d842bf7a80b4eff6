//! The stages that make sound of latents: the VAE's decoder and the vocoder.

use burn::tensor::Tensor;
use std::ops::Range;

use super::{
    names::{kind, stage},
    networks::vocoder_kind,
    stages::Stages,
    tempo::stretch,
    transpose::transpose,
    windows::Windows,
};
use crate::{
    Error, Fault, Result,
    model::{
        istft::limit,
        trace::Trace,
        vae::VaeDecoder,
        vocoder::{Vocoder, VocoderConfig},
    },
    ops::Kernels,
    pipeline::{Part, Run},
    tensors::{HostTensor, read},
};

/// The most decibels that music is raised by to reach a loudness: silence stays silent.
const MOST_RAISED: f64 = 40.0;

/// The most frames that become sound at once.
const CHUNK: usize = 640;

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
        let config = &self.system.networks.vocoder;
        let gain = self.system.defaults.gain;
        self.run
            .stage(
                stage::VOCODE,
                |params, _| Vocoder::load(&params.at(vocoder_kind(config)), config),
                async |run: &mut Run<'_, B>, vocoder: &Vocoder<B>| {
                    let mut sounds = Vec::new();
                    for mel in &mels {
                        let waveform = self::vocode(run, vocoder, config, mel).await?;
                        // Of all that was made: however much of it is kept, it is raised alike.
                        let gain = match loudness {
                            Some(wanted) => {
                                let power = waveform.clone().powi_scalar(2).mean();
                                let power = f64::from(read(power).await?[0]);
                                (wanted - 10.0 * power.max(1e-12).log10()).min(MOST_RAISED)
                            }
                            None => gain,
                        };
                        let [_, made] = waveform.dims();
                        let waveform = waveform.narrow(1, 0, length.min(made));
                        let waveform = match gain {
                            0.0 => waveform,
                            gain => limit(waveform * 10f64.powf(gain / 20.0)),
                        };
                        run.trace.record("waveform", &waveform);
                        run.trace.resume(false);
                        let samples = read(waveform).await?;
                        if samples.iter().any(|sample| !sample.is_finite()) {
                            return Err(Fault::NoSound {}.into());
                        }
                        sounds.push(samples);
                        run.pause().await?;
                    }
                    run.trace.resume(run.is_tracing());
                    Ok(sounds)
                },
            )
            .await
    }

    /// The sound of a part that another engine's [`Self::vocode`] gives away.
    pub async fn vocode_part(&mut self, part: &Part) -> Result<HostTensor> {
        let config = &self.system.networks.vocoder;
        let [mel] = part.tensors.as_slice() else {
            return Err(Error::internal("a part of vocoding has one tensor"));
        };
        self.run
            .stage(
                stage::VOCODE,
                |params, _| Vocoder::load(&params.at(vocoder_kind(config)), config),
                async |run: &mut Run<'_, B>, vocoder: &Vocoder<B>| {
                    let mel = mel.upload(run.device())?;
                    HostTensor::read(vocoder.forward(mel, &mut Trace::off())).await
                },
            )
            .await
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

/// The sound of a spectrogram `[1, 1, frames, bands]`, `[1, samples]`: in chunks, which helpers may make, so that memory
/// does not grow with its length; in one where it is traced.
async fn vocode<B: Kernels>(
    run: &mut Run<'_, B>,
    vocoder: &Vocoder<B>,
    config: &VocoderConfig,
    mel: &HostTensor,
) -> Result<Tensor<B, 2>> {
    let device = run.device();
    let bands = config.mel_bins();
    let frames = mel.values.len() / bands.max(1);
    let part = |frames: Range<usize>| HostTensor {
        shape: vec![1, frames.len(), bands],
        values: mel.values[frames.start * bands..frames.end * bands].to_vec(),
    };
    if run.is_tracing() {
        let mel: Tensor<B, 3> = part(0..frames).upload(device)?;
        return Ok(vocoder.forward(mel, &mut run.trace));
    }
    let count = frames.div_ceil(CHUNK).max(run.helpers() + 1);
    let chunks = config.chunks(frames, count);
    let parts = run
        .share(
            chunks.len(),
            |i| {
                Ok(Part {
                    stage: stage::VOCODE.into(),
                    tensors: vec![part(chunks[i].frames.clone())],
                    place: i as f64,
                })
            },
            async |_: &mut Run<'_, B>, i| {
                let mel: Tensor<B, 3> = part(chunks[i].frames.clone()).upload(device)?;
                Ok(vocoder.forward(mel, &mut Trace::off()))
            },
            |tensor| tensor.upload(device),
        )
        .await?;
    let own = chunks
        .iter()
        .zip(parts)
        .map(|(chunk, part)| chunk.own(part));
    Ok(Tensor::cat(own.collect(), 1))
}
