//! Art2Music: a picture and what a person says of it become a spectrogram in one pass.
//!
//! Hong et al., "Art2Music: Generating Music for Art Images with Multi-modal Feeling Alignment", 2025. Stages: **encode**
//! (picture to embedding), **text** (comment to embedding), **decode** (both to log-mel), and **vocode** (log-mel to
//! sound). The trained model is a regression: it gives one blurred mean for each picture and comment, and gives it at once.

#[cfg(feature = "native")]
mod assemble;
mod composer;
mod names;
mod networks;
mod request;
mod stages;

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    Abilities, Output, Piece, Playing, Request, SettingRange, Source,
    request::{check_embedding, check_loudness},
};
use crate::{
    Error, Fault, Result,
    image::Picture,
    ops::Kernels,
    pipeline::{Helpers, Model, Observer, Part, Run, StageWork},
    tensors::HostTensor,
    text::{CLIP_MERGES, ClipTokenizer},
    weights::{AssetEntry, Bundle, Manifest},
};
use stages::Stages;

#[cfg(feature = "native")]
pub use assemble::Parts;
pub use composer::Composer;
pub use names::{kind, stage};
pub use networks::{Networks, needed_tensors};
pub use request::{Defaults, Settings};

/// The name of this system in bundles.
pub const NAME: &str = "art2music";

/// The stages whose networks may stay between pieces. Those of `text` do not: what they give does.
const STAGES: [&str; 3] = [stage::ENCODE, stage::DECODE, stage::VOCODE];

/// Checks that a bundle is of this system, and that its networks are all there and fit each other and its defaults.
pub fn check(manifest: &Manifest) -> Result<(Networks, Defaults)> {
    super::check_name(manifest, NAME)?;
    let networks = Networks::from_manifest(manifest)?;
    let defaults = Defaults::from_manifest(manifest, &networks)?;
    Ok((networks, defaults))
}

/// Checks the tokenizer of a bundle.
pub async fn check_assets(bundle: &Bundle) -> Result<()> {
    let text = Networks::from_manifest(bundle.manifest())?.text;
    let context = text.max_position_embeddings;
    ClipTokenizer::of_bundle(bundle, context, text.vocab_size).await?;
    Ok(())
}

/// An opened model of this system.
#[derive(Debug, Clone)]
pub struct Art2Music<B: Kernels> {
    model: Model<B>,
    networks: Networks,
    defaults: Defaults,
    /// The last comment with its embedding, so that the next piece of the same comment needs no text network.
    last: Arc<Mutex<Option<(String, HostTensor)>>>,
}

impl<B: Kernels> Art2Music<B> {
    /// Checks the bundle as [`check`] does. No weights are read yet. Networks stay on the device between pieces as far as
    /// they fit into `budget` bytes.
    pub fn with_budget(bundle: Bundle, device: B::Device, budget: u64) -> Result<Self> {
        let (networks, defaults) = check(bundle.manifest())?;
        Ok(Self {
            networks,
            defaults,
            last: Arc::default(),
            model: Model::new(bundle, device, &STAGES, budget),
        })
    }

    /// The bundle on its device.
    pub fn model(&self) -> &Model<B> {
        &self.model
    }

    /// Has other engines with the same bundle compute parts of the work, which they do with [`Self::compute`].
    pub fn set_helpers(&mut self, helpers: Arc<dyn Helpers>) {
        self.model.set_helpers(helpers);
    }

    /// Computes a part of another engine's work.
    pub async fn compute(&self, part: &Part, observer: &mut dyn Observer) -> Result<HostTensor> {
        if part.stage != stage::VOCODE {
            return Err(super::no_parts(&part.stage));
        }
        let mut work = self.stages()?;
        work.retain(|work| work.stage == stage::VOCODE);
        let mut run = self.run(work, observer, false)?;
        let result = run.vocode_part(part).await?;
        run.finish().await?;
        Ok(result)
    }

    /// What it can be asked for.
    pub fn abilities(&self) -> Abilities {
        let seconds = self.networks.seconds();
        Abilities {
            seconds: SettingRange::new(*seconds.start(), *seconds.end(), self.defaults.seconds),
            steps: None,
            guidance: None,
            scheduler: None,
            candidates: SettingRange::new(1.0, 1.0, 1.0),
            has_seed: false,
            has_ranking: false,
            has_tokens: false,
            takes_comment: true,
            prompts: None,
            embedding_width: self.networks.fusion.embedding,
        }
    }

    /// The work of every stage, for one piece as the bundle suggests it.
    pub fn stages(&self) -> Result<Vec<StageWork>> {
        Ok(self.networks.work(self.defaults.seconds).to_vec())
    }

    /// Whether `stage` reads the file `asset` of the bundle.
    pub fn reads(stage: &str, asset: &AssetEntry) -> bool {
        stage == stage::TEXT && asset.role == CLIP_MERGES
    }

    /// What `asked` leaves out is what the bundle suggests, and no comment.
    pub fn complete(&self, asked: &super::Settings) -> Result<Settings> {
        Settings::complete(asked, &self.defaults, &self.networks)
    }

