//! The last stage of every system: spectrograms become sound.

use burn::tensor::Tensor;

use super::entries::vocoder_kind;
use crate::{
    Fault, Result,
    model::{
        istft::limit,
        vocoder::{Vocoder, VocoderConfig},
    },
    ops::Kernels,
    pipeline::Run,
    tensors::{HostTensor, read},
};

/// The most decibels that music is raised by to reach a loudness: silence stays silent.
const MOST_RAISED: f64 = 40.0;

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
    run.stage(
        stage,
        |params, _| Vocoder::load(&params.at(vocoder_kind(config)), config),
        async |run: &mut Run<'_, B>, vocoder: &Vocoder<B>| {
            let mut sounds = Vec::new();
            for mel in mels {
                let mel: Tensor<B, 4> = mel.upload(run.device())?;
                let waveform = vocoder.forward(mel.squeeze_dim(1), &mut run.trace);
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
