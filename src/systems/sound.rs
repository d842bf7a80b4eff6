//! The last stage of every system: spectrograms become sound.

use burn::tensor::Tensor;
use std::ops::Range;

use super::entries::vocoder_kind;
use crate::{
    Error, Fault, Result,
    model::{
        istft::limit,
        trace::Trace,
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

/// How loud pieces are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Level {
    /// Brought to an RMS in dBFS.
    Rms(f64),
    /// Raised by so many dB.
    Gain(f64),
}

/// Runs `stage`: spectrograms `[1, 1, frames, bands]` become sounds of at most `length` samples. Only the first is traced.
pub(super) async fn vocode<B: Kernels>(
    run: &mut Run<'_, B>,
    stage: &'static str,
    config: &VocoderConfig,
    mels: &[HostTensor],
    length: usize,
    level: Level,
) -> Result<Vec<Vec<f32>>> {
    let partials = config.partials()?;
    run.stage(
        stage,
        |params, _| Vocoder::load(&params.at(vocoder_kind(config)), config),
        async |run: &mut Run<'_, B>, vocoder: &Vocoder<B>| {
            let mut sounds = Vec::new();
            for mel in mels {
                let waveform = in_chunks(run, stage, vocoder, config, mel).await?;
                let waveform = match &partials {
                    Some(partials) => {
                        let mut made = HostTensor::read(waveform).await?;
                        partials.replace(&mel.values, &mut made.values);
                        made.upload(run.device())?
                    }
                    None => waveform,
                };
                // Of all that was made: however much of it is kept, it is raised alike.
                let gain = match level {
                    Level::Rms(wanted) => {
                        let power = waveform.clone().powi_scalar(2).mean();
                        let power = f64::from(read(power).await?[0]);
                        (wanted - 10.0 * power.max(1e-12).log10()).min(MOST_RAISED)
                    }
                    Level::Gain(gain) => gain,
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

/// Runs `stage` on a part that another engine's [`vocode`] gives away.
pub(super) async fn vocode_part<B: Kernels>(
    run: &mut Run<'_, B>,
    stage: &'static str,
    config: &VocoderConfig,
    part: &Part,
) -> Result<HostTensor> {
    let [mel] = part.tensors.as_slice() else {
        return Err(Error::internal("a part of vocoding has one tensor"));
    };
    run.stage(
        stage,
        |params, _| Vocoder::load(&params.at(vocoder_kind(config)), config),
        async |run: &mut Run<'_, B>, vocoder: &Vocoder<B>| {
            let mel = mel.upload(run.device())?;
            HostTensor::read(vocoder.forward(mel, &mut Trace::off())).await
        },
    )
    .await
}

/// The sound of a spectrogram `[1, 1, frames, bands]`, `[1, samples]`: in chunks, which helpers may make, so that memory
/// does not grow with its length; in one where it is traced.
async fn in_chunks<B: Kernels>(
    run: &mut Run<'_, B>,
    stage: &'static str,
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
                    stage: stage.into(),
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
