//! What a bundle's stages are and how they make music: one folder a system, named by the bundle.
//!
//! [`System`] is a model of whichever system its bundle names. Who needs to know which one it is reads that system's own
//! folder.

pub mod art2music;
pub mod art_to_mus;
#[cfg(feature = "native")]
mod assemble;
mod entries;
mod request;
mod sound;

use std::sync::Arc;

use crate::{
    Fault, Result,
    image::Picture,
    model::params::Planned,
    ops::Kernels,
    pipeline::{DEFAULT_BUDGET, Helpers, Model, Observer, Part, StageWork},
    tensors::HostTensor,
    weights::{AssetEntry, Bundle, Manifest, StageEntry},
};
use art_to_mus::ArtToMus;
use art2music::Art2Music;

#[cfg(feature = "native")]
pub use assemble::network_entry;
pub use entries::{VOCODE, config, vocoder_kind};
#[cfg(feature = "native")]
pub use entries::{vocoder_entry, vocoder_of};
pub use request::{
    Abilities, LOUDNESS, Output, Piece, Playing, Prompts, Request, SECONDS, SettingRange, Settings,
    Source,
};

/// The refusal of a part of a stage that has none.
fn no_parts(stage: &str) -> crate::Error {
    crate::Error::internal(format!("the stage {stage} has no parts"))
}

/// Refuses a bundle that is not of the system `name`.
fn check_name(manifest: &Manifest, name: &'static str) -> Result<()> {
    if manifest.system == name {
        return Ok(());
    }
    Err(other_system(manifest, name))
}

/// The refusal of a bundle of a system that is not one of `known`.
fn other_system(manifest: &Manifest, known: impl Into<String>) -> crate::Error {
    Fault::BundleSystem {
        system: manifest.system.clone(),
        known: known.into(),
    }
    .into()
}

/// Evaluates an expression with the functions of the system that `manifest` names.
macro_rules! of_manifest {
    ($manifest:expr, $system:ident => $body:expr) => {
        match $manifest.system.as_str() {
            art_to_mus::NAME => {
                use art_to_mus as $system;
                $body
            }
            art2music::NAME => {
                use art2music as $system;
                $body
            }
            _ => Err(other_system(
                $manifest,
                format!("{} or {}", art_to_mus::NAME, art2music::NAME),
            )),
        }
    };
}

/// Checks that a bundle's networks are all there and fit each other and its defaults, whatever its system is.
pub fn check(manifest: &Manifest) -> Result<()> {
    of_manifest!(manifest, system => system::check(manifest).map(drop))
}

/// Checks the files of a bundle that are no shards.
pub async fn check_assets(bundle: &Bundle) -> Result<()> {
    of_manifest!(bundle.manifest(), system => system::check_assets(bundle).await)
}

/// The tensors that the networks of `stage` need, by the names that the bundle gives them.
/// Networks of a kind that this program does not know are left out.
pub fn needed_tensors(manifest: &Manifest, stage: &StageEntry) -> Result<Vec<Planned>> {
    of_manifest!(manifest, system => system::needed_tensors(stage))
}

/// An opened model of whichever system.
// There are few of them.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone)]
pub enum System<B: Kernels> {
    /// A picture's embedding conditions a latent diffusion of sound.
    ArtToMus(ArtToMus<B>),
    /// A picture and a comment become a spectrogram in one pass.
    Art2Music(Art2Music<B>),
}

/// Evaluates an expression on the model, of whichever system it is.
macro_rules! each {
    ($system:expr, $own:ident => $body:expr) => {
        match $system {
            System::ArtToMus($own) => $body,
            System::Art2Music($own) => $body,
        }
    };
}

impl<B: Kernels> System<B> {
    /// Checks the bundle as [`check`] does. No weights are read yet.
    pub fn new(bundle: Bundle, device: B::Device) -> Result<Self> {
        Self::with_budget(bundle, device, DEFAULT_BUDGET)
    }

