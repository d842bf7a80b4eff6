//! From a picture to music: the only place that knows all stages.
//!
//! Every stage loads its own weights, runs, and gives its memory back before the next one begins.

#[cfg(feature = "cli")]
mod assemble;
mod networks;
mod progress;
mod request;
mod stages;

use burn::tensor::backend::Backend;

#[cfg(feature = "cli")]
pub use assemble::{network_entry, replace_aligner, write_stage};
pub use networks::{
    AudioProjectionConfig, EncoderConfig, Lengths, MelScale, Networks, Work, config, kind,
    needed_tensors, stage, vocoder_kind,
};
pub use progress::{Event, Observer};
pub use request::{
    MAX_CANDIDATES, MAX_GUIDANCE, Output, Piece, Request, SECONDS, Settings, TextConditions, Timing,
};

use crate::{
    Error, Result,
    image::Picture,
    model::trace::{Trace, Traced},
    ops::Kernels,
    tensors::{HostTensor, read},
    weights::Bundle,
};
use progress::Progress;
use stages::Run;

/// A bundle on a device, ready to make music.
#[derive(Debug, Clone)]
pub struct Pipeline<B: Backend> {
    bundle: Bundle,
    networks: Networks,
    device: B::Device,
}

impl<B: Kernels> Pipeline<B> {
    /// Checks that the bundle's networks are all there and fit each other. No weights are read yet.
    pub fn new(bundle: Bundle, device: B::Device) -> Result<Self> {
        Ok(Self {
            networks: Networks::from_manifest(bundle.manifest())?,
            bundle,
            device,
        })
    }

    /// The bundle.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The configurations of the networks.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// Makes music from `picture`. The same request on the same device gives the same samples.
    pub async fn generate(
        &self,
        picture: &Picture,
        request: &Request,
        observer: &mut dyn Observer,
    ) -> Result<Output> {
        let settings = &request.settings;
        settings.check()?;
        let manifest = self.bundle.manifest();
        let mut plan = Vec::new();
        for (name, flops) in self.networks.flops(&settings.work())? {
            plan.push((name, manifest.stage_bytes(manifest.stage(name)?), flops));
        }
        let mut run = Run {
            pipeline: self,
            request,
            lengths: self.networks.lengths(settings.seconds),
            progress: Progress::new(observer, plan),
            trace: Trace::new(request.trace),
        };
        let initial = run.initial_latents()?;
        let embedding = run.encode(picture).await?;
        let conditions = run.condition(&embedding).await?;
        let latents = run.denoise(initial, &conditions).await?;
        let mels = run.decode(latents).await?;
        let mut pieces = run.vocode(mels).await?;
        if self.networks.ranking.is_some() && settings.candidates > 1 {
            run.rank(&embedding, &mut pieces).await?;
        }
        let Run {
            progress, trace, ..
        } = run;
        let trace = read_trace(trace).await?;
        Ok(Output {
            pieces,
            sample_rate: self.networks.vocoder.sampling_rate(),
            settings: settings.clone(),
            timings: progress.finish(),
            trace,
        })
    }
}

/// The recorded tensors, in the program's own memory.
pub async fn read_trace<B: Backend>(mut trace: Trace<B>) -> Result<Vec<(String, HostTensor)>> {
    let mut tensors = Vec::new();
    for Traced {
        name,
        shape,
        values,
    } in trace.take()
    {
        let values = read(values).await?;
        tensors.push((name, HostTensor { shape, values }));
    }
    Ok(tensors)
}