    /// The work of every stage that a generation with `settings` goes through now: the last comment is not read again.
    pub fn work(&self, settings: &Settings) -> Result<Vec<StageWork>> {
        let mut work = self.networks.work(settings.seconds).to_vec();
        if self.known(&settings.comment).is_some() {
            work.retain(|work| work.stage != stage::TEXT);
        }
        Ok(work)
    }

    /// Makes one piece of music. The same request gives the same samples with the same kernels.
    pub async fn generate(
        &self,
        source: Source<'_>,
        request: &Request,
        observer: &mut dyn Observer,
    ) -> Result<Output> {
        let settings = self.complete(&request.settings)?;
        if request.latents.is_some() {
            return Err(Error::input(
                "this model starts from no noise",
                "leave the latents out",
            ));
        }
        let known = self.known(&settings.comment);
        let mut work = self.networks.work(settings.seconds).to_vec();
        work.retain(|work| work.stage != stage::TEXT || known.is_none());
        match source {
            Source::Picture(_) => {}
            Source::Embedding(embedding) => {
                check_embedding(embedding, self.networks.fusion.embedding)?;
                work.retain(|work| work.stage != stage::ENCODE);
            }
            Source::Tokens(_) => return Err(Fault::NoTokens {}.into()),
        }
        let mut run = self.run(work, observer, request.trace)?;
        let picture = match source {
            Source::Picture(picture) => run.encode(picture).await?,
            Source::Embedding(given) | Source::Tokens(given) => given.clone(),
        };
        let text = match known {
            Some(text) => text,
            None => {
                let text = run.read(&settings.comment).await?;
                let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
                *last = Some((settings.comment.clone(), text.clone()));
                text
            }
        };
        let frames = self.networks.frames(settings.seconds);
        let mel = run.compose(&text, &picture, frames).await?;
        let samples = self.networks.samples(settings.seconds);
        let mels = [mel];
        let sounds = run.vocode(&mels, samples, settings.loudness).await?;
        let finished = run.finish().await?;
        let pieces = sounds
            .into_iter()
            .zip(mels)
            .map(|(samples, latents)| Piece {
                samples,
                latents,
                candidate: 0,
                score: None,
            });
        Ok(Output {
            pieces: pieces.collect(),
            sample_rate: self.networks.vocoder.sampling_rate(),
            settings: settings.into(),
            kernels: B::kernels(self.model.device()),
            timings: finished.timings,
            trace: finished.trace,
        })
    }

    /// The embedding of a picture, `[1, width]`.
    pub async fn embed(
        &self,
        picture: &Picture,
        observer: &mut dyn Observer,
    ) -> Result<HostTensor> {
        let mut work = self.stages()?;
        work.retain(|work| work.stage == stage::ENCODE);
        let mut run = self.run(work, observer, false)?;
        let embedding = run.encode(picture).await?;
        run.finish().await?;
        Ok(embedding)
    }

    /// The sound of spectrograms `[count, 1, frames, bands]` as a generation makes them: one piece each, as long as they
    /// are.
    pub async fn decode(
        &self,
        latents: &HostTensor,
        playing: Playing,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Vec<f32>>> {
        if playing.transpose != 0 {
            return Err(Fault::Untransposable {}.into());
        }
        if playing.tempo.is_some() {
            return Err(Fault::NoTempo {}.into());
        }
        check_loudness(playing.loudness)?;
        let bands = self.networks.decoder.mel_bins;
        let (count, frames) = match latents.shape[..] {
            [count, 1, frames, own]
                if count > 0
                    && own == bands
                    && (1..=self.networks.decoder.positions).contains(&frames)
                    && latents.values.iter().all(|value| value.is_finite()) =>
            {
                (count, frames)
            }
            _ => {
                return Err(Error::input(
                    format!(
                        "spectrograms of shape {:?} (or without numbers) cannot be decoded",
                        latents.shape
                    ),
                    format!(
                        "give [pieces, 1, frames, {bands}] of at most {} frames",
                        self.networks.decoder.positions
                    ),
                ));
            }
        };
        let each = latents.values.chunks_exact(frames * bands);
        let mels: Vec<HostTensor> = each
            .map(|values| HostTensor {
                shape: vec![1, 1, frames, bands],
                values: values.to_vec(),
            })
            .collect();
        let work = vec![self.networks.sound_work(frames, count)];
        let mut run = self.run(work, observer, false)?;
        let length = frames * self.networks.vocoder.hop();
        let sounds = run.vocode(&mels, length, playing.loudness).await?;
        run.finish().await?;
        Ok(sounds)
    }

    /// The embedding of `comment`, where it was the last one.
    fn known(&self, comment: &str) -> Option<HostTensor> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let found = last.as_ref().filter(|(other, _)| other == comment);
        found.map(|(_, embedding)| embedding.clone())
    }

    fn run<'a>(
        &'a self,
        work: Vec<StageWork>,
        observer: &'a mut dyn Observer,
        tracing: bool,
    ) -> Result<Stages<'a, B>> {
        Ok(Stages {
            system: self,
            run: Run::new(&self.model, work, observer, tracing)?,
        })
    }
}