    /// The same, where networks stay on the device between pieces as far as they fit into `budget` bytes.
    pub fn with_budget(bundle: Bundle, device: B::Device, budget: u64) -> Result<Self> {
        check(bundle.manifest())?;
        Ok(match bundle.manifest().system.as_str() {
            art2music::NAME => Self::Art2Music(Art2Music::with_budget(bundle, device, budget)?),
            _ => Self::ArtToMus(ArtToMus::with_budget(bundle, device, budget)?),
        })
    }

    /// The bundle on its device.
    pub fn model(&self) -> &Model<B> {
        each!(self, system => system.model())
    }

    /// Has other engines with the same bundle compute parts of the work, which they do with [`Self::compute`].
    pub fn set_helpers(&mut self, helpers: Arc<dyn Helpers>) {
        each!(self, system => system.set_helpers(helpers));
    }

    /// Computes a part of another engine's work.
    pub async fn compute(&self, part: &Part, observer: &mut dyn Observer) -> Result<HostTensor> {
        each!(self, system => system.compute(part, observer).await)
    }

    /// The bundle.
    pub fn bundle(&self) -> &Bundle {
        self.model().bundle()
    }

    /// What it can be asked for.
    pub fn abilities(&self) -> Abilities {
        each!(self, system => system.abilities())
    }

    /// The work of every stage that a generation can go through, in order, for one piece as the bundle suggests it.
    pub fn stages(&self) -> Result<Vec<StageWork>> {
        each!(self, system => system.stages())
    }

    /// What a person reads while `stage` runs.
    pub fn label(&self, stage: &str) -> Option<&'static str> {
        match self {
            Self::ArtToMus(_) => art_to_mus::stage::label(stage),
            Self::Art2Music(_) => art2music::stage::label(stage),
        }
    }

    /// Whether `stage` reads the file `asset` of the bundle.
    pub fn reads(&self, stage: &str, asset: &AssetEntry) -> bool {
        match self {
            Self::ArtToMus(_) => ArtToMus::<B>::reads(stage, asset),
            Self::Art2Music(_) => Art2Music::<B>::reads(stage, asset),
        }
    }

    /// The settings of a generation: what `asked` leaves out is what the bundle suggests, and the seed `drawn`.
    /// Refuses settings that the system does not know.
    pub fn complete(&self, asked: &Settings, drawn: u64) -> Result<Settings> {
        Ok(match self {
            Self::ArtToMus(system) => system.complete(asked, drawn)?.into(),
            Self::Art2Music(system) => system.complete(asked)?.into(),
        })
    }

    /// The work of every stage that a generation with `settings` goes through now: what earlier ones have left is not
    /// made again.
    pub fn work(&self, settings: &Settings) -> Result<Vec<StageWork>> {
        match self {
            Self::ArtToMus(system) => system.work(&system.complete(settings, 0)?),
            Self::Art2Music(system) => system.work(&system.complete(settings)?),
        }
    }

    /// Makes music. The same request, with a seed where the model has one, gives the same samples with the same kernels.
    pub async fn generate(
        &self,
        source: impl Into<Source<'_>>,
        request: &Request,
        observer: &mut dyn Observer,
    ) -> Result<Output> {
        let source = source.into();
        each!(self, system => system.generate(source, request, observer).await)
    }

    /// The embedding of a picture, `[1, width]`.
    pub async fn embed(
        &self,
        picture: &Picture,
        observer: &mut dyn Observer,
    ) -> Result<HostTensor> {
        each!(self, system => system.embed(picture, observer).await)
    }

    /// The Language-of-Audio tokens of an embedding `[1, width]`, `[1, tokens, width]`, of a model that has such.
    pub async fn condition(
        &self,
        embedding: &HostTensor,
        observer: &mut dyn Observer,
    ) -> Result<HostTensor> {
        match self {
            Self::ArtToMus(system) => system.condition(embedding, observer).await,
            Self::Art2Music(_) => Err(Fault::NoTokens {}.into()),
        }
    }

    /// The sound of latents as a generation makes them, `[count, channels, rows, columns]`: one piece each, as long as
    /// the latents are. The settings of the generation's result say how they were played.
    pub async fn decode(
        &self,
        latents: &HostTensor,
        playing: Playing,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Vec<f32>>> {
        each!(self, system => system.decode(latents, playing, observer).await)
    }
}
